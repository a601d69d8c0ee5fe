//! What checks are about, findings that are accepted, and what was measured, in the sample run.

use harness::record::{Accepted, Finding, Measured, Record, Severity, Subject};
use harness::run::Run;
use harness::verdict::Verdict;
use time::{Date, Duration, OffsetDateTime};

use super::{finding, test};

const SUITE: &str = "security";

/// What a check is about.
pub fn subject(run: &Run, target: &str, check: &str, cwe: u32, owasp: &str, asvs: &str) {
    let subject = Subject {
        suite: SUITE.to_owned(),
        target: target.to_owned(),
        test: check.to_owned(),
        operation: check.split('/').nth(1).unwrap_or("any").to_owned(),
        cwe,
        owasp: owasp.to_owned(),
        asvs: vec![asvs.to_owned()],
    };
    run.record(SUITE, &Record::Subject(subject)).unwrap();
}

/// A day, so many days from the run's.
pub fn day(days: i64) -> Date {
    (OffsetDateTime::now_utc() + Duration::days(days)).date()
}

/// An entry of the list of accepted findings of a whole run.
pub fn accept(run: &Run, target: &str, finding: &str, until: Date) {
    let accepted = Accepted {
        target: target.to_owned(),
        finding: finding.to_owned(),
        reason: "the gateway in front of it hides it".to_owned(),
        by: "Ines, platform team".to_owned(),
        until,
        file: "accepted.toml".to_owned(),
        whole: true,
    };
    run.record(SUITE, &Record::Accepted(accepted)).unwrap();
}

/// A check that found something, with what it is about.
pub fn found(run: &Run, target: &str, check: &str, severity: Severity) -> Finding {
    let found = Finding {
        id: Finding::id_of(target, check),
        check: check.to_owned(),
        target: target.to_owned(),
        operation: check.split('/').nth(1).unwrap_or("any").to_owned(),
        ..finding(run, "x", severity, &format!("{check} finds something"))
    };
    subject(run, target, check, found.cwe, &found.owasp, &found.asvs[0]);
    test(run, SUITE, target, check, Verdict::Fail, Some("expected hidden, observed allow"));
    run.record(SUITE, &Record::Finding(found.clone())).unwrap();
    found
}

/// A distribution.
pub fn measure(run: &Run, target: &str, name: &str, values: &[f64], bound: f64) {
    let measured = Measured::of(SUITE, target, name, "ms", values).unwrap().within(bound);
    run.record(SUITE, &Record::Measured(measured)).unwrap();
}

/// Something of everything, for a suite on a target that is under way.
pub fn lists(run: &Run, target: &str) {
    for operation in ["team-get", "team-list", "team-update"] {
        for (class, cwe, owasp, asvs) in
            [("hop", 639, "API1", "8.2.2"), ("matrix", 862, "API5", "8.2.1"), ("token", 347, "API2", "9.1.1")]
        {
            let check = format!("{class}/{operation}/sample");
            subject(run, target, &check, cwe, owasp, asvs);
            test(run, SUITE, target, &check, Verdict::Pass, None);
        }
    }
    subject(run, target, "token/team-get/typ", 345, "API2", "9.2.2");
    test(run, SUITE, target, "token/team-get/typ", Verdict::Error, Some("status 503"));
    found(run, target, "hop/team-delete/path.teamId", Severity::High);
    accept(run, target, &Finding::id_of(target, "hop/team-delete/path.teamId"), day(30));
    accept(run, target, &Finding::id_of(target, "hop/team-get/sample"), day(30));
    measure(run, target, "until a removed role is refused", &[1.2, 3.4, 2.2, 9.7, 2.0], 50.0);
}
