//! The second listener: what it counts of decisions, and whether it says that the instance can serve.

use fixtures::Setup;
use harness::stores::Fault;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;

use crate::stage;
use suites_integration::{Company, Gives as _, Ruling, health, internal, tells_of_its_keys};

/// The value of a counter; 0 before it is first counted.
async fn counted(world: &World, series: &str) -> Result<u64, Stop> {
    let (status, text) = internal(world, "/metrics").await?;
    world.equal("status of /metrics", status, 200)?;
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    Ok(line.and_then(|value| value.trim().parse().ok()).unwrap_or_default())
}

#[rstest]
fn decisions_and_cache_hits_are_counted(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        const HIT: &str = r#"access_decision_cache_total{result="Hit"}"#;
        const MISS: &str = r#"access_decision_cache_total{result="Miss"}"#;
        let decided =
            |by: &str, how: &str| format!(r#"access_decisions_total{{by="{by}",decision="{how}"}}"#);
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;

        world.step("The first decision about her is looked up, the next come from the cache");
        let (hits, misses) = (counted(world, HIT).await?, counted(world, MISS).await?);
        for _ in 0..4 {
            world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she may")?;
        }
        world.equal("misses", counted(world, MISS).await? - misses, 1)?;
        world.equal("hits", counted(world, HIT).await? - hits, 3)?;
        world.equal(
            "allowed by the authorizer",
            counted(world, &decided("Authorizer", "Allow")).await?,
            4,
        )?;

        world.step("The gate shares them");
        let gate = counted(world, &decided("Gate", "Allow")).await?;
        acme.by(&ann, "team-list").gives(200).await?;
        world.equal("hits", counted(world, HIT).await? - hits, 4)?;
        world.equal("allowed by the gate", counted(world, &decided("Gate", "Allow")).await? - gate, 1)?;

        world.step("A change makes the next one a miss");
        acme.assign(&acme.admin, &ann, acme.predefined("SITE_EDITOR").await?).gives(201).await?;
        let misses = counted(world, MISS).await?;
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she still may")?;
        world.equal("misses", counted(world, MISS).await? - misses, 1)?;

        world.step("Refusals are counted for themselves");
        world.equal("the answer", acme.ruling(&ann, "GET", "audit").await?, Ruling::Deny)?;
        world.equal("denied", counted(world, &decided("Authorizer", "Deny")).await?, 1)
    });
}

#[rstest]
fn metrics_name_no_tenant_and_no_user(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        acme.admin("team-list").gives(200).await?;
        let (_, text) = internal(world, "/metrics").await?;
        world.must(text.contains(r#"operation="team-list""#), "the operation is counted")?;
        for secret in [acme.org(), &acme.admin.subject, &acme.admin.email] {
            world.must(!text.contains(secret), format!("no {secret} in the metrics"))?;
        }
        Ok(())
    });
}

#[rstest]
fn an_instance_without_its_store_is_not_healthy(#[context] context: Context) {
    stage(&context, Setup { faults: true, ..Setup::default() }).tell(async |world, embedded| {
        let proxy = embedded.faults.as_ref().ok_or_else(|| Stop::error("this stage has no fault proxy"))?;
        let health = async || {
            let (status, detail) = health(world).await?;
            Ok::<_, Stop>((status, detail["store"].clone(), detail["status"].clone()))
        };
        world.equal("with it", health().await?, (200, json!(true), json!("ok")))?;
        for fault in [Fault::Broken, Fault::Cut] {
            proxy.random(1.0, &[fault]);
            world.equal("without it", health().await?, (503, json!(false), json!("unavailable")))?;
        }
        proxy.calm();
        world.equal("with it again", health().await?, (200, json!(true), json!("ok")))
    });
}

#[rstest]
fn the_issuers_keys_are_told_by_age_and_by_fetches(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let ann = world.data.users().stranger("ann")?;
        tells_of_its_keys(world, "access_jwks_fetches_total", async || {
            world.api.call("team-list").as_(&ann).org("somewhere").gives(404).await.map(drop)
        })
        .await
    });
}
