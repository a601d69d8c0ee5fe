//! Interference: whatever one tenant does, another tenant reads what it read before: no row, no count and no sum of
//! somebody else's comes in; nor by what was kept of an answer, nor in what was exported.

mod export;
mod shared;

use harness::contract::{Effect, Operation, SlotKind};
use harness::exchange::Class;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;

use super::populate::{filled, one_of_each};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};

const REFERENCE: Reference = Reference { cwe: 668, owasp: "API1", asvs: "8.4.1" };

fn case(operation: &Operation) -> Case {
    Case {
        path: format!("interference/{}/other-tenant-writes", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::High,
        title: format!("{} tells of what another tenant does", operation.name),
        gain: "learns how many of what other tenants have, and when that changes".to_owned(),
    }
}

/// Reads of a tenant.
pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    let is_of_tenant = operation.naming_slots().any(|slot| slot.kind == SlotKind::Org);
    let reads = operation.effect == Effect::Read && is_of_tenant && !operation.is_the_platforms();
    if !reads {
        return Vec::new();
    }
    let export = export::applies(operation).then(|| export::case(operation));
    [shared::case(operation), case(operation)].into_iter().chain(export).collect()
}

/// Reads, lets the other tenant's people make one of everything, and reads again.
pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    if export::applies(operation) {
        outcomes.push(export::run(arena, operation).await?);
    }
    outcomes.push(shared::run(arena, operation).await?);
    let fill = filled(arena, &arena.acme, operation).await?;
    let rightful = arena.rightful(operation, &arena.acme, &fill);
    let read = || arena.attack(arena.call(operation, &rightful, &fill, Class::Interference));
    let case = case(operation);
    let target = &arena.system.target.name;
    arena.control(operation, &arena.acme, &fill).await?;
    let before = read().await?;
    if read().await?.body != before.body {
        let reason = "two reads in a row already differ, so a third would say nothing";
        outcomes.push(case.without_result(Verdict::Skip, reason));
        return Ok(());
    }
    one_of_each(arena, &arena.globex).await?;
    let after = read().await?;
    let expected = "the same answer before and after another tenant's requests";
    let exchanges = || vec![before.exchange.clone(), after.exchange.clone()];
    outcomes.push(if let Some(leak) = before.leak.as_ref().or(after.leak.as_ref()) {
        case.failed(target, "nothing foreign in the answer", leak, exchanges())
    } else if (before.status, &before.body) == (after.status, &after.body) {
        case.passed()
    } else {
        case.failed(
            target,
            expected,
            "another answer, though nothing of the tenant's own changed",
            exchanges(),
        )
    });
    Ok(())
}
