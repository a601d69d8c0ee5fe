//! Load runs: figures, rules, charts, requests by name.

use harness::record::{Endpoint, Share, TenantLoad, Threshold};
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
    users: Option<Value>,
    heat: Option<Value>,
    failures: bool,
    notes: Vec<String>,
    shares: Vec<PartRow>,
    endpoints: Vec<EndpointRow>,
    tenants: Vec<TenantRow>,
}

/// What a part of the target took.
#[derive(Serialize)]
struct PartRow {
    name: String,
    p50: String,
    p95: String,
    p99: String,
    max: String,
}

#[derive(Serialize)]
struct TenantRow {
    name: String,
    requests: u64,
    failures: u64,
    limited: u64,
    p50: String,
    p95: String,
    p99: String,
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
    let mut figures = vec![
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
    ];
    if let Some(arrivals) = &result.arrivals {
        figures.extend([
            Figure::new(grouped_rounded(arrivals.offered_rps), "offered/s"),
            Figure::new(grouped_rounded(arrivals.achieved_rps), "answered in time/s"),
            Figure::new(grouped(arrivals.dropped), "not sent").bad_if(arrivals.dropped > 0),
            Figure::new(millis(arrivals.late_p99_ms), "sent late, p99").bad_if(arrivals.generator_bound),
        ]);
        figures.extend(
            arrivals
                .generator_cores
                .map(|cores| Figure::new(format!("{cores:.1}"), "cores of the generator")),
        );
    }
    LoadView {
        target: result.target.clone(),
        profile: result.profile.clone(),
        scenarios: result.scenarios.clone(),
        figures,
        thresholds: failed.into_iter().chain(held).cloned().collect(),
        throughput: chart::throughput(&result.series).map(Value::from_safe_string),
        latency: chart::latency(&result.series).map(Value::from_safe_string),
        users: chart::users(&result.series).map(Value::from_safe_string),
        heat: chart::heat(&result.heat).map(Value::from_safe_string),
        notes: result.notes.clone(),
        shares: result.shares.iter().map(part).collect(),
        tenants: result.tenants.iter().map(tenant).collect(),
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

fn part(share: &Share) -> PartRow {
    PartRow {
        name: share.part.clone(),
        p50: millis(share.latency.p50_ms),
        p95: millis(share.latency.p95_ms),
        p99: millis(share.latency.p99_ms),
        max: millis(share.latency.max_ms),
    }
}

fn tenant(tenant: &TenantLoad) -> TenantRow {
    TenantRow {
        name: tenant.tenant.clone(),
        requests: tenant.requests,
        failures: tenant.failures,
        limited: tenant.limited,
        p50: millis(tenant.latency.p50_ms),
        p95: millis(tenant.latency.p95_ms),
        p99: millis(tenant.latency.p99_ms),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if part == 0 { "0 %".to_owned() } else { format!("{:.2} %", share(part, whole) * 100.0) }
}
