//! Adds up what the processes of a run recorded.

mod accepted;
mod fold;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::exchange::Exchange;
use harness::record::Record;
use harness::run::{Meta, Run};
use harness::verdict::{Exit, Verdict};
use time::OffsetDateTime;

use crate::error::ReportError;
use crate::merge::fold::Fold;
use crate::read;
use crate::report::{RunReport, Suite};

/// As many exchanges stand on the page; a finding's evidence comes first, then failed tests, then flows.
pub(crate) const EXCHANGES: usize = 2_000;

/// The module of stories that are told from beginning to end: they come first on the page.
pub(crate) const FLOWS: &str = "flows::";

/// Reads a run's folder and adds up what its processes recorded.
///
/// A test that ran in several processes counts as its last attempt left it; an attempt that started and
/// never ended is an error. A finding, once made, stays. See [`RunReport`] for what comes of it.
pub fn merge(folder: &Path) -> Result<RunReport, ReportError> {
    let run = Run::open(folder)?.ok_or_else(|| ReportError::NoRun { folder: folder.to_owned() })?;
    let mut truncated_lines = 0;

    let mut processes = Vec::new();
    for path in read::files(&folder.join("records"))? {
        let mut records = Vec::new();
        truncated_lines += usize::from(read::lines(&path, "record", |record: Record| records.push(record))?);
        processes.push((first_start(&records), path, records));
    }
    // In the order they began, so that the later attempt of a test is the one that counts.
    processes.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut fold = Fold::default();
    for (_, _, records) in processes {
        process::read_into(&mut fold, records);
    }

    let mut report = conclude(run.meta(), fold);
    let evidence = report.findings.iter().map(|finding| finding.exchanges.len()).sum::<usize>();
    let room = EXCHANGES.saturating_sub(evidence);
    let (wanted, left_out) = wanted(&report.suites, room);
    let mut exchanges = BTreeMap::new();
    for path in read::files(&folder.join("exchanges"))? {
        truncated_lines += usize::from(read::lines(&path, "exchange", |exchange: Exchange| {
            if wanted.contains(&exchange.id) {
                exchanges.insert(exchange.id.clone(), exchange);
            }
        })?);
    }
    report.exchanges = exchanges;
    report.exchanges_left_out = left_out;
    report.truncated_lines = truncated_lines;
    Ok(report)
}

fn first_start(records: &[Record]) -> Option<OffsetDateTime> {
    records.iter().find_map(|record| match record {
        Record::Suite(suite) => Some(suite.at),
        _ => None,
    })
}

/// The exchanges that tests refer to, those of failed tests first and then those of flows, as many as there is
/// room for, and how many are left out.
fn wanted(suites: &[Suite], room: usize) -> (BTreeSet<String>, usize) {
    let tests = || suites.iter().flat_map(|suite| &suite.tests);
    let failed = tests().filter(|test| test.verdict >= Verdict::Fail);
    let others = |flows: bool| {
        tests().filter(move |test| test.verdict < Verdict::Fail && test.test.starts_with(FLOWS) == flows)
    };
    let ids = failed
        .chain(others(true))
        .chain(others(false))
        .flat_map(|test| &test.steps)
        .flat_map(|step| &step.exchanges);
    let mut kept = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    for id in ids {
        if kept.len() < room {
            kept.insert(id.clone());
        } else if !kept.contains(id) {
            left_out.insert(id.clone());
        }
    }
    let left_out = left_out.len();
    (kept, left_out)
}

fn conclude(meta: &Meta, mut fold: Fold) -> RunReport {
    let accepted = accepted::settle(&mut fold, meta.started.date());
    let mut findings: Vec<_> = fold.findings.into_values().collect();
    findings.sort_by(|a, b| {
        let by_severity = b.severity.cmp(&a.severity);
        by_severity.then_with(|| (&a.target, &a.operation, &a.id).cmp(&(&b.target, &b.operation, &b.id)))
    });
    let seconds = fold.last_end.map_or(0.0, |end| (end - meta.started).as_seconds_f64().max(0.0));
    let covered = fold.coverage.iter().filter(|cell| cell.requests > 0);
    let covered: BTreeSet<_> =
        covered.map(|cell| (&cell.target, &cell.operation, &cell.principal, cell.class)).collect();
    // Each process knows only what it covered itself.
    let uncovered = fold
        .uncovered
        .iter()
        .filter(|gap| !covered.contains(&(&gap.target, &gap.operation, &gap.principal, gap.class)));
    let uncovered = uncovered.cloned().collect();

    let weaknesses: Vec<_> = fold.weaknesses.into_values().collect();
    let mut suites: Vec<Suite> =
        fold.suites.into_iter().map(|(key, suite)| suite.conclude(key, &findings, &weaknesses)).collect();
    suites.sort_by(|a, b| {
        let key = |suite: &Suite| (place(&suite.suite), suite.suite.clone(), suite.target.clone());
        key(a).cmp(&key(b)).then_with(|| a.profile.cmp(&b.profile))
    });
    let mut targets: Vec<_> = suites.iter().map(|suite| suite.target.clone()).collect();
    targets.sort();
    targets.dedup();

    let counted = suites.iter().flat_map(|suite| {
        Verdict::ALL.into_iter().filter(|verdict| suite.counts.of(*verdict) > 0).chain([suite.verdict])
    });
    let partial = suites.iter().any(|suite| suite.unfinished > 0);
    // Nobody knows what a process that did not reach its end would have observed.
    let unknown = partial.then_some(Verdict::Error);
    let verdicts: Vec<_> = counted.chain(findings.iter().map(|_| Verdict::Fail)).chain(unknown).collect();
    let observed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Pass | Verdict::Fail));
    let worst = verdicts.iter().copied().max();
    RunReport {
        run: meta.run.clone(),
        seed: meta.seed,
        version: meta.version.clone(),
        started: meta.started,
        seconds,
        partial,
        truncated_lines: 0,
        verdict: worst.filter(|_| observed).unwrap_or(Verdict::Error),
        exit: Exit::of(verdicts),
        targets,
        suites,
        findings,
        accepted,
        measured: fold.measured.into_values().collect(),
        coverage: fold.coverage,
        uncovered,
        matrix: fold.matrix.into_values().collect(),
        weaknesses,
        absent: fold.absent.into_iter().collect(),
        exchanges: BTreeMap::new(),
        exchanges_left_out: 0,
    }
}

/// Where a suite stands in the order of a run.
fn place(suite: &str) -> usize {
    let order = ["integration", "security", "load", "mutants"];
    order.iter().position(|known| *known == suite).unwrap_or(order.len())
}
