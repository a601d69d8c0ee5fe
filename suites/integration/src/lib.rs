//! What every integration test begins with: a world of its own in a system shared by the process.
#![warn(missing_docs)]

use std::sync::{Arc, LazyLock};

use fixtures::Selected;
use harness::host;
use harness::suite::Suite;
use harness::world::World;

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
        Ok((selected, suite)) => {
            let module = module.split_once("::").map_or(module, |(_, module)| module);
            World::new(selected.system.clone(), suite.clone(), &format!("{module}::{name}"))
        }
        Err(error) => panic!("{error}"),
    }
}
