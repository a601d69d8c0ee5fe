//! The runtime that in-process servers and stories live on.
//!
//! A `#[tokio::test]` runtime ends with its test and takes every server started on it along. What many tests
//! share therefore runs here, on a runtime that lives as long as the process.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// Enough to let a story, the service and the store make progress at once on two cores.
const THREADS: usize = 4;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("watertight").enable_all().build()
});

/// The operating system refused threads: nothing can run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot start the runtime: {0}; raise the limit on threads (ulimit -u)")]
pub struct NoRuntime(String);

/// The handle of the process's runtime.
pub fn handle() -> Result<&'static Handle, NoRuntime> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(NoRuntime(error.to_string())),
    }
}
