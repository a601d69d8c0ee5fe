//! Polling with a deadline, in the place of every sleep.

use std::time::{Duration, Instant};

/// The deadline passed before the condition held.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:?} for {what}; last seen: {last}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// What the last attempt saw.
    pub last: String,
}

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `attempt` until it gives a value, at most for `limit`. An attempt that is not there yet says what
/// it saw instead; the last such text goes into the error.
pub async fn until<T, F, A>(what: &str, limit: Duration, attempt: F) -> Result<T, TimedOut>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, String>>,
{
    every(PAUSE, what, limit, attempt).await
}

/// As [`until`], with a pause of one's own between two attempts: for attempts that cost somebody something.
#[expect(clippy::disallowed_methods, reason = "the one place that pauses: everything else polls through it")]
pub async fn every<T, F, A>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut attempt: F,
) -> Result<T, TimedOut>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(last) if start.elapsed() >= limit => {
                return Err(TimedOut { what: what.to_owned(), waited: start.elapsed(), last });
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
    }
}
