//! What every story begins with, and how it insists on a status.

use std::sync::{Arc, LazyLock};

use fixtures::Selected;
use harness::client::{Answer, Call};
use harness::host;
use harness::leftovers::Before;
use harness::suite::Suite;
use harness::system::System;
use harness::world::{Stop, World};

/// The target and the suite, made by the first test of the process that asks.
static SHARED: LazyLock<Result<(Selected, Arc<Suite>), String>> = LazyLock::new(|| {
    let runtime = host::handle().map_err(|error| error.to_string())?;
    let selected = runtime.block_on(fixtures::select()).map_err(|error| error.to_string())?;
    let suite = Suite::new("integration", &selected.system, None);
    // The store of another target may be in use by others, so there the command looks, once, at the end.
    if fixtures::target_file().is_none() {
        let before = runtime.block_on(Before::of(&selected.system)).map_err(|error| error.to_string())?;
        if let Some(before) = before {
            suite.watch(before);
        }
    }
    Ok((selected, Arc::new(suite)))
});

/// A world for the test that `module` and `name` name (`integration::invitations`, the function). A test told
/// for several cases names its case too: each is a test of its own.
///
/// # Panics
///
/// When there is no target to test: every test of the process then fails with the same clear message.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn world(module: &str, name: &str, case: Option<&str>) -> World {
    match shared() {
        Ok((selected, suite)) => world_in(selected.system.clone(), suite, module, name, case),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn shared() -> Result<&'static (Selected, Arc<Suite>), &'static String> {
    SHARED.as_ref()
}

/// A world in this system.
pub(crate) fn world_in(
    system: Arc<System>,
    suite: &Arc<Suite>,
    module: &str,
    name: &str,
    case: Option<&str>,
) -> World {
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    // The cases of a test stand in a module of its name.
    let module = match case {
        Some(_) => module.strip_suffix(name).and_then(|m| m.strip_suffix("::")).unwrap_or(module),
        None => module,
    };
    let case = case.map(|case| format!(" ({case})")).unwrap_or_default();
    World::new(system, suite.clone(), &format!("{module}::{name}{case}"))
}

/// Sending a call and insisting on the status of its answer.
pub trait Gives {
    /// Sends it; an answer with another status ends the story.
    fn gives(self, status: u16) -> impl Future<Output = Result<Answer, Stop>> + Send;

    /// Sends it; gives the items of a list, and ends the story if it is none.
    fn items(self) -> impl Future<Output = Result<Vec<serde_json::Value>, Stop>> + Send;
}

impl Gives for Call {
    async fn gives(self, status: u16) -> Result<Answer, Stop> {
        Ok(self.send().await?.expect(status)?)
    }

    async fn items(self) -> Result<Vec<serde_json::Value>, Stop> {
        Ok(self.gives(200).await?.array_at("/items")?)
    }
}
