//! `findings.sarif` is SARIF. `schemas/sarif-schema-2.1.0.json` is the schema of OASIS (Static Analysis Results
//! Interchange Format 2.1.0) in the form of JSON Schema draft 7, as the crate serde-sarif 0.8.0 carries it.
//! Its pattern for languages, which is no regular expression, is read as errata 01 corrects it.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use harness::run::Run;
use reports::{merge, sarif};
use sample::rich;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../schemas/sarif-schema-2.1.0.json");
const MISPRINT: &str = "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$";
const CORRECTED: &str = "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$";

fn violations(instance: &Value) -> Vec<String> {
    let schema = SCHEMA.replace(MISPRINT, CORRECTED);
    assert_ne!(schema, SCHEMA, "the schema has no misprint any more: read it as it is");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::draft7::options().should_validate_formats(true).build(&schema).unwrap();
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_finding_is_a_result_of_a_rule_with_its_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let report = merge(run.folder()).unwrap();
    let sarif = sarif(&report);
    assert_eq!(violations(&sarif), Vec::<String>::new());

    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len() + 1, "those that fail the run, and the accepted one");
    for result in results {
        let rule =
            &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let tags = rule["properties"]["tags"].as_array().unwrap();
        assert!(
            tags.contains(&json!("external/cwe/cwe-639")) && tags.contains(&json!("asvs-5.0-8.2.2")),
            "{rule}"
        );
        assert!(result["webRequest"]["target"].as_str().unwrap().starts_with("http"), "{result}");
        assert!(result["webResponse"]["statusCode"].is_u64(), "{result}");
    }
    let suppressed: Vec<_> = results.iter().filter(|result| result.get("suppressions").is_some()).collect();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        suppressed[0]["partialFingerprints"]["watertightFinding/v1"],
        "access.hop.team-delete.path.teamId"
    );
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    assert!(
        notes.iter().any(|note| note["message"]["text"].as_str().unwrap().contains("status 503")),
        "{notes:?}"
    );
    assert!(!sarif.to_string().contains("Bearer"), "no credential stands in it");
}

#[test]
fn a_run_without_findings_is_valid_too() {
    let dir = tempfile::tempdir().unwrap();
    Run::at(dir.path()).unwrap();
    let sarif = sarif(&merge(dir.path()).unwrap());
    assert_eq!(violations(&sarif), Vec::<String>::new());
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    assert_eq!(
        sarif["runs"][0]["invocations"][0]["executionSuccessful"],
        json!(false),
        "nothing was observed"
    );
}

#[test]
fn what_the_schema_does_not_allow_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let valid = sarif(&merge(run.folder()).unwrap());
    let mutations: [fn(&mut Value); 4] = [
        |sarif| sarif["version"] = json!("2.0.0"),
        |sarif| drop(sarif["runs"][0].as_object_mut().unwrap().remove("tool")),
        |sarif| drop(sarif["runs"][0]["results"][0].as_object_mut().unwrap().remove("message")),
        |sarif| sarif["runs"][0]["results"][0]["level"] = json!("critical"),
    ];
    for (at, mutate) in mutations.iter().enumerate() {
        let mut sarif = valid.clone();
        mutate(&mut sarif);
        assert!(!violations(&sarif).is_empty(), "mutation {at} went unnoticed");
    }
}
