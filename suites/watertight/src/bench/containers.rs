//! Both stores in containers, side by side, as the first process of a run starts them.

use std::time::{Duration, Instant};

use harness::run::Run;
use harness::stores::postgres::{PostgresError, Server};
use harness::stores::{DynamoDb, DynamoDbError};

use crate::error::CommandError;

/// Runs that start them.
const RUNS: usize = 5;

/// How long each took until both answered; why there is none where this machine has no containers.
pub async fn measured() -> Result<Result<Vec<Duration>, String>, CommandError> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        // A run of its own each time: within one they are started once. It lives as long as the process, and so do its
        // containers.
        let folder = tempfile::tempdir().map_err(CommandError::Temporary)?;
        let run: &'static Run = Box::leak(Box::new(Run::at(folder.path())?));
        let start = Instant::now();
        match tokio::join!(DynamoDb::in_container(run), Server::in_container(run)) {
            (Ok(_), Ok(_)) => times.push(start.elapsed()),
            (Err(DynamoDbError::Container(lack)), _) | (_, Err(PostgresError::Container(lack))) => {
                return Ok(Err(lack.to_string()));
            }
            (dynamodb, postgres) => {
                dynamodb?;
                postgres?;
            }
        }
    }
    Ok(Ok(times))
}
