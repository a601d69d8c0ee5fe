//! platform-service as a process of its own, given by URL: its stories pass there too, and the log it wrote meanwhile
//! tells each request by tenant and id, and nothing that must stay secret.
#![expect(clippy::unwrap_used, reason = "what a process cannot do is a failed test")]

mod port;
mod program;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use harness::host;
use harness::run::Run;
use harness::stores::postgres::{Lent, PostgresError, Server};
use program::Program;
use serde_json::Value;

const PLATFORM_ADMIN: &str = "watertight-platform-admin";
const PARTY: &str = "https://app.watertight.invalid";

/// platform-service as a process, on a database of its own. Both end with this.
struct Service {
    program: Program,
    database: Lent,
    jwks: u16,
}

impl Service {
    /// Nothing where this machine has no PostgreSQL.
    fn start() -> Option<Service> {
        let runtime = host::handle().unwrap();
        let lent = runtime.block_on(async { Server::of_run(Run::current().unwrap()).await?.lend().await });
        let database = match lent {
            Err(absent @ PostgresError::Absent(_)) => {
                println!("skip: {absent}");
                return None;
            }
            lent => lent.unwrap(),
        };
        let jwks = port::free();
        let issuer = format!("http://127.0.0.1:{jwks}");
        let program = Program::start("platform-service", |command| {
            command
                .args(["--jwks-url", &format!("{issuer}/.well-known/jwks.json"), "--issuer", &issuer])
                .args(["--authorized-party", PARTY, "--platform-admin", PLATFORM_ADMIN])
                .env("DATABASE_URL", database.url().reveal());
        });
        Some(Service { program, database, jwks })
    }

    /// Tells the platform's stories against it; the folder of the run.
    fn integration(&self) -> PathBuf {
        let target = self.program.folder.path().join("platform.toml");
        let text = format!(
            "name = 'by-url'\nbase_url = '{}'\ninternal = '{}'\n\
             capabilities = ['provision', 'mint', 'audit', 'store']\n\
             [vocabulary]\nadmin_role = 'owner'\nplan = 'enterprise'\n\
             [identity]\nkind = 'mint'\nstyle = 'clerk'\nlisten = '127.0.0.1:{}'\nclient_id = '{PARTY}'\n\
             platform_admin = '{PLATFORM_ADMIN}'\n\
             [store]\nkind = 'postgres'\nurl = 'env:WATERTIGHT_TEST_DATABASE'\nvolatile = ['audit']\n\
             owners = ['id', 'org_id', 'user_id', 'subject', 'sold_by', 'email', 'name', 'slug', 'note']\n\
             schemas = {{ table = 'public.tenants', owner = 'org_id', schema = '{{schema}}' }}\n",
            self.program.url, self.program.internal, self.jwks
        );
        std::fs::write(&target, text).unwrap();
        let run = self.program.folder.path().join("run");
        let output = Command::new(env!("CARGO_BIN_EXE_watertight"))
            .args(["integration", "--target"])
            .arg(&target)
            .env("WATERTIGHT_RUN", &run)
            .env("WATERTIGHT_TEST_DATABASE", self.database.admin_url().reveal())
            .env_remove("WATERTIGHT_POLICY")
            .output()
            .unwrap();
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        run
    }

    fn lines(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.program.log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
    }
}

/// The part of a URL between `:` and `@`: the password.
fn password(url: &str) -> &str {
    url.split_once("://").unwrap().1.split_once('@').unwrap().0.split_once(':').unwrap().1
}

#[test]
fn the_platforms_stories_pass_against_a_url_and_its_log_keeps_what_is_secret() {
    let Some(service) = Service::start() else { return };
    let run = service.integration();
    let json: Value = serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    let passed = json["suites"][0]["pass"].as_u64().unwrap();
    assert!(passed >= 150, "the platform's stories were told by URL: {passed} passed");

    let lines = service.lines();
    assert!(!lines.contains(&Value::Null), "every line is JSON");
    let requests: Vec<&Value> =
        lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == "request").collect();
    assert!(requests.len() > 1_000, "a line for each request, found {}", requests.len());
    for request in &requests {
        let has = |name: &str| request[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(has("request_id") && has("method") && has("route"), "{request}");
        let is_inside = request["route"] == "/api/products" && request["status"] == 200;
        assert!(!is_inside || (has("tenant_id") && has("user")), "the tenant of {request}");
    }
    let tenants: BTreeSet<&str> =
        requests.iter().filter_map(|request| request["tenant_id"].as_str()).collect();
    assert!(tenants.len() > 100, "each tenant is told apart, found {}", tenants.len());

    let log = std::fs::read_to_string(&service.program.log).unwrap();
    let (own, admin) = (service.database.url(), service.database.admin_url());
    for secret in
        [password(own.reveal()), password(admin.reveal()), "postgres://", "Bearer ", "eyJ", "@watertight"]
    {
        assert!(!log.contains(secret), "{secret:?} in the log");
    }
}
