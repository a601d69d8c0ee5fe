//! The baseline as Markdown: each figure beside the epic's target, and where a request's time goes.

use std::fmt::Write as _;
use std::time::Duration;

use super::{AT_ONCE, MIX, Measured, REQUESTS, TENANTS};
use crate::bench::{percentile, profile, shown};

/// The steps a request takes at the database, as the service's histogram names them, in their order.
const STEPS: [(&str, &str); 5] = [
    ("begin", "getting a connection and beginning"),
    ("tenant_lookup", "finding membership and tenant"),
    ("search_path", "switching search_path"),
    ("tenant_query", "the query itself"),
    ("commit", "making it last"),
];
/// Above this share of the pool or the processors in use, that is what bounds the rate: the epic's bar for the pool.
const BUSY: f64 = 0.7;

/// One line of the report.
struct Figure {
    what: String,
    found: String,
    /// The epic's target.
    target: &'static str,
    /// Whether it is met; `None` for what is only measured.
    met: Option<bool>,
}

/// The report.
pub(super) fn of(measured: &Measured) -> String {
    let mut text = String::from("# platform-service: performance baseline\n\n");
    let requests = measured.timings.len();
    let _ = writeln!(
        text,
        "{REQUESTS} requests of the mixed workload ({}) by the owners of {TENANTS} tenants in turn, {AT_ONCE} at a time, after a\n\
         warm-up; service, PostgreSQL and generator on one machine with {} cores, the service a process of its own\n\
         ({} build). {requests} answered in {:.1} s ({:.0} a second), {} of them with something else than 2xx.\n\
         p95 of parts from `Server-Timing`, of database steps from the service's histogram, interpolated within a bucket.\n",
        MIX.map(|(operation, weight)| format!("{operation} {weight}%")).join(", "),
        cores(),
        profile(),
        measured.wall.as_secs_f64(),
        rate(measured),
        measured.failed,
    );
    text.push_str("| what | measured | target of the epic | met |\n|---|---|---|---|\n");
    for figure in figures(measured) {
        let met = figure.met.map_or("", |met| if met { "yes" } else { "**no**" });
        let _ = writeln!(text, "| {} | {} | {} | {met} |", figure.what, figure.found, figure.target);
    }
    text.push_str("\n## By operation\n\n| operation | requests | p50 | p95 | p99 |\n|---|---|---|---|---|\n");
    for (operation, times) in &measured.latencies {
        let mut times = times.clone();
        times.sort();
        let at = |percent| shown(percentile(&times, percent));
        let _ = writeln!(text, "| {operation} | {} | {} | {} | {} |", times.len(), at(50), at(95), at(99));
    }
    text.push_str("\n## Where a request's time goes\n\n");
    text.push_str(&bottleneck(measured));
    text
}

/// The same figures for the terminal.
pub(super) fn table(measured: &Measured) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["platform-service, 100 tenants", "measured", "target", "met"]);
    for figure in figures(measured) {
        let met = figure.met.map_or("", |met| if met { "yes" } else { "NO" });
        table.add_row([figure.what.as_str(), figure.found.as_str(), figure.target, met]);
    }
    table
}

fn figures(measured: &Measured) -> Vec<Figure> {
    let mut figures = Vec::new();
    let parts = [
        ("tenant", "tenant middleware", "< 8 ms", 8),
        ("feature", "feature middleware", "< 1 ms", 1),
        ("rbac", "rbac middleware", "< 1 ms", 1),
    ];
    for (part, what, target, millis) in parts {
        let times = measured.timings.iter().filter_map(|timing| timing.part(part)).collect();
        figures.push(of_times(&format!("{what}, p95"), times, 95, target, millis));
    }
    let chain = |timing: &super::Timing| {
        let parts = parts.iter().filter_map(|(part, ..)| timing.part(part));
        parts.sum::<Duration>()
    };
    let chains: Vec<Duration> = measured.timings.iter().map(chain).collect();
    figures.push(of_times("middleware chain, p95", chains, 95, "< 10 ms", 10));
    let steps = [
        ("tenant_lookup", "tenant lookup, p95", "< 5 ms", 0.005),
        ("search_path", "search_path switch, p95", "< 1 ms", 0.001),
        ("tenant_query", "tenant data query, p95", "< 20 ms", 0.020),
    ];
    for (step, what, target, most) in steps {
        let found = measured.after.step_quantile(&measured.before, step, 0.95);
        figures.push(Figure {
            what: what.to_owned(),
            found: found.map_or_else(
                || "not measured".to_owned(),
                |found| shown(Duration::try_from_secs_f64(found).unwrap_or_default()),
            ),
            target,
            met: Some(found.is_some_and(|found| found < most)),
        });
    }
    let pool = mean(&measured.pool);
    figures.push(Figure {
        what: format!("pool use, mean of {} looks", measured.pool.len()),
        found: pool.map_or_else(|| "not measured".to_owned(), percent),
        target: "< 70%",
        met: Some(pool.is_some_and(|pool| pool < BUSY)),
    });
    let processor = measured.after.processor_since(&measured.before);
    let each = Duration::try_from_secs_f64(processor / count(measured.timings.len().max(1)));
    figures.push(Figure {
        what: "processor time of the service per request".to_owned(),
        found: each.as_ref().map_or_else(|_| "not measured".to_owned(), |each| shown(*each)),
        target: "< 10 ms",
        met: Some(processor > 0.0 && each.is_ok_and(|each| each < Duration::from_millis(10))),
    });
    figures.push(Figure {
        what: "memory of the service, before and after".to_owned(),
        found: format!("{} and {}", mebibytes(measured.before.memory()), mebibytes(measured.after.memory())),
        target: "measured",
        met: None,
    });
    figures.push(of_times("tenant creation, p95", measured.creations.clone(), 95, "< 2 s", 2_000));
    let products = measured.latencies.get("product-list").cloned().unwrap_or_default();
    figures.push(of_times("GET /api/products, p95", products, 95, "< 100 ms", 100));
    let all: Vec<Duration> = measured.latencies.values().flatten().copied().collect();
    for (percent, target, millis) in [(50, "< 50 ms", 50), (95, "< 200 ms", 200), (99, "< 500 ms", 500)] {
        figures.push(of_times(&format!("every request, p{percent}"), all.clone(), percent, target, millis));
    }
    figures
}

fn of_times(
    what: &str,
    mut times: Vec<Duration>,
    percent: usize,
    target: &'static str,
    millis: u64,
) -> Figure {
    times.sort();
    let found = percentile(&times, percent);
    let measured = !times.is_empty();
    Figure {
        what: what.to_owned(),
        found: if measured { shown(found) } else { "not measured".to_owned() },
        target,
        met: Some(measured && found < Duration::from_millis(millis)),
    }
}

/// What takes the time, and what would bound the rate first.
fn bottleneck(measured: &Measured) -> String {
    let requests = count(measured.timings.len().max(1));
    let in_ms = |seconds: f64| seconds * 1e3 / requests;
    let whole: f64 = measured.latencies.values().flatten().map(Duration::as_secs_f64).sum();
    let steps = STEPS.map(|(step, what)| (what, measured.after.step_since(&measured.before, step)));
    let database: f64 = steps.iter().map(|(_, seconds)| seconds).sum();
    let processor = measured.after.processor_since(&measured.before);
    let mut text = String::from("| on average, per request | ms | share |\n|---|---|---|\n");
    for (what, seconds) in steps {
        let _ = writeln!(text, "| database: {what} | {:.2} | {} |", in_ms(seconds), percent(seconds / whole));
    }
    let rest = (whole - database).max(0.0);
    let _ = writeln!(
        text,
        "| everything else: the service's own work, HTTP, the generator | {:.2} | {} |",
        in_ms(rest),
        percent(rest / whole)
    );
    let largest = steps.iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
    let cores = count(cores());
    let service = processor / measured.wall.as_secs_f64().max(f64::MIN_POSITIVE);
    let pool = mean(&measured.pool).unwrap_or_default();
    let _ = write!(
        text,
        "\nThe database takes {} of a request, most of it {} ({:.2} ms). The service itself keeps {service:.2} of \
         {cores:.0} cores busy, the pool is {} in use. ",
        percent(database / whole),
        largest.map_or("nothing", |(what, _)| *what),
        in_ms(largest.map_or(0.0, |(_, seconds)| *seconds)),
        percent(pool),
    );
    text.push_str(if pool >= BUSY {
        "The pool is the bottleneck: more connections, or fewer round trips per request, raise the rate.\n"
    } else if database > rest {
        "The pool has room, so the round trips to PostgreSQL bound a request's time: fewer of them, not more \
         connections, make it faster; and the cores that the service shares with PostgreSQL bound the rate.\n"
    } else {
        "Neither pool nor database is the bottleneck: the processor is, which the service shares with the generator.\n"
    });
    text
}

fn rate(measured: &Measured) -> f64 {
    count(measured.timings.len()) / measured.wall.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap_or(u32::MAX))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
}
