//! One connection for everybody: whatever happens on it, the next request works in its own tenant and no other.
//!
//! Each story has a system of its own whose pool has a single connection, so that every request follows another.

use std::time::Duration;

use fixtures::platform::Timeouts;
use harness::client::Call;
use harness::contract::SlotKind;
use harness::stores::Session;
use harness::wait;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{ABSENT, Business, Gives as _, refused};

use super::{Setup, stage};

/// Longer than the service lets a statement run.
const RECOVERY: Duration = Duration::from_secs(15);

fn one_connection() -> Setup {
    Setup { pool_size: Some(1), ..Setup::default() }
}

/// Two tenants, each with a product of its name.
async fn two(world: &World) -> Result<[Business<'_>; 2], Stop> {
    let both = [Business::open(world, "acme").await?, Business::open(world, "globex").await?];
    for business in &both {
        business.product(&business.tenant.name, 100).await?;
    }
    Ok(both)
}

/// Insists that a tenant sees and counts its own product and nothing else, and writes where it reads.
async fn is_at_home(world: &World, business: &Business<'_>) -> Result<(), Stop> {
    let own = vec![business.tenant.name.clone()];
    world.equal("its products", business.names_seen_by(&business.owner).await?, own)?;
    world.equal("counted", &business.dashboard().await?["products"], &json!(1))?;
    let passing = business.product("passing", 1).await?;
    business.owner("product-delete").slot(SlotKind::Product, &passing).gives(204).await?;
    let rows = business.rows("products").await?;
    let is_there = rows.iter().any(|row| row["id"] == json!(passing));
    world.must(is_there, "what it writes, in its own schema")
}

/// Insists that the one connection is the one that was there before.
async fn backends(world: &World) -> Result<usize, Stop> {
    const QUERY: &str = "
        SELECT pid FROM pg_stat_activity
        WHERE application_name = 'platform-service' AND datname = current_database()";
    Ok(world.database()?.rows(QUERY, &[]).await?.len())
}

/// Keeps everyone from a table of a tenant until the session ends its transaction.
async fn lock(business: &Business<'_>, table: &str) -> Result<Session, Stop> {
    let database = business.world().database()?;
    let schemas = database.schemas_of(&[business.org()]).await?;
    let schema = schemas.first().ok_or_else(|| Stop::fail("a schema of the tenant"))?;
    let mut session = database.session().await?;
    session.run(&format!("BEGIN; LOCK TABLE \"{schema}\".{table} IN ACCESS EXCLUSIVE MODE")).await?;
    Ok(session)
}

#[rstest]
fn two_tenants_in_turns_each_find_their_own(#[context] context: Context) {
    stage(&context, one_connection()).tell(async |world, _| {
        let both = two(world).await?;
        for _ in 0..10 {
            for business in &both {
                is_at_home(world, business).await?;
            }
        }
        world.equal("connections", backends(world).await?, 1)
    });
}

#[rstest]
fn many_requests_of_two_tenants_at_once_each_find_their_own(#[context] context: Context) {
    // Whoever comes last waits for all others, on whatever machine this is.
    let timeouts = Timeouts { acquire_ms: 9_000, ..Timeouts::default() };
    stage(&context, Setup { timeouts, ..one_connection() }).tell(async |world, _| {
        let both = two(world).await?;
        let looks = (0..30).map(async |index| {
            let business = &both[index % 2];
            let seen = business.names_seen_by(&business.owner).await?;
            world.equal("its products", seen, vec![business.tenant.name.clone()])
        });
        for look in futures::future::join_all(looks).await {
            look?;
        }
        Ok(())
    });
}

/// A request that goes wrong, in every way there is.
fn failing(business: &Business<'_>) -> Result<Vec<(u16, Call)>, Stop> {
    let stranger = business.world().data.users().stranger("stranger")?;
    Ok(vec![
        (401, business.by(&harness::identity::Principal::anonymous(), "product-list")),
        (403, business.by(&stranger, "product-list")),
        (404, business.owner("product-get").slot(SlotKind::Product, ABSENT)),
        (404, business.sell(&business.owner, ABSENT, 1)),
        (409, business.owner("member-remove").user(&business.owner.subject)),
        (422, business.owner("product-create").json(json!({ "name": "" }))),
        (422, business.owner("product-create").json(json!({ "name": "a\u{0}b", "priceCents": 1 }))),
        (400, business.owner("product-list").query("cursor", "nonsense")),
    ])
}

#[rstest]
fn after_a_request_that_failed_the_next_tenant_finds_its_own(#[context] context: Context) {
    stage(&context, one_connection()).tell(async |world, _| {
        let [acme, globex] = two(world).await?;
        for (status, call) in failing(&acme)? {
            call.gives(status).await?;
            is_at_home(world, &globex).await?;
            is_at_home(world, &acme).await?;
        }
        Ok(())
    });
}

#[rstest]
fn after_a_suspended_tenant_the_next_finds_its_own(#[context] context: Context) {
    stage(&context, one_connection()).tell(async |world, _| {
        let [acme, globex] = two(world).await?;
        acme.stand(json!({ "status": "suspended" })).await?;
        for _ in 0..3 {
            refused(&acme.owner("product-list").send().await?, 403, "suspended")?;
            is_at_home(world, &globex).await?;
        }
        Ok(())
    });
}

#[rstest]
fn after_a_tenant_was_deleted_the_next_finds_its_own(#[context] context: Context) {
    stage(&context, one_connection()).tell(async |world, _| {
        let [acme, globex] = two(world).await?;
        acme.owner("tenant-delete").gives(204).await?;
        is_at_home(world, &globex).await?;
        refused(&acme.owner("product-list").send().await?, 404, "no-tenant")?;
        is_at_home(world, &globex).await
    });
}

#[rstest]
fn after_a_statement_that_took_too_long_the_next_tenant_finds_its_own(#[context] context: Context) {
    let timeouts = Timeouts { lock_ms: 500, ..Timeouts::default() };
    stage(&context, Setup { timeouts, ..one_connection() }).tell(async |world, _| {
        let [acme, globex] = two(world).await?;
        let mut held = lock(&acme, "products").await?;
        let late = acme.owner("product-create").json(json!({ "name": "late", "priceCents": 1 }));
        let answer = late.send().await?;
        refused(&answer, 503, "unavailable")?;
        world.must(!answer.header("retry-after").is_empty(), "a time after which to come again")?;
        is_at_home(world, &globex).await?;

        world.step("And when the way is free, so does the first");
        held.run("ROLLBACK").await?;
        is_at_home(world, &acme).await
    });
}

/// The client hangs up while its request waits for a lock.
#[rstest]
#[case::while_it_reads("product-list")]
#[case::while_it_writes("product-create")]
fn after_a_client_has_hung_up_the_next_tenant_finds_its_own(
    #[context] context: Context,
    #[case] operation: &str,
) {
    stage(&context, one_connection()).tell(async |world, _| {
        let [acme, globex] = two(world).await?;
        let before = acme.rows("audit").await?.len();
        for _ in 0..3 {
            let mut held = lock(&acme, "products").await?;
            let call = acme.owner(operation);
            let call = if operation == "product-create" {
                call.json(json!({ "name": "abandoned", "priceCents": 1 }))
            } else {
                call
            };
            let hung_up = tokio::time::timeout(Duration::from_millis(300), call.send()).await;
            world.must(hung_up.is_err(), "a request that waits when its client hangs up")?;
            held.run("ROLLBACK").await?;
            wait::until("the connection to be free", RECOVERY, || async {
                match globex.owner("product-list").send().await {
                    Ok(answer) if answer.status == 200 => Ok(()),
                    Ok(answer) => Err(answer.status.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await?;
            is_at_home(world, &globex).await?;
        }
        let abandoned =
            acme.rows("products").await?.iter().filter(|row| row["name"] == json!("abandoned")).count();
        let events = acme.rows("audit").await?.len() - before;
        world.equal("what was abandoned is whole or not there: events for products", events, abandoned)
    });
}
