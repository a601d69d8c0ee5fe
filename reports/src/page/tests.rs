//! Tests as stories: failures, flows, and what was skipped and why.

use std::collections::BTreeMap;

use harness::record::Step;
use harness::verdict::Verdict;
use serde::Serialize;

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
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    title: String,
    verdict: Verdict,
    links: Vec<Link>,
}

/// The flows of one suite.
#[derive(Serialize)]
pub(super) struct Flows {
    title: String,
    target: String,
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

/// The tests that told their steps, by suite.
pub(super) fn flows(report: &RunReport, anchors: &Anchors) -> Vec<Flows> {
    let flows = report.suites.iter().map(|suite| Flows {
        title: suite.title(),
        target: suite.target.clone(),
        stories: suite
            .tests
            .iter()
            .filter(|test| !test.steps.is_empty())
            .map(|test| story(test, anchors))
            .collect(),
    });
    flows.filter(|flows| !flows.stories.is_empty()).collect()
}

/// The skipped and disabled tests, by reason.
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
    }
    groups
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
