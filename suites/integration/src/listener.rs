//! The second listener of a service: metrics, and health in detail.

use harness::client::http_client;
use harness::metrics::Counted;
use harness::world::{Stop, World};
use reqwest::Url;

/// Asks the second listener for a path: status and body.
pub async fn internal(world: &World, path: &str) -> Result<(u16, String), Stop> {
    let base = world.system.target.internal.clone();
    let base = base.ok_or_else(|| Stop::skip("the target tells no second listener"))?;
    let url = base.join(path).map_err(|error| Stop::error(error.to_string()))?;
    world.must(url.host_str() == Some("127.0.0.1"), format!("on loopback, found {url}"))?;
    let client = http_client(&world.system.target)?;
    let ask = async |url: Url| {
        let answer = client.get(url).send().await?;
        Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.text().await?))
    };
    ask(url).await.map_err(|error| Stop::error(error.to_string()))
}

/// What the service has counted until now.
pub async fn counted(world: &World) -> Result<Counted, Stop> {
    let (status, text) = internal(world, "/metrics").await?;
    world.equal("status of /metrics", status, 200)?;
    Ok(Counted::read(&text))
}
