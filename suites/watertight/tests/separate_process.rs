//! access-service as a process of its own, given by URL: the integration suite passes there as it does on the
//! embedded target, with the store and without, and only reads where nothing may be written.
#![expect(clippy::unwrap_used, reason = "what a process cannot do is a failed test")]

mod port;
mod program;
mod service;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use service::Service;

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
    let (output, run) = integration(&service.target("whole", &all, ""));
    let (pass, skip) = passed(&output, &run);
    assert!(pass >= 120 && skip < pass / 4, "{pass} passed, {skip} skipped");

    let (output, run) = integration(&service.target("storeless", &all[..6], ""));
    let (storeless_pass, storeless_skip) = passed(&output, &run);
    assert_eq!(storeless_pass + storeless_skip, pass + skip, "no story is lost without the store");
    assert!(storeless_skip >= skip, "what needs the store is skipped: {storeless_skip} and {skip}");
    let page =
        std::fs::read_to_string(service.program.folder.path().join("storeless.run/index.html")).unwrap();
    for named in ["store checks skipped", "has no capability &#x27;store&#x27;"] {
        assert!(page.contains(named), "what is skipped is skipped by name: no {named:?} on the page");
    }

    let before = service.methods();
    assert!(before["POST"] > 0 && before["GET"] > 0, "the log tells of every request: {before:?}");
    let (output, run) = integration(&service.target("read-only", &all, "read_only = true"));
    passed(&output, &run);
    let mut after = service.methods();
    assert!(after["GET"] > before["GET"], "the target was read: {before:?}, {after:?}");
    after.insert("GET".to_owned(), before["GET"]);
    assert_eq!(after, before, "and nothing else was sent to it");
}
