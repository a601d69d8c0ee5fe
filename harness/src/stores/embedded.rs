//! DynamoDB in this process: in memory, behind its own HTTP listener, gone when dropped.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::host::{self, NoRuntime};

/// The embedded store could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port.
    #[error("cannot listen on loopback for the embedded DynamoDB: {0}")]
    Listen(#[from] std::io::Error),
    /// The emulator.
    #[error("the embedded DynamoDB does not start: {0}")]
    Emulator(String),
    /// No threads.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
}

/// A running embedded DynamoDB. Neither throttling nor transaction conflicts are emulated.
#[derive(Debug)]
pub struct EmbeddedDynamoDb {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl EmbeddedDynamoDb {
    /// Starts an empty one on a free port.
    pub async fn start() -> Result<EmbeddedDynamoDb, StartError> {
        let database =
            dynoxide::Database::memory().map_err(|error| StartError::Emulator(error.to_string()))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        host::handle()?.spawn(dynoxide::server::serve_with_shutdown(listener, database, async {
            // Ends when the sender is dropped, which is the error case.
            stopped.await.ok();
        }));
        Ok(EmbeddedDynamoDb { address, _stop: stop })
    }

    /// The endpoint URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
