//! The page shows the whole run and nothing that a target slipped in.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod sample;

use std::fs;
use std::path::Path;

use harness::exchange::Class;
use harness::record::{Record, Severity};
use harness::run::Run;
use harness::verdict::Verdict;
use reports::render_all;
use sample::{begin, cell, end, exchange, finding, process, rich, step, story, test};

fn page_of(folder: &Path) -> String {
    fs::read_to_string(render_all(folder).unwrap().page).unwrap()
}

/// A run of one process.
fn run_of(folder: &Path, act: impl FnOnce(&Run)) -> String {
    process(folder, 1, act);
    page_of(folder)
}

#[test]
fn the_page_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("WATERTIGHT_SAMPLE");
    let out = kept.as_deref().map_or(dir.path(), Path::new);
    let run = rich(out);
    let page = page_of(run.folder());
    for request in ["src=", "<link rel=\"stylesheet\"", "@import", "url(", "<iframe", "<img", "fetch("] {
        assert!(!page.contains(request), "{request} loads something");
    }
    // The one link element is the icon, whose data stands in it.
    assert_eq!(page.matches("<link ").count(), 1);
    let addresses = page.matches("href=\"http").count();
    assert_eq!(addresses, 0, "nothing leads out of the page");
}

#[test]
fn the_verdict_comes_first_and_every_section_of_the_run_follows() {
    let dir = tempfile::tempdir().unwrap();
    let run = rich(dir.path());
    let page = page_of(run.folder());
    let order = [
        "id=\"verdict\"",
        "id=\"suites\"",
        "id=\"assessment\"",
        "id=\"findings\"",
        "id=\"accepted\"",
        "id=\"failures\"",
        "id=\"coverage\"",
        "id=\"matrix\"",
        "id=\"checklist\"",
        "id=\"measured\"",
        "id=\"flows\"",
        "id=\"skipped\"",
        "id=\"weaknesses\"",
        "id=\"load\"",
        "id=\"cases\"",
        "id=\"exchanges\"",
    ];
    let places: Vec<_> = order.iter().map(|id| page.find(id).unwrap_or_else(|| panic!("no {id}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains(&format!("WATERTIGHT_SEED={} make demo", run.seed())));
    assert!(page.contains("watertight rerun WT-5k2p9d"));
    assert!(page.contains("started, never ended"));
    assert!(page.contains("expected hidden"), "a mismatch of the matrix says what was expected");
}

#[test]
fn sections_without_content_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| {
        begin(run, "integration", "access", 0);
        test(run, "integration", "access", "teams::a_team_is_made", Verdict::Pass, None);
        end(run, "integration", "access", 1.0);
    });
    for id in [
        "assessment",
        "findings",
        "accepted",
        "failures",
        "coverage",
        "matrix",
        "checklist",
        "measured",
        "flows",
        "skipped",
        "weaknesses",
        "load",
        "cases",
        "exchanges",
    ] {
        assert!(!page.contains(&format!("id=\"{id}\"")), "{id} is empty");
        assert!(!page.contains(&format!("href=\"#{id}\"")), "{id} is linked and not there");
    }
    assert!(page.contains(">Passed<"), "the verdict is there");
}

#[test]
fn what_a_target_sends_stays_text() {
    const HOSTILE: &str =
        "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}\u{202e}";
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| {
        begin(run, "security", HOSTILE, 0);
        let mut found = finding(run, "WT-1", Severity::High, HOSTILE);
        for exchange in &mut found.exchanges {
            exchange.response_body = Some(HOSTILE.to_owned());
            exchange.response_headers.insert("x-note".to_owned(), HOSTILE.to_owned());
            exchange.url = format!("javascript:{HOSTILE}");
        }
        found.operation = HOSTILE.to_owned();
        found.observed = HOSTILE.to_owned();
        run.record("security", &Record::Finding(found)).unwrap();
        cell(run, "access", HOSTILE, HOSTILE, Class::Matrix, 1);
        let sent = exchange(run, HOSTILE, HOSTILE, Class::Use, 200, HOSTILE);
        let steps = vec![step(run, "security", HOSTILE, Verdict::Fail, &[sent])];
        story(run, "security", HOSTILE, HOSTILE, Verdict::Fail, Some(HOSTILE), steps);
        test(run, "security", HOSTILE, "skipped", Verdict::Skip, Some(HOSTILE));
        end(run, "security", HOSTILE, 1.0);
    });
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own script");
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("<img"), "no element of the target's");
    assert!(!page.contains("href=\"javascript"), "no address of the target's is a link");
    assert!(
        !page.contains('\u{202e}') || page.contains("\\u{202e}"),
        "reordering marks are spelled out in evidence"
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"), "and it is all there to read");
    assert!(page.contains("{{ 7*7 }}"), "templates of the target's are not run");
}

#[test]
fn a_page_s_policy_lets_only_its_own_script_run() {
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| begin(run, "security", "access", 0));
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = &policy[..policy.find("\">").unwrap()];
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "the policy forbids what is inline");
}

#[test]
fn a_redacted_credential_is_not_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| {
        begin(run, "security", "access", 0);
        run.record("security", &Record::Finding(finding(run, "WT-1", Severity::High, "A hole"))).unwrap();
        end(run, "security", "access", 1.0);
    });
    assert!(page.contains("[redacted, 812 bytes]"), "the request shows that there was one");
    assert!(page.contains("$AUTHORIZATION"), "the command has a place for one");
    assert!(!page.contains("Bearer [") && !page.contains("Bearer ey"), "and nothing else stands there");
}

#[test]
fn stories_stand_by_module_and_flows_come_first_and_open() {
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| {
        begin(run, "integration", "access", 0);
        let sent = [exchange(run, "team-list", "owner", Class::Use, 200, "teams of alice")];
        let steps = vec![
            step(run, "integration", "1. Alice lists her teams", Verdict::Pass, &sent),
            step(run, "integration", "1a. The store holds them", Verdict::Skip, &[]),
        ];
        let reason = "store checks skipped: 1a. The store holds them";
        story(run, "integration", "access", "audits::a_story", Verdict::Pass, Some(reason), steps.clone());
        story(run, "integration", "access", "flows::teams::a_flow", Verdict::Pass, Some(reason), steps);
        test(run, "integration", "access", "audits::a_single_fact", Verdict::Pass, None);
        test(run, "integration", "access", "nothing is left in the store", Verdict::Pass, None);
        end(run, "integration", "access", 1.0);
    });
    let modules = ["flows::teams<", "audits<", "the suite as a whole<"];
    let places: Vec<_> = modules.iter().map(|module| page.find(module).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(page.matches("<details class=\"module\" open>").count(), 1, "the flows and no other module");
    assert_eq!(page.matches("<details class=\"flow pass\" open>").count(), 1, "their steps are seen");
    assert!(page.contains("a single fact") && page.contains("nothing is left in the store"));
    assert!(
        page.contains("POST team-list → 200") && page.contains("teams of alice"),
        "what a step sent is behind it"
    );
    assert!(page.contains("1 store check skipped"), "a story says what it did not look at");
    assert!(page.contains("flows::teams::a_flow: 1a. The store holds them"), "and the page lists it by name");
}

#[test]
fn a_page_holds_two_thousand_exchanges_and_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let page = run_of(dir.path(), |run| {
        begin(run, "integration", "access", 0);
        let many: Vec<_> =
            (0..2005).map(|_| exchange(run, "team-list", "owner", Class::Use, 200, "passing")).collect();
        let steps =
            vec![step(run, "integration", "Alice lists her teams, again and again", Verdict::Pass, &many)];
        story(run, "integration", "access", "a_passing::flow", Verdict::Pass, None, steps);
        let one = exchange(run, "team-list", "owner", Class::Use, 500, "of the failed test");
        let steps = vec![step(run, "integration", "Bob lists his", Verdict::Fail, &[one])];
        story(run, "integration", "access", "z_failing::flow", Verdict::Fail, Some("500"), steps);
        end(run, "integration", "access", 1.0);
    });
    assert_eq!(page.matches("<details class=\"exchange\"").count(), 2000);
    assert!(page.contains("6 more exchanges did not fit"), "{}", page.contains("did not fit"));
    assert!(page.contains("of the failed test"), "what failed goes first");
}
