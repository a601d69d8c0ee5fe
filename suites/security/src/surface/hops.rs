//! Tenant hops in disguise: the organisation said twice and differently, one foreign id among one's own, and ids
//! spelt so that two readers of one request may read two things.

mod array;
mod said;
mod spelling;

use harness::contract::{Effect, Operation};
use harness::exchange::Class;
use harness::record::Severity;
use harness::world::Stop;

use super::populate::{is_paged, until_paged};
use super::siege::{Scene, Strike, withstand_at};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};
use crate::hop;

pub(crate) use said::MOST_WAYS;

/// How many combinations of places that say the organisation are left out by the bound.
pub(crate) fn ways_left_out(operation: &Operation) -> usize {
    if hop::applies(operation) { said::left_out(operation) } else { 0 }
}

const ANOTHER: Reference = Reference { cwe: 639, owasp: "API1", asvs: "8.4.1" };
const SPELT: Reference = Reference { cwe: 647, owasp: "API1", asvs: "8.2.2" };

pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    strikes(operation).into_iter().map(|strike| strike.case).collect()
}

fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    if !hop::applies(operation) {
        return Vec::new();
    }
    let mut strikes = array::strikes(operation);
    strikes.extend(spelling::strikes(operation));
    strikes.extend(said::strikes(operation));
    strikes
}

fn case(operation: &Operation, variant: &str, reference: Reference, title: String) -> Case {
    let reads = operation.effect == Effect::Read;
    Case {
        path: format!("hop/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference,
        severity: if reads { Severity::High } else { Severity::Critical },
        title,
        gain: if reads {
            format!("reads another tenant's data with {}", operation.name)
        } else {
            format!("changes another tenant's data with {}", operation.name)
        },
    }
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let scene = Scene::set(arena, operation, Class::Hop).await?;
    if is_paged(operation) {
        // An empty list of the other tenant's would give nothing away.
        until_paged(arena, &arena.globex, operation, &scene.foreign).await?;
    }
    said::control(&scene).await?;
    withstand_at(scene, strikes(operation), outcomes).await
}
