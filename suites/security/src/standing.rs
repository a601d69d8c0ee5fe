//! Standing: what a caller is entitled to at this moment, and in this organisation. Whoever just succeeded loses what
//! they succeeded by, and the time until they are refused is measured; a decision made for one caller, organisation or
//! operation must not serve another; a member of two organisations is a stranger to each of them in the other.

mod again;
mod kept;
mod loss;

use std::time::{Duration, Instant};

use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::data::Fill;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::target::Refusal;
use harness::verdict::Verdict;
use harness::wait;
use harness::world::Stop;

use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona};

use again::Again;
use kept::Kept;
pub(crate) use loss::Loss;

/// How long is looked on when a right outlives its end, beyond what the target allows.
const LOOKED_ON: Duration = Duration::from_secs(3);

/// Whether a standing is needed at all, and whoever has it can lose it and still ask.
fn loses(operation: &Operation) -> bool {
    let mut named = operation.naming_slots();
    let only_org = named.next().is_some_and(|slot| slot.kind == SlotKind::Org) && named.next().is_none();
    let ends_the_tenant = operation.effect == Effect::Consume && only_org;
    operation.needs_token()
        && !operation.is_the_platforms()
        && !operation.allows(&Permission::Invitee)
        && !ends_the_tenant
}

/// Who takes part besides the administrators of both tenants.
pub(crate) fn personas(cast: &Cast) -> Vec<Persona> {
    let bottom = cast.ladder.bottom();
    let wanted = [
        Persona::PlatformAdmin,
        Persona::Holder(bottom),
        Persona::MemberOfTwo(bottom),
        Persona::OtherTenant(cast.ladder.top),
    ];
    wanted.into_iter().filter(|persona| cast.personas.contains(persona)).collect()
}

/// The cases of an operation on a system: one for each way to lose a standing, and one for each mistake with kept
/// decisions.
pub(crate) fn cases(operation: &Operation, cast: &Cast, contract: &Contract) -> Vec<Case> {
    let lost = Loss::all(operation, cast, contract).map(|loss| case_of_loss(operation, loss));
    let kept = Kept::all(operation, cast, contract).map(|kept| kept.case(operation));
    let (lost, kept) = (lost.filter(|_| loses(operation)), kept.filter(|_| loses(operation)));
    let again = Again::of(operation, cast, contract).map(|again| again.case(operation));
    lost.chain(kept).chain(again).collect()
}

/// What a contract lacks, with the case that stands for it.
pub(crate) fn absent(contract: &Contract) -> Option<(Case, &'static str)> {
    let case = Case {
        path: "standing/any/signed-out".to_owned(),
        operation: "any".to_owned(),
        reference: Loss::SignedOut.reference(),
        severity: Severity::High,
        title: "somebody who signed out goes on".to_owned(),
        gain: "nothing: nobody can sign out".to_owned(),
    };
    let why = "the contract has no operation sign-out: sessions end with their tokens";
    contract.get(loss::SIGN_OUT).is_none().then_some((case, why))
}

fn case_of_loss(operation: &Operation, loss: Loss) -> Case {
    Case {
        path: format!("standing/{}/{}", operation.name, loss.variant()),
        operation: operation.name.clone(),
        reference: loss.reference(),
        severity: if operation.effect == Effect::Read { Severity::High } else { Severity::Critical },
        title: format!("{} still works for {}", operation.name, loss.who()),
        gain: format!("goes on using {} as {}", operation.name, loss.who()),
    }
}

/// Runs the cases of one operation. What ends the arena comes last.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let contract = arena.system.contract.clone();
    if let Some(again) = Again::of(operation, &arena.cast, &contract) {
        outcomes.push(again.run(arena, operation).await?);
    }
    if !loses(operation) {
        return Ok(());
    }
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    for kept in Kept::all(operation, &arena.cast, &contract) {
        outcomes.push(kept.run(arena, operation, &fill).await?);
    }
    for loss in Loss::all(operation, &arena.cast, &contract) {
        if operation.effect != Effect::Read {
            // What succeeded once may be used up or done.
            fill = arena.fresh(&arena.acme, operation).await?;
        }
        let outcome = lose(arena, operation, loss, &mut fill).await?;
        outcomes.push(outcome);
        if loss == Loss::Closed {
            loss.restore(arena).await?;
        }
        if !loss.ends_the_arena() {
            continue;
        }
        return Ok(());
    }
    arena.control(operation, &arena.acme, &fill).await?;
    Ok(())
}

/// Somebody succeeds, loses what they succeeded by, and tries again, on the resource that was made for that.
async fn lose(
    arena: &Arena,
    operation: &Operation,
    loss: Loss,
    fill: &mut Fill,
) -> Result<CaseOutcome, Stop> {
    let case = case_of_loss(operation, loss);
    let target = &arena.system.target;
    let person = loss.person(arena).await?;
    let first = arena.attack(arena.call(operation, &person, fill, Class::Control)).await?;
    if !(200..300).contains(&first.status) {
        let why =
            format!("control failed with status {}: nothing can be lost that was not held", first.status);
        return Ok(case.without_result(Verdict::Error, &why));
    }
    if operation.effect != Effect::Read {
        *fill = arena.fresh(&arena.acme, operation).await?;
    }
    loss.bring_about(arena, &person).await?;
    let since = Instant::now();
    let watched = operation.effect != Effect::Read && !loss.ends_the_arena() && loss != Loss::Closed;
    let before = if watched { Some(arena.snapshot(operation, &[fill]).await?) } else { None };
    let asked = Instant::now();
    let attacked = arena.attack(arena.call(operation, &person, fill, Class::Standing)).await?;
    // What the harness looked at in between is not the target's time.
    let took = asked.elapsed();
    let status = attacked.status;
    if is_no_answer(status) {
        return Ok(case.without_result(Verdict::Error, &no_answer(status)));
    }
    if is_refusal(arena, operation, &attacked) {
        if let Some(before) = before {
            let changes = before.changes(&arena.snapshot(operation, &[fill]).await?);
            if !changes.is_empty() {
                let observed = format!("status {status}, but the state changed: {}", listed(&changes));
                return Ok(case.failed(
                    &target.name,
                    "no change of state",
                    &observed,
                    vec![attacked.exchange],
                ));
            }
        }
        return Ok(case.passed().after(took));
    }
    let allowed = Duration::from_secs(target.limits.revocation_seconds.unwrap_or_default());
    let end = outlived(arena, operation, &person, fill, allowed + LOOKED_ON).await;
    let stale = end.map(|()| since.elapsed());
    match stale {
        Some(stale) if stale <= allowed => Ok(case.passed().after(stale)),
        stale => {
            let expected = match target.limits.revocation_seconds {
                None => "a refusal from the next request on".to_owned(),
                Some(seconds) => format!("a refusal within {seconds} s"),
            };
            let until = match stale {
                Some(stale) => format!("refused {:.1} s after", stale.as_secs_f64()),
                None => format!("not refused in {:.0} s", (allowed + LOOKED_ON).as_secs_f64()),
            };
            let observed = format!("status {status} after the standing was lost, {until}");
            let failed =
                case.failed(&target.name, &expected, &observed, vec![first.exchange, attacked.exchange]);
            Ok(failed.after(stale.unwrap_or(allowed + LOOKED_ON)))
        }
    }
}

/// Waits until the caller is refused; nothing if that does not come.
async fn outlived(
    arena: &Arena,
    operation: &Operation,
    person: &Principal,
    fill: &Fill,
    limit: Duration,
) -> Option<()> {
    wait::until("a refusal", limit, || async {
        let call = arena.call(operation, person, fill, Class::Standing);
        let attacked = arena.attack(call).await.map_err(|stop| stop.reason)?;
        if is_refusal(arena, operation, &attacked) {
            Ok(())
        } else {
            Err(format!("status {}", attacked.status))
        }
    })
    .await
    .ok()
}

/// Whether an answer refuses, for whichever reason: a standing that was lost may look like no token, no right or no
/// such organisation.
pub(crate) fn is_refusal(arena: &Arena, operation: &Operation, attacked: &Attacked) -> bool {
    let denials = &arena.system.target.denials;
    attacked.leak.is_none() && denials.refuses(operation, attacked.status, &Refusal::ALL)
}

const fn reference(cwe: u32, owasp: &'static str, asvs: &'static str) -> Reference {
    Reference { cwe, owasp, asvs }
}
