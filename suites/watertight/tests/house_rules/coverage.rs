//! docs/coverage.md names tests that exist, steps that are told, and every module of the integration suite; and the
//! tests that weaknesses expect to be caught by exist.

use std::collections::BTreeSet;

use harness::pattern::matches;

use super::tree::tree;

const PAGE: &str = "docs/coverage.md";
const SUITE: &str = "suites/integration/tests/integration/";
const WEAKNESSES: &str = "fixtures/data/weaknesses/";

/// The integration suite as its source states it.
#[derive(Default)]
struct Suite {
    /// Tests as libtest prints them, without cases.
    tests: BTreeSet<String>,
    /// Modules that hold tests.
    modules: BTreeSet<String>,
    /// Of each module its text.
    texts: Vec<(String, String)>,
}

impl Suite {
    fn of(files: &[(String, String)]) -> Suite {
        let mut suite = Suite::default();
        for (path, text) in files {
            let Some(module) = path.strip_prefix(SUITE).and_then(|path| path.strip_suffix(".rs")) else {
                continue;
            };
            let module = module.replace('/', "::");
            let names = tests_in(text);
            if !names.is_empty() {
                suite.modules.insert(module.clone());
            }
            suite.tests.extend(names.into_iter().map(|name| format!("{module}::{name}")));
            suite.texts.push((module, text.clone()));
        }
        suite
    }

    fn text(&self, module: &str) -> &str {
        self.texts.iter().find(|(name, _)| name == module).map_or("", |(_, text)| text)
    }
}

/// The functions under `#[rstest]` or `#[test]`.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        is_test |= line == "#[rstest]" || line == "#[test]";
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            let end = rest.find(['(', '<']).unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            is_test = false;
        }
    }
    names
}

/// What stands between backticks.
fn named(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

fn breaches(page: &str, files: &[(String, String)]) -> Vec<String> {
    let suite = Suite::of(files);
    assert!(!suite.tests.is_empty(), "no test found below {SUITE}: it is missing, or has moved");
    let mut breaches = Vec::new();
    let exists = |path: &str| files.iter().any(|(known, _)| known == path);
    for name in named(page) {
        let found = if let Some((file, function)) = name.split_once(".rs::") {
            let file = format!("{file}.rs");
            files.iter().any(|(path, text)| *path == file && text.contains(&format!("fn {function}(")))
        } else if name.contains("::") {
            suite.tests.contains(name) || suite.modules.contains(name)
        } else if name.contains('/') {
            exists(name)
        } else {
            true
        };
        if !found {
            breaches.push(format!(
                "`{name}` is named and not there: correct the name, or say what covers it now"
            ));
        }
    }
    for module in &suite.modules {
        let of_it = |name: &str| {
            name == module || name.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with("::"))
        };
        if !named(page).any(of_it) {
            breaches.push(format!("the module {module} is not named: say what it covers"));
        }
    }
    for section in page.split("\n## ").filter(|section| section.starts_with("Flow ")) {
        let test = named(section).next().unwrap_or_default();
        let text = suite.text(test.rsplit_once("::").map_or("", |(module, _)| module));
        // Rows of the form `| step of the seed | 3, 3a | what is done |`, after two of heading.
        let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
        let steps = rows.filter_map(|row| row.split('|').nth(2)).flat_map(|steps| steps.split(','));
        for step in steps.map(str::trim) {
            if !text.contains(&format!("\"{step}. ")) {
                breaches.push(format!("{test} has no step {step}"));
            }
        }
    }
    breaches
}

#[test]
fn the_coverage_page_names_tests_that_exist_and_every_module() {
    let files = tree();
    let page = files.iter().find(|(path, _)| path == PAGE).map(|(_, text)| text.as_str());
    let breaches = breaches(page.unwrap(), &files);
    assert!(breaches.is_empty(), "{PAGE} is not true:\n{}", breaches.join("\n"));
}

/// What weaknesses expect of the integration suite and it does not have.
fn strangers(files: &[(String, String)]) -> Vec<String> {
    let suite = Suite::of(files);
    let expected = files.iter().filter(|(path, _)| path.starts_with(WEAKNESSES));
    let expected = expected.flat_map(|(_, text)| text.split('"'));
    expected
        .filter_map(|word| word.strip_prefix("integration:"))
        // Cases are told apart at run time.
        .map(|pattern| pattern.split(" (").next().unwrap_or(pattern))
        .filter(|pattern| !suite.tests.iter().any(|test| matches(pattern, test)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn weaknesses_expect_to_be_caught_by_integration_tests_that_exist() {
    let files = tree();
    assert!(files.iter().any(|(path, _)| path.starts_with(WEAKNESSES)), "{WEAKNESSES} has moved");
    let strangers = strangers(&files);
    assert!(strangers.is_empty(), "no integration test is named {}", strangers.join(" or "));
}

#[test]
fn a_weakness_that_expects_no_test_that_exists_is_caught() {
    let mut files = suite();
    let data =
        r#"expected = ["security:hop/*", "integration:flows::*::a_story (one)", "integration:flows::*"]"#;
    files.push((format!("{WEAKNESSES}access.toml"), data.to_owned()));
    assert_eq!(strangers(&files), Vec::<String>::new());
    files.push((format!("{WEAKNESSES}platform.toml"), data.replace("a_story", "no_test")));
    assert_eq!(strangers(&files), ["flows::*::no_test"]);
}

/// A suite of one flow with one step.
fn suite() -> Vec<(String, String)> {
    let flow = "#[rstest]\n#[case::one(1)]\nfn a_story(#[context] c: Context) {\n    world.step(\"1. Somebody acts\");\n}\nfn no_test() {}\n";
    let unit = "    fn it_reads() {}\n";
    vec![
        (format!("{SUITE}flows/one.rs"), flow.to_owned()),
        ("harness/src/events.rs".to_owned(), unit.to_owned()),
    ]
}

const TRUE_PAGE: &str = "# C\n\n## Flow 1\n\n`flows::one::a_story`\n\n| s | step | d |\n|---|---|---|\n| a | 1 | b |\n\n## Rest\n\n`harness/src/events.rs::it_reads` `harness/src/events.rs` `flows::one` `plain`\n";

#[test]
fn a_true_page_is_accepted() {
    assert_eq!(breaches(TRUE_PAGE, &suite()), Vec::<String>::new());
}

#[test]
fn what_is_not_there_is_caught_by_name() {
    for (wrong, hint) in [
        (TRUE_PAGE.replace("a_story`", "a_storey`"), "`flows::one::a_storey` is named"),
        (TRUE_PAGE.replace("a_story`", "no_test`"), "`flows::one::no_test` is named"),
        (TRUE_PAGE.replace("it_reads", "it_writes"), "`harness/src/events.rs::it_writes` is named"),
        (
            TRUE_PAGE.replace("`harness/src/events.rs`", "`harness/src/gone.rs`"),
            "`harness/src/gone.rs` is named",
        ),
        (TRUE_PAGE.replace("| 1 |", "| 1, 1a |"), "flows::one::a_story has no step 1a"),
    ] {
        let found = breaches(&wrong, &suite());
        assert!(found.len() == 1 && found[0].contains(hint), "{hint}: {found:?}");
    }
    let silent = breaches("`plain`\n", &suite());
    assert_eq!(silent, ["the module flows::one is not named: say what it covers"]);
}
