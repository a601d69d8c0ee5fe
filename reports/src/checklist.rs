//! The compliance checklist: what the standards ask, and what the checks that name a requirement came to.
//!
//! A requirement is met when checks that name it were run, all that could be run passed, and nothing was found. What was
//! not tried, or could not be observed, is never met; nor is anything by a run of a part of the suite.

use std::collections::{BTreeMap, BTreeSet};

use harness::record::{Finding, Subject};
use harness::verdict::Verdict;

use crate::knowledge::{Standard, class_of, standards};
use crate::report::{Counts, RunReport, Suite, Test};
use crate::text::plural;

/// The checklist of one target.
#[derive(Clone, Debug)]
pub(crate) struct Checklist {
    /// The target's name.
    pub target: String,
    /// Operations of its contract.
    pub operations: usize,
    /// A sheet for each standard.
    pub sheets: Vec<Sheet>,
}

/// One standard.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// `OWASP ASVS 5.0`.
    pub standard: &'static str,
    /// What it asks, in its order.
    pub answers: Vec<Answer>,
}

/// One requirement.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its number: `8.2.2`.
    pub id: String,
    /// What it asks; empty where only a check knows it.
    pub text: String,
    /// The verdict.
    pub standing: Standing,
    /// The classes that tried it, with what their checks came to.
    pub classes: BTreeMap<String, Counts>,
    /// The operations it was tried on.
    pub operations: BTreeSet<String>,
    /// Something was found that is not accepted.
    pub open: bool,
    /// What else is to be said.
    pub note: String,
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was tried, and nothing was found.
    Met,
    /// Something was found.
    NotMet,
    /// No check that names it was run to its end.
    NotTried,
}

impl Standing {
    /// As a person reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Met => "met",
            Standing::NotMet => "not met",
            Standing::NotTried => "not tried",
        }
    }
}

/// The checklists of all targets on which the security suite said what its checks are about.
pub(crate) fn checklists(report: &RunReport) -> Vec<Checklist> {
    let suites = report.suites.iter().filter(|suite| suite.suite == "security");
    let told = suites.filter(|suite| suite.tests.iter().any(|test| test.subject.is_some()));
    told.map(|suite| checklist(report, suite)).collect()
}

fn checklist(report: &RunReport, suite: &Suite) -> Checklist {
    let here = report.holes().filter(|finding| finding.target == suite.target);
    let open = |finding: &Finding| report.findings.iter().any(|open| open.id == finding.id);
    let found: Vec<(&Finding, bool)> = here.map(|finding| (finding, open(finding))).collect();
    Checklist {
        target: suite.target.clone(),
        operations: suite.operations,
        sheets: standards().iter().map(|standard| sheet(standard, suite, &found)).collect(),
    }
}

/// What was found about a requirement.
#[derive(Clone, Copy, Default)]
struct Holes {
    all: usize,
    /// Not all of them are accepted.
    open: bool,
}

fn sheet(standard: &'static Standard, suite: &Suite, found: &[(&Finding, bool)]) -> Sheet {
    let numbers = |asvs: &[String], owasp: &str| match standard.id.as_str() {
        "owasp" => vec![owasp.to_owned()],
        _ => asvs.to_vec(),
    };
    let of_subject = |subject: &Subject| numbers(&subject.asvs, &subject.owasp);
    let of_finding = |finding: &Finding| numbers(&finding.asvs, &finding.owasp);
    let mut tried: BTreeMap<String, Vec<&Test>> = BTreeMap::new();
    for test in &suite.tests {
        for number in test.subject.iter().flat_map(of_subject).filter(|number| !number.is_empty()) {
            tried.entry(number).or_default().push(test);
        }
    }
    let mut holes: BTreeMap<String, Holes> = BTreeMap::new();
    for (finding, open) in found {
        for number in of_finding(finding).into_iter().filter(|number| !number.is_empty()) {
            let holes = holes.entry(number).or_default();
            holes.all += 1;
            holes.open |= open;
        }
    }
    let named = |number: &str| tried.contains_key(number) || holes.contains_key(number);
    let known = standard.requirements.iter().filter(|[number, _]| {
        named(number) || standard.always.iter().any(|always| number.starts_with(always))
    });
    let known = known.map(|[number, text]| (number.clone(), text.clone()));
    let listed: BTreeSet<&str> = standard.requirements.iter().map(|[number, _]| number.as_str()).collect();
    // What a check names is asked, whether or not the data knows its text.
    let others: BTreeSet<&String> =
        tried.keys().chain(holes.keys()).filter(|number| !listed.contains(number.as_str())).collect();
    let asked = known.chain(others.into_iter().map(|number| (number.clone(), String::new())));
    let accepted: BTreeSet<&str> =
        found.iter().filter(|(_, open)| !open).map(|(finding, _)| finding.check.as_str()).collect();
    let answers = asked.map(|(number, text)| {
        let tests = tried.get(&number).map(Vec::as_slice).unwrap_or_default();
        answer(suite, number.clone(), text, tests, &accepted, holes.get(&number).copied().unwrap_or_default())
    });
    Sheet { standard: &standard.name, answers: answers.collect() }
}

fn answer(
    suite: &Suite,
    id: String,
    text: String,
    tests: &[&Test],
    accepted: &BTreeSet<&str>,
    holes: Holes,
) -> Answer {
    let mut classes: BTreeMap<String, Counts> = BTreeMap::new();
    let mut counts = Counts::default();
    // What is accepted does not fail the run, and was seen all the same.
    let seen = |test: &Test| if accepted.contains(test.test.as_str()) { Verdict::Fail } else { test.verdict };
    for test in tests {
        let verdict = seen(test);
        classes.entry(class_of(&test.test).to_owned()).or_default().add(verdict);
        counts.add(verdict);
    }
    let standing = match (holes.all + counts.fail, counts.error, counts.pass) {
        (1.., _, _) => Standing::NotMet,
        // Of operations that nobody was asked to try nothing is known.
        (0, 0, 1..) if suite.part.is_none() && suite.unfinished == 0 => Standing::Met,
        _ => Standing::NotTried,
    };
    let mut notes = Vec::new();
    if holes.all > 0 {
        let accepted = if holes.open { "" } else { ", accepted" };
        notes.push(plural(holes.all, "finding") + accepted);
    }
    if counts.error > 0 {
        notes.push(format!("{} could not be observed", plural(counts.error, "check")));
    }
    if counts.skip + counts.disabled > 0 {
        notes.push(format!("{} not run here", plural(counts.skip + counts.disabled, "check")));
    }
    if let (Some(part), 1..) = (&suite.part, counts.pass) {
        notes.push(format!("only {part} was run, where {} passed", plural(counts.pass, "check")));
    }
    let observed = tests.iter().filter(|test| matches!(seen(test), Verdict::Pass | Verdict::Fail));
    let operations =
        observed.filter_map(|test| test.subject.as_ref()).map(|subject| subject.operation.clone());
    let open = holes.open || tests.iter().any(|test| test.verdict == Verdict::Fail);
    Answer { id, text, standing, classes, operations: operations.collect(), open, note: notes.join(", ") }
}
