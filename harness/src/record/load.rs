//! What a load run came to: its figures, and the rules they were held against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
