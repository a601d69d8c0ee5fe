//! The result model: what the suites say happened, one JSON line each, in the run folder.
//!
//! Suites only append. `reports` reads the lines back and derives everything else, so a run that was
//! killed half way still has a report: a [`Record::Started`] without its [`Record::Ended`] is an error.

mod load;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::exchange::{Class, Exchange};
use crate::verdict::Verdict;

pub use load::{Arrivals, Endpoint, Fairness, Heat, Latency, LoadResult, Share, TenantLoad, Threshold, Tick};

/// One line of `records/<suite>-<pid>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A suite began in this process. A suite may run in several processes; they are added up.
    Suite(SuiteStarted),
    /// Only a part of a suite is run.
    Part(Part),
    /// A test began.
    Started(Started),
    /// A test ended.
    Ended(Ended),
    /// What a check is about, in the words of the field.
    Subject(Subject),
    /// A hole, with the evidence.
    Finding(Finding),
    /// A hole that is known, and that somebody answers for until a day.
    Accepted(Accepted),
    /// Something measured many times.
    Measured(Measured),
    /// Requests actually sent for one (operation, principal, class).
    Coverage(Cell),
    /// One cell of the authorization matrix.
    Matrix(MatrixCell),
    /// What the contract demands and no request covered.
    Uncovered(Uncovered),
    /// The result of one load run.
    Load(Box<LoadResult>),
    /// The result of running the suites against one seeded weakness.
    Weakness(WeaknessResult),
    /// A target that was asked for and is not there.
    Absent(Absent),
    /// The suite's process reached its end.
    SuiteEnded(SuiteEnded),
}

/// A suite began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteStarted {
    /// `integration`, `security`, `load`, `mutants`.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The load profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The stores the target stands on, each with the reason it was chosen; empty for a deployment.
    #[serde(default)]
    pub stores: Vec<String>,
    /// How many operations the contract has.
    pub operations: usize,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Only a part of a suite is run: what passes says nothing of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// Which part: a pattern of paths.
    pub what: String,
}

/// A suite's process ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteEnded {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// Wall time, seconds.
    pub seconds: f64,
}

/// A test began.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Started {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The test's path, `module::test` or `class/operation/case`. Unique within its suite and target.
    pub test: String,
}

/// A test ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The test's path, as in [`Started`].
    pub test: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// Why, for everything but a pass; of a pass, what was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// The story the test told, step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// One step of a flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What the user does, or what must then be true.
    pub title: String,
    /// The ids of the exchanges sent during the step; the exchanges stand in the run's `exchanges/`.
    pub exchanges: Vec<String>,
    /// `fail` or `error` for the step the test ended in, `pass` for those before, `skip` for one that
    /// takes a store or an operation that the target has not.
    pub verdict: Verdict,
}

/// What a check is about: what it attacks, and what it is known as. Recorded for every check, whatever comes of it, so
/// that a report can say which requirement was tried on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The check's path, as in [`Started`].
    pub test: String,
    /// The operation attacked.
    pub operation: String,
    /// Common Weakness Enumeration, the number alone: 639.
    pub cwe: u32,
    /// OWASP API Security Top 10 2023, `API1`.
    pub owasp: String,
    /// OWASP ASVS 5.0 requirements, `8.2.2`.
    pub asvs: Vec<String>,
}

/// How bad a finding is. The words of the CVSS qualitative scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A weakening of defence in depth.
    Low,
    /// Something foreign becomes known, or an own limit can be passed.
    Medium,
    /// Another tenant's data can be read, or an own right raised.
    High,
    /// Another tenant's data can be changed, or any identity taken.
    Critical,
}

impl Severity {
    /// The name as records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// A hole that a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable over runs: derived from check, operation and target. What `watertight rerun` takes.
    pub id: String,
    /// One sentence, for a reader who was not there.
    pub title: String,
    /// The check's path, as in [`Started`].
    pub check: String,
    /// The suite that found it.
    pub suite: String,
    /// The operation attacked.
    pub operation: String,
    /// The target's name.
    pub target: String,
    /// How bad.
    pub severity: Severity,
    /// Common Weakness Enumeration, the number alone: 639.
    pub cwe: u32,
    /// OWASP API Security Top 10 2023, `API1`.
    pub owasp: String,
    /// OWASP ASVS 5.0 requirements, `8.2.2`.
    pub asvs: Vec<String>,
    /// What an attacker gains.
    pub gain: String,
    /// What had to happen.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// The evidence, redacted.
    pub exchanges: Vec<Exchange>,
}

impl Finding {
    /// The id of what a check finds on a target: the same in every run.
    pub fn id_of(target: &str, check: &str) -> String {
        format!("{target}.{}", check.replace('/', "."))
    }
}

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// A finding that is known, and that somebody answers for until a day. See `accepted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The target's name.
    pub target: String,
    /// The finding's id.
    pub finding: String,
    /// Why it may stay.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// The last day on which it counts as accepted.
    #[serde(with = "day")]
    pub until: Date,
    /// The file it stands in, as it was named.
    pub file: String,
    /// Every check of the suite was to be run: what no check finds is no more.
    pub whole: bool,
}

/// Something measured many times, as a distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The suite's name.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// What was measured, for a reader who was not there: `until a removed role is refused`. Unique within its suite
    /// and target.
    pub name: String,
    /// The unit of the values: `ms`.
    pub unit: String,
    /// How often it was measured.
    pub count: usize,
    /// The smallest value.
    pub min: f64,
    /// The value that half of them do not exceed.
    pub median: f64,
    /// The value that 95 of 100 do not exceed.
    pub p95: f64,
    /// The greatest value.
    pub max: f64,
    /// What must not be exceeded, where something is promised. A check of its own judges it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
}

impl Measured {
    /// The distribution of some values (nearest rank); nothing of no values, and of what is no number.
    pub fn of(suite: &str, target: &str, name: &str, unit: &str, values: &[f64]) -> Option<Measured> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let rank = |percent: usize| sorted.get((count * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Measured {
            suite: suite.to_owned(),
            target: target.to_owned(),
            name: name.to_owned(),
            unit: unit.to_owned(),
            count,
            min: sorted.first().copied()?,
            median: rank(50)?,
            p95: rank(95)?,
            max: sorted.last().copied()?,
            bound: None,
        })
    }

    /// The same with what must not be exceeded.
    #[must_use]
    pub fn within(self, bound: f64) -> Measured {
        Measured { bound: Some(bound), ..self }
    }
}

/// Requests sent, by what they were for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The suite that sent them.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The operation.
    pub operation: String,
    /// The principal's label.
    pub principal: String,
    /// The class.
    pub class: Class,
    /// How many requests were sent.
    pub requests: u64,
}

/// An (operation, principal, class) that the contract demands and no request covered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uncovered {
    /// The target's name.
    pub target: String,
    /// The operation.
    pub operation: String,
    /// The principal's label.
    pub principal: String,
    /// The class.
    pub class: Class,
}

/// One cell of the authorization matrix: what the model says and what the target did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixCell {
    /// The target's name.
    pub target: String,
    /// The operation.
    pub operation: String,
    /// The principal's label.
    pub principal: String,
    /// What the model expects: `allow`, `forbidden` (403), `hidden` (404), `unauthenticated` (401), ...
    pub expected: String,
    /// What was observed, in the same words.
    pub observed: String,
    /// The status behind it.
    pub status: u16,
}

/// What the suites made of one seeded weakness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeaknessResult {
    /// The target's name.
    pub target: String,
    /// The weakness's id in the catalogue; `none` for the run against the clean service.
    pub id: String,
    /// The generated family it belongs to; absent for a named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// What an attacker gains by it.
    pub gain: String,
    /// Common Weakness Enumeration number.
    pub cwe: u32,
    /// The checks named beforehand.
    pub expected: Vec<String>,
    /// The checks that failed under it.
    pub caught_by: Vec<String>,
    /// A check named beforehand is among those that failed (for `none`: nothing failed).
    pub killed: bool,
    /// One of those was written with no weakness in mind.
    #[serde(default)]
    pub by_general: bool,
    /// The checks named beforehand that observed nothing, each with the reason: with one of them nothing is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<String>,
    /// Wall time, seconds.
    pub seconds: f64,
}

/// A target that was asked for and is not there: nothing is known of it, which is no pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Absent {
    /// The target's name.
    pub target: String,
    /// What it lacks, and how to get it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::Measured;

    #[test]
    fn a_distribution_is_made_of_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let measured = Measured::of("security", "access", "until it bites", "ms", &values).unwrap();
        let known = Measured { bound: Some(50.0), ..measured.clone() };
        assert_eq!(
            format!("{:?}", [measured.min, measured.median, measured.p95, measured.max]),
            "[1.0, 10.0, 19.0, 20.0]"
        );
        assert_eq!((measured.count, measured.within(50.0)), (20, known));
        assert_eq!(Measured::of("security", "access", "never", "ms", &[f64::NAN]), None);
    }
}
