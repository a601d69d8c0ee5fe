//! A suite's part in a run: begins, records its tests, ends.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use time::OffsetDateTime;

use crate::leftovers::Before;
use crate::record::{Ended, Part, Record, Started, Step, SuiteEnded, SuiteStarted};
use crate::run::{Run, RunError};
use crate::system::System;
use crate::verdict::Verdict;

/// A suite in this process.
///
/// It is under way from the first [`enter`](Suite::enter) to the last [`leave`](Suite::leave). A libtest
/// process never learns that its last test is over, so each test enters and leaves; a suite that begins and
/// ends once does so once.
#[derive(Debug)]
pub struct Suite {
    run: &'static Run,
    name: String,
    started: SuiteStarted,
    inside: Mutex<Inside>,
    before: OnceLock<Before>,
}

#[derive(Debug)]
struct Inside {
    count: usize,
    since: Instant,
}

/// How a test ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The conclusion.
    pub verdict: Verdict,
    /// Why, for everything but a pass; of a pass, what was skipped.
    pub reason: Option<String>,
    /// The story it told.
    pub steps: Vec<Step>,
}

impl Outcome {
    /// A pass.
    pub fn pass() -> Outcome {
        Outcome { verdict: Verdict::Pass, reason: None, steps: Vec::new() }
    }

    /// Anything else, with the reason.
    pub fn because(verdict: Verdict, reason: impl Into<String>) -> Outcome {
        Outcome { verdict, reason: Some(reason.into()), steps: Vec::new() }
    }
}

impl Suite {
    /// A suite on a system, not yet under way.
    pub fn new(name: &str, system: &System, profile: Option<&str>) -> Suite {
        let started = SuiteStarted {
            suite: name.to_owned(),
            target: system.target.name.clone(),
            profile: profile.map(str::to_owned),
            stores: system.target.stores.clone(),
            operations: system.contract.len(),
            at: OffsetDateTime::now_utc(),
        };
        let inside = Mutex::new(Inside { count: 0, since: Instant::now() });
        Suite { run: system.run, name: name.to_owned(), started, inside, before: OnceLock::new() }
    }

    /// Begins a suite that ends once.
    pub fn begin(name: &str, system: &System, profile: Option<&str>) -> Result<Suite, RunError> {
        let suite = Suite::new(name, system, profile);
        suite.enter()?;
        Ok(suite)
    }

    /// One more part of the suite is under way; the first one begins it.
    pub fn enter(&self) -> Result<(), RunError> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.count += 1;
        if inside.count > 1 {
            return Ok(());
        }
        inside.since = Instant::now();
        self.record(&Record::Suite(SuiteStarted { at: OffsetDateTime::now_utc(), ..self.started.clone() }))
    }

    /// Has whoever leaves last look for what is left in the store since `before`.
    pub fn watch(&self, before: Before) {
        self.before.set(before).ok();
    }

    /// One part is over; with the last one the suite ends.
    pub fn leave(&self) -> Result<(), RunError> {
        self.leaving().leave()
    }

    /// One part is about to be over. Until it has left nobody enters, so the last one finds the suite at rest.
    pub(crate) fn leaving(&self) -> Leaving<'_> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.count = inside.count.saturating_sub(1);
        Leaving { suite: self, inside }
    }

    /// Records that a run was stopped half way: it has not passed, whatever was observed until then.
    pub fn stopped(run: &'static Run, target: &str, why: &str) -> Result<(), RunError> {
        let started = SuiteStarted {
            suite: "run".to_owned(),
            target: target.to_owned(),
            profile: None,
            stores: Vec::new(),
            operations: 0,
            at: OffsetDateTime::now_utc(),
        };
        let inside = Mutex::new(Inside { count: 0, since: Instant::now() });
        let suite = Suite { run, name: started.suite.clone(), started, inside, before: OnceLock::new() };
        suite.enter()?;
        let test = "comes to its end";
        suite.started(test)?;
        suite.ended(test, Instant::now(), &Outcome::because(Verdict::Error, why))?;
        suite.leave()
    }

    /// The suite's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the target it runs against.
    pub fn target(&self) -> &str {
        &self.started.target
    }

    /// The run it belongs to.
    pub fn run(&self) -> &'static Run {
        self.run
    }

    /// Appends a record.
    pub fn record(&self, record: &Record) -> Result<(), RunError> {
        self.run.record(&self.name, record)
    }

    /// The record that only a part of the suite is run.
    pub fn part(&self, what: &str) -> Record {
        let (suite, target) = (self.name.clone(), self.target().to_owned());
        Record::Part(Part { suite, target, what: what.to_owned() })
    }

    /// A test begins.
    pub fn started(&self, test: &str) -> Result<(), RunError> {
        self.record(&Record::Started(Started {
            suite: self.name.clone(),
            target: self.target().to_owned(),
            test: test.to_owned(),
        }))
    }

    /// A test ended.
    pub fn ended(&self, test: &str, start: Instant, outcome: &Outcome) -> Result<(), RunError> {
        self.record(&Record::Ended(Ended {
            suite: self.name.clone(),
            target: self.target().to_owned(),
            test: test.to_owned(),
            verdict: outcome.verdict,
            reason: outcome.reason.clone(),
            seconds: start.elapsed().as_secs_f64(),
            steps: outcome.steps.clone(),
        }))
    }
}

/// A part of a suite that is about to be over.
pub(crate) struct Leaving<'a> {
    suite: &'a Suite,
    inside: MutexGuard<'a, Inside>,
}

impl Leaving<'_> {
    /// The store to look at, when no other part is under way and somebody asked for it.
    pub(crate) fn at_rest(&self) -> Option<&Before> {
        self.suite.before.get().filter(|_| self.inside.count == 0)
    }

    /// Leaves; with the last one the suite ends.
    pub(crate) fn leave(self) -> Result<(), RunError> {
        if self.inside.count > 0 {
            return Ok(());
        }
        self.suite.record(&Record::SuiteEnded(SuiteEnded {
            suite: self.suite.name.clone(),
            target: self.suite.started.target.clone(),
            seconds: self.inside.since.elapsed().as_secs_f64(),
        }))
    }
}
