//! Weak services of which the security suite has a URL and no store: what it finds there all the same, and what it
//! names as out of its reach.

use std::process::Command;

use serde_json::Value;

#[test]
fn by_url_a_weakness_is_found_or_named_as_one_that_takes_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let output = Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(["--target", "platform", "mutants", "--by-url"])
        .args(["--only", "product-of-any-tenant,unknown-plan-has-all"])
        .env("WATERTIGHT_RUN", &run)
        .env_remove("WATERTIGHT_POLICY")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if told.contains("target platform is skipped") {
        println!("SKIPPED: {told}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    let judged = &report["weaknesses"];
    assert_eq!((&judged["total"], &judged["killed"], &judged["alarms"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(report["suites"][0]["skip"], 1, "{}", report["suites"][0]);
    let page = std::fs::read_to_string(run.join("index.html")).unwrap();
    for named in ["unknown-plan-has-all", "only whoever may read and write the store is shown it"] {
        assert!(told.contains(named) && page.contains(named), "no {named:?} in the report");
    }
}
