//! `bench`: speed of the harness itself, measured side by side, of the load generator, and of the integration suite.

mod containers;
pub mod endpoint;
mod generator;
mod knee;
mod platform;
mod suite;

use std::path::Path;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use fixtures::Targets;
use harness::leak::{Canary, Entitlement, LeakDetector, random_code};
use harness::run::{Run, out_folder};
use harness::stores::{DynamoDbError, EmbeddedDynamoDb};
use harness::verdict::Exit;

use crate::error::CommandError;
use crate::integration::Tests;
use crate::progress::bar;

/// Starts of each embedded target that are measured, after one that is not (it makes the keys).
const STARTS: usize = 20;
/// How fast each of them has to be ready.
const BARS: [(&str, &str); 2] = [("access", "150 ms"), ("platform", "1.5 s")];
/// How fast the stories of each are told.
const STORY_BARS: [(&str, &str); 2] = [("access", "20 s on 2 cores"), ("platform", "15 s on 2 cores")];
/// Responses scanned.
const SCANS: u32 = 2_000;
/// Ids the detector knows while it scans.
const KNOWN_IDS: usize = 10_000;

pub async fn bench() -> Result<Exit, CommandError> {
    let run = Run::create(&out_folder())?.work_in();
    let bar = bar("bench", Some((STARTS as u64 + 1) * fixtures::EMBEDDED.len() as u64));
    let mut starts = Vec::new();
    for name in fixtures::EMBEDDED {
        let mut ready = Vec::new();
        for warm in [false].into_iter().chain([true; STARTS]) {
            let start = Instant::now();
            let Targets { absent, .. } = fixtures::targets(Some(Path::new(name))).await?;
            if let Some(fixtures::Absent { name, reason }) = absent.first() {
                println!("target {name} is not measured: {reason}");
                break;
            }
            if warm {
                ready.push(start.elapsed());
            }
            bar.inc(1);
        }
        if !ready.is_empty() {
            starts.push((name, ready));
        }
    }
    let mut store = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let database = EmbeddedDynamoDb::start().await.map_err(DynamoDbError::from)?;
        store.push(start.elapsed());
        drop(database);
    }
    bar.finish_and_clear();
    let containers = containers::measured().await?;
    let platform = platform::baseline(run).await?;
    // Alone, as everything before and after it.
    let generators = generator::measured(run.folder()).await?;
    let knee = match &platform {
        Some(_) => Some(knee::measured(run.folder()).await?),
        None => None,
    };
    let mut integration = Vec::new();
    if let Some(tests) = Tests::build(run.folder()).await? {
        for (name, _) in &starts {
            integration.push(suite::measured(&tests, run.folder(), name).await?);
        }
    }
    let failed = integration.iter().any(|measured| measured.failed > 0);
    if failed {
        println!(
            "stories failed, so the time is of another suite; the run is kept in {}",
            run.folder().display()
        );
    } else {
        std::fs::remove_dir_all(run.folder()).ok();
    }

    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["what", "median", "p95", "bar"]);
    let mut row = |what: &str, times: &mut Vec<Duration>, bar: &str| {
        times.sort();
        table.add_row([
            what.to_owned(),
            shown(percentile(times, 50)),
            shown(percentile(times, 95)),
            bar.to_owned(),
        ]);
    };
    for (name, mut ready) in starts {
        let bar = BARS.into_iter().find(|(of, _)| *of == name).map_or("", |(_, bar)| bar);
        row(&format!("target {name} ready, keys at hand"), &mut ready, bar);
    }
    row("embedded DynamoDB ready", &mut store, "");
    match containers {
        Ok(mut times) => row("containers of both stores ready, once per run", &mut times, "4 s"),
        Err(lack) => println!("containers are not measured: {lack}"),
    }
    let mut scans = scans();
    row("leak scan of a 1 KB response, 10,000 ids known", &mut scans, "");
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    match generators {
        Ok(rates) => println!("{}", rates.table(percentile(&scans, 50))),
        Err(lack) => println!("the load generator is not measured: {lack}"),
    }
    match knee {
        Some(Ok(knee)) => println!("{knee}"),
        Some(Err(lack)) => println!("the knee of the platform is not measured: {lack}"),
        None => {}
    }
    if let Some(report) = platform {
        println!("the baseline with its analysis: {}", report.display());
    }
    println!("{STARTS} starts and {SCANS} scans, one after the other, in a {} build", profile());
    if integration.is_empty() {
        println!(
            "the integration suite is not measured: its tests are built from the workspace, and this is none"
        );
        return Ok(Exit::Pass);
    }
    println!("{}", of_suites(&integration));
    Ok(if failed { Exit::Findings } else { Exit::Pass })
}

fn of_suites(integration: &[suite::Measured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["what", "stories", "failed", "wall", "processor", "cores", "bar"]);
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    for measured in integration {
        let processor = match measured.processor {
            Duration::ZERO => "not known".to_owned(),
            time => format!("{:.1} s", time.as_secs_f64()),
        };
        let bar = STORY_BARS.into_iter().find(|(of, _)| *of == measured.target).map_or("", |(_, bar)| bar);
        table.add_row([
            format!("stories of {}, built", measured.target),
            measured.stories.to_string(),
            measured.failed.to_string(),
            format!("{:.1} s", measured.wall.as_secs_f64()),
            processor,
            cores.clone(),
            bar.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn scans() -> Vec<Duration> {
    let detector = LeakDetector::default();
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    for _ in 0..KNOWN_IDS {
        detector.learn(&theirs, "team", &random_code(32));
    }
    let entitlement = Entitlement::of(&ours);
    let ids: Vec<String> = (0..32).map(|_| format!("{{\"id\":\"{}\"}}", random_code(22))).collect();
    let body = ids.concat();
    let mut found = 0;
    let times = (0..SCANS)
        .map(|_| {
            let start = Instant::now();
            found += u32::from(detector.scan(&entitlement, || "", [("body", body.as_str())]).is_some());
            start.elapsed()
        })
        .collect();
    debug_assert_eq!(found, 0, "nothing foreign is in the body");
    times
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

fn shown(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{:.1} us", time.as_secs_f64() * 1e6)
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    }
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}
