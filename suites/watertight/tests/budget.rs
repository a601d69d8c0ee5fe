//! A security run that is cut short, by its budget or by Ctrl-C: a report of what was observed, no pass, and nothing left
//! of what it made on a service whose store it cannot touch.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod port;
mod program;
mod service;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::data::Outstanding;
use harness::host;
use harness::wait;
use serde_json::Value;
use service::{Service, security};

const CAPABILITIES: [&str; 6] = ["provision", "mint", "mail", "archive", "lambda", "audit"];
/// How long a run may take to begin.
const BEGUN: Duration = Duration::from_mins(1);

/// A part of the suite on a service without its store: the service, the run's folder and its report.
fn attacked(name: &str, words: &[&str], code: i32) -> (Service, PathBuf, Value) {
    let service = Service::start();
    let target = service.target(name, &CAPABILITIES, "");
    let run = target.with_extension("run");
    let output = security(&target, &run, words).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let report = reported(&run);
    (service, run, report)
}

/// The report of a run, of which nothing may be left.
fn reported(run: &Path) -> Value {
    let left = Outstanding::of_run(run).unwrap();
    assert!(left.is_empty(), "{} things are left, the first a {}", left.len(), left[0].kind);
    assert!(run.join("index.html").is_file());
    serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_budget_that_is_used_up_ends_in_errors_by_name_and_leaves_nothing() {
    let (service, run, report) = attacked("budget", &["--only", "matrix/*", "--max-requests", "400"], 2);
    let suite = &report["suites"][0];
    assert_eq!(report["verdict"], "error", "{suite}");
    assert!(suite["pass"].as_u64() > Some(0) && suite["error"].as_u64() > Some(0), "{suite}");
    let page = std::fs::read_to_string(run.join("index.html")).unwrap();
    assert!(page.contains("the budget of 400 requests is used up"));
    // What removes things again is outside of it, and there is less of that than was made.
    let sent: usize = service.methods().values().sum();
    assert!((400..800).contains(&sent), "{sent}");
}

#[test]
fn a_rate_is_kept_to() {
    let (service, _, report) = attacked("rate", &["--only", "matrix/team-get/*", "--rate", "10"], 0);
    let sent: usize = service.methods().values().sum();
    let seconds = report["seconds"].as_f64().unwrap();
    // Cleanup is in no hurry and in no budget; at full speed there would be a hundred a second.
    assert!(
        sent > 20 && f64::from(u32::try_from(sent).unwrap()) / seconds < 20.0,
        "{sent} requests in {seconds} s"
    );
}

#[test]
fn ctrl_c_in_mid_run_leaves_a_report_and_nothing_else() {
    let service = Service::start();
    let target = service.target("interrupted", &CAPABILITIES, "");
    let run = target.with_extension("run");
    let mut command = security(&target, &run, &["--rate", "200"]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let under_way = || async {
        let made = Outstanding::of_run(&run).map_err(|error| error.to_string())?;
        if made.len() > 10 { Ok(()) } else { Err(format!("{} things made", made.len())) }
    };
    host::handle().unwrap().block_on(wait::until("the run to be under way", BEGUN, under_way)).unwrap();
    let interrupt = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let (began, ended) = (Instant::now(), running.wait().unwrap());
    assert_eq!(ended.code(), Some(2), "after {:?}", began.elapsed());
    let report = reported(&run);
    assert_eq!(report["partial"], true, "{}", report["suites"]);
}
