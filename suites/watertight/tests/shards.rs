//! Load in shards, each a process of its own, and their merge: a report of all of them, judged as a whole.
#![expect(clippy::unwrap_used, reason = "what a process cannot do is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

const SHARDS: usize = 3;
/// Long enough for three processes to start a target each and make its tenants, on a busy machine too.
const UNTIL_START: Duration = Duration::seconds(8);

fn watertight(run: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command.env("WATERTIGHT_RUN", run).env_remove("WATERTIGHT_POLICY").env_remove("WATERTIGHT_TARGET");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The load suite of a run's `run.json`.
fn load(run: &Path) -> Value {
    let json: Value = serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    json["suites"].as_array().unwrap().iter().find(|suite| suite["suite"] == "load").unwrap().clone()
}

#[test]
fn three_processes_run_a_profile_together_and_are_judged_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<_> = (0..SHARDS).map(|index| folder.path().join(format!("runs/{index}"))).collect();
    let start = (OffsetDateTime::now_utc() + UNTIL_START).format(&Rfc3339).unwrap();
    let keys = folder.path().join("keys");
    let shards = runs.iter().enumerate().map(|(index, run)| {
        watertight(run)
            .args(["--target", "access", "load", "--profile", "demo", "--duration", "3s"])
            .env("WATERTIGHT_KEYS", &keys)
            .args(["--shard", &format!("{index}/{SHARDS}"), "--start-at", &start])
            .spawn()
            .unwrap()
    });
    let shards: Vec<_> = shards.collect();
    for (shard, run) in shards.into_iter().zip(&runs) {
        let output = shard.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let load = load(run);
        let rules: Vec<&str> = load["thresholds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["rule"].as_str().unwrap())
            .collect();
        assert_eq!(rules, ["leaks=0"], "nothing else is known of a part");
    }

    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(keys.join("keys.json")).unwrap()).unwrap();
    assert_eq!(
        kept.as_array().unwrap().len(),
        3,
        "one set of keys for all, whom a target knows as one issuer"
    );

    let merged = folder.path().join("merged");
    let output = watertight(&merged).args(["report", "--merge"]).args(&runs[..2]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("of 3 shards 2 are missing"), "{}", told(&output));

    let output = watertight(&merged).arg("report").arg("--merge").arg(folder.path().join("runs")).output();
    let output = output.unwrap();
    let whole = load(&merged);
    let sum = |figure: &str| runs.iter().map(|run| load(run)[figure].as_u64().unwrap()).sum::<u64>();
    assert!(whole["requests"].as_u64().unwrap() > 0);
    assert_eq!(whole["requests"].as_u64().unwrap(), sum("requests"), "{whole}");
    assert_eq!(whole["leaks"], 0);
    let rules = whole["thresholds"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["rule"] == "rps>=20"), "{whole}");
    // How fast this machine is decides which hold, and that decides the exit code.
    let holds = rules.iter().all(|rule| rule["pass"] == true);
    assert_eq!(output.status.code(), Some(i32::from(!holds)), "{}", told(&output));
    merging_again_changes_nothing(&merged, &runs, &whole);

    let history = std::fs::read_to_string(merged.join("load_history.csv")).unwrap();
    let users = |line: &str| line.split(',').nth(5).unwrap().parse::<u64>().unwrap();
    let most = history.lines().skip(1).map(users).max().unwrap();
    assert!((3..=8).contains(&most), "eight users, if all shards were ready in time: {history}");
}

/// Everything that is counted in a run's `run.json`.
fn counted(run: &Path) -> Value {
    let json: Value = serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    json!([json["suites"], json["findings"], json["verdict"], json["partial"]])
}

/// The same shards once more into the run they were merged into, one of them by two paths, and others into it.
fn merging_again_changes_nothing(merged: &Path, runs: &[PathBuf], whole: &Value) {
    let before = counted(merged);
    let link = merged.with_file_name("link");
    std::os::unix::fs::symlink(&runs[0], &link).unwrap();
    let again = runs.iter().rev().chain([&link]);
    let output = watertight(merged).args(["report", "--merge"]).args(again).output().unwrap();
    assert!(output.status.code() < Some(2), "{}", told(&output));
    assert_eq!(&load(merged)["requests"], &whole["requests"], "nothing counts twice");
    assert_eq!(counted(merged), before);

    // One of the shards is no place for all of them, and neither is a run that was merged of others.
    let output = watertight(&runs[0]).args(["report", "--merge"]).args(runs).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("it is the shard's in") && told(&output).contains("WATERTIGHT_RUN"));
    let mut others = Vec::new();
    for run in runs {
        let other = merged.with_file_name(format!("other-{}", run.file_name().unwrap().display()));
        std::fs::create_dir_all(other.join("shards")).unwrap();
        for shard in std::fs::read_dir(run.join("shards")).unwrap() {
            let shard = shard.unwrap().path();
            std::fs::copy(&shard, other.join("shards").join(shard.file_name().unwrap())).unwrap();
        }
        let mut meta: Value =
            serde_json::from_str(&std::fs::read_to_string(run.join("meta.json")).unwrap()).unwrap();
        meta["run"] = json!(format!("another-{}", meta["run"].as_str().unwrap()));
        std::fs::write(other.join("meta.json"), meta.to_string()).unwrap();
        others.push(other);
    }
    let output = watertight(merged).args(["report", "--merge"]).args(&others).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("merged of other shards") && told(&output).contains("remove this one"));
    assert_eq!(counted(merged), before, "and what was merged stays");
}
