//! PostgreSQL for tests and the state oracle on it. Without PostgreSQL's programs every test here is skipped, and says
//! so.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::host;
use harness::reaper::sweep;
use harness::run::Run;
use harness::stores::postgres::{Cluster, PostgresError, Server};
use harness::stores::{Database, Store};
use harness::target::{self, DatabaseStore, Schemas};
use harness::wait;

/// Runs a test in a run of its own, unless there is no PostgreSQL.
fn with_postgres(test: impl AsyncFnOnce(&'static Run) -> Result<(), PostgresError>) {
    let folder = tempfile::tempdir().unwrap();
    let run: &'static Run = Box::leak(Box::new(Run::at(folder.path()).unwrap()));
    match host::handle().unwrap().block_on(test(run)) {
        Err(error @ PostgresError::Absent(_)) => println!("SKIPPED: {error}"),
        done => done.unwrap(),
    }
}

/// The only quarters of a run.
fn folder_of(run: &Run) -> PathBuf {
    PathBuf::from(record_of(run)["folder"].as_str().unwrap())
}

/// The clusters in them.
fn clusters_in(quarters: &Path) -> Vec<PathBuf> {
    folders_in(quarters, "pg-")
}

fn folders_in(quarters: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(quarters).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(kind);
    entries.filter(named).collect()
}

/// The servers that run for them: clusters of this machine, and containers.
fn servers_of(quarters: &Path) -> usize {
    let name = quarters.file_name().unwrap().to_string_lossy();
    let label = format!("label=watertight.quarters={name}");
    let containers = std::process::Command::new("docker").args(["ps", "-q", "--filter", &label]).output();
    // Without an engine there are no containers.
    let containers = containers.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
    clusters_in(quarters).len() + containers.lines().filter(|line| !line.is_empty()).count()
}

fn record_of(run: &Run) -> serde_json::Value {
    let records: Vec<_> = std::fs::read_dir(run.folder().join("quarters")).unwrap().collect();
    assert_eq!(records.len(), 1, "one place for a run: {records:?}");
    let record = std::fs::read_to_string(records[0].as_ref().unwrap().path()).unwrap();
    serde_json::from_str(&record).unwrap()
}

/// As if every process that uses it had gone.
fn leave(folder: &Path) {
    for user in std::fs::read_dir(folder.join("users")).unwrap() {
        std::fs::remove_file(user.unwrap().path()).unwrap();
    }
}

async fn gone(folder: &Path) {
    let gone = || async { if folder.exists() { Err("it is there".to_owned()) } else { Ok(()) } };
    wait::until("the quarters to go", Duration::from_secs(40), gone).await.unwrap();
}

const TENANTS: &str = "
    CREATE TABLE users (id text PRIMARY KEY, email text);
    CREATE TABLE tenants (id uuid PRIMARY KEY, org text UNIQUE, name text);
    CREATE TABLE memberships (org text, user_id text REFERENCES users, role text, PRIMARY KEY (org, user_id));
    CREATE TABLE plans (name text);
    INSERT INTO plans VALUES ('starter');
    ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
    ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
    INSERT INTO users VALUES ('ann', 'ann@acme.invalid'), ('bob', 'bob@globex.invalid');
    INSERT INTO tenants VALUES ('11111111-1111-4111-8111-111111111111', 'org_acme', 'Acme'),
        ('22222222-2222-4222-8222-222222222222', 'org_globex', 'Globex');
    INSERT INTO memberships VALUES ('org_acme', 'ann', 'owner'), ('org_globex', 'bob', 'owner');
    CREATE SCHEMA tenant_11111111111141118111111111111111;
    CREATE TABLE tenant_11111111111141118111111111111111.products (id int PRIMARY KEY, label text);
    CREATE TABLE tenant_11111111111141118111111111111111.audit (id int PRIMARY KEY, what text);
    INSERT INTO tenant_11111111111141118111111111111111.products VALUES (1, 'anvil');
    INSERT INTO tenant_11111111111141118111111111111111.audit VALUES (1, 'looked');
    CREATE SCHEMA tenant_22222222222242228222222222222222;
    CREATE TABLE tenant_22222222222242228222222222222222.products (id int PRIMARY KEY, label text);
    CREATE TABLE tenant_22222222222242228222222222222222.sales (product int, buyer_id text);
    INSERT INTO tenant_22222222222242228222222222222222.sales VALUES (7, 'ann');";

fn described(url: target::Secret) -> DatabaseStore {
    DatabaseStore {
        url,
        volatile: vec!["audit".to_owned()],
        owners: ["id", "org", "user_id", "buyer_id", "email"].map(str::to_owned).to_vec(),
        schemas: Some(Schemas {
            table: "public.tenants".to_owned(),
            owner: "org".to_owned(),
            schema: "tenant_{id}".to_owned(),
        }),
    }
}

fn names(things: &harness::stores::Things) -> Vec<&str> {
    things.keys().map(String::as_str).collect()
}

#[test]
fn the_state_of_a_tenant_is_its_rows_and_all_of_its_schema_and_removal_leaves_nothing_of_it() {
    with_postgres(async |run| {
        let server = Server::of_run(run).await?;
        let lent = server.lend().await?;
        let database = Database::connect(&described(lent.admin_url())).unwrap();
        for statement in TENANTS.split_inclusive(';') {
            database.execute(Box::leak(statement.into()), &[]).await.unwrap();
        }
        let acme = database.state_of(&["org_acme", "ann"]).await.unwrap();
        let expected = [
            "public.memberships org_acme ann",
            "public.tenants 11111111-1111-4111-8111-111111111111",
            "public.users ann",
            "schema tenant_11111111111141118111111111111111",
            "tenant_11111111111141118111111111111111.products 1",
            "tenant_22222222222242228222222222222222.sales {\"buyer_id\":\"ann\",\"product\":7}",
        ];
        assert_eq!(names(&acme), expected, "audit is volatile, row level security hides nothing");
        assert_eq!(acme["tenant_11111111111141118111111111111111.products 1"]["label"], "anvil");
        let roles = database.rows("SELECT role FROM memberships WHERE user_id = $1", &["bob"]).await.unwrap();
        assert_eq!(roles, [serde_json::json!({ "role": "owner" })]);
        assert!(database.state_of(&["org%acme"]).await.unwrap().is_empty(), "ids are no patterns");

        let store = Store::Postgres(database.clone());
        let before = store.everything().await.unwrap().len();
        assert_eq!(store.remove(&["org_acme", "ann"]).await.unwrap(), [""; 0]);
        let left = store.everything().await.unwrap();
        // With the schema went its audit too.
        assert_eq!(left.len(), before - expected.len() - 1, "{left:?}");
        assert!(store.mentioning(&["acme", "ann", "anvil"]).await.unwrap().is_empty());
        assert_eq!(store.state_of(&["org_globex"]).await.unwrap().len(), 3);

        // What cannot be removed is named.
        let guard = "CREATE RULE keep AS ON DELETE TO users DO INSTEAD NOTHING";
        database.execute(guard, &[]).await.unwrap();
        assert_eq!(store.remove(&["org_globex", "bob"]).await.unwrap(), ["public.users bob"]);
        Ok(())
    });
}

#[test]
fn a_look_is_refused_where_row_level_security_would_hide_something() {
    with_postgres(async |run| {
        let lent = Server::of_run(run).await?.lend().await?;
        let owner = Database::connect(&described(lent.url())).unwrap();
        for statement in TENANTS.split_inclusive(';').take(7) {
            owner.execute(Box::leak(statement.into()), &[]).await.unwrap();
        }
        let blind = owner.everything().await.unwrap_err().to_string();
        assert!(blind.contains("row-level security"), "{blind}");
        let superuser = owner.rows("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", &[]).await;
        assert!(superuser.is_err() || superuser.unwrap() == [serde_json::json!({ "rolsuper": false })]);
        Ok(())
    });
}

#[test]
fn looks_and_removals_go_on_while_schemas_come_and_go() {
    with_postgres(async |run| {
        let lent = Server::of_run(run).await?.lend().await?;
        let busy = Database::connect(&described(lent.admin_url())).unwrap();
        let looking = Database::connect(&described(lent.admin_url())).unwrap();
        let churn = async {
            for _ in 0..40 {
                busy.execute("CREATE SCHEMA passing", &[]).await.unwrap();
                busy.execute("CREATE TABLE passing.products (id text PRIMARY KEY)", &[]).await.unwrap();
                busy.execute("DROP SCHEMA passing CASCADE", &[]).await.unwrap();
            }
        };
        let look = async {
            for _ in 0..40 {
                looking.everything().await.unwrap();
                assert_eq!(looking.remove(&["nobody"]).await.unwrap(), [""; 0]);
            }
        };
        tokio::join!(churn, look);
        Ok(())
    });
}

#[test]
fn a_cluster_of_ones_own_keeps_what_was_committed_when_it_is_killed() {
    with_postgres(async |run| {
        let mut cluster = Cluster::own(run).await?;
        let folder = folder_of(run);
        let server = Server::of_cluster(&cluster, run);
        let lent = server.lend().await?;
        let database = Database::connect(&described(lent.admin_url())).unwrap();
        database.execute("CREATE TABLE kept (id text PRIMARY KEY)", &[]).await.unwrap();
        database.execute("INSERT INTO kept VALUES ('committed')", &[]).await.unwrap();
        cluster.kill()?;
        assert!(database.rows("SELECT id FROM kept", &[]).await.is_err(), "nobody answers");
        cluster.restart().await?;
        let rows = database.rows("SELECT id FROM kept", &[]).await.unwrap();
        assert_eq!(rows, [serde_json::json!({ "id": "committed" })]);
        assert_eq!(clusters_in(&folder).len(), 1);
        let another = Cluster::own(run).await?;
        assert_eq!(folders_in(&folder, "pg-").len(), 2);
        assert_eq!(folders_in(&folder, "initdb-").len(), 1, "initdb ran once for both");
        assert!(Server::of_cluster(&another, run).lend().await?.name() != lent.name());
        drop(another);
        drop(cluster);
        assert!(clusters_in(&folder).is_empty(), "it ends with its test");
        assert_eq!(sweep(run.folder())?, [""; 0], "the run is in use");
        leave(&folder);
        gone(&folder).await;
        Ok(())
    });
}

#[test]
fn whoever_is_served_when_a_cluster_is_killed_gets_no_answer() {
    with_postgres(async |run| {
        const WORKING: &str = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 5000)%'
            AND state = 'active' AND pid <> pg_backend_pid()";
        let mut cluster = Cluster::own(run).await?;
        let folder = folder_of(run);
        let lent = Server::of_cluster(&cluster, run).lend().await?;
        let database = Database::connect(&described(lent.admin_url())).unwrap();
        // Seconds of work, in which a server does not look whether its first process is still there.
        let work = database.rows(
            "SELECT sum(a.n * b.n) FROM generate_series(1, 3000) a(n), generate_series(1, 5000) b(n)",
            &[],
        );
        let disturb = async {
            wait::until("the work to begin", Duration::from_secs(10), || async {
                match database.rows(WORKING, &[]).await {
                    Ok(rows) if !rows.is_empty() => Ok(()),
                    Ok(_) => Err("nobody works".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await
            .unwrap();
            cluster.kill()
        };
        let (worked, killed) = tokio::join!(work, disturb);
        killed?;
        assert!(worked.is_err(), "{worked:?}");
        drop(cluster);
        leave(&folder);
        gone(&folder).await;
        Ok(())
    });
}

#[test]
fn a_run_has_one_server_and_its_reaper_ends_it_after_the_last_user() {
    with_postgres(async |run| {
        let server = Server::made_for(run).await?;
        let again = Server::made_for(run).await?;
        assert_eq!(server.why, again.why);
        let folder = folder_of(run);
        assert_eq!(servers_of(&folder), 1, "one server for a run");
        let lent = again.lend().await?;
        leave(&folder);
        gone(&folder).await;
        let closed = Database::connect(&described(lent.admin_url())).unwrap().everything().await;
        assert!(closed.is_err(), "the server went with it");
        // Whoever comes later gets a new one.
        Server::made_for(run).await?.lend().await?;
        assert_ne!(folder_of(run), folder);
        let folder = folder_of(run);
        leave(&folder);
        gone(&folder).await;
        Ok(())
    });
}

#[test]
fn a_server_whose_reaper_was_killed_too_is_swept_by_the_record() {
    with_postgres(async |run| {
        let server = Server::made_for(run).await?;
        let lent = server.lend().await?;
        let folder = folder_of(run);
        assert_eq!(sweep(run.folder())?, [""; 0], "it is in use");
        let reaper = record_of(run)["reaper"].as_u64().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-KILL", &reaper]).status().unwrap().success());
        leave(&folder);
        let swept = sweep(run.folder())?;
        let is_server = ["server ", "container "].iter().any(|kind| swept[0].starts_with(kind));
        assert!(swept.len() == 2 && is_server, "{swept:?}");
        assert_eq!(swept[1], format!("folder {}", folder.display()));
        assert!(!folder.exists());
        assert_eq!(sweep(run.folder())?, [""; 0]);
        let closed = Database::connect(&described(lent.admin_url())).unwrap().everything().await;
        assert!(closed.is_err(), "the server went with it");
        Ok(())
    });
}
