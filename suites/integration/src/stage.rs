//! A system of its own, for stories that disturb.

use fixtures::{Embedded, Setup};
use harness::host;
use harness::world::{Stop, World};

use crate::world::{shared, world, world_in};

/// A world in an embedded system of its own, for a story that disturbs: throttles the store, takes the keys away,
/// uses up a limit.
#[derive(Debug)]
pub struct Stage {
    world: World,
    embedded: Option<Embedded>,
}

/// A stage for the test that `module`, `name` and `case` name, as [`world`] does.
///
/// # Panics
///
/// When the system does not start.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn stage(module: &str, name: &str, case: Option<&str>, setup: Setup) -> Stage {
    if fixtures::target_file().is_some() {
        return Stage { world: world(module, name, case), embedded: None };
    }
    let started = host::handle()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(fixtures::embedded(setup)).map_err(|error| error.to_string()));
    match (started, shared()) {
        (Ok(embedded), Ok((_, suite))) => {
            let world = world_in(embedded.system.clone(), suite, module, name, case);
            Stage { world, embedded: Some(embedded) }
        }
        (Err(error), _) => panic!("{error}"),
        (_, Err(error)) => panic!("{error}"),
    }
}

impl Stage {
    /// Tells the story, as [`World::tell`] does. On a target that is not ours to disturb it is skipped.
    pub fn tell(self, story: impl AsyncFnOnce(&World, &Embedded) -> Result<(), Stop>) {
        let Stage { world, embedded } = self;
        world.tell(async |world| match &embedded {
            Some(embedded) => story(world, embedded).await,
            None => Err(Stop::skip(
                "it disturbs, so it needs a system of its own: only the embedded target gives one",
            )),
        });
    }
}
