//! `run.json` keeps the shape that its schema promises.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs;
use std::path::Path;

use harness::run::Run;
use reports::{RUN_SCHEMA, render_all};
use sample::rich;
use serde_json::{Value, json};

fn run_json(folder: &Path) -> Value {
    let path = render_all(folder).unwrap().json;
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn violations(instance: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(RUN_SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn a_run_with_something_of_everything_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let json = run_json(run.folder());
    assert_eq!(violations(&json), Vec::<String>::new());
    assert_eq!(json["run"], run.id());
    assert_eq!(json["seed"], run.seed().to_string());
    assert_eq!(json["verdict"], "error", "a test never ended");
    assert_eq!(json["targets"], json!(["access", "platform"]));
    let order: Vec<_> =
        json["suites"].as_array().unwrap().iter().map(|suite| suite["suite"].clone()).collect();
    assert_eq!(
        order,
        ["integration", "integration", "security", "security", "load", "load", "mutants", "mutants"]
    );
    assert_eq!(json["suites"][3]["target"], "platform");
    assert_eq!(json["absent"][0]["target"], "ledger");
    assert_eq!(json["findings"][0]["severity"], "critical");
    assert_eq!(json["findings"][0]["exchanges"].as_array().unwrap().len(), 2);
    assert_eq!(json["suites"][2]["uncovered"][0]["class"], "hop");
    assert_eq!(json["suites"][4]["profile"], "peak");
    assert_eq!(json["suites"][4]["rps"], 956.0);
    assert_eq!(
        json["suites"][4]["thresholds"][0],
        json!({"rule": "p95<200ms", "observed": "231.4 ms", "pass": false})
    );
    let access = json!({
        "target": "access", "total": 17, "killed": 16, "survived": ["skip-tenant-check:role-list"], "alarms": 0
    });
    let platform =
        json!({ "target": "platform", "total": 3, "killed": 2, "survived": ["plan-cached"], "alarms": 0 });
    assert_eq!(
        json["weaknesses"],
        json!({
            "total": 20, "killed": 18, "survived": ["skip-tenant-check:role-list", "plan-cached"], "alarms": 0,
            "targets": [access, platform]
        })
    );
}

#[test]
fn a_run_with_nothing_in_it_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    Run::at(dir.path()).unwrap();
    let json = run_json(dir.path());
    assert_eq!(violations(&json), Vec::<String>::new());
    assert_eq!(json["verdict"], "error");
}

#[test]
fn what_the_schema_does_not_know_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let valid = run_json(run.folder());
    let mutations: [fn(&mut Value); 6] = [
        |json| json["novelty"] = json!(1),
        |json| json["suites"][0]["novelty"] = json!(1),
        |json| json["verdict"] = json!("fine"),
        |json| drop(json["weaknesses"]["targets"][1].as_object_mut().unwrap().remove("target")),
        |json| json["started"] = json!("yesterday"),
        |json| drop(json["suites"][2].as_object_mut().unwrap().remove("uncovered")),
    ];
    for (at, mutate) in mutations.iter().enumerate() {
        let mut json = valid.clone();
        mutate(&mut json);
        assert!(!violations(&json).is_empty(), "mutation {at} went unnoticed");
    }
}
