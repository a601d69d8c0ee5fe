//! The second listener of a service: metrics, and health in detail.

use std::time::Duration;

use harness::client::Http;
use harness::metrics::Counted;
use harness::wait;
use harness::world::{Stop, World};
use serde_json::Value;

use crate::stage::jwks;

/// By when the keys of an instance that was just started have an age in seconds.
const AGED: Duration = Duration::from_secs(30);

/// Asks the second listener for a path: status and body.
pub async fn internal(world: &World, path: &str) -> Result<(u16, String), Stop> {
    let base = world.system.target.internal.clone();
    let base = base.ok_or_else(|| Stop::skip("the target tells no second listener"))?;
    let url = base.join(path).map_err(|error| Stop::error(error.to_string()))?;
    world.must(url.host_str() == Some("127.0.0.1"), format!("on loopback, found {url}"))?;
    let answer = Http::of(&world.system.target)?.get(&url).await;
    let answer = answer.map_err(|error| Stop::error(error.to_string()))?;
    Ok((answer.status, answer.body))
}

/// What the service has counted until now.
pub async fn counted(world: &World) -> Result<Counted, Stop> {
    let (status, text) = internal(world, "/metrics").await?;
    world.equal("status of /metrics", status, 200)?;
    Ok(Counted::read(&text))
}

/// What an instance says of itself: the status, and the detail.
pub async fn health(world: &World) -> Result<(u16, Value), Stop> {
    let (status, text) = internal(world, "/health").await?;
    Ok((status, serde_json::from_str(&text).map_err(|error| Stop::fail(error.to_string()))?))
}

/// Goes through the life of the issuer's keys as an instance tells it that nobody has signed in to yet: how old they are,
/// and how often they were fetched (`series`), which the issuer's own count must confirm. `sign_in` sends a token.
pub async fn tells_of_its_keys(
    world: &World,
    series: &str,
    sign_in: impl AsyncFn() -> Result<(), Stop>,
) -> Result<(), Stop> {
    let age = async || {
        let (_, detail) = health(world).await?;
        Ok::<_, Stop>(detail["jwksAgeSeconds"].as_u64())
    };
    let issuer = jwks(world)?;
    let fetches = async || {
        let told = counted(world).await?.of(series, &[]);
        let seen = u32::try_from(issuer.fetches()).map_err(|error| Stop::error(error.to_string()))?;
        Ok::<_, Stop>((told, f64::from(seen)))
    };
    world.equal("age of the keys before the first token", age().await?, None)?;
    let before = fetches().await?;
    sign_in().await?;
    let older = wait::until("the keys to grow older", AGED, || async {
        match age().await {
            Ok(Some(age)) if age > 0 => Ok(age),
            other => Err(format!("{other:?}")),
        }
    });
    let age = older.await?;
    world.must(age <= AGED.as_secs(), format!("the age in seconds, found {age}"))?;
    sign_in().await?;
    let after = fetches().await?;
    let (told, seen) = (after.0 - before.0, after.1 - before.1);
    world.equal("fetches told, where the issuer saw one", (told, seen), (1.0, 1.0))
}
