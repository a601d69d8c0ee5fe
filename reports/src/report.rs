//! A run, merged: what every renderer reads.

use std::collections::BTreeMap;

use harness::exchange::Exchange;
use harness::record::{
    Absent, Accepted, Cell, Finding, LoadResult, MatrixCell, Measured, Step, Subject, Threshold, Uncovered,
    WeaknessResult,
};
use harness::seed::Seed;
use harness::verdict::{Exit, Verdict};
use time::OffsetDateTime;

/// A whole run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run's id.
    pub run: String,
    /// The seed.
    pub seed: Seed,
    /// The version of watertight that made the run.
    pub version: String,
    /// When the run began.
    pub started: OffsetDateTime,
    /// From the start to the end of the last process that is known, seconds.
    pub seconds: f64,
    /// A suite's process did not reach its end.
    pub partial: bool,
    /// Last lines that a killed process left half written; what they said is lost.
    pub truncated_lines: usize,
    /// The worst of everything observed; `error` when nothing was.
    pub verdict: Verdict,
    /// What a command about this run exits with: a hole outranks the harness's own trouble.
    pub exit: Exit,
    /// The targets' names, sorted.
    pub targets: Vec<String>,
    /// By suite, target and profile, in the order of a run: integration, security, load, mutants.
    pub suites: Vec<Suite>,
    /// Worst first; those that are accepted stand apart.
    pub findings: Vec<Finding>,
    /// Accepted findings, and what became of them.
    pub accepted: Vec<Acceptance>,
    /// What was measured, by suite, target and name.
    pub measured: Vec<Measured>,
    /// Requests sent, added up over the processes.
    pub coverage: Vec<Cell>,
    /// What the contract demands and no process covered.
    pub uncovered: Vec<Uncovered>,
    /// The authorization matrix.
    pub matrix: Vec<MatrixCell>,
    /// The seeded weaknesses and the runs against the clean services.
    pub weaknesses: Vec<Weakness>,
    /// Targets that were asked for and are not there.
    pub absent: Vec<Absent>,
    /// The exchanges that a failed test or the step of a flow refers to, by id. A finding carries its own.
    pub exchanges: BTreeMap<String, Exchange>,
    /// Exchanges that are referred to but left out, because a page holds only so many.
    pub exchanges_left_out: usize,
}

/// A suite against a target, over all the processes it ran in.
#[derive(Clone, Debug)]
pub struct Suite {
    /// `integration`, `security`, `load`, `mutants`.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The load profile.
    pub profile: Option<String>,
    /// The stores the target stood on, each with the reason it was chosen.
    pub stores: Vec<String>,
    /// Operations of the contract.
    pub operations: usize,
    /// Processes the suite ran in.
    pub processes: usize,
    /// Processes that did not reach their end.
    pub unfinished: usize,
    /// The part that was run, where not all of the suite was asked for.
    pub part: Option<String>,
    /// Wall time, seconds; processes that ran side by side are not counted twice.
    pub seconds: f64,
    /// The tests, by path.
    pub tests: Vec<Test>,
    /// Load runs.
    pub loads: Vec<Load>,
    /// Everything counted: tests, thresholds, weaknesses.
    pub counts: Counts,
    /// The worst of what is counted; `error` when there is nothing.
    pub verdict: Verdict,
}

/// A test, as its last attempt left it.
#[derive(Clone, Debug)]
pub struct Test {
    /// The test's path.
    pub test: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// Why, for everything but a pass.
    pub reason: Option<String>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// The story the test told.
    pub steps: Vec<Step>,
    /// How often it was started.
    pub attempts: usize,
    /// What it is about, where it said so.
    pub subject: Option<Subject>,
}

impl Test {
    /// A failure of a list that people keep, and not of the target.
    pub(crate) fn of_list(test: String, reason: String) -> Test {
        let (verdict, seconds, attempts) = (Verdict::Fail, 0.0, 1);
        Test { test, verdict, reason: Some(reason), seconds, steps: Vec::new(), attempts, subject: None }
    }
}

/// An accepted finding and what became of it.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The entry.
    pub entry: Accepted,
    /// What became of it.
    pub standing: Standing,
    /// The finding, where it occurs and is accepted.
    pub finding: Option<Finding>,
}

/// What became of an accepted finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It occurs, and does not fail the run.
    Occurs,
    /// It occurs, and its day is over: it fails the run.
    Expired,
    /// It no longer occurs, which fails the run until the entry goes.
    Gone,
    /// The check behind it was not run, or could not observe.
    Untried,
}

impl Standing {
    /// The name as `run.json` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Occurs => "occurs",
            Standing::Expired => "expired",
            Standing::Gone => "gone",
            Standing::Untried => "untried",
        }
    }
}

/// A load run and every rule it is judged by.
#[derive(Clone, Debug)]
pub struct Load {
    /// What was measured.
    pub result: LoadResult,
    /// The rules as recorded, and `leaks=0`, which always holds, where no rule says so.
    pub thresholds: Vec<Threshold>,
}

/// A seeded weakness on one target.
#[derive(Clone, Debug)]
pub struct Weakness {
    /// The suite that seeded it, `mutants`.
    pub suite: String,
    /// What the suites made of it.
    pub result: WeaknessResult,
}

impl Weakness {
    /// The target it was seeded in.
    pub fn target(&self) -> &str {
        &self.result.target
    }

    /// A run against the clean service, there to show that the checks raise no alarm of their own.
    pub fn is_clean(&self) -> bool {
        self.result.id == "none"
    }

    /// The weakness went unnoticed.
    pub fn survived(&self) -> bool {
        !self.is_clean() && !self.result.killed
    }

    /// How many checks cried wolf on the clean service; at least one when it says that something failed.
    pub fn alarms(&self) -> usize {
        match (self.is_clean(), self.result.killed) {
            (false, _) => 0,
            (true, true) => self.result.caught_by.len(),
            (true, false) => self.result.caught_by.len().max(1),
        }
    }

    /// What it counts as.
    pub fn verdict(&self) -> Verdict {
        if !self.result.blind.is_empty() {
            Verdict::Error
        } else if self.survived() || self.alarms() > 0 {
            Verdict::Fail
        } else {
            Verdict::Pass
        }
    }
}

/// How many of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As it must be.
    pub pass: usize,
    /// Not as it must be.
    pub fail: usize,
    /// The target lacks a capability.
    pub skip: usize,
    /// The target has no such route.
    pub disabled: usize,
    /// Not observed.
    pub error: usize,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Skip => &mut self.skip,
            Verdict::Disabled => &mut self.disabled,
            Verdict::Error => &mut self.error,
        } += 1;
    }

    /// The worst that was counted, if anything was.
    pub fn worst(self) -> Option<Verdict> {
        Verdict::ALL.into_iter().rev().find(|verdict| self.of(*verdict) > 0)
    }

    /// How many of one verdict.
    pub fn of(self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass => self.pass,
            Verdict::Fail => self.fail,
            Verdict::Skip => self.skip,
            Verdict::Disabled => self.disabled,
            Verdict::Error => self.error,
        }
    }

    /// All of them.
    pub fn total(self) -> usize {
        Verdict::ALL.into_iter().map(|verdict| self.of(verdict)).sum()
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |a, b| Counts {
            pass: a.pass + b.pass,
            fail: a.fail + b.fail,
            skip: a.skip + b.skip,
            disabled: a.disabled + b.disabled,
            error: a.error + b.error,
        })
    }
}

impl Suite {
    /// What a person calls it: `load peak`, `security`.
    pub fn title(&self) -> String {
        match &self.profile {
            Some(profile) => format!("{} {profile}", self.suite),
            None => self.suite.clone(),
        }
    }

    /// Tests of some verdict.
    pub fn tests_of(&self, verdict: Verdict) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(move |test| test.verdict == verdict)
    }
}

impl RunReport {
    /// Everything counted, over all suites.
    pub fn counts(&self) -> Counts {
        self.suites.iter().map(|suite| suite.counts).sum()
    }

    /// The weaknesses of each target, the runs against the clean services among them.
    pub fn weaknesses_by_target(&self) -> BTreeMap<&str, Vec<&Weakness>> {
        let mut by_target: BTreeMap<&str, Vec<&Weakness>> = BTreeMap::new();
        for weakness in &self.weaknesses {
            by_target.entry(weakness.target()).or_default().push(weakness);
        }
        by_target
    }

    /// Every hole that was found, those that are accepted too.
    pub fn holes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.accepted.iter().filter_map(|accepted| accepted.finding.as_ref()))
    }

    /// How many findings occur and are accepted.
    pub fn accepted_findings(&self) -> usize {
        self.accepted.iter().filter(|accepted| accepted.standing == Standing::Occurs).count()
    }

    /// Weaknesses that were seeded; the runs against the clean services are not among them.
    pub fn seeded(&self) -> impl Iterator<Item = &Weakness> {
        self.weaknesses.iter().filter(|weakness| !weakness.is_clean())
    }

    /// Weaknesses that went unnoticed.
    pub fn survivors(&self) -> impl Iterator<Item = &Weakness> {
        self.weaknesses.iter().filter(|weakness| weakness.survived())
    }

    /// Checks that cried wolf on a clean service.
    pub fn alarms(&self) -> usize {
        self.weaknesses.iter().map(Weakness::alarms).sum()
    }

    /// Responses under load that carried another tenant's data.
    pub fn leaks(&self) -> u64 {
        let loads = self.suites.iter().flat_map(|suite| &suite.loads);
        loads.map(|load| load.result.leaks).sum()
    }

    /// Failed and errored tests, in the order of the suites.
    pub fn troubled(&self) -> impl Iterator<Item = (&Suite, &Test)> {
        self.suites.iter().flat_map(|suite| {
            let tests = suite.tests.iter().filter(|test| test.verdict >= Verdict::Fail);
            tests.map(move |test| (suite, test))
        })
    }
}
