//! Tries: what may be tried a limited number of times ends with 429, for the one who tried and for nobody else; and while
//! it lasts not even the right token opens anything. Played on a double whose limits are low.

use std::sync::Arc;

use harness::client::Call;
use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::double::{Double, Staging};
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::leak::random_code;
use harness::record::Severity;
use harness::system::System;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::{Arena, Side, listed};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::Cast;
use crate::double::{self, Wanted};

/// So many at once the double lets pass.
const LIMIT: u32 = 3;
/// So many more are tried: a limit that lets twice as many pass is another one.
const TRIES: u32 = 2 * LIMIT;
const TOO_MANY: u16 = 429;
/// As long as a real token: what is shorter might be refused unlooked at.
const TOKEN: usize = 43;

const GUESSED: Reference = Reference { cwe: 307, owasp: "API2", asvs: "6.6.3, 2.4.1" };
const ENDLESS: Reference = Reference { cwe: 770, owasp: "API4", asvs: "2.4.1" };
const SHARED: Reference = Reference { cwe: 770, owasp: "API4", asvs: "2.4.1, 8.4.1" };

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// Tokens are guessed.
    Guesses,
    /// Something is made again and again.
    Endless,
    /// Another tenant makes one meanwhile.
    OtherTenant,
}

impl Trial {
    fn case(self, operation: &Operation) -> Case {
        let name = &operation.name;
        let (variant, reference, title, gain) = match self {
            Trial::Guesses => (
                "guesses",
                GUESSED,
                format!("{name} lets tokens be guessed without end, or tells during a ban which are right"),
                "tries out tokens until one opens an invitation",
            ),
            Trial::Endless => (
                "too-many",
                ENDLESS,
                format!("{name} is never refused for being asked too often"),
                "floods mailboxes and the store in an organisation's name",
            ),
            Trial::OtherTenant => (
                "of-another-tenant",
                SHARED,
                format!("{name} is refused to a tenant for what another tenant asked"),
                "keeps every other tenant from working by working hard",
            ),
        };
        Case {
            path: format!("limit/{name}/{variant}"),
            operation: name.clone(),
            reference,
            severity: Severity::Medium,
            title,
            gain: gain.to_owned(),
        }
    }
}

fn is_guessed(operation: &Operation) -> bool {
    let by_token = operation.slots.iter().any(|slot| slot.kind == SlotKind::InvitationToken);
    by_token && (operation.allows(&Permission::Token) || operation.allows(&Permission::Invitee))
}

/// Whether an operation of a tenant is limited by how often it is asked: its document has 429. An export is limited by how
/// many are unfinished, which its tenant's own patience decides.
fn is_limited(operation: &Operation) -> bool {
    operation.statuses.contains(&TOO_MANY)
        && operation.effect == Effect::Write
        && operation.created(SlotKind::AuditExport).is_none()
        && operation.naming_slots().any(|slot| slot.kind == SlotKind::Org)
}

fn trials(operation: &Operation) -> Vec<Trial> {
    if is_guessed(operation) {
        vec![Trial::Guesses]
    } else if is_limited(operation) {
        vec![Trial::Endless, Trial::OtherTenant]
    } else {
        Vec::new()
    }
}

/// The cases of an operation: none where nothing is limited.
pub(crate) fn cases(operation: &Operation) -> Vec<Case> {
    trials(operation).into_iter().map(|trial| trial.case(operation)).collect()
}

/// What a contract lacks, with the case that stands for it.
pub(crate) fn absent(contract: &Contract) -> Vec<(Case, &'static str)> {
    let any = |variant: &str, reference, title: &str| Case {
        path: format!("limit/any/{variant}"),
        operation: "any".to_owned(),
        reference,
        severity: Severity::Medium,
        title: title.to_owned(),
        gain: "nothing: there is nothing of the kind".to_owned(),
    };
    let mut absent = Vec::new();
    if !contract.operations().any(is_guessed) {
        let why =
            "the contract has no operation that a token in the request opens: there is nothing to guess";
        absent.push((any("guesses", GUESSED, "tokens can be guessed"), why));
    }
    if !contract.operations().any(is_limited) {
        let why = "no operation of a tenant answers 429: there is no rate limit that tenants could share";
        absent.push((any("of-another-tenant", SHARED, "tenants share a rate limit"), why));
    }
    absent
}

/// Runs the cases of one operation.
pub(crate) async fn run(
    system: &Arc<System>,
    cast: &Arc<Cast>,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let wanted = Wanted { staging: Staging::Tries(LIMIT), owner: format!("limit/{}/tries", operation.name) };
    let operation = operation.clone();
    double::play(
        system,
        cast,
        wanted,
        outcomes,
        async move |_: &Double, arena: &Arena, outcomes: &mut Vec<CaseOutcome>| {
            if is_guessed(&operation) {
                outcomes.push(guessed(arena, &operation).await?);
                return Ok(());
            }
            many(arena, &operation, outcomes).await
        },
    )
    .await
}

/// Tries until it is told that it was too often; nothing if that does not come.
async fn until_refused(
    arena: &Arena,
    call: impl AsyncFn() -> Result<Call, Stop>,
) -> Result<(Option<Exchange>, Vec<Exchange>), Stop> {
    let mut sent = Vec::new();
    for _ in 0..LIMIT + TRIES {
        let attacked = arena.attack(call().await?.class(Class::Limit)).await?;
        if attacked.status == TOO_MANY {
            return Ok((Some(attacked.exchange), sent));
        }
        sent.push(attacked.exchange);
    }
    Ok((None, sent))
}

/// A right token opens; many wrong ones end in a ban, in which the right one does not.
async fn guessed(arena: &Arena, operation: &Operation) -> Result<CaseOutcome, Stop> {
    let (case, target) = (Trial::Guesses.case(operation), &arena.system.target.name);
    let control = arena.fresh(&arena.acme, operation).await?;
    arena.control(operation, &arena.acme, &control).await?;
    let fill = arena.data().fill(&arena.acme.tenant, &arena.acme.admin, operation).await?;
    let who = if operation.allows(&Permission::Invitee) {
        arena.rightful(operation, &arena.acme, &fill)
    } else {
        Principal::anonymous()
    };
    let before = arena.state(operation, &[&fill]).await?;
    let right = || arena.call(operation, &who, &fill, Class::Limit);
    let (refused, sent) =
        until_refused(arena, async || Ok(right().invitation_token(&random_code(TOKEN)))).await?;
    if refused.is_none() {
        let observed = format!("{} wrong tokens, and none was one too many", sent.len());
        let evidence = sent.into_iter().take(2).collect();
        return Ok(case.failed(target, "429 after a few wrong tokens", &observed, evidence));
    }
    let attacked = arena.attack(right()).await?;
    if attacked.status != TOO_MANY {
        let observed = format!("status {} for the right token, 429 for wrong ones", attacked.status);
        return Ok(case.failed(target, "429 for whichever token", &observed, vec![attacked.exchange]));
    }
    if let Some(before) = before {
        let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
        if !changes.is_empty() {
            let observed = format!("429, and the state changed: {}", listed(&changes));
            return Ok(case.failed(target, "no change of state", &observed, vec![attacked.exchange]));
        }
    }
    Ok(case.passed())
}

/// A rightful request of a tenant.
async fn one(arena: &Arena, operation: &Operation, side: &Side) -> Result<Call, Stop> {
    let fill = arena.fresh(side, operation).await?;
    Ok(arena.call(operation, &arena.rightful(operation, side, &fill), &fill, Class::Limit))
}

/// One tenant asks too often; the other asks once.
async fn many(arena: &Arena, operation: &Operation, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    let target = &arena.system.target.name;
    let (refused, sent) = until_refused(arena, async || one(arena, operation, &arena.acme).await).await?;
    let (endless, other) = (Trial::Endless.case(operation), Trial::OtherTenant.case(operation));
    let succeeded = sent.iter().filter(|exchange| exchange.status.is_some_and(|status| status < 300)).count();
    if succeeded == 0 {
        return Err(Stop::error("control failed: not even the first request succeeds"));
    }
    let Some(refused) = refused else {
        let observed = format!("{succeeded} successes in a row");
        outcomes.push(endless.failed(target, "429 after a few", &observed, sent));
        outcomes.push(other.without_result(Verdict::Skip, "no limit was reached that tenants could share"));
        return Ok(());
    };
    outcomes.push(endless.passed());
    let theirs = arena.attack(one(arena, operation, &arena.globex).await?).await?;
    outcomes.push(if (200..300).contains(&theirs.status) {
        other.passed()
    } else {
        let observed = format!("status {} for a tenant that asked once", theirs.status);
        other.failed(
            target,
            "a success: it was another tenant that asked too often",
            &observed,
            vec![refused, theirs.exchange],
        )
    });
    Ok(())
}
