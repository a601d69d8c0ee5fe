//! What the processes of a run recorded adds up, also when they were killed.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use harness::exchange::Class;
use harness::record::{Record, Severity};
use harness::run::Run;
use harness::verdict::{Exit, Verdict};
use reports::{Counts, RunReport, merge};
use sample::{begin, begin_profile, cell, end, finding, load, process, start, test, uncovered, weakness};

const SUITE: &str = "integration";

fn merged(folder: &Path) -> RunReport {
    merge(folder).unwrap()
}

fn append(folder: &Path, file: &str, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).open(folder.join(file)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_run_killed_half_way_is_partial_and_the_test_it_died_in_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "teams::first", Verdict::Pass, None);
        start(run, SUITE, "teams::second");
    });
    append(dir.path(), "records/integration-1.jsonl", "{\"record\":\"ended\",\"suite\":\"integr");
    append(dir.path(), "exchanges/integration-1.jsonl", "{\"id\":");
    let report = merged(dir.path());
    assert!(report.partial);
    assert_eq!(report.truncated_lines, 2);
    assert_eq!(report.verdict, Verdict::Error);
    assert_eq!(report.exit, Exit::Trouble);
    let suite = &report.suites[0];
    assert_eq!(suite.counts, Counts { pass: 1, error: 1, ..Counts::default() });
    let died = suite.tests_of(Verdict::Error).next().unwrap();
    assert_eq!((died.test.as_str(), died.reason.as_deref()), ("teams::second", Some("started, never ended")));
}

#[test]
fn the_processes_of_a_suite_add_up_and_their_shared_time_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    for pid in 1..=3 {
        process(dir.path(), pid, |run| {
            begin(run, SUITE, "access", i64::from(pid));
            test(run, SUITE, &format!("file_{pid}::works"), Verdict::Pass, None);
            end(run, SUITE, "access", 10.0);
        });
    }
    process(dir.path(), 4, |run| {
        begin(run, SUITE, "platform", 20);
        test(run, SUITE, "file_1::works", Verdict::Pass, None);
        end(run, SUITE, "platform", 5.0);
    });
    let report = merged(dir.path());
    let access = &report.suites[0];
    assert_eq!((access.counts.pass, access.processes, access.unfinished), (3, 3, 0));
    assert!((access.seconds - 12.0).abs() < 0.001, "side by side: {}", access.seconds);
    assert_eq!(report.suites[1].target, "platform");
    assert_eq!(report.suites[1].counts.pass, 1, "a test of the same name on another target is another test");
    assert_eq!(report.targets, ["access", "platform"]);
    assert!((report.seconds - 25.0).abs() < 0.001, "{}", report.seconds);
    assert_eq!((report.verdict, report.exit, report.partial), (Verdict::Pass, Exit::Pass, false));
}

#[test]
fn the_last_attempt_at_a_test_counts_whatever_its_file_is_called() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 9, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "flaky", Verdict::Fail, Some("timed out"));
        start(run, SUITE, "killed");
    });
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 60);
        test(run, SUITE, "flaky", Verdict::Pass, None);
        test(run, SUITE, "killed", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    let report = merged(dir.path());
    assert_eq!(report.suites[0].counts, Counts { pass: 2, ..Counts::default() });
    assert_eq!(report.suites[0].tests[0].attempts, 2);
    assert!(report.partial, "the first process did not reach its end");
}

#[test]
fn an_attempt_that_never_ended_is_not_covered_up_by_an_earlier_pass() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "again", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    process(dir.path(), 2, |run| {
        begin(run, SUITE, "access", 60);
        start(run, SUITE, "again");
    });
    assert_eq!(merged(dir.path()).verdict, Verdict::Error);
}

#[test]
fn a_run_that_observed_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    Run::at(dir.path()).unwrap();
    let report = merged(dir.path());
    assert_eq!((report.verdict, report.exit), (Verdict::Error, Exit::Trouble));
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "mail", Verdict::Skip, Some("no capability mail"));
        end(run, SUITE, "access", 1.0);
    });
    let report = merged(dir.path());
    assert_eq!(report.verdict, Verdict::Error, "skips alone observe nothing");
    assert_eq!(report.suites[0].verdict, Verdict::Skip);
}

#[test]
fn a_line_that_is_no_record_is_named_by_file_and_number() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        end(run, SUITE, "access", 1.0);
    });
    append(dir.path(), "records/integration-1.jsonl", "{\"record\":\"novelty\"}\n");
    let error = merge(dir.path()).unwrap_err().to_string();
    assert!(error.contains("integration-1.jsonl:3") && error.contains("record"), "{error}");
}

#[test]
fn a_folder_without_a_run_says_what_to_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = merge(dir.path()).unwrap_err().to_string();
    assert!(error.contains("meta.json") && error.contains("reports/out/<run>"), "{error}");
}

#[test]
fn requests_add_up_and_what_any_process_covered_is_covered() {
    let dir = tempfile::tempdir().unwrap();
    for (pid, other) in [(1, "admin"), (2, "owner")] {
        let mine = if pid == 1 { "owner" } else { "admin" };
        process(dir.path(), pid, |run| {
            begin(run, "security", "access", 0);
            test(run, "security", &format!("matrix/{mine}"), Verdict::Pass, None);
            cell(run, "team-list", mine, Class::Matrix, 3);
            cell(run, "team-list", "anonymous", Class::Token, 5);
            cell(run, "team-list", "owner", Class::Control, 1);
            uncovered(run, "team-list", other, Class::Matrix);
            uncovered(run, "team-list", "deleted", Class::Hop);
            end(run, "security", "access", 1.0);
        });
    }
    let report = merged(dir.path());
    let anonymous = report.coverage.iter().find(|cell| cell.principal == "anonymous").unwrap();
    assert_eq!(anonymous.requests, 10);
    assert_eq!(report.uncovered.len(), 1, "{:?}", report.uncovered);
    assert_eq!(report.uncovered[0].principal, "deleted");
    let json = serde_json::to_value(reports::run_json(&report)).unwrap();
    let suite = &json["suites"][0];
    assert_eq!(suite["cells"], 3, "control is no attack: {suite}");
    assert_eq!((&suite["requests"], &suite["principals"]), (&18.into(), &3.into()));
}

#[test]
fn a_finding_fails_the_run_and_outranks_the_harness_s_trouble() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, "security", "access", 0);
        for (id, severity) in [("WT-1", Severity::Low), ("WT-2", Severity::Critical), ("WT-1", Severity::Low)]
        {
            run.record("security", &Record::Finding(finding(run, id, severity, "A hole"))).unwrap();
        }
        test(run, "security", "matrix", Verdict::Error, Some("connection refused"));
        end(run, "security", "access", 1.0);
    });
    let report = merged(dir.path());
    let ids: Vec<_> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["WT-2", "WT-1"], "each once, worst first");
    assert_eq!((report.verdict, report.exit), (Verdict::Error, Exit::Findings));
}

#[test]
fn a_threshold_that_does_not_hold_fails_the_run() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin_profile(run, "load", "access", Some("peak"), 0);
        run.record("load", &Record::Load(Box::new(load(0, 231.4)))).unwrap();
        end(run, "load", "access", 130.0);
    });
    let report = merged(dir.path());
    assert_eq!((report.verdict, report.exit), (Verdict::Fail, Exit::Findings));
    assert_eq!(report.suites[0].counts, Counts { pass: 3, fail: 1, ..Counts::default() });
    assert_eq!(report.suites[0].title(), "load peak");
}

#[test]
fn a_leak_under_load_fails_the_run_though_no_threshold_speaks_of_it() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin_profile(run, "load", "access", Some("peak"), 0);
        run.record("load", &Record::Load(Box::new(load(2, 80.0)))).unwrap();
        end(run, "load", "access", 130.0);
    });
    let report = merged(dir.path());
    assert_eq!((report.verdict, report.leaks()), (Verdict::Fail, 2));
    let rule = report.suites[0].loads[0].thresholds.last().unwrap();
    assert_eq!((rule.rule.as_str(), rule.observed.as_str(), rule.pass), ("leaks=0", "2", false));
}

#[test]
fn a_surviving_weakness_fails_the_run_and_so_does_a_false_alarm() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, "mutants", "access", 0);
        run.record("mutants", &Record::Weakness(weakness("none", None, true))).unwrap();
        run.record("mutants", &Record::Weakness(weakness("accept-alg-none", None, true))).unwrap();
        end(run, "mutants", "access", 9.0);
    });
    assert_eq!(merged(dir.path()).verdict, Verdict::Pass);

    process(dir.path(), 2, |run| {
        begin(run, "mutants", "access", 10);
        run.record("mutants", &Record::Weakness(weakness("trust-jku", None, false))).unwrap();
        end(run, "mutants", "access", 9.0);
    });
    let report = merged(dir.path());
    let survivors: Vec<_> = report.survivors().map(|weakness| weakness.result.id.as_str()).collect();
    assert_eq!((report.verdict, survivors), (Verdict::Fail, vec!["trust-jku"]));
    assert_eq!((report.seeded().count(), report.alarms()), (2, 0));

    process(dir.path(), 3, |run| {
        begin(run, "mutants", "platform", 20);
        run.record("mutants", &Record::Weakness(weakness("none", None, false))).unwrap();
        end(run, "mutants", "platform", 9.0);
    });
    assert_eq!(merged(dir.path()).alarms(), 1);
}

#[test]
fn files_that_are_no_records_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "works", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    fs::write(dir.path().join("records/notes.txt"), "not ours").unwrap();
    assert_eq!(merged(dir.path()).verdict, Verdict::Pass);
}
