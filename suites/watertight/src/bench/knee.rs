//! The knee of the platform: the highest rate at which what is asked of it still holds, and what bounds it. The load suite
//! as anybody runs it, with the service in a process of its own, at one rate after the other.

use std::fs;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use harness::run::RUN_VARIABLE;
use serde_json::Value;
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use tokio::process::Command;

use super::generator::this;
use crate::error::CommandError;
use crate::progress::bar;

/// What is sent, and what must hold.
const PROFILE: &str = "tenant_requests";
/// The rate that the profile asks for, requests a second.
const FIRST: f64 = 1_000.0;
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
    /// The thresholds that did not hold, with what was observed.
    broken: Vec<String>,
    /// How busy the machine's processors were meanwhile, percent, where the machine says so.
    busy: Option<f32>,
}

/// From the profile's rate upwards until it does not hold, or downwards until it does.
pub async fn measured(folder: &Path) -> Result<String, CommandError> {
    let bar = bar("knee of the platform", None);
    let mut tried = vec![offer(folder, FIRST).await?];
    let holds = tried[0].broken.is_empty();
    while tried.len() < RATES {
        bar.inc(1);
        let last = &tried[tried.len() - 1];
        if last.broken.is_empty() != holds {
            break;
        }
        let next = if holds { last.rate * STEP } else { last.rate / STEP };
        tried.push(offer(folder, next.round()).await?);
    }
    bar.finish_and_clear();
    tried.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    Ok(told(&tried))
}

async fn offer(folder: &Path, rate: f64) -> Result<Tried, CommandError> {
    let run = folder.join(format!("knee-{rate:.0}"));
    let failed = |source| CommandError::Process { what: "watertight load".to_owned(), source };
    let mut command = Command::new(this()?);
    command.args(["--target", fixtures::platform::NAME, "load", "--apart", "--to-the-end"]);
    command.args(["--profile", PROFILE, "--rate", &rate.to_string(), "--duration", &format!("{SECONDS}s")]);
    command.env(RUN_VARIABLE, &run).env_remove(fixtures::POLICY_VARIABLE).kill_on_drop(true);
    let usage = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
    let mut system = System::new_with_specifics(usage).ok();
    let ended = command.output().await.map_err(failed)?;
    let busy = system.as_mut().map(|system| {
        system.refresh_cpu_usage();
        system.global_cpu_usage()
    });
    let text = fs::read_to_string(run.join("run.json")).unwrap_or_default();
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    let suite = &report["suites"][0];
    let figure = |name: &str| suite[name].as_f64();
    let figures = (figure("rps"), figure("p50_ms"), figure("p95_ms"), figure("p99_ms"));
    let (Some(rps), Some(p50), Some(p95), Some(p99)) = figures else {
        return Err(CommandError::Nothing(format!(
            "the load run at {rate} requests/s did not come to its end: {}",
            String::from_utf8_lossy(&ended.stderr).trim()
        )));
    };
    let broken = suite["thresholds"].as_array().into_iter().flatten();
    let broken = broken.filter(|threshold| threshold["pass"] != true);
    let words = |threshold: &Value| {
        let word = |name: &str| threshold[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", word("rule"), word("observed"))
    };
    Ok(Tried { rate, rps, percentiles_ms: [p50, p95, p99], broken: broken.map(words).collect(), busy })
}

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
    let knee = tried.iter().filter(|one| one.broken.is_empty()).max_by(|a, b| a.rate.total_cmp(&b.rate));
    let conclusion = match knee {
        Some(knee) => format!(
            "the knee of the platform with {PROFILE}, {SECONDS} s at each rate: {:.0} requests/s, the processors {} busy (service, database and generator share them)",
            knee.rate,
            percent(knee.busy)
        ),
        None => format!("at none of these rates does {PROFILE} hold"),
    };
    format!("{table}\n{conclusion}")
}

fn percent(busy: Option<f32>) -> String {
    busy.map_or_else(|| "not known".to_owned(), |busy| format!("{busy:.0}%"))
}

#[cfg(test)]
mod tests {
    use super::{Tried, told};

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
        assert!(text.contains(": 1000 requests/s") && text.contains("p95<200ms: 250 ms"), "{text}");
        assert!(told(&[tried(800.0, &["p95<200ms: 250 ms"])]).contains("at none"));
    }
}
