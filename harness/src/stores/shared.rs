//! What the processes of a run share of a store: made by the first that asks while the others wait.

use tokio::task::JoinError;

use crate::host::{self, NoRuntime};
use crate::run::{Run, SharedError};

/// The run's `name`: the one that was made, while it is `good`, otherwise a new one.
pub(super) async fn of_run<T, E>(
    run: &'static Run,
    name: &'static str,
    good: impl FnOnce(&T) -> bool + Send + 'static,
    make: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    E: From<SharedError<E>> + From<NoRuntime> + From<JoinError> + Send + 'static,
{
    let runtime = host::handle()?;
    // The lock is the file system's, so whoever waits for it holds up a thread.
    let made =
        runtime.spawn_blocking(move || Ok(run.shared_while(name, good, || runtime.block_on(make))?)).await;
    made?
}
