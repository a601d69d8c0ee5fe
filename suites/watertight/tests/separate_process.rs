//! access-service as a process of its own, given by URL: the integration suite passes there as it does on the
//! embedded target, with the store and without, and only reads where nothing may be written.
#![expect(clippy::unwrap_used, reason = "what a process cannot do is a failed test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use harness::host;
use harness::stores::EmbeddedDynamoDb;
use serde_json::Value;
use tempfile::TempDir;

const PLATFORM_ADMIN: &str = "watertight-platform-admin";
const BUCKET: &str = "test-audit-bucket";

/// A port that nothing listens on. Somebody may take it before it is used, which then fails loudly.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// access-service as a process, on a store of its own. Both end with this.
struct Service {
    process: Child,
    _store: EmbeddedDynamoDb,
    folder: TempDir,
    log: PathBuf,
    url: String,
    internal: String,
    store: String,
    jwks: u16,
    mail: u16,
    archive: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The service's binary beside the command's, built with the same selection as everything else.
fn binary() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_watertight")).with_file_name("access-service");
    if !binary.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--workspace", "--bins", "--test", "integration"]);
        assert!(build.status().unwrap().success(), "access-service does not build");
    }
    binary
}

impl Service {
    fn start() -> Service {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("service.log");
        let store = host::handle().unwrap().block_on(EmbeddedDynamoDb::start()).unwrap();
        let (jwks, mail, archive) = (free_port(), free_port(), free_port());
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        let mut process = Command::new(binary())
            .args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0", "--create-table"])
            .args(["--jwks-url", &format!("{}/.well-known/jwks.json", at(jwks)), "--issuer", &at(jwks)])
            .args(["--client-id", "access", "--platform-admin", PLATFORM_ADMIN])
            .args(["--dynamodb-endpoint", &store.url(), "--mail-endpoint", &at(mail)])
            .args(["--archive-endpoint", &at(archive), "--archive-bucket", BUCKET])
            .args(["--invitations-per-minute", "10000", "--guesses-per-minute", "100000"])
            .args(["--invitation-burst", "10000", "--guess-burst", "100000"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            line.split_whitespace().last().unwrap().to_owned()
        };
        let (url, internal) = (address(), address());
        let store_url = store.url();
        Service { process, _store: store, folder, log, url, internal, store: store_url, jwks, mail, archive }
    }

    /// A target file with these capabilities and lines of its own.
    fn target(&self, name: &str, capabilities: &[&str], more: &str) -> PathBuf {
        let has = |capability: &str| capabilities.contains(&capability);
        let mut text =
            format!("name = '{name}'\nbase_url = '{}'\ncapabilities = {capabilities:?}\n{more}\n", self.url);
        text += &format!(
            "[identity]\nkind = 'mint'\nlisten = '127.0.0.1:{}'\nclient_id = 'access'\nplatform_admin = '{PLATFORM_ADMIN}'\n",
            self.jwks
        );
        text += &format!("[mail]\nlisten = '127.0.0.1:{}'\n", self.mail);
        text += &format!("[archive]\nlisten = '127.0.0.1:{}'\nbucket = '{BUCKET}'\n", self.archive);
        text += &format!("[lambda]\nurl = '{}'\n", self.internal);
        if has("store") {
            text += &format!(
                "[store]\nkind = 'dynamodb'\nurl = '{}'\ntable = 'access-management'\nvolatile = ['EVENT#', 'EXPORT#']\n",
                self.store
            );
            text += "owners = ['PK', 'SK', 'GSI1PK', 'GSI2PK', 'GSI3PK', 'organisationId', 'orgId', 'orgs', 'name', 'email', 'message']\n";
        }
        let file = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Runs the integration suite on a target file; gives the command's output and the run's `run.json`.
    fn integration(target: &Path) -> (Output, Value) {
        let run = target.with_extension("run");
        let output = Command::new(env!("CARGO_BIN_EXE_watertight"))
            .args(["integration", "--target"])
            .arg(target)
            .env("WATERTIGHT_RUN", &run)
            .env_remove("WATERTIGHT_POLICY")
            .output()
            .unwrap();
        let json = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
        (output, serde_json::from_str(&json).unwrap_or_default())
    }

    /// How often the service's own log tells of each method.
    fn methods(&self) -> BTreeMap<String, usize> {
        let mut methods = BTreeMap::new();
        for line in std::fs::read_to_string(&self.log).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let fields = &line["fields"];
            if fields["message"] == "request" {
                *methods.entry(fields["method"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        methods
    }
}

/// The integration suite's figures, after everything passed that was not skipped.
fn passed(output: &Output, run: &Value) -> (u64, u64) {
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let suite = &run["suites"][0];
    assert_eq!((&suite["fail"], &suite["error"]), (&0.into(), &0.into()), "{told}");
    (suite["pass"].as_u64().unwrap(), suite["skip"].as_u64().unwrap())
}

#[test]
fn the_integration_suite_passes_against_a_url_and_only_reads_where_it_may_not_write() {
    let service = Service::start();
    let all = ["provision", "mint", "mail", "archive", "lambda", "audit", "store"];

    // Everything but what disturbs, and so needs a system of its own, is told here too.
    let (output, run) = Service::integration(&service.target("whole", &all, ""));
    let (pass, skip) = passed(&output, &run);
    assert!(pass >= 120 && skip < pass / 4, "{pass} passed, {skip} skipped");

    let (output, run) = Service::integration(&service.target("storeless", &all[..6], ""));
    let (storeless_pass, storeless_skip) = passed(&output, &run);
    assert_eq!(storeless_pass + storeless_skip, pass + skip, "no story is lost without the store");
    assert!(storeless_skip >= skip, "what needs the store is skipped: {storeless_skip} and {skip}");
    let page = std::fs::read_to_string(service.folder.path().join("storeless.run/index.html")).unwrap();
    for named in ["store checks skipped", "has no capability &#x27;store&#x27;"] {
        assert!(page.contains(named), "what is skipped is skipped by name: no {named:?} on the page");
    }

    let before = service.methods();
    assert!(before["POST"] > 0 && before["GET"] > 0, "the log tells of every request: {before:?}");
    let (output, run) = Service::integration(&service.target("read-only", &all, "read_only = true"));
    passed(&output, &run);
    let mut after = service.methods();
    assert!(after["GET"] > before["GET"], "the target was read: {before:?}, {after:?}");
    after.insert("GET".to_owned(), before["GET"]);
    assert_eq!(after, before, "and nothing else was sent to it");
}
