//! The result model: what the suites say happened, one JSON line each, in the run folder.
//!
//! Suites only append. `reports` reads the lines back and derives everything else, so a run that was
//! killed half way still has a report: a [`Record::Started`] without its [`Record::Ended`] is an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::exchange::{Class, Exchange};
use crate::verdict::Verdict;

/// One line of `records/<suite>-<pid>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A suite began in this process. A suite may run in several processes; they are added up.
    Suite(SuiteStarted),
    /// A test began.
    Started(Started),
    /// A test ended.
    Ended(Ended),
    /// A hole, with the evidence.
    Finding(Finding),
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
    /// `fail` or `error` for the step the test ended in, `pass` for those before, `skip` for a check of the
    /// store on a target without one.
    pub verdict: Verdict,
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

/// The result of one load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// The target's name.
    pub target: String,
    /// The profile's name.
    pub profile: String,
    /// The scenarios that ran.
    pub scenarios: Vec<String>,
    /// What is special about this run of the profile: that it was shortened, what bounded it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Concurrent users at the plateau; those that arrivals were dealt to, in the open model.
    pub users: usize,
    /// Measured time, warm-up not counted, seconds.
    pub seconds: f64,
    /// Requests sent in that time.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Responses that carried another tenant's canary or id.
    pub leaks: u64,
    /// Percentiles over all requests, milliseconds.
    pub latency: Latency,
    /// What the target says that parts of it took (`Server-Timing`), those that a rule is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// What was to be sent and what was, in the open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// What tenants felt of one that asked for more than its quota, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness: Option<Fairness>,
    /// By request name.
    pub endpoints: Vec<Endpoint>,
    /// By tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantLoad>,
    /// By second since the start.
    pub series: Vec<Tick>,
    /// By second and latency.
    #[serde(default)]
    pub heat: Heat,
    /// The rules and what was observed.
    pub thresholds: Vec<Threshold>,
}

/// Percentiles, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Maximum.
    pub max_ms: f64,
}

/// One request name of a load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `GET team-list`.
    pub name: String,
    /// Requests sent.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Percentiles.
    pub latency: Latency,
    /// Why requests failed, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
}

/// What a part of the target took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its name in `Server-Timing`.
    pub part: String,
    /// Percentiles.
    pub latency: Latency,
}

/// Requests that arrived at a rate, whatever their answers took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Requests that were to be sent, a second.
    pub offered_rps: f64,
    /// Requests that were answered before the end, a second.
    pub achieved_rps: f64,
    /// Requests that were not sent, because too many were under way.
    pub dropped: u64,
    /// How much later than due requests were sent: 99th percentile, milliseconds.
    pub late_p99_ms: f64,
    /// Processor time of the generator by wall time: how many cores it took. `None` where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_cores: Option<f64>,
    /// It was the generator that could not follow, and not the target.
    pub generator_bound: bool,
}

/// What the other tenants felt of an aggressor, which asked for more than its quota.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// 99th percentile of the others alone, milliseconds.
    pub alone_p99_ms: f64,
    /// The same beside the aggressor.
    pub beside_p99_ms: f64,
    /// By how much it rose, percent.
    pub degradation_percent: f64,
    /// Seconds from the aggressor's end until it was as before; `None` if it did not become so.
    pub recovery_seconds: Option<f64>,
    /// Jain's index of what each tenant got by its fair share: 1 is fair, one part in as many as tenants is the least.
    pub jain: f64,
    /// Answers to the others that they should come less often (429).
    pub others_limited: u64,
    /// Such answers to the aggressor.
    pub aggressor_limited: u64,
}

/// One tenant of a load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TenantLoad {
    /// Its organisation.
    pub tenant: String,
    /// Requests its users sent.
    pub requests: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Requests that were told to come less often (429).
    pub limited: u64,
    /// Percentiles.
    pub latency: Latency,
}

/// How many answers of each second took how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// The upper bounds of the bands, milliseconds; one more band is above the last.
    pub bounds_ms: Vec<f64>,
    /// By second, by band.
    pub counts: Vec<Vec<u64>>,
}

/// One second of a load run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Seconds since the start.
    pub second: u64,
    /// Requests finished in that second.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
    /// The most users at once: those who had started, or those waiting for an answer where requests arrive.
    #[serde(default)]
    pub users: u64,
    /// The most requests under way at once.
    #[serde(default)]
    pub under_way: u64,
    /// Median of that second, milliseconds; 0 without requests.
    pub p50_ms: f64,
    /// 95th percentile of that second, milliseconds; 0 without requests.
    pub p95_ms: f64,
    /// 99th percentile of that second, milliseconds; 0 without requests.
    #[serde(default)]
    pub p99_ms: f64,
}

/// A rule over a load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The rule as it was written: `p95<500ms`.
    pub rule: String,
    /// What was observed, with its unit; `no samples` when nothing was measured, which fails.
    pub observed: String,
    /// Whether the rule holds.
    pub pass: bool,
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
