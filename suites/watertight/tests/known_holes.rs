//! What a user does with a finding: looks whether it still occurs, or accepts it for a time.
#![expect(clippy::unwrap_used, reason = "what a command cannot do is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const WEAKNESS: &str = "foreign-team-in-invitation";
const FINDING: &str = "access.hop.invitation-create.body.teamIds.*";
/// What else is found of the same hole.
const BESIDES: [&str; 2] = [
    "access.hop.invitation-create.body.teamIds.among-own.foreign-first",
    "access.hop.invitation-create.body.teamIds.among-own.own-first",
];
const GROUP: [&str; 5] = ["security", "--target", "access", "--only", "hop/invitation-create/*"];

/// Runs the command in a folder, on access-service with a weakness or as it should be; gives its exit code, what it
/// said, and the newest run's `run.json`.
fn watertight(folder: &Path, weakness: &str, words: &[&str]) -> (Option<i32>, String, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    for variable in ["WATERTIGHT_RUN", "WATERTIGHT_TARGET", "WATERTIGHT_DYNAMODB"] {
        command.env_remove(variable);
    }
    let output: Output =
        command.args(words).current_dir(folder).env("WATERTIGHT_POLICY", weakness).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let json = fs::read_to_string(folder.join("reports/out/latest/run.json")).unwrap_or_default();
    (output.status.code(), said, serde_json::from_str(&json).unwrap_or_default())
}

fn entry(finding: &str, until: &str) -> String {
    format!("[[accepted]]\nfinding = '{finding}'\nreason = 'known'\nby = 'Ines'\nuntil = {until}\n")
}

/// Entries for everything that is found.
fn entries(until: &str) -> String {
    std::iter::once(FINDING).chain(BESIDES).map(|finding| entry(finding, until)).collect()
}

#[test]
fn a_rerun_runs_the_one_check_and_says_whether_its_finding_still_occurs() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, run) = watertight(folder.path(), WEAKNESS, &GROUP);
    assert_eq!((code, run["findings"][0]["id"].as_str()), (Some(1), Some(FINDING)), "{said}");

    let (code, said, run) = watertight(folder.path(), WEAKNESS, &["rerun", FINDING]);
    assert!(said.contains("it still occurs"), "{said}");
    let suite = &run["suites"][0];
    assert_eq!((code, &suite["fail"], &suite["pass"]), (Some(1), &1.into(), &0.into()), "{said}");

    let (code, said, run) = watertight(folder.path(), "", &["rerun", FINDING]);
    assert!(said.contains("it no longer occurs"), "{said}");
    let suite = &run["suites"][0];
    assert_eq!((code, &suite["fail"], &suite["pass"]), (Some(0), &0.into(), &1.into()), "{said}");

    let (code, said, _) = watertight(folder.path(), "", &["rerun", FINDING, "--target", "platform"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said, _) = watertight(folder.path(), "", &["rerun", "access.nothing"]);
    assert!(code == Some(2) && said.contains("no run below"), "{said}");
}

#[test]
fn a_list_of_accepted_findings_may_only_shrink() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("accepted.toml");
    let words = [&GROUP[..], &["--accepted", "accepted.toml"]].concat();
    let listed = |weakness: &str, text: &str| {
        fs::write(&list, text).unwrap();
        watertight(folder.path(), weakness, &words)
    };
    let (code, said, run) = listed(WEAKNESS, &entries("2999-01-31"));
    assert_eq!((code, run["accepted"][0]["standing"].as_str()), (Some(0), Some("occurs")), "{said}");
    assert_eq!((&run["findings"], &run["verdict"]), (&Value::Array(Vec::new()), &"pass".into()));
    assert!(said.contains("3 known findings are accepted"), "{said}");

    let (code, said, run) = listed(WEAKNESS, &entries("2020-01-31"));
    assert_eq!((code, run["accepted"][0]["standing"].as_str()), (Some(1), Some("expired")), "{said}");

    let (code, said, run) = listed("", &entry(FINDING, "2999-01-31"));
    assert_eq!((code, run["accepted"][0]["standing"].as_str()), (Some(1), Some("gone")), "{said}");
    assert!(said.contains("take its entry out of accepted.toml"), "{said}");

    // What was not run is not gone.
    let (code, said, run) = listed("", &entry("access.hop.team-get.path.teamId", "2999-01-31"));
    assert_eq!((code, run["accepted"][0]["standing"].as_str()), (Some(0), Some("untried")), "{said}");
}

#[test]
fn a_list_that_cannot_be_used_is_named_with_the_key_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let words = [&GROUP[..], &["--accepted", "accepted.toml"]].concat();
    for (text, said) in [
        (entry("sit.hop.x", "2999-01-31"), "finding of entry 1"),
        (entry(FINDING, "'soon'"), "until = 2027-01-31"),
        (entry(FINDING, "2999-01-31").replace("reason", "raeson"), "raeson"),
    ] {
        fs::write(folder.path().join("accepted.toml"), text).unwrap();
        let (code, message, _) = watertight(folder.path(), "", &words);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.starts_with("error: ") && message.contains(said), "no {said:?}: {message}");
        assert!(message.contains("accepted.toml"), "{message}");
    }
    assert!(!folder.path().join("reports").exists(), "nothing was begun");
}

/// Where a text has a signed or unsigned JWT: two parts of base64url that begin like JSON, with a dot between.
fn token_in(text: &str) -> Option<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices("eyJ").map(|(at, _)| &text[at..]).find(|from| {
        let rest = from.trim_start_matches(part);
        rest.strip_prefix('.').is_some_and(|claims| claims.starts_with("eyJ"))
    })
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files_below(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

#[test]
fn nothing_that_a_run_leaves_has_a_token_or_a_key_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["security", "--target", "access", "--only", "*/invitation-accept*/*"];
    let (code, said, run) = watertight(folder.path(), "unsigned-tokens", &words);
    assert_eq!(code, Some(1), "{said}");
    let ids: Vec<_> = run["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
    assert!(!ids.is_empty(), "tokens were believed, so there is evidence: {said}");
    let mut files = Vec::new();
    files_below(folder.path(), &mut files);
    assert!(files.iter().any(|file| file.ends_with("findings.sarif")), "{files:?}");
    for file in files {
        let text = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        for secret in ["PRIVATE KEY", "\"d\":\""] {
            assert!(!text.contains(secret), "{} has a key in it", file.display());
        }
        let token = token_in(&text).map(|from| from.chars().take(60).collect::<String>());
        assert_eq!(token, None, "{} has a token in it", file.display());
    }
    assert_eq!(token_in(&said), None, "nor does the terminal");
    assert!(token_in("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.").is_some(), "one would be seen");
}
