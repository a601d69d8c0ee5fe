//! Tests as stories: failures, flows, and what was skipped and why.

use std::collections::BTreeMap;

use harness::record::Step;
use harness::verdict::Verdict;
use serde::Serialize;

use crate::merge::FLOWS;
use crate::page::evidence::{Anchors, Link, finding_anchor};
use crate::report::{RunReport, Suite, Test};

/// A failed or errored test.
#[derive(Serialize)]
pub(super) struct Failure {
    suite: String,
    target: String,
    story: Story,
    finding: Option<String>,
}

/// A test and its steps.
#[derive(Serialize)]
struct Story {
    /// The path.
    path: String,
    /// The last part of the path as a sentence.
    fact: String,
    verdict: Verdict,
    reason: Option<String>,
    seconds: f64,
    attempts: usize,
    store_checks_skipped: usize,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    title: String,
    verdict: Verdict,
    links: Vec<Link>,
}

/// The stories of one suite, flows first.
#[derive(Serialize)]
pub(super) struct Flows {
    title: String,
    target: String,
    count: usize,
    modules: Vec<Module>,
}

/// The stories of one module.
#[derive(Serialize)]
struct Module {
    name: String,
    /// Told from beginning to end: they stand open.
    flows: bool,
    /// The worst of its stories.
    verdict: Verdict,
    with_steps: usize,
    store_checks_skipped: usize,
    stories: Vec<Story>,
}

/// Tests skipped for one reason.
#[derive(Serialize)]
pub(super) struct Skipped {
    title: String,
    target: String,
    verdict: Verdict,
    reason: String,
    tests: Vec<String>,
}

/// The failed and errored tests.
pub(super) fn failures(report: &RunReport, anchors: &Anchors) -> Vec<Failure> {
    let finding = |suite: &Suite, test: &Test| {
        let found = report.findings.iter().position(|finding| {
            finding.suite == suite.suite && finding.target == suite.target && finding.check == test.test
        });
        found.map(|at| finding_anchor(at + 1))
    };
    report
        .troubled()
        .map(|(suite, test)| Failure {
            suite: suite.title(),
            target: suite.target.clone(),
            story: story(test, anchors),
            finding: finding(suite, test),
        })
        .collect()
}

/// The tests of every suite that tells stories, by module. A suite whose tests are no stories has its own
/// section.
pub(super) fn flows(report: &RunReport, anchors: &Anchors) -> Vec<Flows> {
    let tells = |suite: &&Suite| suite.tests.iter().any(|test| !test.steps.is_empty());
    let flows = report.suites.iter().filter(tells).map(|suite| {
        let mut modules: BTreeMap<(bool, &str), Vec<Story>> = BTreeMap::new();
        for test in &suite.tests {
            let name = test.test.rsplit_once("::").map_or(WHOLE, |(module, _)| module);
            // `false` sorts first.
            let key = (!test.test.starts_with(FLOWS), name);
            modules.entry(key).or_default().push(story(test, anchors));
        }
        Flows {
            title: suite.title(),
            target: suite.target.clone(),
            count: suite.tests.len(),
            modules: modules
                .into_iter()
                .map(|((other, name), stories)| module(name, !other, stories))
                .collect(),
        }
    });
    flows.collect()
}

/// Where tests stand that are about the suite and not about a part of it.
const WHOLE: &str = "the suite as a whole";

fn module(name: &str, flows: bool, stories: Vec<Story>) -> Module {
    Module {
        name: name.to_owned(),
        flows,
        verdict: stories.iter().map(|story| story.verdict).max().unwrap_or(Verdict::Pass),
        with_steps: stories.iter().filter(|story| !story.steps.is_empty()).count(),
        store_checks_skipped: stories.iter().map(|story| story.store_checks_skipped).sum(),
        stories,
    }
}

/// The skipped and disabled tests, by reason, and the checks that were skipped in stories told to their end.
pub(super) fn skipped(report: &RunReport) -> Vec<Skipped> {
    let mut groups = Vec::new();
    for suite in &report.suites {
        let mut by_reason: BTreeMap<(Verdict, &str), Vec<String>> = BTreeMap::new();
        for test in suite.tests_of(Verdict::Skip).chain(suite.tests_of(Verdict::Disabled)) {
            let reason = test.reason.as_deref().unwrap_or("no reason recorded");
            by_reason.entry((test.verdict, reason)).or_default().push(test.test.clone());
        }
        groups.extend(by_reason.into_iter().map(|((verdict, reason), tests)| Skipped {
            title: suite.title(),
            target: suite.target.clone(),
            verdict,
            reason: reason.to_owned(),
            tests,
        }));
        let told = suite.tests.iter().filter(|test| test.verdict == Verdict::Pass);
        let checks: Vec<String> = told
            .flat_map(|test| skipped_steps(test).map(|step| format!("{}: {}", test.test, step.title)))
            .collect();
        if !checks.is_empty() {
            groups.push(Skipped {
                title: suite.title(),
                target: suite.target.clone(),
                verdict: Verdict::Skip,
                reason: "checks of the store, in stories that passed otherwise".to_owned(),
                tests: checks,
            });
        }
    }
    groups
}

fn skipped_steps(test: &Test) -> impl Iterator<Item = &Step> {
    test.steps.iter().filter(|step| step.verdict == Verdict::Skip)
}

fn story(test: &Test, anchors: &Anchors) -> Story {
    let step = |step: &Step| StepView {
        title: step.title.clone(),
        verdict: step.verdict,
        links: step.exchanges.iter().map(|id| anchors.link(id)).collect(),
    };
    Story {
        path: test.test.clone(),
        fact: fact(&test.test),
        verdict: test.verdict,
        reason: test.reason.clone(),
        seconds: test.seconds,
        attempts: test.attempts,
        store_checks_skipped: if test.verdict == Verdict::Pass { skipped_steps(test).count() } else { 0 },
        steps: test.steps.iter().map(step).collect(),
    }
}

/// `invitations::a_cancelled_one_is_dead` reads `a cancelled one is dead`. A path of another form stays.
fn fact(path: &str) -> String {
    match path.rsplit_once("::") {
        Some((_, name)) => name.replace('_', " "),
        None => path.to_owned(),
    }
}
