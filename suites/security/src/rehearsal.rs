//! A rehearsal: every operation once, as its rightful caller. What does not work then is no matter of security, but of
//! how the target is described.

use std::sync::Arc;

use harness::system::System;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::Arena;
use crate::cast::Cast;

/// What came of one operation.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The operation.
    pub operation: String,
    /// The status, a 2xx; or why there is none.
    pub outcome: Result<u16, Rejected>,
}

/// Why the rightful caller was not served.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// `skip` where the target lacks what it takes, `error` where the description is at fault, or the target.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// Calls every operation once as its rightful caller, in an arena of its own, and removes what was made.
pub async fn rehearse(system: &Arc<System>) -> Result<Vec<Rehearsed>, Stop> {
    let cast = Arc::new(Cast::of(system));
    let arena = Arena::build(system, &cast, "rehearsal").await?;
    let mut rehearsed = Vec::new();
    for operation in system.contract.operations() {
        let outcome = match arena.fresh(&arena.acme, operation).await {
            Ok(fill) => arena.control(operation, &arena.acme, &fill).await.map(|answer| answer.status),
            Err(stop) => Err(stop),
        };
        let outcome = outcome.map_err(|Stop { verdict, reason }| Rejected { verdict, reason });
        rehearsed.push(Rehearsed { operation: operation.name.clone(), outcome });
    }
    arena.leave().await?;
    Ok(rehearsed)
}
