//! The house rules, as CONTRIBUTING.md states them, held against the whole tree.
//!
//! A rule is a function over a path and a text. Each has two tests: the tree keeps it, and a deliberately bad
//! example breaks it, so that a rule that has stopped looking is noticed.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

#[path = "house_rules/code.rs"]
mod code;
#[path = "house_rules/coverage.rs"]
mod coverage;
#[path = "house_rules/imports.rs"]
mod imports;
#[path = "house_rules/tree.rs"]
mod tree;

use std::fmt;

use code::{before_tests, code_only};
use tree::{packages, tree};

/// Lines of a source file; more is more than one purpose.
const LONGEST_FILE: usize = 500;

/// A rule of the house.
struct Rule {
    /// Which files it is about.
    about: fn(&str) -> bool,
    /// Where a file breaks it.
    breaches: fn(&str, &str) -> Vec<Breach>,
}

/// A place where a rule is broken. `line` 0 is the file as a whole.
#[derive(Debug, PartialEq)]
struct Breach {
    line: usize,
    what: String,
}

impl Breach {
    fn at(line: usize, what: impl Into<String>) -> Breach {
        Breach { line, what: what.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, ": {}", self.what),
            line => write!(f, ":{line}: {}", self.what),
        }
    }
}

/// Holds a rule against every file it is about. A rule that is about no file would pass without looking.
fn hold(rule: &Rule) {
    let files: Vec<_> = tree().into_iter().filter(|(path, _)| (rule.about)(path)).collect();
    assert!(!files.is_empty(), "no file of the tree is under this rule: it is missing, or has moved");
    let breaches: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| {
            (rule.breaches)(path, text).into_iter().map(move |breach| format!("{path}{breach}"))
        })
        .collect();
    assert!(breaches.is_empty(), "{} breach(es) of a house rule:\n{}", breaches.len(), breaches.join("\n"));
}

/// Insists that a bad example breaks a rule once, on this line, with a message that holds `hint`.
fn catches(rule: &Rule, path: &str, text: &str, line: usize, hint: &str) {
    assert!((rule.about)(path), "the rule does not look at {path}");
    let breaches = (rule.breaches)(path, text);
    assert_eq!(breaches.len(), 1, "{breaches:?}");
    assert_eq!(breaches[0].line, line, "{breaches:?}");
    assert!(breaches[0].what.contains(hint), "{breaches:?}");
}

/// Insists that a rule has nothing against an example.
fn accepts(rule: &Rule, path: &str, text: &str) {
    assert_eq!((rule.breaches)(path, text), []);
}

fn is_rust(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs")
}

const LENGTH: Rule = Rule {
    about: is_rust,
    breaches: |_, text| match text.lines().count() {
        0..=LONGEST_FILE => Vec::new(),
        lines => vec![Breach::at(
            lines,
            format!(
                "{lines} lines, at most {LONGEST_FILE}: give a part with a purpose of its own its own module"
            ),
        )],
    },
};

#[test]
fn every_file_is_short_enough_to_have_one_purpose() {
    hold(&LENGTH);
}

#[test]
fn a_file_that_is_too_long_is_caught() {
    accepts(&LENGTH, "harness/src/run.rs", &"\n".repeat(LONGEST_FILE));
    catches(&LENGTH, "harness/src/run.rs", &"\n".repeat(LONGEST_FILE + 1), 501, "module");
}

const PURPOSE: Rule = Rule {
    about: is_rust,
    breaches: |_, text| {
        let first = text.lines().next().unwrap_or_default();
        if first.strip_prefix("//! ").is_some_and(|purpose| !purpose.trim().is_empty()) {
            return Vec::new();
        }
        vec![Breach::at(1, format!("expected `//! ` and what the module is for, found '{first}'"))]
    },
};

#[test]
fn every_module_says_its_purpose_in_its_first_line() {
    hold(&PURPOSE);
}

#[test]
fn a_module_without_a_purpose_is_caught() {
    accepts(&PURPOSE, "harness/src/run.rs", "//! A run.\n");
    catches(&PURPOSE, "harness/src/run.rs", "use std::fs;\n//! A run.\n", 1, "//!");
    catches(&PURPOSE, "suites/watertight/src/main.rs", "//!\nfn main() {}\n", 1, "//!");
}

/// Whether a line of code holds what must not stand there.
type Found = fn(&str) -> bool;

/// What must not stand in code, and what to do instead.
const BANNED: [(Found, &str); 3] = [
    (|line| calls(line, "sleep"), "a bare sleep hides a race: poll with harness::wait::until and a deadline"),
    (
        |line| line.contains("#[ignore") || line.contains("cfg_attr(") && line.contains("ignore"),
        "an ignored test is forgotten: take it out, or return early and record the skip",
    ),
    (
        |line| line.contains("todo!") || line.contains("unimplemented!"),
        "unfinished code is not committed: finish it, or return a typed error that says what to do",
    ),
];

/// Whether a line calls a function of this name, by whichever path.
fn calls(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let begins = !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        begins && line[at + name.len()..].trim_start().starts_with('(')
    })
}

const PATIENCE: Rule = Rule {
    // The one place that pauses, with the reason beside it.
    about: |path| is_rust(path) && path != "harness/src/wait.rs",
    breaches: |_, text| {
        let code = code_only(text);
        let lines = (1..).zip(code.lines());
        lines
            .flat_map(|(number, line)| {
                let banned = BANNED.iter().filter(move |(found, _)| found(line));
                banned.map(move |(_, instead)| Breach::at(number, *instead))
            })
            .collect()
    },
};

#[test]
fn nothing_sleeps_is_ignored_or_left_for_later() {
    hold(&PATIENCE);
}

#[test]
fn sleeping_ignoring_and_postponing_are_caught() {
    let path = "suites/load/src/pace.rs";
    catches(&PATIENCE, path, "//! Pace.\nfn f() { std::thread::sleep(PAUSE); }\n", 2, "harness::wait");
    catches(&PATIENCE, path, "async fn f() {\n    sleep (PAUSE).await;\n}\n", 2, "harness::wait");
    catches(&PATIENCE, path, "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n", 2, "record the skip");
    catches(&PATIENCE, path, "#[cfg_attr(macos, ignore)]\n", 1, "record the skip");
    catches(&PATIENCE, path, "fn f() { todo!() }\n", 1, "finish it");
    catches(&PATIENCE, path, "fn f() { unimplemented!(\"later\") }\n", 1, "finish it");
    accepts(&PATIENCE, path, "// sleep(PAUSE) would hide a race\nconst A: &str = \"todo!() sleep(1)\";\n");
    accepts(&PATIENCE, path, "fn oversleep() { oversleep() }\n");
}

const IMPORTS: Rule =
    Rule { about: |path| path.ends_with("Cargo.toml"), breaches: |path, text| imports::breaches(path, text) };

#[test]
fn imports_flow_one_way() {
    hold(&IMPORTS);
}

#[test]
fn an_import_against_the_flow_is_caught() {
    let dependency =
        |table: &str, package: &str| format!("[{table}]\nserde = '1'\n{package}.workspace = true\n");
    let cases = [
        ("harness", "dependencies", "reports"),
        ("fixtures/access", "dependencies", "harness"),
        ("fixtures/access", "dev-dependencies", "harness"),
        ("fixtures/platform", "build-dependencies", "access-service"),
        ("fixtures", "dependencies", "suites-load"),
        ("reports", "dev-dependencies", "fixtures"),
        ("suites/integration", "dev-dependencies", "reports"),
        ("suites/security", "dependencies", "access-service"),
        ("suites/load", "target.'cfg(unix)'.dependencies", "suites-security"),
        ("tools/new", "dependencies", "harness"),
    ];
    for (folder, table, package) in cases {
        catches(&IMPORTS, &format!("{folder}/Cargo.toml"), &dependency(table, package), 3, package);
    }
    let renamed = "[dependencies]\nh = { path = '../harness', package = 'harness' }\n";
    catches(&IMPORTS, "fixtures/access/Cargo.toml", renamed, 2, "harness");
    accepts(&IMPORTS, "suites/watertight/Cargo.toml", &dependency("dependencies", "reports"));
    accepts(&IMPORTS, "suites/load/Cargo.toml", &dependency("dependencies", "fixtures"));
    accepts(&IMPORTS, "fixtures/Cargo.toml", &dependency("dependencies", "access-service"));
}

#[test]
fn every_package_of_the_tree_has_a_place_in_the_flow() {
    let unplaced: Vec<String> = packages()
        .into_iter()
        .filter(|(_, name)| !imports::is_placed(name))
        .map(|(folder, _)| folder)
        .collect();
    assert_eq!(
        unplaced,
        Vec::<String>::new(),
        "enter them in suites/watertight/tests/house_rules/imports.rs"
    );
}

const ROUTES: Rule = Rule {
    // Of the services: fixtures/<service>/src/, not fixtures/src/.
    about: |path| {
        let parts: Vec<&str> = path.split('/').collect();
        is_rust(path) && matches!(parts[..], ["fixtures", service, "src", ..] if service != "src")
    },
    breaches: |_, text| {
        let code = code_only(before_tests(text));
        let lines = (1..).zip(code.lines());
        lines
            .filter(|(_, line)| line.contains(".route(") || line.contains(".route_service("))
            .map(|(number, _)| {
                let what = "a route the OpenAPI document would not state, and so nobody would attack: register the \
                            handler with utoipa-axum's `.routes(routes!(handler))`";
                Breach::at(number, what)
            })
            .collect()
    },
};

#[test]
fn a_service_serves_only_what_its_contract_states() {
    hold(&ROUTES);
}

#[test]
fn a_route_past_the_contract_is_caught() {
    let path = "fixtures/access/src/routes/teams.rs";
    catches(&ROUTES, path, "fn r() {\n    Router::new()\n        .route(\"/x\", get(x))\n}\n", 3, "routes!");
    accepts(&ROUTES, path, "fn r() { OpenApiRouter::new().routes(routes!(x)) }\n");
    accepts(
        &ROUTES,
        path,
        "//! R.\n#[cfg(test)]\nmod tests {\n    fn s() { Router::new().route(\"/\", x) }\n}\n",
    );
    let before = "#[cfg(test)]\nuse a::b;\nfn r() { Router::new().route(\"/\", x) }\n";
    catches(&ROUTES, path, before, 3, "routes!");
}

/// Names that say nothing of what is inside, so that anything ends up there.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

const NAMES: Rule = Rule {
    about: |_| true,
    breaches: |path, _| {
        let mut stems = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        let empty = stems.find(|stem| EMPTY_NAMES.contains(stem));
        let what =
            |stem| format!("'{stem}' says nothing of what is inside: name it after the one thing it is for");
        empty.map(|stem| Breach::at(0, what(stem))).into_iter().collect()
    },
};

#[test]
fn names_say_what_is_inside() {
    hold(&NAMES);
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    catches(&NAMES, "harness/src/utils.rs", "", 0, "utils");
    catches(&NAMES, "suites/integration/tests/common/mod.rs", "", 0, "common");
    catches(&NAMES, "docs/misc.md", "", 0, "misc");
    accepts(&NAMES, "harness/src/commonality.rs", "");
}

/// What a page leaves out of what it must show.
fn left_out<'w>(text: &str, wanted: impl IntoIterator<Item = &'w str>) -> Vec<Breach> {
    let missing = wanted.into_iter().filter(|wanted| !text.contains(wanted));
    missing.map(|wanted| Breach::at(0, format!("does not mention `{wanted}`: add it"))).collect()
}

const README: Rule = Rule {
    about: |path| path == "README.md",
    breaches: |_, text| left_out(text, ["make demo", "make test"]),
};

#[test]
fn the_readme_shows_the_two_commands() {
    hold(&README);
}

#[test]
fn a_readme_without_its_commands_is_caught() {
    catches(&README, "README.md", "# Watertight\n\n    make demo\n", 0, "make test");
}

const ARCHITECTURE: Rule = Rule {
    about: |path| path == "ARCHITECTURE.md",
    breaches: |_, text| left_out(text, packages().iter().map(|(folder, _)| folder.as_str())),
};

#[test]
fn the_architecture_mentions_every_package() {
    hold(&ARCHITECTURE);
}

#[test]
fn an_architecture_that_forgets_a_package_is_caught() {
    let folders: Vec<String> = packages().into_iter().map(|(folder, _)| folder).collect();
    let text = folders.join("\n").replace("suites/load", "");
    catches(&ARCHITECTURE, "ARCHITECTURE.md", &text, 0, "suites/load");
    accepts(&ARCHITECTURE, "ARCHITECTURE.md", &folders.join("\n"));
}
