//! `watertight load` on a service that is not there, lets nobody in, or dies under load: what it says, what it exits with,
//! and that nothing stays of what it made.
#![expect(clippy::unwrap_used, reason = "what a process cannot do is a failed test")]

mod port;
mod program;
mod service;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::data::Outstanding;
use harness::{host, wait};
use serde_json::Value;
use service::Service;

const ALL: [&str; 7] = ["provision", "mint", "mail", "archive", "lambda", "audit", "store"];
/// Reading requests until the service is under load, and no tenants are being made any more.
const UNDER_LOAD: usize = 300;
/// How the service's log tells of one.
const READ: &str = r#""method":"GET""#;
const PATIENCE: Duration = Duration::from_mins(1);

/// A load run that has begun.
struct Running {
    child: Child,
    run: PathBuf,
}

/// What it came to.
struct Ended {
    code: Option<i32>,
    said: String,
    /// `run.json`.
    run: Value,
    /// What it made and did not remove.
    left: Vec<Outstanding>,
}

impl Running {
    fn on(target: &Path) -> Running {
        let run = target.with_extension("run");
        let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
        command.args(["load", "--profile", "demo", "--duration", "60s", "--target"]).arg(target);
        command.env("WATERTIGHT_RUN", &run).env_remove("WATERTIGHT_POLICY");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child, run }
    }

    fn ended(self) -> Ended {
        let output = self.child.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let run = std::fs::read_to_string(self.run.join("run.json")).unwrap_or_default();
        let left = Outstanding::of_run(&self.run).unwrap();
        Ended { code: output.status.code(), said, run: serde_json::from_str(&run).unwrap_or_default(), left }
    }
}

#[test]
fn a_service_that_is_not_there_is_named_with_its_address() {
    let mut service = Service::start();
    service.program.kill();
    let ended = Running::on(&service.target("absent", &ALL, "")).ended();
    assert_eq!(ended.code, Some(2), "{}", ended.said);
    assert!(ended.said.contains(service.program.url.trim_end_matches('/')), "{}", ended.said);
    assert!(ended.left.is_empty(), "{:?}", ended.left);
}

#[test]
fn a_service_that_takes_no_token_of_the_target_file_is_told_from_one_that_is_not_there() {
    let service = Service::start();
    let target = service.target("refused", &ALL, "");
    let text = std::fs::read_to_string(&target).unwrap();
    std::fs::write(&target, text.replace("client_id = 'access'", "client_id = 'somebody-else'")).unwrap();
    let ended = Running::on(&target).ended();
    assert_eq!(ended.code, Some(2), "{}", ended.said);
    assert!(ended.said.contains("401") && ended.said.contains("[identity]"), "{}", ended.said);
    assert!(ended.left.is_empty(), "{:?}", ended.left);
}

#[test]
fn a_service_that_dies_under_load_leaves_a_report_of_what_was_measured_and_no_tenant() {
    let mut service = Service::start();
    let mut running = Running::on(&service.target("dying", &ALL, ""));
    let reads = || async {
        let reads = std::fs::read_to_string(&service.program.log).unwrap().matches(READ).count();
        if reads > UNDER_LOAD { Ok(()) } else { Err(format!("{reads} reads")) }
    };
    let waited = wait::every(Duration::from_millis(100), "the load", PATIENCE, reads);
    let waited = host::handle().unwrap().block_on(waited);
    if let (Err(error), Some(_)) = (&waited, running.child.try_wait().unwrap()) {
        let mut said = String::new();
        running.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("{error}: {said}");
    }
    waited.unwrap();
    service.program.kill();

    let ended = running.ended();
    assert_eq!(ended.code, Some(1), "its thresholds failed, which outranks the trouble: {}", ended.said);
    assert!(ended.said.contains("stopped answering") && ended.said.contains("'dying'"), "{}", ended.said);
    let suites = ended.run["suites"].as_array().unwrap();
    let load = suites.iter().find(|suite| suite["suite"] == "load").unwrap();
    assert!(load["requests"].as_u64().unwrap() > 0, "{load}");
    let rules = load["thresholds"].as_array().unwrap();
    let error_rate = rules.iter().find(|rule| rule["rule"] == "error-rate<0.1%").unwrap();
    assert_eq!(error_rate["pass"], false, "{load}");
    assert!(ended.left.is_empty(), "{:?}", ended.left);
}
