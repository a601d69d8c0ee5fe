//! Load runs: figures, rules, charts, requests by name.

use harness::record::{Endpoint, Threshold};
use minijinja::Value;
use serde::Serialize;

use crate::chart;
use crate::page::overview::Figure;
use crate::report::{Load, RunReport};
use crate::run_json::{ratio, share};
use crate::text::{duration, grouped, grouped_rounded, millis};

/// A load run.
#[derive(Serialize)]
pub(super) struct LoadView {
    target: String,
    profile: String,
    scenarios: Vec<String>,
    figures: Vec<Figure>,
    thresholds: Vec<Threshold>,
    throughput: Option<Value>,
    latency: Option<Value>,
    failures: bool,
    endpoints: Vec<EndpointRow>,
}

#[derive(Serialize)]
struct EndpointRow {
    name: String,
    requests: u64,
    failures: u64,
    error_rate: String,
    p50: String,
    p95: String,
    p99: String,
    max: String,
}

/// The load runs, in the order of the suites.
pub(super) fn loads(report: &RunReport) -> Vec<LoadView> {
    report.suites.iter().flat_map(|suite| &suite.loads).map(view).collect()
}

fn view(load: &Load) -> LoadView {
    let result = &load.result;
    let latency = &result.latency;
    let mut endpoints: Vec<&Endpoint> = result.endpoints.iter().collect();
    endpoints.sort_by(|a, b| b.latency.p95_ms.total_cmp(&a.latency.p95_ms).then_with(|| a.name.cmp(&b.name)));
    let failing = |threshold: &&Threshold| !threshold.pass;
    let (failed, held): (Vec<_>, Vec<_>) = load.thresholds.iter().partition(failing);
    LoadView {
        target: result.target.clone(),
        profile: result.profile.clone(),
        scenarios: result.scenarios.clone(),
        figures: vec![
            Figure::new(grouped_rounded(ratio(result.requests, result.seconds)), "requests/s"),
            Figure::new(millis(latency.p50_ms), "median"),
            Figure::new(millis(latency.p95_ms), "95th percentile"),
            Figure::new(millis(latency.p99_ms), "99th percentile"),
            Figure::new(millis(latency.max_ms), "slowest"),
            Figure::new(percent(result.failures, result.requests), "failed"),
            Figure::new(grouped(result.leaks), "leaks").bad_if(result.leaks > 0),
            Figure::new(grouped(result.requests), "requests"),
            Figure::new(grouped(result.users as u64), "users"),
            Figure::new(duration(result.seconds), "measured"),
        ],
        thresholds: failed.into_iter().chain(held).cloned().collect(),
        throughput: chart::throughput(&result.series).map(Value::from_safe_string),
        latency: chart::latency(&result.series).map(Value::from_safe_string),
        failures: result.series.iter().any(|tick| tick.failures > 0),
        endpoints: endpoints.into_iter().map(endpoint).collect(),
    }
}

fn endpoint(endpoint: &Endpoint) -> EndpointRow {
    EndpointRow {
        name: endpoint.name.clone(),
        requests: endpoint.requests,
        failures: endpoint.failures,
        error_rate: percent(endpoint.failures, endpoint.requests),
        p50: millis(endpoint.latency.p50_ms),
        p95: millis(endpoint.latency.p95_ms),
        p99: millis(endpoint.latency.p99_ms),
        max: millis(endpoint.latency.max_ms),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if part == 0 { "0 %".to_owned() } else { format!("{:.2} %", share(part, whole) * 100.0) }
}
