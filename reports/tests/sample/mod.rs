//! A rich run as the suites would record it, for the tests and for whoever changes the page.
//!
//! `WATERTIGHT_SAMPLE=/tmp/sample cargo test -p reports --test page` leaves it in that folder, rendered.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

pub mod lists;
mod platform;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::exchange::{Class, Exchange};
use harness::record::{
    Absent, Cell, Ended, Endpoint, Finding, Heat, Latency, LoadResult, MatrixCell, Record, Severity, Started,
    Step, SuiteEnded, SuiteStarted, Threshold, Tick, Uncovered, WeaknessResult,
};
use harness::run::Run;
use harness::verdict::Verdict;
use time::{Duration, OffsetDateTime};

pub const PRINCIPALS: [&str; 9] = [
    "owner",
    "admin",
    "member",
    "viewer",
    "anonymous",
    "other-tenant-owner",
    "member-of-both",
    "suspended",
    "deleted",
];

pub const OPERATIONS: [&str; 16] = [
    "audit-list",
    "invitation-accept",
    "invitation-cancel",
    "invitation-create",
    "invitation-list",
    "org-delete",
    "org-read",
    "org-update",
    "role-assign",
    "role-create",
    "role-list",
    "team-create",
    "team-delete",
    "team-list",
    "team-member-add",
    "team-member-remove",
];

/// What one process of a suite does. Its files get a process id of their own, so that one test can be many
/// processes.
pub fn process(folder: &Path, pid: u32, act: impl FnOnce(&Run)) {
    let run = Run::at(folder).unwrap();
    act(&run);
    drop(run);
    let own = format!("-{}.jsonl", std::process::id());
    for part in ["records", "exchanges"] {
        for entry in fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if let Some(suite) = name.strip_suffix(&own) {
                fs::rename(&path, path.with_file_name(format!("{suite}-{pid}.jsonl"))).unwrap();
            }
        }
    }
}

pub fn at(run: &Run, seconds: i64) -> OffsetDateTime {
    run.meta().started + Duration::seconds(seconds)
}

pub fn begin(run: &Run, suite: &str, target: &str, after: i64) {
    begin_profile(run, suite, target, None, after);
}

pub fn begin_profile(run: &Run, suite: &str, target: &str, profile: Option<&str>, after: i64) {
    let stores = match target {
        "access" => vec!["DynamoDB embedded (auto: no container engine asked for)".to_owned()],
        "platform" => vec!["PostgreSQL local 17.2 (auto: binaries found)".to_owned()],
        _ => Vec::new(),
    };
    let started = SuiteStarted {
        suite: suite.to_owned(),
        target: target.to_owned(),
        profile: profile.map(str::to_owned),
        stores,
        operations: OPERATIONS.len(),
        at: at(run, after),
    };
    run.record(suite, &Record::Suite(started)).unwrap();
}

pub fn end(run: &Run, suite: &str, target: &str, seconds: f64) {
    let ended = SuiteEnded { suite: suite.to_owned(), target: target.to_owned(), seconds };
    run.record(suite, &Record::SuiteEnded(ended)).unwrap();
}

pub fn start(run: &Run, suite: &str, target: &str, test: &str) {
    let started = Started { suite: suite.to_owned(), target: target.to_owned(), test: test.to_owned() };
    run.record(suite, &Record::Started(started)).unwrap();
}

pub fn test(run: &Run, suite: &str, target: &str, test: &str, verdict: Verdict, reason: Option<&str>) {
    story(run, suite, target, test, verdict, reason, Vec::new());
}

pub fn story(
    run: &Run,
    suite: &str,
    target: &str,
    test: &str,
    verdict: Verdict,
    reason: Option<&str>,
    steps: Vec<Step>,
) {
    start(run, suite, target, test);
    let ended = Ended {
        suite: suite.to_owned(),
        target: target.to_owned(),
        test: test.to_owned(),
        verdict,
        reason: reason.map(str::to_owned),
        seconds: 0.042,
        steps,
    };
    run.record(suite, &Record::Ended(ended)).unwrap();
}

pub fn exchange(
    run: &Run,
    operation: &str,
    principal: &str,
    class: Class,
    status: u16,
    body: &str,
) -> Exchange {
    let headers = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Exchange {
        id: run.next_request_id(),
        operation: operation.to_owned(),
        principal: principal.to_owned(),
        class,
        method: "POST".to_owned(),
        url: format!("http://127.0.0.1:41873/v1/orgs/org_7f3k/{operation}"),
        request_headers: headers(&[
            ("authorization", "[redacted, 812 bytes]"),
            ("content-type", "application/json"),
            ("user-agent", "watertight/0.1.0"),
        ]),
        request_body: Some(
            r#"{"email":"bob@example.test","role":"member","teamId":"team_acme_ops"}"#.to_owned(),
        ),
        status: Some(status),
        response_headers: headers(&[("content-type", "application/json")]),
        response_body: Some(body.to_owned()),
        trouble: None,
        millis: 3.27,
    }
}

pub fn step(run: &Run, suite: &str, title: &str, verdict: Verdict, exchanges: &[Exchange]) -> Step {
    for exchange in exchanges {
        run.exchange(suite, exchange).unwrap();
    }
    let exchanges = exchanges.iter().map(|exchange| exchange.id.clone()).collect();
    Step { title: title.to_owned(), exchanges, verdict }
}

pub fn finding(run: &Run, id: &str, severity: Severity, title: &str) -> Finding {
    let control = exchange(run, "invitation-create", "owner", Class::Control, 201, r#"{"id":"inv_81"}"#);
    let attack = exchange(
        run,
        "invitation-create",
        "other-tenant-owner",
        Class::Hop,
        201,
        r#"{"id":"inv_82","team":{"id":"team_acme_ops","name":"Operations canary-acme-5k2p"}}"#,
    );
    Finding {
        id: id.to_owned(),
        title: title.to_owned(),
        check: format!("hop/invitation-create/{id}"),
        suite: "security".to_owned(),
        operation: "invitation-create".to_owned(),
        target: "access".to_owned(),
        severity,
        cwe: 639,
        owasp: "API1".to_owned(),
        asvs: vec!["8.2.2".to_owned(), "8.4.1".to_owned()],
        gain: "An outsider joins a team of another organisation and reads everything the team can."
            .to_owned(),
        expected: "403 or 404, and no invitation in the foreign team".to_owned(),
        observed: "201, and the invitation names team_acme_ops".to_owned(),
        exchanges: vec![control, attack],
    }
}

pub fn cell(run: &Run, target: &str, operation: &str, principal: &str, class: Class, requests: u64) {
    let cell = Cell {
        suite: "security".to_owned(),
        target: target.to_owned(),
        operation: operation.to_owned(),
        principal: principal.to_owned(),
        class,
        requests,
    };
    run.record("security", &Record::Coverage(cell)).unwrap();
}

pub fn uncovered(run: &Run, target: &str, operation: &str, principal: &str, class: Class) {
    let gap = Uncovered {
        target: target.to_owned(),
        operation: operation.to_owned(),
        principal: principal.to_owned(),
        class,
    };
    run.record("security", &Record::Uncovered(gap)).unwrap();
}

pub fn matrix(run: &Run, target: &str, operation: &str, principal: &str, expected: &str, observed: &str) {
    let cell = MatrixCell {
        target: target.to_owned(),
        operation: operation.to_owned(),
        principal: principal.to_owned(),
        expected: expected.to_owned(),
        observed: observed.to_owned(),
        status: if observed == "allow" { 200 } else { 403 },
    };
    run.record("security", &Record::Matrix(cell)).unwrap();
}

pub fn absent(run: &Run, target: &str, reason: &str) {
    let absent = Absent { target: target.to_owned(), reason: reason.to_owned() };
    run.record("run", &Record::Absent(absent)).unwrap();
}

pub fn load(leaks: u64, p95_ms: f64) -> LoadResult {
    let wave = |second: u64| [0u64, 6, 11, 14, 11, 6, 0, 4, 9, 3][usize::try_from(second % 10).unwrap()];
    let series = (0..120).map(|second| Tick {
        second,
        requests: if second < 10 { second * 98 } else { 960 + 6 * wave(second) - 4 * (second % 7) },
        failures: if (70..76).contains(&second) { 40 } else { 0 },
        users: 200,
        under_way: 40 + wave(second),
        p50_ms: if second == 0 { 0.0 } else { 4.1 + f64::from(u32::try_from(wave(second)).unwrap()) / 10.0 },
        p95_ms: match second {
            0 => 0.0,
            70..76 => p95_ms * 1.6,
            _ => p95_ms * (0.9 + f64::from(u32::try_from(wave(second)).unwrap()) / 90.0),
        },
        p99_ms: if second == 0 { 0.0 } else { p95_ms * 2.1 },
    });
    let latency =
        |p50_ms: f64| Latency { p50_ms, p95_ms: p50_ms * 4.0, p99_ms: p50_ms * 9.0, max_ms: p50_ms * 40.0 };
    let endpoints = OPERATIONS.iter().enumerate().map(|(at, name)| Endpoint {
        name: format!("POST {name}"),
        requests: 12_000 - 611 * u64::try_from(at).unwrap(),
        failures: if at == 3 { 240 } else { 0 },
        causes: (at == 3).then(|| ("status 503".to_owned(), 240)).into_iter().collect(),
        latency: latency(3.2 + f64::from(u32::try_from(at).unwrap()) * 0.7),
    });
    LoadResult {
        target: "access".to_owned(),
        profile: "peak".to_owned(),
        scenarios: vec![
            "sign-in".to_owned(),
            "invite and accept".to_owned(),
            "team administration".to_owned(),
        ],
        notes: Vec::new(),
        users: 200,
        seconds: 120.0,
        requests: 114_720,
        failures: 240,
        leaks,
        latency: Latency { p50_ms: 4.73, p95_ms, p99_ms: p95_ms * 2.2, max_ms: 1204.0 },
        shares: Vec::new(),
        arrivals: None,
        fairness: None,
        endpoints: endpoints.collect(),
        tenants: Vec::new(),
        series: series.collect(),
        heat: Heat::default(),
        thresholds: vec![
            Threshold {
                rule: "p95<200ms".to_owned(),
                observed: format!("{p95_ms} ms"),
                pass: p95_ms < 200.0,
            },
            Threshold { rule: "error_rate<1%".to_owned(), observed: "0.21 %".to_owned(), pass: true },
            Threshold { rule: "rps>800".to_owned(), observed: "956 requests/s".to_owned(), pass: true },
        ],
    }
}

pub fn weakness(target: &str, id: &str, family: Option<&str>, killed: bool) -> WeaknessResult {
    let expected = vec![format!("hop/{id}/foreign-team"), "matrix/team-member-add/viewer".to_owned()];
    WeaknessResult {
        target: target.to_owned(),
        id: id.to_owned(),
        family: family.map(str::to_owned),
        gain: "A member of one organisation adds itself to any team of another.".to_owned(),
        cwe: 863,
        caught_by: if killed && id != "none" { expected.clone() } else { Vec::new() },
        expected,
        killed,
        by_general: killed && id != "none",
        blind: Vec::new(),
        seconds: 4.81,
    }
}

/// A run with something of everything, all of it bad enough to be shown.
pub fn rich(out: &Path) -> Run {
    let run = Run::create(out).unwrap();
    integration(&run);
    security(&run);
    begin_profile(&run, "load", "access", Some("peak"), 52);
    run.record("load", &Record::Load(Box::new(load(0, 231.4)))).unwrap();
    end(&run, "load", "access", 131.0);
    begin(&run, "mutants", "access", 190);
    run.record("mutants", &Record::Weakness(weakness("access", "none", None, true))).unwrap();
    for operation in OPERATIONS {
        let id = format!("skip-tenant-check:{operation}");
        let killed = operation != "role-list";
        run.record("mutants", &Record::Weakness(weakness("access", &id, Some("skip-tenant-check"), killed)))
            .unwrap();
    }
    run.record("mutants", &Record::Weakness(weakness("access", "accept-alg-none", None, true))).unwrap();
    end(&run, "mutants", "access", 84.0);
    platform::platform(&run);
    absent(&run, "ledger", "it needs MongoDB, and none is here: install mongodb or set WATERTIGHT_MONGODB");
    run
}

fn integration(run: &Run) {
    let suite = "integration";
    begin(run, suite, "access", 0);
    for name in [
        "an_invitation_is_accepted_once",
        "a_cancelled_invitation_cannot_be_accepted",
        "a_team_keeps_its_last_owner",
    ] {
        let ok = |title: &str, operation: &str| {
            let sent = exchange(run, operation, "owner", Class::Use, 201, r#"{"id":"inv_81"}"#);
            step(run, suite, title, Verdict::Pass, &[sent])
        };
        let steps = vec![
            ok("Alice invites Bob into Operations", "invitation-create"),
            ok("Alice cancels the invitation", "invitation-cancel"),
            step(run, suite, "Nothing is left in the mailbox", Verdict::Pass, &[]),
        ];
        story(run, suite, "access", &format!("invitations::{name}"), Verdict::Pass, None, steps);
    }
    let late =
        exchange(run, "invitation-accept", "bob", Class::Use, 200, r#"{"member":"mem_19","role":"member"}"#);
    let first = exchange(run, "invitation-create", "owner", Class::Use, 201, r#"{"id":"inv_90"}"#);
    let steps = vec![
        step(run, suite, "Alice invites Bob for one hour", Verdict::Pass, &[first]),
        step(run, suite, "Two hours later Bob is refused", Verdict::Fail, &[late]),
    ];
    let reason = "expected 410 for an expired invitation, got 200\n  body: {\"member\":\"mem_19\",\"role\":\"member\"}\n  look at it: watertight state inv_90";
    story(
        run,
        suite,
        "access",
        "invitations::an_expired_invitation_is_refused",
        Verdict::Fail,
        Some(reason),
        steps,
    );
    for name in ["lists_page_through", "a_write_is_conditional", "a_role_is_renamed"] {
        test(run, suite, "access", &format!("teams::{name}"), Verdict::Pass, None);
    }
    test(
        run,
        suite,
        "access",
        "audit::an_archive_is_written",
        Verdict::Skip,
        Some("the target lacks the capability archive"),
    );
    test(
        run,
        suite,
        "access",
        "audit::an_archive_is_encrypted",
        Verdict::Skip,
        Some("the target lacks the capability archive"),
    );
    test(
        run,
        suite,
        "access",
        "mail::a_bounce_is_noted",
        Verdict::Disabled,
        Some("the target has no operation mail-bounce"),
    );
    start(run, suite, "access", "races::two_owners_leave_at_once");
    end(run, suite, "access", 11.84);
    begin(run, suite, "platform", 12);
    for name in ["search_path_is_reset", "a_pool_is_per_tenant"] {
        test(run, suite, "platform", &format!("schema::{name}"), Verdict::Pass, None);
    }
    end(run, suite, "platform", 7.2);
}

fn security(run: &Run) {
    let suite = "security";
    begin(run, suite, "access", 20);
    for (at, operation) in OPERATIONS.iter().enumerate() {
        for (column, principal) in PRINCIPALS.iter().enumerate() {
            let some = u64::try_from(at * 7 + column * 3).unwrap();
            cell(run, "access", operation, principal, Class::Matrix, 1 + some % 4);
            if column < 7 {
                cell(run, "access", operation, principal, Class::Hop, 1 + some * some % 90);
            }
            if column == 4 {
                cell(run, "access", operation, principal, Class::Token, 31);
            }
            let expected = match column {
                0 => "allow",
                1 if at % 5 != 0 => "allow",
                2 | 6 if at % 3 == 0 => "allow",
                4 | 8 => "unauthenticated",
                5 => "hidden",
                _ => "forbidden",
            };
            let observed = if (*operation, *principal) == ("invitation-create", "other-tenant-owner") {
                "allow"
            } else {
                expected
            };
            matrix(run, "access", operation, principal, expected, observed);
        }
        test(run, suite, "access", &format!("matrix/{operation}/roles"), Verdict::Pass, None);
    }
    uncovered(run, "access", "org-delete", "suspended", Class::Hop);
    uncovered(run, "access", "org-delete", "deleted", Class::Hop);
    let critical = finding(
        run,
        "WT-5k2p9d",
        Severity::Critical,
        "The owner of another organisation invites an outsider into a team of this one",
    );
    let reason = "expected 403 or 404, got 201, and the team's state changed";
    test(run, suite, "access", &critical.check, Verdict::Fail, Some(reason));
    run.record(suite, &Record::Finding(critical)).unwrap();
    let low = Finding {
        operation: "org-read".to_owned(),
        gain: "The ids of organisations can be guessed and confirmed.".to_owned(),
        expected: "the same answer for both".to_owned(),
        observed: "404 'no such organisation' against 404 'not found'".to_owned(),
        ..finding(run, "WT-81xa0c", Severity::Low, "Errors tell an absent organisation from a hidden one")
    };
    test(run, suite, "access", &low.check, Verdict::Fail, Some("404 bodies differ"));
    run.record(suite, &Record::Finding(low)).unwrap();
    lists::lists(run, "access");
    end(run, suite, "access", 31.2);
}
