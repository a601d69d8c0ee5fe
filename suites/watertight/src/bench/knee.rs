//! The knee of the platform: the highest rate at which what is asked of it still holds. The load suite as anybody runs it,
//! with the service in a process of its own, at one rate after the other.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;
use suites_load::{BOTTLENECK, LoadError, Profile};
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use tokio::process::Command;

use super::generator::load;
use crate::error::CommandError;
use crate::progress::bar;
use crate::session::this_program;

/// What is sent, and what must hold.
const PROFILE: &str = "tenant_requests";
/// From one rate to the next.
const STEP: f64 = 1.25;
/// How long each is offered.
const SECONDS: u64 = 20;
/// More rates are not tried, in either direction.
const RATES: usize = 6;

/// What came of one rate.
#[derive(Debug)]
struct Tried {
    rate: f64,
    rps: f64,
    percentiles_ms: [f64; 3],
    /// The thresholds that did not hold, with what was observed, and the generator, if it was that.
    broken: Vec<String>,
    /// How busy the machine's processors were from the start to the end of the run, percent, where the machine says so.
    busy: Option<f32>,
}

/// From the profile's rate upwards until something does not hold, or downwards until everything does; why it could not be
/// measured.
pub async fn measured(folder: &Path) -> Result<Result<String, String>, CommandError> {
    let profile = Profile::named(PROFILE).map_err(LoadError::from)?;
    let first = profile.arrivals.map_or(0.0, |arrivals| arrivals.rate);
    let bar = bar("knee of the platform", None);
    let mut tried: Vec<Tried> = Vec::new();
    let mut rate = first;
    while tried.len() < RATES {
        let one = match offer(folder, rate).await? {
            Ok(one) => one,
            Err(why) => {
                bar.finish_and_clear();
                return Ok(Err(why));
            }
        };
        bar.inc(1);
        let holds = one.broken.is_empty();
        let turned = tried.first().is_some_and(|first| first.broken.is_empty() != holds);
        tried.push(one);
        if turned {
            break;
        }
        rate = (if holds { rate * STEP } else { rate / STEP }).round();
    }
    bar.finish_and_clear();
    tried.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    Ok(Ok(told(&tried)))
}

async fn offer(folder: &Path, rate: f64) -> Result<Result<Tried, String>, CommandError> {
    let run = folder.join(format!("knee-{rate:.0}"));
    let mut command = Command::new(this_program()?);
    command.args(["--target", fixtures::platform::NAME, "load", "--apart", "--to-the-end"]);
    command.args(["--profile", PROFILE, "--rate", &rate.to_string(), "--duration", &format!("{SECONDS}s")]);
    let usage = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
    let mut system = System::new_with_specifics(usage).ok();
    let (ended, suite) = load(command, &run).await?;
    let busy = system.as_mut().map(|system| {
        system.refresh_cpu_usage();
        system.global_cpu_usage()
    });
    let notes = String::from_utf8_lossy(&ended.stdout);
    // 1 says that a threshold does not hold: what was measured counts. Anything else is no measurement.
    let whole = matches!(ended.status.code(), Some(0 | 1));
    Ok(read(&suite, rate, &notes, busy).filter(|_| whole).ok_or_else(|| {
        let said = String::from_utf8_lossy(&ended.stderr);
        format!("the load run at {rate} requests/s did not come to its end: {}", said.trim())
    }))
}

/// What a report says of the run at a rate; nothing where it judged nothing.
fn read(suite: &Value, rate: f64, notes: &str, busy: Option<f32>) -> Option<Tried> {
    let figure = |name: &str| suite[name].as_f64();
    let thresholds = suite["thresholds"].as_array().filter(|thresholds| !thresholds.is_empty())?;
    let words = |threshold: &Value| {
        let word = |name: &str| threshold[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", word("rule"), word("observed"))
    };
    let failed = thresholds.iter().filter(|threshold| threshold["pass"] != true);
    let generator = notes.contains(BOTTLENECK).then(|| BOTTLENECK.to_owned());
    Some(Tried {
        rate,
        rps: figure("rps")?,
        percentiles_ms: [figure("p50_ms")?, figure("p95_ms")?, figure("p99_ms")?],
        broken: failed.map(words).chain(generator).collect(),
        busy,
    })
}

/// The rates, from the lowest to the highest, and what they come to.
fn told(tried: &[Tried]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    let head = ["offered/s", "answered/s", "p50 ms", "p95 ms", "p99 ms", "processors busy", "does not hold"];
    table.set_header(head);
    for one in tried {
        let [p50, p95, p99] = one.percentiles_ms.map(|ms| format!("{ms:.1}"));
        let [rate, rps] = [one.rate, one.rps].map(|rate| format!("{rate:.0}"));
        table.add_row([rate, rps, p50, p95, p99, percent(one.busy), one.broken.join(", ")]);
    }
    for column in table.column_iter_mut().take(head.len() - 1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let knee = tried.iter().rev().find(|one| one.broken.is_empty());
    let beyond = knee.is_some_and(|knee| tried.last().is_some_and(|last| last.rate > knee.rate));
    let conclusion = match knee {
        Some(knee) if beyond => format!("is {:.0} requests/s", knee.rate),
        Some(knee) => format!("lies above {:.0} requests/s: nothing broke", knee.rate),
        None => "lies below all of these rates".to_owned(),
    };
    format!(
        "{table}\nthe knee of the platform with {PROFILE} {conclusion}; {SECONDS} s at each rate, service, database and generator on the same processors, which are busy from the start of a run to its end"
    )
}

fn percent(busy: Option<f32>) -> String {
    busy.map_or_else(|| "not known".to_owned(), |busy| format!("{busy:.0}%"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{BOTTLENECK, Tried, read, told};

    #[test]
    fn the_knee_is_the_highest_rate_at_which_everything_holds() {
        let tried = |rate: f64, broken: &[&str]| Tried {
            rate,
            rps: rate,
            percentiles_ms: [1.0, 2.0, 3.0],
            broken: broken.iter().map(|rule| (*rule).to_owned()).collect(),
            busy: Some(50.0),
        };
        let text = told(&[tried(800.0, &[]), tried(1000.0, &[]), tried(1250.0, &["p95<200ms: 250 ms"])]);
        assert!(text.contains("is 1000 requests/s") && text.contains("p95<200ms: 250 ms"), "{text}");
        assert!(told(&[tried(800.0, &["p95<200ms: 250 ms"])]).contains("lies below"));
        assert!(told(&[tried(800.0, &[]), tried(1000.0, &[])]).contains("lies above 1000"));
    }

    #[test]
    fn a_rate_holds_only_where_something_was_judged_and_the_target_was_the_limit() {
        let suite = |thresholds: serde_json::Value| json!({ "rps": 800.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "thresholds": thresholds });
        let good = suite(json!([{ "rule": "leaks=0", "observed": "0", "pass": true }]));
        let bad = suite(json!([{ "rule": "p95<200ms", "observed": "250 ms", "pass": false }]));
        let broken = |suite, notes| read(suite, 800.0, notes, None).unwrap().broken;
        assert!(broken(&good, "").is_empty());
        assert_eq!(broken(&bad, ""), ["p95<200ms: 250 ms"]);
        assert_eq!(broken(&good, BOTTLENECK), [BOTTLENECK]);
        assert!(read(&suite(json!([])), 800.0, "", None).is_none(), "nothing was judged");
    }
}
