//! A double of the system under attack, for whatever disturbs it: what is done to it nobody else meets.

use std::sync::Arc;

use harness::double::{Double, Staging};
use harness::system::System;
use harness::world::Stop;
use tokio::runtime::Handle;

use crate::arena::Arena;
use crate::case::CaseOutcome;
use crate::cast::Cast;

/// Why there is none.
const NONE: &str = "it disturbs, so it needs a system of its own: only an embedded target gives one";

/// What a double is wanted for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) staging: Staging,
    /// Whoever wants it, in the ledger.
    pub(crate) owner: String,
}

/// Plays in an arena on a double. A thread of its own drives it: what polls need not be fit to change threads.
pub(crate) async fn play<P>(
    system: &Arc<System>,
    cast: &Arc<Cast>,
    wanted: Wanted,
    outcomes: &mut Vec<CaseOutcome>,
    play: P,
) -> Result<(), Stop>
where
    P: AsyncFnOnce(&Double, &Arena, &mut Vec<CaseOutcome>) -> Result<(), Stop> + Send + 'static,
{
    let (system, cast) = (system.clone(), cast.clone());
    let runtime = Handle::current();
    let played = runtime.clone().spawn_blocking(move || {
        let mut found = Vec::new();
        let ended = runtime.block_on(async {
            let doubles = system.doubles.as_ref().ok_or_else(|| Stop::skip(NONE))?;
            let double = doubles.start(wanted.staging).await.map_err(|why| match wanted.staging {
                // Not every store is one that can be had a second time.
                Staging::Store => Stop::skip(format!("no store could be had that may be taken away: {why}")),
                _ => Stop::error(why),
            })?;
            let arena = Arena::build(&double.system, &cast, &wanted.owner).await?;
            let played = play(&double, &arena, &mut found).await;
            let left = arena.leave().await;
            system.coverage.absorb(&double.system.coverage);
            played.and(left)
        });
        (found, ended)
    });
    let (found, ended) = played.await.map_err(|error| Stop::error(error.to_string()))?;
    outcomes.extend(found);
    ended
}
