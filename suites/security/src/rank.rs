//! Rank: whoever may change people or put them out may still not do it to somebody who holds the highest role.

use harness::contract::{Effect, Operation, Permission, SlotKind};
use harness::exchange::Class;
use harness::record::Severity;
use harness::target::Refusal;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::{Arena, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona};
use crate::ladder::Role;

const REFERENCE: Reference = Reference { cwe: 269, owasp: "API5", asvs: "8.3.1" };

/// By what an operation names the person whose part it changes: one of the organisation's people, who gets another
/// predefined role or is put out.
fn person(operation: &Operation) -> Option<SlotKind> {
    let mut named = operation.naming_slots().map(|slot| slot.kind).filter(|kind| *kind != SlotKind::Org);
    let kind = named.next().filter(|kind| matches!(kind, SlotKind::User | SlotKind::Membership))?;
    let gives_role = operation.slots.iter().any(|slot| slot.kind == SlotKind::PlatformRole);
    let changes = operation.effect == Effect::Consume || (operation.effect == Effect::Write && gives_role);
    (named.next().is_none() && changes).then_some(kind)
}

/// The roles below the highest that may call an operation.
fn roles<'c>(operation: &'c Operation, cast: &'c Cast) -> impl Iterator<Item = Role> + 'c {
    let may = |role: &Role| {
        operation.permission.iter().any(|permission| match permission {
            Permission::Named(needed) => role.permits(needed),
            _ => false,
        })
    };
    cast.ladder.roles().skip(1).filter(move |role| may(role))
}

/// The cases of an operation: one for each role that may call it and is not the highest; none where the question does
/// not arise.
pub(crate) fn cases(operation: &Operation, cast: &Cast) -> Vec<Case> {
    if person(operation).is_none() {
        return Vec::new();
    }
    roles(operation, cast).map(|role| case(operation, role, cast.ladder.top)).collect()
}

fn case(operation: &Operation, role: Role, top: Role) -> Case {
    Case {
        path: format!("rank/{}/{}", operation.name, role.label),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Critical,
        title: format!("{} lets {} act on {}", operation.name, role.label, top.label),
        gain: format!("takes the organisation from its {} with {}", top.label, operation.name),
    }
}

/// Runs the cases, each on somebody of the highest rank made for it; whoever is of the same rank may in the end.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let Some(kind) = person(operation) else { return Ok(()) };
    let top = arena.cast.ladder.top;
    for role in roles(operation, &arena.cast) {
        let case = case(operation, role, top);
        let mut fill = arena.fresh(&arena.acme, operation).await?;
        fill.values.insert(kind, arena.somebody(top, kind).await?);
        let before = arena.snapshot(operation, &[&fill]).await?;
        let attacker = arena.principal(Persona::Holder(role));
        let attacked = arena.attack(arena.call(operation, &attacker, &fill, Class::Rank)).await?;
        let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
        let (target, status) = (&arena.system.target, attacked.status);
        let refused = target.denials.refuses(operation, status, &[Refusal::Forbidden, Refusal::Hidden]);
        let expected = "refused, and no change of state";
        outcomes.push(if let Some(leak) = attacked.leak {
            case.failed(&target.name, "nothing foreign in the answer", &leak, vec![attacked.exchange])
        } else if !changes.is_empty() {
            let observed = format!("status {status}, and the state changed: {}", listed(&changes));
            case.failed(&target.name, expected, &observed, vec![attacked.exchange])
        } else if is_no_answer(status) {
            case.without_result(Verdict::Error, &no_answer(status))
        } else if refused {
            arena.control(operation, &arena.acme, &fill).await?;
            case.passed()
        } else {
            case.failed(&target.name, expected, &format!("status {status}"), vec![attacked.exchange])
        });
    }
    Ok(())
}
