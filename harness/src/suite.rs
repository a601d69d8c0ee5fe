//! A suite's part in a run: begins, records its tests, ends.

use std::time::Instant;

use time::OffsetDateTime;

use crate::record::{Ended, Record, Started, Step, SuiteEnded, SuiteStarted};
use crate::run::{Run, RunError};
use crate::system::System;
use crate::verdict::Verdict;

/// A suite in this process.
#[derive(Debug)]
pub struct Suite {
    run: &'static Run,
    name: String,
    target: String,
    start: Instant,
}

/// How a test ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The conclusion.
    pub verdict: Verdict,
    /// Why, for everything but a pass.
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
    /// Begins a suite on a system.
    pub fn begin(name: &str, system: &System, profile: Option<&str>) -> Result<Suite, RunError> {
        let suite = Suite {
            run: system.run,
            name: name.to_owned(),
            target: system.target.name.clone(),
            start: Instant::now(),
        };
        suite.record(&Record::Suite(SuiteStarted {
            suite: name.to_owned(),
            target: system.target.name.clone(),
            profile: profile.map(str::to_owned),
            stores: system.target.stores.clone(),
            operations: system.contract.len(),
            at: OffsetDateTime::now_utc(),
        }))?;
        Ok(suite)
    }

    /// The suite's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run it belongs to.
    pub fn run(&self) -> &'static Run {
        self.run
    }

    /// Appends a record.
    pub fn record(&self, record: &Record) -> Result<(), RunError> {
        self.run.record(&self.name, record)
    }

    /// A test begins.
    pub fn started(&self, test: &str) -> Result<(), RunError> {
        self.record(&Record::Started(Started { suite: self.name.clone(), test: test.to_owned() }))
    }

    /// A test ended.
    pub fn ended(&self, test: &str, start: Instant, outcome: &Outcome) -> Result<(), RunError> {
        self.record(&Record::Ended(Ended {
            suite: self.name.clone(),
            test: test.to_owned(),
            verdict: outcome.verdict,
            reason: outcome.reason.clone(),
            seconds: start.elapsed().as_secs_f64(),
            steps: outcome.steps.clone(),
        }))
    }

    /// The suite's process is through with it.
    pub fn end(&self) -> Result<(), RunError> {
        self.record(&Record::SuiteEnded(SuiteEnded {
            suite: self.name.clone(),
            target: self.target.clone(),
            seconds: self.start.elapsed().as_secs_f64(),
        }))
    }
}
