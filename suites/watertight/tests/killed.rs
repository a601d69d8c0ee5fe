//! A run that is killed in the middle leaves nothing: the reaper ends what it made on this machine, `sweep` what it made
//! on servers that are there after it, and neither touches what is a stranger's.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use harness::host;
use harness::reaper;
use harness::run::Run;
use harness::seed::Seed;
use harness::stores::postgres::{Cluster, Lent, PostgresError, Server};
use harness::stores::{Database, EmbeddedDynamoDb};
use harness::target::{DatabaseStore, Secret};
use harness::wait;
use rand::Rng as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs that are killed.
const KILLS: usize = 10;
/// When they are, at the latest: the suite takes longer.
const LATEST: Duration = Duration::from_secs(4);
/// How long the reaper may take, on a machine that does other things too.
const GONE_LIMIT: Duration = Duration::from_secs(40);

/// Where a run works: whatever it leaves can be told from everything else.
struct Site {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    volumes: BTreeSet<String>,
    memory: BTreeSet<String>,
}

impl Site {
    fn new(environment: &[(&'static str, &str)]) -> Site {
        let folder = tempfile::tempdir().unwrap();
        // The server that refuses root enters the folder for what is temporary.
        open(folder.path());
        std::fs::create_dir(folder.path().join("temporary")).unwrap();
        open(&folder.path().join("temporary"));
        let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Site { folder, environment, volumes: volumes(), memory: unused_memory() }
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
        command.args(words).current_dir(self.folder.path()).env("TMPDIR", self.temporary());
        for variable in [
            "WATERTIGHT_RUN",
            "WATERTIGHT_POLICY",
            "WATERTIGHT_TARGET",
            "WATERTIGHT_DYNAMODB",
            "WATERTIGHT_POSTGRES",
        ] {
            command.env_remove(variable);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn start(&self) -> Child {
        self.start_with(&["security"])
    }

    fn start_with(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn sweep(&self) -> Output {
        let output = self.command(&["sweep"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output
    }

    fn runs(&self) -> Vec<PathBuf> {
        let out = self.folder.path().join("reports/out");
        let folders = std::fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path());
        folders.filter(|folder| folder.is_dir()).collect()
    }

    /// The records of all quarters; none where nothing was made on this machine.
    fn quarters(&self) -> Vec<PathBuf> {
        let records = |run: PathBuf| run.join("quarters").read_dir().into_iter().flatten().flatten();
        self.runs().into_iter().flat_map(records).map(|entry| entry.path()).collect()
    }

    /// Whether the suite has recorded something: its targets are up.
    fn has_begun(&self) -> bool {
        self.runs().iter().any(|run| run.join("records").read_dir().is_ok_and(|mut all| all.next().is_some()))
    }

    /// The process of the run's database, once it takes connections.
    fn server(&self) -> Option<String> {
        let quarters = std::fs::read_dir(self.temporary()).into_iter().flatten().flatten();
        let clusters =
            quarters.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten().flatten());
        let mut said = clusters
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("data/postmaster.pid")).ok());
        let said = said.find(|said| said.lines().any(|line| line.trim() == "ready"))?;
        said.lines().next().map(str::to_owned)
    }

    /// Whether the engine is being asked for a container at this moment.
    fn is_asking(&self) -> bool {
        let quarters = std::fs::read_dir(self.temporary()).into_iter().flatten().flatten();
        let mut inside =
            quarters.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten().flatten());
        inside.any(|entry| entry.file_name().to_string_lossy().starts_with("asked-"))
    }

    /// Everything that is left on this machine, by name.
    fn survivors(&self) -> Vec<String> {
        let mut left: Vec<String> = std::fs::read_dir(self.temporary())
            .unwrap()
            .map(|entry| format!("folder {}", entry.unwrap().path().display()))
            .collect();
        let temporary = self.temporary().display().to_string();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&temporary) {
                let command = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
                let command: String = command.replace('\0', " ").chars().take(60).collect();
                left.push(format!("process {} {command}", process.file_name().display()));
            }
        }
        for run in self.runs() {
            let label = format!("label=watertight.run={}", run.file_name().unwrap().display());
            left.extend(
                docker(&["ps", "-aq", "--filter", &label]).into_iter().map(|id| format!("container {id}")),
            );
        }
        left.extend(self.quarters().iter().map(|record| format!("record {}", record.display())));
        // Volumes without a container.
        left.extend(volumes().difference(&self.volumes).map(|name| format!("volume {name}")));
        left.extend(unused_memory().difference(&self.memory).cloned());
        left
    }

    /// Gives the reaper its time, then sweeps; panics if anything is left after both. Says who had to do it.
    fn clear(&self) -> &'static str {
        let gone = || async {
            let left = self.survivors();
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        };
        let all_gone = |by| block_on(wait::every(Duration::from_millis(200), by, GONE_LIMIT, gone));
        let reaped = all_gone("the reaper");
        self.sweep();
        // What a test beside this one has just killed is seen here too, until its reaper has been there.
        let left = all_gone("reaper and sweep");
        assert!(left.is_ok(), "left behind after both: {left:?}; the reaper: {reaped:?}");
        if reaped.is_ok() { "by the reaper" } else { "by sweep" }
    }
}

fn open(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    host::handle().unwrap().block_on(work)
}

/// The lines that the command prints; none where there is no engine.
fn docker(words: &[&str]) -> Vec<String> {
    let Ok(output) = Command::new("docker").args(words).output() else { return Vec::new() };
    // Without an engine the command prints an empty line and fails.
    if !output.status.success() {
        return Vec::new();
    }
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn volumes() -> BTreeSet<String> {
    docker(&["volume", "ls", "-q", "--filter", "dangling=true"]).into_iter().collect()
}

/// Shared memory that no process has any more: what a database leaves that is killed. Servers at work elsewhere have
/// theirs.
fn unused_memory() -> BTreeSet<String> {
    const ATTACHED: usize = 6;
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let segments = segments.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let unused = segments.filter(|fields| fields.get(ATTACHED) == Some(&"0"));
    let mut unused: BTreeSet<String> =
        unused.filter_map(|fields| Some(format!("segment {}", fields.get(1)?))).collect();
    let files = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: BTreeSet<String> = files
        .map(|path| path.display().to_string())
        .filter(|path| path.starts_with("/dev/shm/PostgreSQL."))
        .collect();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let mapped = std::fs::read_to_string(process.path().join("maps")).unwrap_or_default();
        files.retain(|file| !mapped.contains(file.as_str()));
    }
    unused.extend(files.into_iter().map(|file| format!("shared memory {file}")));
    unused
}

/// Why there are no containers of the stores' images, if there are none.
fn no_containers() -> Option<String> {
    for (variable, image) in [
        ("WATERTIGHT_DYNAMODB_IMAGE", "amazon/dynamodb-local:latest"),
        ("WATERTIGHT_POSTGRES_IMAGE", "postgres:17"),
    ] {
        let image = std::env::var(variable).unwrap_or_else(|_| image.to_owned());
        if docker(&["image", "inspect", "--format", "{{.Id}}", &image]).is_empty() {
            return Some(format!(
                "no engine answers, or the image {image} is not in it ({variable} names another)"
            ));
        }
    }
    None
}

/// Waits for a moment, unless the process ends before it.
fn wait_for(child: &mut Child, what: &str, limit: Duration, mut at: impl FnMut() -> bool) {
    let start = Instant::now();
    while !at() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "the run ended before {what}, so it could not be killed: {ended:?}");
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        let pause = || async { Err::<(), _>("a look is not for nothing".to_owned()) };
        block_on(wait::until("the next look", Duration::from_millis(20), pause)).ok();
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing_on_this_machine() {
    let lack = no_containers();
    if let Some(lack) = &lack {
        println!("SKIPPED: runs on containers are not killed: {lack}");
    }
    let seed = Seed::fresh();
    println!("seed {seed}");
    let mut rng = seed.rng("moments");
    for kill in 0..KILLS {
        let in_containers = kill % 2 == 1 && lack.is_none();
        let site = if in_containers {
            Site::new(&[("WATERTIGHT_DYNAMODB", "container"), ("WATERTIGHT_POSTGRES", "container")])
        } else {
            Site::new(&[])
        };
        let mut child = site.start();
        let start = Instant::now();
        // Every other time with containers while one is being made.
        let moment = if in_containers && kill % 4 == 1 {
            wait_for(&mut child, "a request for a container", GONE_LIMIT, || site.is_asking());
            format!("while a container is asked for, after {:?}", start.elapsed())
        } else {
            let moment = rng.random_range(Duration::ZERO..LATEST);
            wait_for(&mut child, "the moment", GONE_LIMIT, || start.elapsed() >= moment);
            format!("after {moment:?}")
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let at_once = site.survivors().len();
        let on = if in_containers { "containers" } else { "embedded and local stores" };
        println!("kill {} on {on}, {moment}: {at_once} survivors, then none, {}", kill + 1, site.clear());
    }
}

#[test]
fn a_run_whose_reaper_is_killed_with_it_is_swept() {
    let site = Site::new(&[]);
    let mut child = site.start();
    wait_for(&mut child, "the suite to begin", GONE_LIMIT, || site.has_begun());
    let records = site.quarters();
    for record in &records {
        let record: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        let reaper = record["reaper"].as_u64().unwrap().to_string();
        assert!(Command::new("kill").args(["-KILL", &reaper]).status().unwrap().success());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if records.is_empty() {
        println!("SKIPPED: without PostgreSQL there is nothing to reap");
        return;
    }
    let output = site.sweep();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("removed server ") && said.contains("removed folder "), "{said}");
    let gone = || async {
        let left = site.survivors();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    };
    // Those that a server had are a moment behind it.
    block_on(wait::until("the processes to end", Duration::from_secs(10), gone)).unwrap();
}

#[test]
fn services_that_are_processes_of_their_own_go_with_a_load_run_that_is_killed() {
    let site = Site::new(&[]);
    let mut child = site.start_with(&["load", "--apart", "--profile", "baseline"]);
    wait_for(&mut child, "the suite to begin", GONE_LIMIT, || site.has_begun());
    let services = || site.survivors().into_iter().filter(|left| left.contains("-service ")).count();
    assert!(services() > 0, "a service of its own: {:?}", site.survivors());
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{} survivors, then none, {}", site.survivors().len(), site.clear());
    assert_eq!(services(), 0);
}

#[test]
fn a_database_that_is_killed_with_its_run_leaves_no_shared_memory() {
    let site = Site::new(&[]);
    let mut child = site.start();
    wait_for(&mut child, "the suite to begin", GONE_LIMIT, || site.has_begun());
    let server = site.server();
    if let Some(server) = &server {
        assert!(Command::new("kill").args(["-KILL", server]).status().unwrap().success());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let cleared = site.clear();
    match server {
        Some(server) => println!("server {server} was killed, then nothing was left, {cleared}"),
        None => println!("SKIPPED: no PostgreSQL of this machine was at work"),
    }
}

/// Servers that are there after a run, with something on them that is a stranger's.
struct Servers {
    dynamodb: EmbeddedDynamoDb,
    postgres: Lent,
    admin: Database,
    _cluster: Cluster,
    run: &'static Run,
    _folder: TempDir,
}

impl Servers {
    async fn start() -> Result<Servers, PostgresError> {
        let folder = tempfile::tempdir().unwrap();
        let run: &'static Run = Box::leak(Box::new(Run::at(folder.path()).unwrap()));
        let cluster = Cluster::own(run).await?;
        let postgres = Server::of_cluster(&cluster, run).lend().await?;
        let admin = Database::connect(&DatabaseStore {
            url: Secret::new(postgres.admin_url().reveal()),
            volatile: Vec::new(),
            owners: Vec::new(),
            schemas: None,
        })
        .unwrap();
        for statement in [
            "CREATE ROLE watertight_stranger",
            "CREATE DATABASE watertight_stranger OWNER watertight_stranger",
            "CREATE SCHEMA tenant_stranger",
            "CREATE TABLE tenant_stranger.kept (id text PRIMARY KEY)",
        ] {
            admin.execute(statement, &[]).await.unwrap();
        }
        let dynamodb = EmbeddedDynamoDb::start().await.unwrap();
        let servers = Servers { dynamodb, postgres, admin, _cluster: cluster, run, _folder: folder };
        let key = json!([{ "AttributeName": "PK", "KeyType": "HASH" }]);
        let attributes = json!([{ "AttributeName": "PK", "AttributeType": "S" }]);
        let table = json!({ "TableName": "watertight-stranger", "KeySchema": key, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST" });
        servers.dynamodb("CreateTable", &table).await;
        Ok(servers)
    }

    async fn dynamodb(&self, action: &str, body: &Value) -> Value {
        let request = reqwest::Client::new().post(self.dynamodb.url()).body(body.to_string());
        let request = request.header("x-amz-target", format!("DynamoDB_20120810.{action}"));
        let request = request.header("content-type", "application/x-amz-json-1.0").header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=watertight/20260101/af-south-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        );
        let request = request.header("x-amz-date", "20260101T000000Z");
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// All there is: tables, databases, roles and schemas.
    async fn inventory(&self) -> BTreeSet<String> {
        let tables = self.dynamodb("ListTables", &json!({})).await;
        let mut all: BTreeSet<String> =
            tables["TableNames"].as_array().unwrap().iter().map(|name| format!("table {name}")).collect();
        for (kind, query) in [
            ("database", "SELECT datname AS name FROM pg_database"),
            ("role", "SELECT rolname AS name FROM pg_roles"),
            ("schema", "SELECT nspname AS name FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'"),
        ] {
            let rows = self.admin.rows(query, &[]).await.unwrap();
            all.extend(rows.iter().map(|row| format!("{kind} {}", row["name"])));
        }
        all
    }
}

#[test]
fn what_a_killed_run_made_on_servers_is_swept_and_a_strangers_things_stay() {
    let servers = match block_on(Servers::start()) {
        Ok(servers) => servers,
        Err(lack @ PostgresError::Absent(_)) => {
            println!("SKIPPED: {lack}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let before = block_on(servers.inventory());
    let (dynamodb, postgres) = (servers.dynamodb.url(), servers.postgres.admin_url().reveal().to_owned());
    let site = Site::new(&[("WATERTIGHT_DYNAMODB", &dynamodb), ("WATERTIGHT_POSTGRES", &postgres)]);
    let mut rng = Seed::fresh().rng("moments");
    let mut most = 0;
    for _ in 0..3 {
        let mut child = site.start();
        let made = || block_on(servers.inventory()).len() > before.len() + 2;
        wait_for(&mut child, "things on the servers", GONE_LIMIT, made);
        let (start, moment) = (Instant::now(), rng.random_range(Duration::ZERO..LATEST));
        wait_for(&mut child, "the moment", GONE_LIMIT, || start.elapsed() >= moment);
        child.kill().unwrap();
        child.wait().unwrap();
        most = most.max(block_on(servers.inventory()).difference(&before).count());
    }
    println!("up to {most} tables, databases, roles and schemas were left");
    assert!(most >= 3, "a table, a database, a role");
    site.clear();
    assert_eq!(block_on(servers.inventory()), before);
    assert!(before.iter().any(|what| what.contains("stranger")));

    // What ended as it should has left nothing either.
    let output = site.command(&["security", "--only", "matrix/health"]).output().unwrap();
    assert!(output.status.code().is_some(), "{output:?}");
    assert_eq!(block_on(servers.inventory()), before, "{output:?}");
    drop(servers.admin);
    assert!(reaper::sweep(servers.run.folder()).unwrap().is_empty(), "the servers are in use");
}
