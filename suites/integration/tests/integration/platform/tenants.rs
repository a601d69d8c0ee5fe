//! Tenants: made once however often they are asked for, in schemas that no client names, and gone without a trace.

use std::collections::BTreeSet;

use futures::future::join_all;
use rstest::{Context, rstest};
use serde_json::{Value, json};

use super::{Setup, stage, world};
use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::leak::random_code;
use harness::stores::Database;
use harness::world::{Stop, World};
use suites_integration::{ABSENT, Business, EVERYTHING, Gives as _, refused};

/// All schemas of the database and their tables.
const CATALOGUE: &str = "
    SELECT n.nspname::text AS schema, array_agg(c.relname::text ORDER BY c.relname) AS tables
    FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
    WHERE n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' GROUP BY 1 ORDER BY 1";

async fn catalogue(world: &World) -> Result<Vec<Value>, Stop> {
    Ok(world.database()?.rows(CATALOGUE, &[]).await?)
}

fn fresh(word: &str) -> String {
    format!("{word}-{}", random_code(10).to_lowercase())
}

/// The tenants that are stored of an organisation.
async fn tenants_of(world: &World, org: &str) -> Result<Vec<Value>, Stop> {
    let query = "SELECT id, name, slug, schema, tier, status FROM public.tenants WHERE org_id = $1";
    Ok(world.database()?.rows(query, &[org]).await?)
}

#[rstest]
fn a_tenant_has_a_schema_named_after_the_id_that_the_service_chose(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let stored = async |database: &Database| {
            let tenants = tenants_of(world, acme.org()).await?;
            world.equal("tenants", tenants.len(), 1)?;
            world.equal("the id", &tenants[0]["id"], &json!(acme.id))?;
            let schemas = database.schemas_of(&[acme.org()]).await?;
            let expected = format!("tenant_{}", acme.id.replace('-', "_"));
            let plain = |name: &str| name.replace(['-', '_'], "");
            world.must(
                schemas.len() == 1 && plain(&schemas[0]) == plain(&expected),
                format!("the schema {expected}, found {schemas:?}"),
            )?;
            for table in ["products", "sales", "forecasts"] {
                world.equal(table, acme.rows(table).await?.len(), 0)?;
            }
            Ok(())
        };
        world.stored_rows("One tenant, one schema, empty tables", stored).await
    });
}

#[rstest]
fn asking_again_gives_the_same_tenant_and_changes_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        acme.product("anvil", 1).await?;
        let before = tenants_of(world, acme.org()).await?;
        for (name, tier) in [(acme.tenant.name.clone(), "starter"), ("another name".to_owned(), EVERYTHING)] {
            let body = json!({ "name": name, "slug": fresh("s"), "clerkOrgId": acme.org(), "tier": tier });
            let again = acme.platform("tenant-create")?.json(body).gives(200).await?;
            world.equal("the id", again.text_at("/id")?, acme.id.clone())?;
            world.equal("the plan", again.text_at("/tier")?.as_str(), "starter")?;
        }
        world.equal("what is stored", tenants_of(world, acme.org()).await?, before)?;
        world.equal("its products", acme.names_seen_by(&acme.owner).await?, vec!["anvil".to_owned()])
    });
}

#[rstest]
fn ten_at_once_make_one_tenant_with_one_schema(#[context] context: Context) {
    world(&context).tell(async |world| {
        for _ in 0..3 {
            let acme = Business::before_it_opens(world, "acme").await?;
            let calls = (0..10).map(|_| acme.opening("professional")).collect::<Result<Vec<Call>, Stop>>()?;
            let answers = join_all(calls.into_iter().map(Call::send)).await;
            let answers = answers.into_iter().collect::<Result<Vec<Answer>, _>>()?;
            let made = answers.iter().filter(|answer| answer.status == 201).count();
            let again = answers.iter().filter(|answer| answer.status == 200).count();
            world.equal("made once and given nine times", (made, again), (1, 9))?;
            let ids =
                answers.iter().map(|answer| answer.text_at("/id")).collect::<Result<BTreeSet<_>, _>>()?;
            world.equal("ids", ids.len(), 1)?;
            let stored = async |database: &Database| {
                world.equal("tenants", tenants_of(world, acme.org()).await?.len(), 1)?;
                world.equal("schemas", database.schemas_of(&[acme.org()]).await?.len(), 1)
            };
            world.stored_rows("One tenant, one schema", stored).await?;
            acme.owner("product-list").gives(200).await?;
        }
        Ok(())
    });
}

#[rstest]
fn two_organisations_that_want_one_slug_at_once_do_not_both_get_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::before_it_opens(world, "acme").await?;
        let globex = Business::before_it_opens(world, "globex").await?;
        let slug = fresh("s");
        let wanting = |business: &Business<'_>| {
            let body =
                json!({ "name": "one", "slug": slug, "clerkOrgId": business.org(), "tier": "starter" });
            Ok::<_, Stop>(business.platform("tenant-create")?.json(body))
        };
        let both = join_all([wanting(&acme)?.send(), wanting(&globex)?.send()]).await;
        let mut statuses =
            both.into_iter().map(|answer| Ok(answer?.status)).collect::<Result<Vec<_>, Stop>>()?;
        statuses.sort_unstable();
        world.equal("the statuses", statuses, vec![201, 409])?;
        let count = tenants_of(world, acme.org()).await?.len() + tenants_of(world, globex.org()).await?.len();
        world.equal("tenants", count, 1)
    });
}

#[rstest]
fn a_tenant_that_was_deleted_leaves_no_schema_and_begins_anew(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.product("anvil", 1).await?;
        let viewer = acme.member("viewer").await?;
        let schemas = async || Ok::<_, Stop>(world.database()?.schemas_of(&[acme.org()]).await?);
        let old = schemas().await?;
        acme.owner("tenant-delete").gives(204).await?;
        refused(&acme.by(&viewer, "product-list").send().await?, 404, "no-tenant")?;
        let check = async |_: &Database| {
            world.equal("tenants", tenants_of(world, acme.org()).await?.len(), 0)?;
            let all = catalogue(world).await?;
            let is_left = all.iter().any(|row| old.iter().any(|schema| row["schema"] == json!(schema)));
            world.must(!is_left, format!("no schema {old:?}"))
        };
        world.stored_rows("The schema is gone with all that was in it", check).await?;

        world.step("Its members are still members, and the next tenant begins empty, with another id");
        let made = acme.opening("starter")?.gives(201).await?;
        world.must(made.text_at("/id")? != acme.id, "another id")?;
        world.equal("products", acme.names_seen_by(&viewer).await?, Vec::<String>::new())?;
        world.must(schemas().await? != old, "another schema")
    });
}

/// Tells for a hostile body what came of it: refused with nothing made, or a tenant like any other.
async fn refused_or_harmless(world: &World, body: Value, org: &str) -> Result<(), Stop> {
    let before = catalogue(world).await?;
    let platform = world.data.platform_admin()?;
    let answer = world.api.call("tenant-create").as_(&platform).json(body).send().await?;
    let after = catalogue(world).await?;
    if answer.status == 422 {
        refused(&answer, 422, "unprocessable")?;
        return world.equal("the catalogue", after, before);
    }
    let answer = answer.expect(201)?;
    let id = answer.text_at("/id")?;
    let new: Vec<&Value> = after.iter().filter(|schema| !before.contains(schema)).collect();
    let name = new.first().and_then(|schema| schema["schema"].as_str()).unwrap_or_default().replace('_', "");
    world.must(
        new.len() == 1 && name == format!("tenant{}", id.replace('-', "")),
        format!("one new schema, named after the id {id}, found {new:?}"),
    )?;
    world.must(
        before.iter().all(|schema| after.contains(schema)),
        "every schema that was there is as it was",
    )?;
    world.equal("the organisation's tenants", tenants_of(world, org).await?.len(), 1)
}

/// What somebody might hope to get into a statement, or into a name.
const HOSTILE: [&str; 15] = [
    "o'; DROP SCHEMA public CASCADE; --",
    "o\"; DROP SCHEMA public CASCADE; --",
    "o;",
    // The first letter is Cyrillic.
    "\u{43e}rg",
    "o\u{202e}rg",
    "../o",
    "o\0",
    "",
    " o",
    "o\no",
    "O",
    "public",
    "pg_catalog",
    "platform",
    "information_schema",
];

/// In a system of its own, for the whole catalogue is compared.
#[rstest]
#[case::organisation("clerkOrgId")]
#[case::slug("slug")]
fn a_hostile_name_is_refused_or_harmless_as_that_of_a(#[context] context: Context, #[case] member: &str) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let neighbour = Business::open(world, "neighbour").await?;
        neighbour.product("anvil", 1).await?;
        let long = "o".repeat(200);
        for hostile in HOSTILE.into_iter().chain([long.as_str()]) {
            world.step(&format!("{hostile:?}"));
            let org = format!("org_{}", random_code(8));
            let mut body = json!({ "name": "x", "slug": fresh("s"), "clerkOrgId": org, "tier": "starter" });
            body[member] = json!(hostile);
            let org = body["clerkOrgId"].as_str().unwrap_or_default().to_owned();
            refused_or_harmless(world, body, &org).await?;
        }
        world.equal(
            "the neighbour",
            neighbour.names_seen_by(&neighbour.owner).await?,
            vec!["anvil".to_owned()],
        )
    });
}

/// The slug of one tenant is the id of another's schema: whoever asks for it gets a schema of its own.
#[rstest]
fn a_slug_that_is_another_tenants_id_gets_a_schema_of_its_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.product("anvil", 1).await?;
        let globex = Business::before_it_opens(world, "globex").await?;
        for slug in [acme.id.clone(), acme.id.replace('-', "_")] {
            let body = json!({ "name": "x", "slug": slug, "clerkOrgId": globex.org(), "tier": "starter" });
            let answer = globex.platform("tenant-create")?.json(body).send().await?;
            if answer.status == 422 {
                continue;
            }
            world.must([200, 201].contains(&answer.status), format!("made, found {}", answer.status))?;
            world.equal("its products", globex.names_seen_by(&globex.owner).await?, Vec::<String>::new())?;
        }
        world.equal("the other's", acme.names_seen_by(&acme.owner).await?, vec!["anvil".to_owned()])
    });
}

#[rstest]
fn a_tenant_that_cannot_be_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::before_it_opens(world, "acme").await?;
        for (what, change) in [
            ("No name", json!({ "name": "" })),
            ("A name of control characters", json!({ "name": "a\u{7}b" })),
            ("A plan that is none", json!({ "tier": "platinum" })),
            ("An id of one's own", json!({ "id": ABSENT })),
            ("A schema of one's own", json!({ "schema": "public" })),
            ("Features of one's own", json!({ "features": { "ai_forecasting": true } })),
        ] {
            world.step(what);
            let mut body =
                json!({ "name": "x", "slug": fresh("s"), "clerkOrgId": acme.org(), "tier": "starter" });
            for (name, value) in change.as_object().into_iter().flatten() {
                body[name] = value.clone();
            }
            refused(&acme.platform("tenant-create")?.json(body).send().await?, 422, "unprocessable")?;
            world.equal("tenants", tenants_of(world, acme.org()).await?.len(), 0)?;
            refused(&acme.owner("product-list").send().await?, 404, "no-tenant")?;
        }
        Ok(())
    });
}

#[rstest]
fn the_standing_of_a_tenant_that_is_not_there_is_404(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for (what, id) in [("Absent", ABSENT), ("No uuid", "42"), ("A quote", "' OR '1'='1")] {
            world.step(what);
            let call = acme.platform("tenant-status-set")?.slot(SlotKind::Tenant, id);
            refused(&call.json(json!({ "status": "suspended" })).send().await?, 404, "not-found")?;
            acme.owner("product-list").gives(200).await?;
        }
        Ok(())
    });
}
