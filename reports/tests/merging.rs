//! What the processes of a run recorded adds up, also when they were killed.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use harness::exchange::Class;
use harness::record::{Finding, Record, Severity};
use harness::run::Run;
use harness::verdict::{Exit, Verdict};
use reports::{Counts, RunReport, merge};
use sample::{
    absent, begin, begin_profile, cell, end, finding, load, matrix, process, start, test, uncovered, weakness,
};

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
        test(run, SUITE, "access", "teams::first", Verdict::Pass, None);
        start(run, SUITE, "access", "teams::second");
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
            test(run, SUITE, "access", &format!("file_{pid}::works"), Verdict::Pass, None);
            end(run, SUITE, "access", 10.0);
        });
    }
    process(dir.path(), 4, |run| {
        begin(run, SUITE, "platform", 20);
        test(run, SUITE, "platform", "file_1::works", Verdict::Pass, None);
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
        test(run, SUITE, "access", "flaky", Verdict::Fail, Some("timed out"));
        start(run, SUITE, "access", "killed");
    });
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 60);
        test(run, SUITE, "access", "flaky", Verdict::Pass, None);
        test(run, SUITE, "access", "killed", Verdict::Pass, None);
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
        test(run, SUITE, "access", "again", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    process(dir.path(), 2, |run| {
        begin(run, SUITE, "access", 60);
        start(run, SUITE, "access", "again");
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
        test(run, SUITE, "access", "mail", Verdict::Skip, Some("no capability mail"));
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
            test(run, "security", "access", &format!("matrix/{mine}"), Verdict::Pass, None);
            cell(run, "access", "team-list", mine, Class::Matrix, 3);
            cell(run, "access", "team-list", "anonymous", Class::Token, 5);
            cell(run, "access", "team-list", "owner", Class::Control, 1);
            uncovered(run, "access", "team-list", other, Class::Matrix);
            uncovered(run, "access", "team-list", "deleted", Class::Hop);
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
        test(run, "security", "access", "matrix", Verdict::Error, Some("connection refused"));
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
        run.record("mutants", &Record::Weakness(weakness("access", "none", None, true))).unwrap();
        run.record("mutants", &Record::Weakness(weakness("access", "accept-alg-none", None, true))).unwrap();
        end(run, "mutants", "access", 9.0);
    });
    assert_eq!(merged(dir.path()).verdict, Verdict::Pass);

    process(dir.path(), 2, |run| {
        begin(run, "mutants", "access", 10);
        run.record("mutants", &Record::Weakness(weakness("access", "trust-jku", None, false))).unwrap();
        end(run, "mutants", "access", 9.0);
    });
    let report = merged(dir.path());
    let survivors: Vec<_> = report.survivors().map(|weakness| weakness.result.id.as_str()).collect();
    assert_eq!((report.verdict, survivors), (Verdict::Fail, vec!["trust-jku"]));
    assert_eq!((report.seeded().count(), report.alarms()), (2, 0));

    process(dir.path(), 3, |run| {
        begin(run, "mutants", "platform", 20);
        run.record("mutants", &Record::Weakness(weakness("platform", "none", None, false))).unwrap();
        end(run, "mutants", "platform", 9.0);
    });
    assert_eq!(merged(dir.path()).alarms(), 1);
}

/// Two systems have health, openapi and audit-list each; one process tests both, a bit here and a bit there.
#[test]
fn the_same_names_on_two_targets_never_mix() {
    let dir = tempfile::tempdir().unwrap();
    let path = "matrix/audit-list/anonymous";
    process(dir.path(), 1, |run| {
        for target in ["access", "platform"] {
            begin(run, "security", target, 0);
        }
        for target in ["access", "platform"] {
            start(run, "security", target, path);
            start(run, "security", target, "matrix/health/anonymous");
            cell(run, target, "audit-list", "anonymous", Class::Matrix, 1);
        }
        uncovered(run, "platform", "audit-list", "anonymous", Class::Hop);
        cell(run, "access", "audit-list", "anonymous", Class::Hop, 1);
        for (target, verdict, observed) in
            [("access", Verdict::Pass, "unauthenticated"), ("platform", Verdict::Fail, "allow")]
        {
            test(run, "security", target, path, verdict, None);
            matrix(run, target, "audit-list", "anonymous", "unauthenticated", observed);
            let found = Finding {
                target: target.to_owned(),
                ..finding(run, "matrix.audit-list.anonymous", Severity::High, "The log is open")
            };
            run.record("security", &Record::Finding(found)).unwrap();
        }
        test(run, "security", "access", "matrix/health/anonymous", Verdict::Pass, None);
        end(run, "security", "platform", 3.0);
        begin(run, "mutants", "access", 9);
        begin(run, "mutants", "platform", 9);
        for (target, killed) in [("access", true), ("platform", false)] {
            run.record("mutants", &Record::Weakness(weakness(target, "skip-audit/audit-list", None, killed)))
                .unwrap();
        }
        for target in ["access", "platform"] {
            end(run, "mutants", target, 1.0);
        }
        end(run, "security", "access", 2.0);
    });
    let report = merged(dir.path());
    assert!(!report.partial, "each suite ended, whichever began last");
    let counts: Vec<_> = report
        .suites
        .iter()
        .map(|suite| (suite.suite.as_str(), suite.target.as_str(), suite.counts))
        .collect();
    let pass = Counts { pass: 1, ..Counts::default() };
    let expected = [
        ("security", "access", Counts { pass: 2, ..Counts::default() }),
        ("security", "platform", Counts { fail: 1, error: 1, ..Counts::default() }),
        ("mutants", "access", pass),
        ("mutants", "platform", Counts { fail: 1, ..Counts::default() }),
    ];
    assert_eq!(counts, expected);
    let never = report.suites[1].tests_of(Verdict::Error).next().unwrap();
    assert_eq!(never.test, "matrix/health/anonymous", "it ended on the other target only");
    assert_eq!(report.findings.len(), 2, "the same hole in two systems is two");
    assert_eq!(report.uncovered.len(), 1, "what was sent to the other covers nothing here");
    let observed: Vec<_> =
        report.matrix.iter().map(|cell| (cell.target.as_str(), cell.observed.as_str())).collect();
    assert_eq!(observed, [("access", "unauthenticated"), ("platform", "allow")]);
    let json = serde_json::to_value(reports::run_json(&report)).unwrap();
    let of = |at: usize| &json["weaknesses"]["targets"][at];
    assert_eq!((&of(0)["target"], &of(0)["killed"]), (&"access".into(), &1.into()));
    assert_eq!(of(1)["survived"], serde_json::json!(["skip-audit/audit-list"]));
}

#[test]
fn a_target_that_is_not_there_is_skipped_and_never_passes() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| absent(run, "platform", "no PostgreSQL here"));
    assert_eq!(merged(dir.path()).exit, Exit::Trouble, "nothing else was observed");
    process(dir.path(), 2, |run| {
        absent(run, "platform", "no PostgreSQL here");
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "access", "works", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    let report = merged(dir.path());
    assert_eq!((report.exit, report.absent.len()), (Exit::Pass, 1), "and is said once");
    assert_eq!(report.targets, ["access"]);
}

#[test]
fn files_that_are_no_records_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, SUITE, "access", 0);
        test(run, SUITE, "access", "works", Verdict::Pass, None);
        end(run, SUITE, "access", 1.0);
    });
    fs::write(dir.path().join("records/notes.txt"), "not ours").unwrap();
    assert_eq!(merged(dir.path()).verdict, Verdict::Pass);
}
