//! access-service as a process of its own, for the tests of the command.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::host;
use harness::stores::EmbeddedDynamoDb;
use serde_json::Value;

use crate::port;
use crate::program::Program;

const PLATFORM_ADMIN: &str = "watertight-platform-admin";
const BUCKET: &str = "test-audit-bucket";

/// The security suite on a target file, in a run folder of its own.
pub fn security(target: &Path, run: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command.arg("security").args(words).arg("--target").arg(target).env("WATERTIGHT_RUN", run);
    command.env_remove("WATERTIGHT_POLICY");
    command
}

/// access-service as a process, on a store of its own. Both end with this.
pub struct Service {
    pub program: Program,
    store: EmbeddedDynamoDb,
    jwks: u16,
    mail: u16,
    archive: u16,
}

impl Service {
    pub fn start() -> Service {
        let store = host::handle().unwrap().block_on(EmbeddedDynamoDb::start()).unwrap();
        let (jwks, mail, archive) = (port::free(), port::free(), port::free());
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        let program = Program::start("access-service", |command| {
            command
                .arg("--create-table")
                .args(["--jwks-url", &format!("{}/.well-known/jwks.json", at(jwks)), "--issuer", &at(jwks)])
                .args(["--client-id", "access", "--platform-admin", PLATFORM_ADMIN])
                .args(["--dynamodb-endpoint", &store.url(), "--mail-endpoint", &at(mail)])
                .args(["--archive-endpoint", &at(archive), "--archive-bucket", BUCKET])
                .args(["--invitations-per-minute", "10000", "--guesses-per-minute", "100000"])
                .args(["--invitation-burst", "10000", "--guess-burst", "100000"]);
        });
        Service { program, store, jwks, mail, archive }
    }

    /// A target file with these capabilities and lines of its own.
    pub fn target(&self, name: &str, capabilities: &[&str], more: &str) -> PathBuf {
        self.target_at(&self.program.url, name, capabilities, more)
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
        text += &format!("[lambda]\nurl = '{}'\n", self.program.internal);
        if has("store") {
            text += &format!(
                "[store]\nkind = 'dynamodb'\nurl = '{}'\ntable = 'access-management'\nvolatile = ['EVENT#', 'EXPORT#']\n",
                self.store.url()
            );
            text += "owners = ['PK', 'SK', 'GSI1PK', 'GSI2PK', 'GSI3PK', 'organisationId', 'orgId', 'orgs', 'name', 'email', 'message']\n";
        }
        let file = self.program.folder.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// How often the service's own log tells of each method.
    pub fn methods(&self) -> BTreeMap<String, usize> {
        let mut methods = BTreeMap::new();
        for line in std::fs::read_to_string(&self.program.log).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let fields = &line["fields"];
            if fields["message"] == "request" {
                *methods.entry(fields["method"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        methods
    }
}
