//! The reports for pipelines and terminals say what the page says.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs;
use std::path::Path;

use harness::record::{Record, Severity};
use harness::run::Run;
use harness::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use reports::{merge, render_all, terminal_summary};
use sample::{begin, begin_profile, end, finding, load, process, rich, test, weakness};

/// A small run in a folder of a known name, so that a whole report can be read in a test.
fn small(folder: &Path) {
    process(folder, 1, |run| {
        begin(run, "integration", "access", 0);
        test(run, "integration", "access", "teams::a_team_is_made", Verdict::Pass, None);
        test(
            run,
            "integration",
            "access",
            "mail::a_bounce_is_noted",
            Verdict::Skip,
            Some("no capability mail"),
        );
        end(run, "integration", "access", 2.5);
    });
    process(folder, 2, |run| {
        begin(run, "security", "access", 3);
        let found =
            finding(run, "WT-5k2p9d", Severity::Critical, "An outsider is invited into a foreign team");
        test(run, "security", "access", &found.check, Verdict::Fail, Some("expected 403, got 201"));
        run.record("security", &Record::Finding(found)).unwrap();
        end(run, "security", "access", 31.2);
    });
    process(folder, 3, |run| {
        begin_profile(run, "load", "access", Some("peak"), 40);
        run.record("load", &Record::Load(Box::new(load(0, 231.4)))).unwrap();
        end(run, "load", "access", 131.0);
    });
    process(folder, 4, |run| {
        begin(run, "mutants", "access", 180);
        for (id, killed) in [("none", true), ("accept-alg-none", true), ("trust-jku", false)] {
            run.record("mutants", &Record::Weakness(weakness("access", id, None, killed))).unwrap();
        }
        end(run, "mutants", "access", 14.0);
    });
}

fn stable(text: &str, run: &Run) -> String {
    text.replace(run.id(), "RUN").replace(&run.seed().to_string(), "SEED")
}

#[test]
fn a_message_for_slack_names_what_is_wrong_in_blocks_it_accepts() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let rendered = render_all(dir.path()).unwrap();
    let message: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(rendered.slack).unwrap()).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["type"], "header");
    assert_eq!(blocks[0]["text"]["type"], "plain_text");
    assert_eq!(message["text"], blocks[0]["text"]["text"], "what a notification shows");
    assert!(blocks.len() <= 50, "Slack takes no more");
    for section in blocks.iter().filter(|block| block["type"] == "section") {
        assert_eq!(section["text"]["type"], "mrkdwn");
        assert!(section["text"]["text"].as_str().unwrap().len() <= 3000, "Slack takes no more");
    }
    let text = message.to_string();
    assert!(text.contains("peak on access: `p95&lt;200ms`, observed 231.4 ms"), "{text}");
    assert!(text.contains("*critical* An outsider is invited into a foreign team"), "{text}");
    assert_eq!(blocks.last().unwrap()["type"], "context");
}

#[test]
fn the_terminal_shows_a_table_and_what_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    insta::assert_snapshot!(terminal_summary(&merge(dir.path()).unwrap()), @r#"
     suite         target   pass   fail   skip   error         time
    ────────────────────────────────────────────────────────────────
     integration   access      1      0      1       0       2.50 s
     security      access      0      1      0       0       31.2 s
     load peak     access      3      1      0       0   2 min 11 s
     mutants       access      2      1      0       0       14.0 s

    Failed
      1 finding; it is critical: An outsider is invited into a foreign team.
      Of 2 seeded weaknesses, 1 went unnoticed.
      3 checks failed.
      1 check skipped for want of a capability.

      failed    security access: hop/invitation-create/WT-5k2p9d
                expected 403, got 201

      failed    load peak access: p95<200ms, observed 231.4 ms

    sent to access: 0 distinct operation x principal x class, 0 of 16 operations attacked, nothing uncovered

    killed 1 of 2 weaknesses on access, survived: trust-jku
    "#);
}

#[test]
fn the_job_page_shows_verdict_suites_findings_thresholds_and_survivors() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let markdown = fs::read_to_string(render_all(dir.path()).unwrap().summary).unwrap();
    let run = Run::at(dir.path()).unwrap();
    insta::assert_snapshot!(stable(&markdown, &run), @r#"
    # ❌ Watertight: failed

    1 finding; it is critical: An outsider is invited into a foreign team. Of 2 seeded weaknesses, 1 went unnoticed. 3 checks failed. 1 check skipped for want of a capability.

    Run `RUN`, seed `SEED`, 3 min 14 s, target access.

    | suite | target | verdict | pass | fail | error | skip | disabled | time |
    |---|---|---|--:|--:|--:|--:|--:|--:|
    | integration | access | passed | 1 | 0 | 0 | 1 | 0 | 2.50 s |
    | security | access | failed | 0 | 1 | 0 | 0 | 0 | 31.2 s |
    | load peak | access | failed | 3 | 1 | 0 | 0 | 0 | 2 min 11 s |
    | mutants | access | failed | 2 | 1 | 0 | 0 | 0 | 14.0 s |

    ## What was attacked

    | target | class | operations | principals | distinct | requests | pass | fail | error | skip |
    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|
    | access | hop | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 |
    | access | all, nothing uncovered | 0 of 16 | 0 | 0 | 0 | | | | |

    ## Findings

    | severity | finding | operation | target | refers to | try it again |
    |---|---|---|---|---|---|
    | **critical** | An outsider is invited into a foreign team<br>An outsider joins a team of another organisation and reads everything the team can.<br>To mend it: Look a thing up by its id AND the caller's organisation, in one query; treat nothing found as absent. | invitation-create | access | CWE-639, API1, ASVS 8.2.2, ASVS 8.4.1 | `watertight rerun WT-5k2p9d` |

    ## Failed and not observed

    | suite | target | test | verdict | reason |
    |---|---|---|---|---|
    | security | access | `hop/invitation-create/WT-5k2p9d` | failed | expected 403, got 201 |

    ## Thresholds

    | load | target | rule | observed | holds |
    |---|---|---|--:|---|
    | peak | access | `p95<200ms` | 231.4 ms | **no** |
    | peak | access | `error_rate<1%` | 0.21 % | yes |
    | peak | access | `rps>800` | 956 requests/s | yes |
    | peak | access | `leaks=0` | 0 | yes |

    ## Weaknesses

    - access: killed 1 of 2, no alarm on the clean service

    | survived | target | what an attacker gains |
    |---|---|---|
    | `trust-jku` | access | A member of one organisation adds itself to any team of another. |

    To replay: `WATERTIGHT_SEED=SEED make demo`
    "#);
}

#[test]
fn a_target_cannot_leave_its_cell_of_a_markdown_table() {
    const HOSTILE: &str = "a | b\n\n# c `d` <img src=x> [e](http://f.test) **g** @h \\| i\r| j";
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, "security", "access", 0);
        let mut found = finding(run, HOSTILE, Severity::High, HOSTILE);
        found.operation = HOSTILE.to_owned();
        test(run, "security", "access", HOSTILE, Verdict::Fail, Some(HOSTILE));
        run.record("security", &Record::Finding(found)).unwrap();
        end(run, "security", "access", 1.0);
    });
    let markdown = fs::read_to_string(render_all(dir.path()).unwrap().summary).unwrap();
    let rows: Vec<_> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |row: &str| row.matches('|').count() - 1;
    let expected = [9, 9, 9, 10, 10, 10, 10, 6, 6, 6, 5, 5, 5];
    assert_eq!(rows.iter().map(|row| cells(row)).collect::<Vec<_>>(), expected, "{markdown}");
    assert!(
        !markdown.contains("<img") && !markdown.contains("](") && !markdown.contains("http:"),
        "{markdown}"
    );
    assert_eq!(markdown.matches("\n# ").count(), 0, "no heading of the target's: {markdown}");
}

#[test]
fn a_target_cannot_steer_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    process(dir.path(), 1, |run| {
        begin(run, "security", "access\u{1b}[2J", 0);
        test(
            run,
            "security",
            "access\u{1b}[2J",
            "matrix",
            Verdict::Fail,
            Some("\u{1b}]0;owned\u{7}\nverdict: pass"),
        );
        end(run, "security", "access\u{1b}[2J", 1.0);
    });
    let text = terminal_summary(&merge(dir.path()).unwrap());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("verdict: pass")), "{text}");
}

#[test]
fn junit_tells_failures_errors_and_skips_apart() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let text = fs::read_to_string(render_all(run.folder()).unwrap().junit).unwrap();
    let xml = Report::deserialize_from_str(&text).unwrap();
    let names: Vec<_> = xml.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    let expected = [
        "integration access",
        "integration platform",
        "security access",
        "security platform",
        "load peak access",
        "load peak platform",
        "mutants access",
        "mutants platform",
        "OWASP ASVS 5.0 access",
        "OWASP API Security Top 10, 2023 access",
        "ledger",
    ];
    assert_eq!(names, expected);
    assert_eq!((xml.failures, xml.errors), (11, 2));

    let kind = |suite: usize, name: &str| {
        let case = xml.test_suites[suite].test_cases.iter().find(|case| case.name.as_str() == name).unwrap();
        match &case.status {
            TestCaseStatus::Success { .. } => ("success", String::new()),
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, .. } => {
                ("failure", message.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()))
            }
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, message, .. } => {
                ("error", message.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()))
            }
            TestCaseStatus::Skipped { message, .. } => {
                ("skipped", message.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()))
            }
        }
    };
    assert_eq!(kind(0, "teams::lists_page_through").0, "success");
    assert_eq!(
        kind(0, "audit::an_archive_is_written"),
        ("skipped", "the target lacks the capability archive".to_owned())
    );
    assert_eq!(kind(0, "races::two_owners_leave_at_once"), ("error", "started, never ended".to_owned()));
    assert_eq!(kind(4, "p95<200ms"), ("failure", "expected p95<200ms, observed 231.4 ms".to_owned()));
    assert_eq!(kind(4, "leaks=0").0, "success");
    assert_eq!(kind(5, "p95<200ms").0, "success", "the other target held it");
    assert!(kind(6, "skip-tenant-check:role-list").1.starts_with("survived"));
    assert!(kind(7, "plan-cached").1.starts_with("survived"));
    let (refused, why) = kind(8, "8.2.2 Data items are open only to whom they are granted");
    assert!(refused == "failure" && why.starts_with("not met"), "{why}");
    assert_eq!(kind(8, "7.4.2 A disabled or deleted user's sessions end").0, "skipped");
    let (skipped, why) = kind(10, "the target is there");
    assert!(skipped == "skipped" && why.contains("MongoDB"), "{why}");
}

#[test]
fn the_reports_are_replaced_whole_and_nothing_is_left_aside() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    render_all(dir.path()).unwrap();
    let rendered = render_all(dir.path()).unwrap();
    for path in [&rendered.json, &rendered.page, &rendered.summary, &rendered.junit, &rendered.sarif] {
        assert!(fs::metadata(path).unwrap().len() > 0, "{}", path.display());
    }
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("tmp"));
    assert_eq!(names, Vec::<String>::new());
}
