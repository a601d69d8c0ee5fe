//! Row level security, looked at from inside: what whoever gets hold of the service's own connection could do.
//!
//! The stories sign in to the database as the application role, as requests do, and try.

use harness::stores::Session;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};
use suites_integration::{Business, Gives as _};

use super::world;

/// The tables of a tenant.
const TABLES: [&str; 4] = ["products", "sales", "forecasts", "audit"];

/// The role that requests run as, and its password.
async fn application(world: &World) -> Result<(String, String), Stop> {
    let query = "SELECT role::text, password FROM platform.application WHERE password IS NOT NULL";
    let rows = world.database()?.rows(query, &[]).await?;
    let text = |name: &str| rows.first().and_then(|row| row[name].as_str()).map(str::to_owned);
    match (text("role"), text("password")) {
        (Some(role), Some(password)) => Ok((role, password)),
        _ => Err(Stop::skip("the target tells no application role of its own")),
    }
}

/// A connection as requests have one.
async fn as_application(world: &World) -> Result<Session, Stop> {
    let (role, password) = application(world).await?;
    Ok(world.database()?.session_as(&role, &password).await?)
}

/// The schema of a tenant, as SQL takes it.
async fn schema(acme: &Business<'_>) -> Result<String, Stop> {
    let schemas = acme.world().database()?.schemas_of(&[acme.org()]).await?;
    schemas.first().cloned().ok_or_else(|| Stop::fail("a schema of the tenant"))
}

/// A tenant with a row in each of its tables.
async fn furnished<'w>(world: &'w World, name: &str) -> Result<Business<'w>, Stop> {
    let acme = Business::open(world, name).await?;
    let product = acme.product("anvil", 100).await?;
    acme.sell(&acme.owner, &product, 1).gives(201).await?;
    for table in TABLES {
        world.must(!acme.rows(table).await?.is_empty(), format!("a row in {table}"))?;
    }
    Ok(acme)
}

async fn count(session: &mut Session, table: &str) -> Result<u64, Stop> {
    let rows = session.rows(&format!("SELECT count(*) AS n FROM {table}")).await?;
    rows.first().and_then(|row| row["n"].as_u64()).ok_or_else(|| Stop::error("a count"))
}

/// Insists that a statement is refused, and that for want of a right.
async fn denied(session: &mut Session, statement: &str) -> Result<(), Stop> {
    const WANT_OF_RIGHT: [&str; 6] = [
        "permission denied",
        "must be owner",
        "must be superuser",
        "must be member",
        "violates row-level security policy",
        "insufficient_privilege",
    ];
    match session.run(statement).await {
        Ok(()) => Err(Stop::fail(format!("'{statement}' to be refused, it was done"))),
        Err(error) => {
            let said = error.to_string();
            let is_denial = WANT_OF_RIGHT.iter().any(|words| said.contains(words))
                || said.contains("would be affected by row-level security policy");
            if is_denial {
                Ok(())
            } else {
                Err(Stop::fail(format!("'{statement}' to be denied, found: {said}")))
            }
        }
    }
}

#[rstest]
fn every_table_of_a_tenant_forces_row_level_security_and_is_not_the_applications(
    #[context] context: Context,
) {
    world(&context).tell(async |world| {
        const LOOK: &str = "
            SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                pg_get_userbyid(c.relowner)::text AS owner,
                (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND (n.nspname = $1
                OR (n.nspname = 'public' AND c.relname IN ('organisations', 'memberships', 'users', 'tenants')))
            ORDER BY 1";
        let acme = furnished(world, "acme").await?;
        let (role, _) = application(world).await?;
        let schema = schema(&acme).await?;
        let tables = world.database()?.rows(LOOK, &[&schema]).await?;
        world.equal("how many tables", tables.len(), TABLES.len() + 4)?;
        for table in tables {
            let guarded = table["enabled"] == json!(true) && table["forced"] == json!(true);
            world.must(guarded, format!("row level security enabled and forced on {table}"))?;
            world.must(table["policies"].as_u64() > Some(0), format!("a policy on {table}"))?;
            world.must(table["owner"] != json!(role), format!("{table} to be another role's than {role}"))?;
        }
        Ok(())
    });
}

#[rstest]
fn the_application_role_is_nobody_in_particular(#[context] context: Context) {
    world(&context).tell(async |world| {
        const CONNECTIONS: &str = "
            SELECT DISTINCT usename::text AS role FROM pg_stat_activity
            WHERE application_name = 'platform-service' AND datname = current_database()";
        const ROLE: &str = "
            SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS is_special,
                rolcanlogin AS can_log_in,
                (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) AS roles,
                (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid)
                    + (SELECT count(*) FROM pg_namespace n WHERE n.nspowner = r.oid)
                    + (SELECT count(*) FROM pg_proc p WHERE p.proowner = r.oid)
                    + (SELECT count(*) FROM pg_database d WHERE d.datdba = r.oid) AS owned
            FROM pg_roles r WHERE rolname = $1";
        let acme = furnished(world, "acme").await?;
        let (role, _) = application(world).await?;
        let found = world.database()?.rows(ROLE, &[&role]).await?;
        let expected = json!({ "is_special": false, "can_log_in": true, "roles": 0, "owned": 0 });
        world.equal("what the role is", found, vec![expected])?;

        world.step("And it is the role that the service's connections are signed in as");
        let roles = world.database()?.rows(CONNECTIONS, &[]).await?;
        world.equal("roles at work", roles, vec![json!({ "role": role })])?;
        world.must(!acme.id.is_empty(), "a tenant")
    });
}

#[rstest]
fn no_row_of_a_tenant_is_seen_by_a_connection_that_was_told(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = furnished(world, "acme").await?;
        let globex = furnished(world, "globex").await?;
        let schema = schema(&acme).await?;
        let tenants = world.data.tenants();
        for (what, setting) in [
            ("Nothing", None),
            ("The tenant's id", Some(acme.id.clone())),
            ("The id with a seal that is none", Some(format!("{}.{}", acme.id, "0".repeat(64)))),
            ("The id with the organisation's seal", Some(tenants.seal("org", &acme.id).await?)),
            ("Another tenant", Some(tenants.seal("tenant", &globex.id).await?)),
        ] {
            world.step(what);
            let mut session = as_application(world).await?;
            if let Some(setting) = &setting {
                session.run(&format!("SET app.tenant = '{setting}'")).await?;
            }
            session.run(&format!("SET search_path = \"{schema}\"")).await?;
            for table in TABLES {
                world.equal(table, count(&mut session, table).await?, 0)?;
            }
            denied(
                &mut session,
                "INSERT INTO products (id, name, price_cents) VALUES (gen_random_uuid(), 'smuggled', 1)",
            )
            .await?;
            session.run("UPDATE products SET name = 'changed'").await?;
            let names: Vec<Value> =
                acme.rows("products").await?.iter().map(|row| row["name"].clone()).collect();
            world.equal("the products", names, vec![json!("anvil")])?;

            world.step("Rightly sealed, they are seen, so there was something not to see");
            let sealed = tenants.seal("tenant", &acme.id).await?;
            session.run(&format!("SET app.tenant = '{sealed}'")).await?;
            for table in TABLES {
                world.must(count(&mut session, table).await? > 0, format!("rows in {table}"))?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn what_all_tenants_share_shows_nothing_to_a_connection_without_a_seal(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = furnished(world, "acme").await?;
        let mut session = as_application(world).await?;
        for is_told in [false, true] {
            for (name, value) in [("org", acme.org()), ("user", &acme.owner.subject), ("tenant", &acme.id)] {
                let value = if is_told { value } else { "" };
                session.run(&format!("SELECT set_config('app.{name}', '{value}', false)")).await?;
            }
            for table in ["organisations", "memberships", "users", "tenants"] {
                world.equal(table, count(&mut session, &format!("public.{table}")).await?, 0)?;
            }
        }

        world.step("Sealed for an organisation, it sees that one alone");
        let sealed = world.data.tenants().seal("org", acme.org()).await?;
        session.run(&format!("SET app.org = '{sealed}'")).await?;
        world.equal("tenants", count(&mut session, "public.tenants").await?, 1)?;
        world.equal("organisations", count(&mut session, "public.organisations").await?, 1)?;
        world.equal("memberships", count(&mut session, "public.memberships").await?, 1)
    });
}

#[rstest]
fn what_the_application_role_may_not_do(#[context] context: Context) {
    world(&context).tell(async |world| {
        const OWNER: &str = "
            SELECT quote_ident(pg_get_userbyid(c.relowner)::text) AS owner FROM pg_class c
            WHERE c.oid = 'public.tenants'::regclass";
        let acme = furnished(world, "acme").await?;
        let (role, _) = application(world).await?;
        let owner = world.database()?.rows(OWNER, &[]).await?;
        let owner = owner.first().and_then(|row| row["owner"].as_str()).unwrap_or_default().to_owned();
        let schema = format!("\"{}\"", schema(&acme).await?);
        // Even while it rightly works for this tenant.
        let sealed = world.data.tenants().seal("tenant", &acme.id).await?;
        let mut session = as_application(world).await?;
        for (what, statement) in [
            ("Reading the key", "SELECT * FROM platform.seal"),
            ("Reading the passwords", "SELECT * FROM platform.application"),
            ("Becoming the owner", "SET ROLE {owner}"),
            ("Having signed in as the owner", "SET SESSION AUTHORIZATION {owner}"),
            (
                "Looking past row level security",
                "SET row_security = off; SELECT count(*) FROM {schema}.products",
            ),
            ("Disabling row level security", "ALTER TABLE {schema}.products DISABLE ROW LEVEL SECURITY"),
            ("Dropping the policy", "DROP POLICY of_the_tenant ON {schema}.products"),
            ("Adding a policy", "CREATE POLICY mine ON {schema}.products USING (true)"),
            ("Emptying a table", "TRUNCATE {schema}.sales"),
            ("Dropping a table", "DROP TABLE {schema}.sales"),
            ("Dropping a schema", "DROP SCHEMA {schema} CASCADE"),
            ("Making a schema", "CREATE SCHEMA mine"),
            ("Making a table for all", "CREATE TABLE public.mine (id int)"),
            ("Making a table of the tenant's", "CREATE TABLE {schema}.mine (id int)"),
            ("Making a temporary table", "CREATE TEMPORARY TABLE products (id int)"),
            (
                "Replacing the seal",
                "CREATE OR REPLACE FUNCTION platform.sealed(setting text) RETURNS text
                LANGUAGE sql AS 'SELECT 1::text'",
            ),
            ("Changing the log", "UPDATE {schema}.audit SET actor = 'nobody'"),
            ("Shortening the log", "DELETE FROM {schema}.audit"),
            ("Making a role", "CREATE ROLE mine"),
            ("Making more of itself", "ALTER ROLE {role} BYPASSRLS"),
            ("Giving itself rights", "GRANT ALL ON {schema}.audit TO {role}; DELETE FROM {schema}.audit"),
            (
                "Making a tenant for nobody",
                "SELECT platform.create_tenant(gen_random_uuid(), 'tenant_mine',
                'x', 'mine', 'starter')",
            ),
            ("Laying out a schema", "SELECT platform.lay_out(gen_random_uuid(), 'tenant_mine')"),
            ("Choosing the plan of all", "UPDATE public.plans SET features = '{ai_forecasting}'"),
            ("Reading files", "SELECT pg_read_file('postgresql.conf')"),
            ("Running programs", "COPY (SELECT 1) TO PROGRAM 'true'"),
        ] {
            world.step(what);
            session.run(&format!("RESET ALL; SET app.tenant = '{sealed}'")).await?;
            let statement =
                statement.replace("{schema}", &schema).replace("{owner}", &owner).replace("{role}", &role);
            denied(&mut session, &statement).await?;
        }
        Ok(())
    });
}

#[rstest]
fn dropping_without_a_seal_drops_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = furnished(world, "acme").await?;
        let mut session = as_application(world).await?;
        session.run(&format!("SET app.tenant = '{}'", acme.id)).await?;
        let done = session.rows("SELECT platform.drop_tenant() AS done").await?;
        world.equal("done", done, vec![json!({ "done": false })])?;
        world.equal("products", acme.rows("products").await?.len(), 1)
    });
}
