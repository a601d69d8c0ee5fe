//! What every integration test begins with: a world of its own in a system shared by the process, or, for a
//! story that disturbs, in a system of its own.
#![warn(missing_docs)]

pub mod history;

use std::sync::{Arc, LazyLock};

use fixtures::{Embedded, Selected, Setup};
use harness::host;
use harness::suite::Suite;
use harness::world::{Stop, World};

/// The target and the suite, made by the first test of the process that asks.
static SHARED: LazyLock<Result<(Selected, Arc<Suite>), String>> = LazyLock::new(|| {
    let runtime = host::handle().map_err(|error| error.to_string())?;
    let selected = runtime.block_on(fixtures::select()).map_err(|error| error.to_string())?;
    let suite = Suite::new("integration", &selected.system, None);
    Ok((selected, Arc::new(suite)))
});

/// A world for the test that `module` and `name` name (`integration::invitations`, the function).
///
/// # Panics
///
/// When there is no target to test: every test of the process then fails with the same clear message.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn world(module: &str, name: &str) -> World {
    match &*SHARED {
        Ok((selected, suite)) => World::new(selected.system.clone(), suite.clone(), &path(module, name)),
        Err(error) => panic!("{error}"),
    }
}

/// The path of a test as libtest prints it: without the binary's name.
fn path(module: &str, name: &str) -> String {
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    format!("{module}::{name}")
}

/// A world in an embedded system of its own, for a story that disturbs: throttles the store, takes the keys away,
/// uses up a limit.
#[derive(Debug)]
pub struct Stage {
    world: World,
    embedded: Option<Embedded>,
}

/// A stage for the test that `module` and `name` name.
///
/// # Panics
///
/// When the system does not start.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn stage(module: &str, name: &str, setup: Setup) -> Stage {
    if fixtures::target_file().is_some() {
        return Stage { world: world(module, name), embedded: None };
    }
    let started = host::handle()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(fixtures::embedded(setup)).map_err(|error| error.to_string()));
    match (started, &*SHARED) {
        (Ok(embedded), Ok((_, suite))) => {
            let world = World::new(embedded.system.clone(), suite.clone(), &path(module, name));
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
