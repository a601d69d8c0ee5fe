//! Findings that are accepted: the list may only shrink, and whoever is on it is still shown.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs;
use std::path::Path;

use harness::record::{Finding, Severity};
use harness::run::Run;
use harness::verdict::{Exit, Verdict};
use reports::{RunReport, Standing, merge, render_all};
use sample::lists::{accept, day, found};
use sample::{begin, end, process, test};

const CHECK: &str = "hop/team-get/path.teamId";

fn id() -> String {
    Finding::id_of("access", CHECK)
}

/// A run of the security suite in which one other check passes.
fn run_of(folder: &Path, act: impl FnOnce(&Run)) -> RunReport {
    process(folder, 1, |run| {
        begin(run, "security", "access", 0);
        test(run, "security", "access", "hop/team-list/path.orgId", Verdict::Pass, None);
        act(run);
        end(run, "security", "access", 1.0);
    });
    merge(folder).unwrap()
}

#[test]
fn an_accepted_finding_is_shown_and_does_not_fail_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let report = run_of(dir.path(), |run| {
        accept(run, "access", &id(), day(1));
        found(run, "access", CHECK, Severity::High);
    });
    assert_eq!((report.exit, report.verdict), (Exit::Pass, Verdict::Pass));
    assert_eq!(report.findings, []);
    assert_eq!(report.accepted[0].standing, Standing::Occurs);
    let check = report.suites[0].tests.iter().find(|test| test.test == CHECK).unwrap();
    assert_eq!(check.verdict, Verdict::Skip);
    assert!(check.reason.as_deref().unwrap().contains("accepted by Ines"), "{:?}", check.reason);

    let rendered = render_all(dir.path()).unwrap();
    for path in [&rendered.page, &rendered.summary, &rendered.json, &rendered.sarif] {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("Ines, platform team"), "{} does not show it", path.display());
    }
    let page = fs::read_to_string(&rendered.page).unwrap();
    assert!(page.contains("1 finding, accepted"), "and its requirement is not met for all that");
}

#[test]
fn the_last_day_counts_and_the_day_after_does_not() {
    for (days, exit, standing) in [(0, Exit::Pass, Standing::Occurs), (-1, Exit::Findings, Standing::Expired)]
    {
        let dir = tempfile::tempdir().unwrap();
        let report = run_of(dir.path(), |run| {
            accept(run, "access", &id(), day(days));
            found(run, "access", CHECK, Severity::High);
        });
        assert_eq!((report.exit, report.accepted[0].standing), (exit, standing));
    }
}

#[test]
fn an_entry_whose_finding_no_longer_occurs_fails_the_run_until_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let report = run_of(dir.path(), |run| {
        accept(run, "access", &id(), day(-30));
        test(run, "security", "access", CHECK, Verdict::Pass, None);
        accept(run, "access", "access.hop.team-of-old.path.teamId", day(30));
    });
    assert_eq!(report.exit, Exit::Findings);
    let failed: Vec<_> = report.troubled().map(|(_, test)| test.test.clone()).collect();
    assert_eq!(
        failed,
        [format!("accepted/{}", id()), "accepted/access.hop.team-of-old.path.teamId".to_owned()]
    );
    let reason = report.troubled().next().unwrap().1.reason.clone().unwrap();
    assert!(reason.contains("accepted.toml"), "it says where the entry stands: {reason}");
}

#[test]
fn what_nobody_looked_for_is_neither_accepted_nor_gone() {
    for verdict in [Verdict::Skip, Verdict::Error] {
        let dir = tempfile::tempdir().unwrap();
        let report = run_of(dir.path(), |run| {
            accept(run, "access", &id(), day(30));
            test(run, "security", "access", CHECK, verdict, Some("for a reason"));
        });
        assert_eq!(report.accepted[0].standing, Standing::Untried);
        assert!(report.troubled().all(|(_, test)| test.test == CHECK));
    }
}

#[test]
fn what_is_accepted_on_one_target_is_not_on_another() {
    let dir = tempfile::tempdir().unwrap();
    let report = run_of(dir.path(), |run| {
        accept(run, "access", &id(), day(30));
        found(run, "access", CHECK, Severity::High);
        begin(run, "security", "platform", 0);
        found(run, "platform", CHECK, Severity::High);
        end(run, "security", "platform", 1.0);
    });
    assert_eq!(report.exit, Exit::Findings);
    assert_eq!(
        report.findings.iter().map(|finding| finding.target.as_str()).collect::<Vec<_>>(),
        ["platform"]
    );
}
