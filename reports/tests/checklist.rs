//! The compliance checklist: met only where it was tried and passed, whatever the report.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs;

use harness::record::{Part, Record, Severity};
use harness::verdict::Verdict;
use reports::render_all;
use sample::lists::{found, subject};
use sample::{begin, end, process, test};

/// The row of a requirement in the summary.
fn row<'t>(summary: &'t str, number: &str) -> &'t str {
    let begin = format!("| {number} ");
    summary.lines().find(|line| line.starts_with(&begin)).unwrap()
}

#[test]
fn a_requirement_is_met_only_where_checks_that_name_it_passed() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, "security", "access", 12);
        for (check, asvs, owasp, verdict) in [
            ("token/team-get/alg-none", "9.1.1", "API2", Verdict::Pass),
            ("token/team-list/alg-none", "9.1.1", "API2", Verdict::Pass),
            ("token/team-list/no-mint", "9.1.1", "API2", Verdict::Skip),
            ("token/team-get/typ", "9.2.2", "API8", Verdict::Pass),
            ("token/team-list/typ", "9.2.2", "API8", Verdict::Error),
            ("matrix/team-get/viewer", "8.2.1", "API5", Verdict::Skip),
            ("new-class/team-get/x", "99.1", "API6", Verdict::Pass),
        ] {
            subject(run, "access", check, 1, owasp, asvs);
            test(
                run,
                "security",
                "access",
                check,
                verdict,
                Some("for a reason").filter(|_| verdict != Verdict::Pass),
            );
        }
        found(run, "access", "hop/team-get/path.teamId", Severity::High);
        end(run, "security", "access", 1.0);
    });
    let summary = fs::read_to_string(render_all(dir.path()).unwrap().summary).unwrap();
    let met = row(&summary, "9.1.1");
    assert!(met.contains("| met (1 check not run here) | token | 2 of 16 |"), "{met}");
    let unobserved = row(&summary, "9.2.2");
    assert!(unobserved.contains("| not tried (1 check could not be observed) |"), "{unobserved}");
    let skipped = row(&summary, "8.2.1");
    assert!(skipped.contains("| not tried (1 check not run here) |"), "{skipped}");
    for found in ["8.2.2", "8.4.1", "API1"] {
        assert!(row(&summary, found).contains("**not met**"), "{}", row(&summary, found));
    }
    assert!(row(&summary, "99.1").contains("| met | new-class | 1 of 16 |"), "what a check names is asked");
    assert!(!summary.contains("| 7.4.2 "), "what no check names is counted, not listed");
    process(dir.path(), 2, |run| {
        begin(run, "security", "access", 60);
        let (suite, target, what) = ("security".to_owned(), "access".to_owned(), "token/*".to_owned());
        run.record("security", &Record::Part(Part { suite, target, what })).unwrap();
        end(run, "security", "access", 1.0);
    });
    let summary = fs::read_to_string(render_all(dir.path()).unwrap().summary).unwrap();
    let part = row(&summary, "9.1.1");
    assert!(part.contains("| not tried (1 check not run here, only token/"), "a part proves nothing: {part}");
    let page = fs::read_to_string(render_all(dir.path()).unwrap().page).unwrap();
    let untried = page.split("7.4.2</span>").nth(1).unwrap();
    assert!(untried[..200].contains("not tried"), "and listed on the page: {}", &untried[..200]);
}
