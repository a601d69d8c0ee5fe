//! access-service as a process of its own, for the tests of the command.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::host;
use harness::stores::EmbeddedDynamoDb;
use serde_json::Value;
use tempfile::TempDir;

use crate::port;

const PLATFORM_ADMIN: &str = "watertight-platform-admin";
const BUCKET: &str = "test-audit-bucket";

/// access-service as a process, on a store of its own. Both end with this.
pub struct Service {
    process: Child,
    _store: EmbeddedDynamoDb,
    pub folder: TempDir,
    log: PathBuf,
    pub url: String,
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
    pub fn start() -> Service {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("service.log");
        let store = host::handle().unwrap().block_on(EmbeddedDynamoDb::start()).unwrap();
        let (jwks, mail, archive) = (port::free(), port::free(), port::free());
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
    pub fn target(&self, name: &str, capabilities: &[&str], more: &str) -> PathBuf {
        self.target_at(&self.url, name, capabilities, more)
    }

    /// The same for what stands in front of the service.
    pub fn target_at(&self, url: &str, name: &str, capabilities: &[&str], more: &str) -> PathBuf {
        let has = |capability: &str| capabilities.contains(&capability);
        let mut text =
            format!("name = '{name}'\nbase_url = '{url}'\ncapabilities = {capabilities:?}\n{more}\n");
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

    /// How often the service's own log tells of each method.
    pub fn methods(&self) -> BTreeMap<String, usize> {
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
