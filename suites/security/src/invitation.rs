//! The life of an invitation: who may accept it, when it is good no more, what accepting may bring, and what the token
//! gives away. Generated for every operation by which an invitee joins, and for the one that invites.

mod entropy;
mod impostor;
mod raised;
mod spent;

use harness::contract::{Contract, Operation, Permission, SlotKind};
use harness::data::Invitation;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::snapshot::{Change, Snapshot};
use harness::verdict::Verdict;
use harness::world::Stop;
use tokio::task::JoinSet;

use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona};

use impostor::Impostor;
use spent::Spent;

/// Invites.
const INVITE: &str = "invitation-create";
/// So many accept at once: two, as impatient people do, and as many as one sends who wants to break something.
const AT_ONCE: [usize; 2] = [2, 50];

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// Somebody accepts who is not the invitee.
    Impostor(Impostor),
    /// The invitee accepts with more in the body than the token.
    Raised,
    /// The invitee accepts what is good no more.
    Spent(Spent),
    /// So many accounts with the invited address accept at once.
    AtOnce(usize),
    /// The token can be guessed.
    Entropy,
    /// Inviting tells who is somewhere already.
    Enumeration,
}

/// Whether an operation is that of an invitee who joins.
fn joins(operation: &Operation) -> bool {
    operation.allows(&Permission::Invitee)
        && operation.slots.iter().any(|slot| slot.kind == SlotKind::InvitationToken)
}

/// Whether an operation makes invitations.
fn invites(operation: &Operation) -> bool {
    operation.name == INVITE && operation.created(SlotKind::Invitation).is_some()
}

fn trials(operation: &Operation, contract: &Contract) -> Vec<Trial> {
    if invites(operation) {
        return vec![Trial::Entropy, Trial::Enumeration];
    }
    if !joins(operation) || contract.get(INVITE).is_none() {
        return Vec::new();
    }
    let impostors = Impostor::ALL.into_iter().map(Trial::Impostor);
    let spent = Spent::all(contract).map(Trial::Spent);
    impostors.chain([Trial::Raised]).chain(spent).chain(AT_ONCE.map(Trial::AtOnce)).collect()
}

/// Who takes part besides the administrators of both tenants.
pub(crate) fn personas(cast: &Cast) -> [Persona; 3] {
    [Persona::PlatformAdmin, Persona::Holder(cast.ladder.bottom()), Persona::OtherTenant(cast.ladder.top)]
}

/// The cases of an operation; none where it has nothing to do with joining.
pub(crate) fn cases(operation: &Operation, contract: &Contract) -> Vec<Case> {
    trials(operation, contract).into_iter().map(|trial| case(operation, trial)).collect()
}

fn case(operation: &Operation, trial: Trial) -> Case {
    let name = &operation.name;
    let (variant, cwe, asvs) = match trial {
        Trial::Impostor(impostor) => (impostor.variant().to_owned(), impostor.cwe(), "8.2.2"),
        Trial::Raised => ("raised-in-the-body".to_owned(), 915, "15.3.3"),
        Trial::Spent(spent) => (spent.variant().to_owned(), spent.cwe(), spent.asvs()),
        Trial::AtOnce(many) => (format!("at-once-{many}"), 362, "15.4.2"),
        Trial::Entropy => ("entropy".to_owned(), 331, "11.5.1"),
        Trial::Enumeration => ("tells-who-is-there".to_owned(), 204, "6.3.8"),
    };
    let (title, gain) = match trial {
        Trial::Impostor(impostor) => (
            format!("{name} lets {} join in the invitee's place", impostor.who()),
            "joins an organisation that invited somebody else".to_owned(),
        ),
        Trial::Raised => (
            format!("{name} gives the role, the teams or the organisation that its body names"),
            "joins as administrator, or joins another organisation".to_owned(),
        ),
        Trial::Spent(spent) => (format!("{name} accepts {}", spent.what()), spent.gain().to_owned()),
        Trial::AtOnce(_) => (
            format!("{name} makes several members of one invitation"),
            "brings friends along on an invitation for one".to_owned(),
        ),
        Trial::Entropy => (
            "the tokens of invitations can be guessed".to_owned(),
            "opens invitations that were never mailed to them".to_owned(),
        ),
        Trial::Enumeration => (
            format!("{name} tells whether an address has an account"),
            "finds out which of many addresses have accounts with other tenants".to_owned(),
        ),
    };
    let severity = if trial == Trial::Enumeration { Severity::Medium } else { Severity::High };
    let owasp = match trial {
        Trial::Raised => "API3",
        Trial::AtOnce(_) => "API6",
        _ => "API2",
    };
    Case {
        path: format!("invitation/{name}/{variant}"),
        operation: name.clone(),
        reference: Reference { cwe, owasp, asvs },
        severity,
        title,
        gain,
    }
}

/// Runs the cases of one operation. The impostors attack one invitation, which its invitee accepts in the end.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let contract = arena.system.contract.clone();
    let mut pending = None;
    for trial in trials(operation, &contract) {
        outcomes.push(match tried(arena, operation, trial, &mut pending).await {
            // What the target has nothing for is left out alone: the others are as good without it.
            Err(stop) if stop.verdict == Verdict::Skip => {
                case(operation, trial).without_result(Verdict::Skip, &stop.reason)
            }
            outcome => outcome?,
        });
    }
    Ok(())
}

/// Runs one case. An invitation that nobody took is left for the next.
async fn tried(
    arena: &Arena,
    operation: &Operation,
    trial: Trial,
    pending: &mut Option<Invited>,
) -> Result<CaseOutcome, Stop> {
    let case = case(operation, trial);
    match trial {
        Trial::Impostor(impostor) => {
            let invited = open(arena, pending).await?;
            let outcome = impostor.run(arena, operation, case, &invited).await?;
            // What an impostor took is no invitation any more.
            *pending = outcome.finding.is_none().then_some(invited);
            Ok(outcome)
        }
        Trial::Raised => raised::run(arena, operation, case, &open(arena, pending).await?).await,
        Trial::Spent(spent) => spent.run(arena, operation, case).await,
        Trial::AtOnce(many) => at_once(arena, operation, case, many).await,
        Trial::Entropy => entropy::run(arena, case).await,
        Trial::Enumeration => enumeration(arena, operation, case).await,
    }
}

/// An invitation that nobody took yet.
async fn open(arena: &Arena, pending: &mut Option<Invited>) -> Result<Invited, Stop> {
    match pending.take() {
        Some(invited) => Ok(invited),
        None => invite(arena, &arena.acme.admin).await,
    }
}

/// An invitation, and the role that it is into.
#[derive(Clone, Debug)]
struct Invited {
    invitation: Invitation,
    role: String,
}

async fn invite(arena: &Arena, inviter: &Principal) -> Result<Invited, Stop> {
    let tenant = &arena.acme.tenant;
    let role = arena.data().invitations().role(tenant, &arena.acme.admin).await?;
    let invitation = arena.data().invitations().create(tenant, inviter, &role, None).await?;
    Ok(Invited { invitation, role })
}

/// Accepts, as anyone.
async fn accept(
    arena: &Arena,
    operation: &Operation,
    who: &Principal,
    token: &str,
) -> Result<Attacked, Stop> {
    let call = arena.api.call(&operation.name).as_(who).invitation_token(token);
    arena.attack(call.class(Class::Invitation)).await
}

/// The state of both tenants.
async fn state(arena: &Arena, operation: &Operation) -> Result<Snapshot, Stop> {
    arena.snapshot(operation, &[]).await
}

/// Whether an answer is one of the refusals that the contract promises.
fn is_refusal(operation: &Operation, status: u16) -> bool {
    (400..500).contains(&status) && (operation.statuses.is_empty() || operation.statuses.contains(&status))
}

/// Passes a case whose attack was refused and changed nothing.
fn judged(
    arena: &Arena,
    operation: &Operation,
    case: Case,
    attacked: Attacked,
    changes: &[Change],
) -> CaseOutcome {
    let (target, status) = (&arena.system.target.name, attacked.status);
    let expected = "a refusal that the contract promises, and no change of state";
    if is_no_answer(status) {
        return case.without_result(Verdict::Error, &no_answer(status));
    }
    if changes.is_empty() && is_refusal(operation, status) {
        return case.passed();
    }
    let observed = match changes {
        [] => format!("status {status}"),
        changes => format!("status {status}, and the state changed: {}", listed(changes)),
    };
    case.failed(target, expected, &observed, vec![attacked.exchange])
}

/// Many accounts with the invited address accept at once: one of them is the member.
async fn at_once(arena: &Arena, operation: &Operation, case: Case, many: usize) -> Result<CaseOutcome, Stop> {
    let Invited { invitation, .. } = invite(arena, &arena.acme.admin).await?;
    let mut accounts = vec![invitation.invitee.clone()];
    for _ in 1..many {
        accounts.push(impostor::namesake(arena, &invitation.invitee)?);
    }
    let mut tasks = JoinSet::new();
    for account in &accounts {
        let call = arena.api.call(&operation.name).as_(account).invitation_token(&invitation.token);
        tasks.spawn(call.class(Class::Invitation).send());
    }
    let (mut joined, mut evidence) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let answer = done.map_err(|error| Stop::error(format!("a request ended by itself: {error}")))??;
        if (200..300).contains(&answer.status) {
            joined.push(answer.exchange);
        } else if answer.status >= 500 || is_no_answer(answer.status) {
            evidence.push(answer.exchange);
        }
    }
    // Whoever belongs to the organisation is named by its state.
    let mut members = 0;
    if let Some(store) = &arena.system.store {
        let state = store.state_of(&[&arena.acme.tenant.org]).await?;
        let is_there = |account: &&Principal| state.keys().any(|thing| thing.contains(&account.subject));
        members = accounts.iter().filter(is_there).count();
    }
    let target = &arena.system.target.name;
    let observed = format!("{} of {many} accepted, {members} of them are in the store", joined.len());
    if joined.len() > 1 || members > 1 {
        return Ok(case.failed(target, "one member", &observed, joined));
    }
    if joined.is_empty() && members == 0 {
        let why = format!("{observed}: nobody joined, so nothing is known");
        return Ok(case.without_result(Verdict::Error, &why));
    }
    match evidence.into_iter().find(|exchange| exchange.status.is_some_and(|status| status == 500)) {
        Some(exchange) => {
            Ok(case.failed(target, "a refusal for all but one", "status 500 for one of them", vec![exchange]))
        }
        None => Ok(case.passed()),
    }
}

/// Inviting somebody who is a member here, one who is a member elsewhere and one whom nobody knows is answered alike.
async fn enumeration(arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
    let tenant = &arena.acme.tenant;
    let role = arena.data().invitations().role(tenant, &arena.acme.admin).await?;
    let elsewhere = arena.data().users().create(&arena.globex.tenant, "elsewhere", None).await?;
    let stranger = arena.data().users().stranger("nobody")?;
    let mut answers = Vec::new();
    for email in [&stranger.email, &elsewhere.email, &arena.globex.admin.email] {
        let call = arena.api.call(&operation.name).as_(&arena.acme.admin).org(&tenant.org).role(&role);
        let call = call.slot(SlotKind::Email, email).slot(SlotKind::Text, &tenant.text("welcome"));
        answers.push(arena.attack(call.class(Class::Invitation)).await?);
    }
    let shape = |attacked: &Attacked| {
        let members = attacked.body.as_object().map(|body| body.keys().cloned().collect::<Vec<_>>());
        (attacked.status, members)
    };
    let (first, rest) = answers.split_first().ok_or_else(|| Stop::error("nobody was invited"))?;
    if !(200..300).contains(&first.status) {
        let why = format!("control failed: a stranger cannot be invited, status {}", first.status);
        return Ok(case.without_result(Verdict::Error, &why));
    }
    match rest.iter().find(|other| shape(other) != shape(first)) {
        None => Ok(case.passed()),
        Some(other) => {
            let observed =
                format!("{:?} for a stranger, {:?} for a member elsewhere", shape(first), shape(other));
            let exchanges = vec![first.exchange.clone(), other.exchange.clone()];
            Ok(case.failed(&arena.system.target.name, "the same answer for both", &observed, exchanges))
        }
    }
}
