//! The runtime that in-process servers and stories live on.
//!
//! A `#[tokio::test]` runtime ends with its test and takes every server started on it along. What many tests
//! share therefore runs here, on a runtime that lives as long as the process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::wait;

/// Enough to let a story, the service and the store make progress at once on two cores.
const THREADS: usize = 4;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("watertight").enable_all().build()
});

/// How long a process waits at its end for what it gives back.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// What is being given back.
static PENDING: AtomicUsize = AtomicUsize::new(0);

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

/// Gives something back that cannot be waited for where it is dropped.
pub(crate) fn afterwards(work: impl Future<Output = ()> + Send + 'static) {
    let Ok(runtime) = handle() else { return };
    PENDING.fetch_add(1, Ordering::Relaxed);
    runtime.spawn(async move {
        work.await;
        PENDING.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Waits until everything that was dropped is given back: for the end of a process.
pub async fn settled() {
    let given_back = || async {
        match PENDING.load(Ordering::Relaxed) {
            0 => Ok(()),
            more => Err(format!("{more} things that are not")),
        }
    };
    // What takes longer stands in the run's records.
    wait::until("everything to be given back", SETTLE_LIMIT, given_back).await.ok();
}
