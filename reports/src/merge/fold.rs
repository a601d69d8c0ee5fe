//! What is added up while the records are read, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};

use harness::record::{
    Absent, Accepted, Cell, Ended, Finding, LoadResult, MatrixCell, Measured, Subject, SuiteStarted,
    Threshold, Uncovered,
};
use harness::verdict::Verdict;
use time::OffsetDateTime;

use crate::report::{Counts, Load, Suite, Test, Weakness};

/// Suite, target, profile.
pub(super) type Key = (String, String, Option<String>);

/// The sums.
#[derive(Default)]
pub(super) struct Fold {
    pub suites: BTreeMap<Key, SuiteFold>,
    pub findings: BTreeMap<[String; 2], Finding>,
    pub accepted: BTreeMap<[String; 2], Accepted>,
    pub measured: BTreeMap<[String; 3], Measured>,
    pub coverage: Vec<Cell>,
    pub uncovered: BTreeSet<Uncovered>,
    pub matrix: BTreeMap<[String; 3], MatrixCell>,
    pub weaknesses: BTreeMap<[String; 2], Weakness>,
    pub absent: BTreeSet<Absent>,
    pub last_end: Option<OffsetDateTime>,
    coverage_at: BTreeMap<[String; 5], usize>,
}

/// The sums of one suite against one target.
#[derive(Default)]
pub(super) struct SuiteFold {
    pub stores: Vec<String>,
    pub operations: usize,
    pub processes: usize,
    pub unfinished: usize,
    pub part: Option<String>,
    pub spans: Vec<(OffsetDateTime, OffsetDateTime)>,
    pub tests: BTreeMap<String, Test>,
    pub subjects: BTreeMap<String, Subject>,
    pub loads: Vec<LoadResult>,
}

impl Fold {
    /// Another process of a suite.
    pub fn begin(&mut self, key: &Key, started: SuiteStarted) {
        let suite = self.suites.entry(key.clone()).or_default();
        suite.processes += 1;
        suite.operations = suite.operations.max(started.operations);
        for store in started.stores {
            if !suite.stores.contains(&store) {
                suite.stores.push(store);
            }
        }
    }

    /// A process of a suite is over, by its own word or because its records end.
    pub fn end(&mut self, key: &Key, at: OffsetDateTime, seconds: f64, finished: bool) {
        let end = at.saturating_add(time::Duration::saturating_seconds_f64(seconds.max(0.0)));
        let suite = self.suites.entry(key.clone()).or_default();
        suite.spans.push((at, end));
        suite.unfinished += usize::from(!finished);
        self.last_end = self.last_end.max(Some(end));
    }

    /// Another attempt at a test. It replaces the one before.
    pub fn attempt(&mut self, key: &Key, ended: Ended) {
        let tests = &mut self.suites.entry(key.clone()).or_default().tests;
        let attempts = tests.get(&ended.test).map_or(0, |test| test.attempts) + 1;
        let test = Test {
            test: ended.test.clone(),
            verdict: ended.verdict,
            reason: ended.reason,
            seconds: ended.seconds,
            steps: ended.steps,
            attempts,
            subject: None,
        };
        tests.insert(ended.test, test);
    }

    /// Requests sent.
    pub fn cover(&mut self, cell: Cell) {
        let key = [
            cell.suite.clone(),
            cell.target.clone(),
            cell.operation.clone(),
            cell.principal.clone(),
            cell.class.as_str().to_owned(),
        ];
        if let Some(at) = self.coverage_at.get(&key) {
            self.coverage[*at].requests += cell.requests;
        } else {
            self.coverage_at.insert(key, self.coverage.len());
            self.coverage.push(cell);
        }
    }

    /// A load run. It belongs to the suite that announced its profile, or that announced none.
    pub fn load(&mut self, suite: &str, result: LoadResult) {
        let named = (suite.to_owned(), result.target.clone(), Some(result.profile.clone()));
        let unnamed = (suite.to_owned(), result.target.clone(), None);
        let key = if self.suites.contains_key(&unnamed) && !self.suites.contains_key(&named) {
            unnamed
        } else {
            named
        };
        self.suites.entry(key).or_default().loads.push(result);
    }
}

impl SuiteFold {
    /// What it comes to.
    pub fn conclude(mut self, key: Key, findings: &[Finding], weaknesses: &[Weakness]) -> Suite {
        let (suite, target, profile) = key;
        for (test, subject) in self.subjects {
            if let Some(test) = self.tests.get_mut(&test) {
                test.subject = Some(subject);
            }
        }
        let loads: Vec<_> = self.loads.into_iter().map(judged).collect();
        let mut counts = Counts::default();
        for test in self.tests.values() {
            counts.add(test.verdict);
        }
        // A suite may also have recorded a rule or a weakness as a test of the same name: it counts once.
        for load in &loads {
            let thresholds = load.thresholds.iter();
            for threshold in thresholds.filter(|threshold| !self.tests.contains_key(&threshold.rule)) {
                counts.add(match threshold.pass {
                    // Without a single request no rule was tried, whichever way it seems to stand.
                    _ if load.result.requests == 0 && load.result.leaks == 0 => Verdict::Error,
                    true => Verdict::Pass,
                    false => Verdict::Fail,
                });
            }
        }
        let weaknesses =
            weaknesses.iter().filter(|weakness| weakness.suite == suite && weakness.target() == target);
        for weakness in weaknesses.filter(|weakness| !self.tests.contains_key(&weakness.result.id)) {
            counts.add(weakness.verdict());
        }
        let found = findings.iter().any(|finding| finding.suite == suite && finding.target == target);
        let verdict = counts.worst().unwrap_or(Verdict::Error);
        Suite {
            profile: profile.or_else(|| loads.first().map(|load| load.result.profile.clone())),
            seconds: covered_seconds(self.spans),
            verdict: if found { verdict.max(Verdict::Fail) } else { verdict },
            suite,
            target,
            stores: self.stores,
            operations: self.operations,
            processes: self.processes,
            unfinished: self.unfinished,
            part: self.part,
            tests: self.tests.into_values().collect(),
            loads,
            counts,
        }
    }
}

/// Adds the rule that always holds: no response carries another tenant's data.
fn judged(result: LoadResult) -> Load {
    let mut thresholds = result.thresholds.clone();
    if !thresholds
        .iter()
        .any(|threshold| threshold.rule.starts_with("leak") && threshold.pass == (result.leaks == 0))
    {
        thresholds.push(Threshold {
            rule: "leaks=0".to_owned(),
            observed: result.leaks.to_string(),
            pass: result.leaks == 0,
        });
    }
    Load { result, thresholds }
}

/// The time covered by at least one span, seconds.
fn covered_seconds(mut spans: Vec<(OffsetDateTime, OffsetDateTime)>) -> f64 {
    spans.sort();
    let mut seconds = 0.0;
    let mut reached: Option<OffsetDateTime> = None;
    for (from, to) in spans {
        let from = reached.map_or(from, |reached| from.max(reached));
        seconds += (to - from).as_seconds_f64().max(0.0);
        reached = reached.max(Some(to));
    }
    seconds
}
