//! The database goes away in the middle of it all: whoever asks is told when to come back, what was answered with
//! success is kept, and when it is there again nobody has to do anything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fixtures::platform::{Embedded, Timeouts};
use futures::future::join_all;
use harness::client::{Answer, Call};
use harness::stores::{Cluster, PostgresError};
use harness::wait;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};
use suites_integration::{Business, Trial, counted, internal, refused};
use tokio::sync::MutexGuard;

use super::{Setup, stage};

/// Longer than the service waits for anything.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to be well again.
const RECOVERY: Duration = Duration::from_secs(20);
/// How many write at once.
const WRITERS: usize = 4;
/// How many writes each must have got an answer for before and after the outage.
const ENOUGH: usize = 5;

/// Insists on 503 with a time after which to come again, and nothing of why.
fn told_to_come_again(world: &World, answer: &Answer) -> Result<(), Stop> {
    refused(answer, 503, "unavailable")?;
    let seconds: u64 = answer.header("retry-after").parse().unwrap_or_default();
    world.must((1..=60).contains(&seconds), format!("seconds in Retry-After, found {seconds}"))?;
    for internal in ["postgres", "connection", "refused", "127.0.0.1", "pool", "sqlx"] {
        world.must(!answer.body.contains(internal), format!("no {internal} in {}", answer.body))?;
    }
    Ok(())
}

/// On a database of the story's own, which it may kill; requests wait for it no longer than the story likes to.
fn own_database() -> Setup {
    let timeouts = Timeouts { acquire_ms: 1_000, ..Timeouts::default() };
    Setup { cluster: true, timeouts, ..Setup::default() }
}

/// The story's own database server.
async fn server(embedded: &Embedded) -> Result<MutexGuard<'_, Cluster>, Stop> {
    let cluster =
        embedded.cluster.as_ref().ok_or_else(|| Stop::error("this stage has no cluster of its own"))?;
    Ok(cluster.lock().await)
}

fn trouble(error: &PostgresError) -> Stop {
    Stop::error(error.to_string())
}

/// Writes one product after the other until told to stop; gives the names with the statuses of the answers.
async fn write(business: &Business<'_>, writer: usize, stop: &AtomicBool) -> Vec<(String, u16)> {
    let mut written = Vec::new();
    let mut after = 0;
    while !(stop.load(Ordering::Relaxed) && after >= ENOUGH) {
        let name = format!("thing {writer}-{}", written.len());
        let create = business.owner("product-create").json(json!({ "name": name, "priceCents": 1 }));
        // Whoever gets no answer at all knows as little as whoever is told 503.
        let status = create.send().await.map_or(0, |answer| answer.status);
        after += usize::from(stop.load(Ordering::Relaxed) && status == 201);
        written.push((name, status));
    }
    written
}

/// Waits until the service has answered more than so many further requests about products with a status.
async fn more_answered(world: &World, status: u16, than: f64) -> Result<(), Stop> {
    let status = status.to_string();
    let labels = [("route", "/api/products"), ("status", status.as_str())];
    let so_far = counted(world).await?.of("tenant_requests_total", &labels);
    wait::until("further answers", RECOVERY, || async {
        let now = counted(world).await.map_err(|stop| stop.reason)?;
        let more = now.of("tenant_requests_total", &labels) - so_far;
        if more > than { Ok(()) } else { Err(format!("{more} with status {status}")) }
    })
    .await?;
    Ok(())
}

#[rstest]
fn no_write_that_was_answered_is_lost_when_the_database_is_killed(#[context] context: Context) {
    stage(&context, own_database()).tell(async |world, embedded| {
        let mut cluster = server(embedded).await?;
        let acme = Business::open(world, "acme").await?;
        let (before, stop) = (acme.rows("audit").await?.len(), AtomicBool::new(false));
        let disturb = async {
            for _ in 0..2 {
                more_answered(world, 201, 20.0).await?;
                cluster.kill().map_err(|error| trouble(&error))?;
                // A restart is so quick that nobody may notice.
                more_answered(world, 503, 0.0).await?;
                cluster.restart().await.map_err(|error| trouble(&error))?;
            }
            stop.store(true, Ordering::Relaxed);
            Ok::<_, Stop>(())
        };
        let writers = join_all((0..WRITERS).map(|writer| write(&acme, writer, &stop)));
        let (disturbed, written) = futures::join!(disturb, writers);
        disturbed?;

        let mut stored: BTreeMap<String, usize> = BTreeMap::new();
        let products = acme.rows("products").await?;
        for name in products.iter().filter_map(|row| row["name"].as_str()) {
            *stored.entry(name.to_owned()).or_default() += 1;
        }
        let mut unanswered = 0;
        for (name, status) in written.into_iter().flatten() {
            let times = stored.get(&name).copied().unwrap_or_default();
            let fine = if status == 201 { times == 1 } else { times <= 1 };
            world.must(fine, format!("{name} answered with {status} is there {times} times"))?;
            world.must([0, 201, 503].contains(&status), format!("201 or 503, found {status}"))?;
            unanswered += usize::from(status != 201);
        }
        world.must(unanswered > 0, "writes that the outage met")?;
        let events: Vec<Value> = acme.rows("audit").await?;
        world.equal("events, one for each product", events.len() - before, products.len())
    });
}

#[rstest]
fn while_the_database_is_away_everyone_is_told_to_come_again(#[context] context: Context) {
    stage(&context, own_database()).tell(async |world, embedded| {
        let mut cluster = server(embedded).await?;
        let acme = Business::open(world, "acme").await?;
        let mut calls: Vec<Call> = Vec::new();
        for operation in
            world.system.contract.operations().filter(|operation| operation.statuses.contains(&503))
        {
            let trial = Trial::of(world, &acme.tenant, &acme.owner, &operation.name).await?;
            calls.push(trial.by(&trial.rightful));
        }
        world.must(calls.len() >= 15, format!("operations that need the database, found {}", calls.len()))?;
        let before = acme.rows("products").await?;

        world.step("It is killed");
        cluster.kill().map_err(|error| trouble(&error))?;
        let start = Instant::now();
        for answer in join_all(calls.into_iter().map(Call::send)).await {
            told_to_come_again(world, &answer?)?;
        }
        let took = start.elapsed();
        world.must(
            took < LONGEST_ANSWER,
            format!("an answer within {LONGEST_ANSWER:?}, the last took {took:?}"),
        )?;
        world.equal("health in detail", internal(world, "/health").await?.0, 503)?;
        world.api.call("health").send().await?.expect(200)?;
        let anonymous = acme.by(&harness::identity::Principal::anonymous(), "product-list").send().await?;
        refused(&anonymous, 401, "unauthorized")?;

        world.step("It is back, and nobody does anything");
        cluster.restart().await.map_err(|error| trouble(&error))?;
        wait::until("the service to be well", RECOVERY, || async {
            match acme.owner("product-list").send().await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        world.equal("health in detail", internal(world, "/health").await?.0, 200)?;
        world.equal("the products", acme.rows("products").await?, before)
    });
}

#[rstest]
fn connections_that_were_cut_while_nobody_used_them_are_replaced_unnoticed(#[context] context: Context) {
    stage(&context, Setup { pool_size: Some(3), ..Setup::default() }).tell(async |world, _| {
        const CUT: &str = "
            SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity
            WHERE application_name = 'platform-service' AND datname = current_database()";
        let acme = Business::open(world, "acme").await?;
        for round in 0..5 {
            let looks = join_all((0..10).map(|_| acme.owner("product-list").send())).await;
            for answer in looks {
                answer?.expect(200)?;
            }
            let cut = world.database()?.rows(CUT, &[]).await?;
            world.must(!cut.is_empty(), "a connection to cut")?;
            let name = format!("thing {round}");
            let create = acme.owner("product-create").json(json!({ "name": name, "priceCents": 1 }));
            create.send().await?.expect(201)?;
        }
        world.equal("products", acme.rows("products").await?.len(), 5)
    });
}
