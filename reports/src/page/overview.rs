//! What stands at the top of the page: the verdict, the suites, the kill matrix.

use harness::record::Absent;
use harness::verdict::{Exit, Verdict};
use serde::Serialize;
use time::macros::format_description;

use crate::conclusion;
use crate::report::{RunReport, Suite, Weakness};
use crate::run_json::{TargetWeaknessesEntry, load_figures, security_figures};
use crate::text::{grouped, grouped_rounded, plural};

/// The verdict and what the run was.
#[derive(Serialize)]
pub(super) struct Overview {
    run: String,
    seed: String,
    started: String,
    seconds: f64,
    version: String,
    /// `pass`, `fail` or `error`: the colour. A hole outranks the harness's own trouble.
    colour: &'static str,
    verdict: Verdict,
    headline: &'static str,
    sentence: String,
    partial: bool,
    truncated_lines: usize,
    targets: Vec<TargetRow>,
    absent: Vec<Absent>,
    reproduce: String,
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct TargetRow {
    name: String,
    stores: Vec<String>,
}

/// A figure and what it counts.
#[derive(Serialize)]
pub(super) struct Figure {
    value: String,
    label: String,
    /// `fail` where the figure is bad news.
    tone: &'static str,
}

impl Figure {
    pub fn new(value: String, label: impl Into<String>) -> Figure {
        Figure { value, label: label.into(), tone: "" }
    }

    /// Coloured when it is bad news.
    pub fn bad_if(self, bad: bool) -> Figure {
        Figure { tone: if bad { "fail" } else { self.tone }, ..self }
    }
}

/// The top of the page.
pub(super) fn overview(report: &RunReport) -> Overview {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let targets = report.targets.iter().map(|name| {
        let mut stores: Vec<_> = report
            .suites
            .iter()
            .filter(|suite| suite.target == *name)
            .collect::<Vec<_>>()
            .iter()
            .flat_map(|suite| suite.stores.iter().cloned())
            .collect();
        stores.sort();
        stores.dedup();
        TargetRow { name: name.clone(), stores }
    });
    Overview {
        run: report.run.clone(),
        seed: report.seed.to_string(),
        started: report.started.format(&format).unwrap_or_else(|_| report.started.to_string()),
        seconds: report.seconds,
        version: report.version.clone(),
        colour: match report.exit {
            Exit::Pass => "pass",
            Exit::Findings => "fail",
            Exit::Trouble => "error",
        },
        verdict: report.verdict,
        headline: conclusion::headline(report),
        sentence: conclusion::sentence(report),
        partial: report.partial,
        truncated_lines: report.truncated_lines,
        targets: targets.collect(),
        absent: report.absent.clone(),
        reproduce: conclusion::reproduce(report),
        figures: figures(report),
    }
}

fn figures(report: &RunReport) -> Vec<Figure> {
    let counts = report.counts();
    let mut figures = Vec::new();
    if counts.pass > 0 {
        figures.push(Figure::new(grouped(counts.pass as u64), "checks passed"));
    }
    if counts.fail > 0 {
        figures.push(Figure::new(grouped(counts.fail as u64), "checks failed").bad_if(true));
    }
    if counts.error > 0 {
        figures.push(Figure { tone: "error", ..Figure::new(grouped(counts.error as u64), "not observed") });
    }
    let security = || report.suites.iter().filter(|suite| suite.suite == "security");
    if security().next().is_some() {
        let findings = report.findings.len();
        let label = if findings == 1 { "finding" } else { "findings" };
        figures.push(Figure::new(grouped(findings as u64), label).bad_if(findings > 0));
        let cells: usize = security().map(|suite| security_figures(report, suite).cells).sum();
        figures.push(Figure::new(grouped(cells as u64), "operation × principal × class"));
    }
    let loaded = report.suites.iter().filter(|suite| !suite.loads.is_empty());
    if let Some(load) = loaded.map(load_figures).max_by(|a, b| a.rps.total_cmp(&b.rps)) {
        figures.push(Figure::new(grouped_rounded(load.rps), "requests/s under load"));
        figures.push(Figure::new(grouped(report.leaks()), "leaks under load").bad_if(report.leaks() > 0));
    }
    let seeded = report.seeded().count();
    if seeded > 0 {
        let survivors = report.survivors().count();
        let label = "weaknesses killed";
        figures.push(Figure::new(format!("{} / {seeded}", seeded - survivors), label).bad_if(survivors > 0));
    }
    figures
}

/// A line of the suite table.
#[derive(Serialize)]
pub(super) struct SuiteRow {
    title: String,
    target: String,
    verdict: Verdict,
    pass: u64,
    fail: u64,
    skip: u64,
    disabled: u64,
    error: u64,
    seconds: f64,
    notes: String,
}

/// The suite table.
pub(super) fn suites(report: &RunReport) -> Vec<SuiteRow> {
    let row = |suite: &Suite| SuiteRow {
        title: suite.title(),
        target: suite.target.clone(),
        verdict: suite.verdict,
        pass: suite.counts.pass as u64,
        fail: suite.counts.fail as u64,
        skip: suite.counts.skip as u64,
        disabled: suite.counts.disabled as u64,
        error: suite.counts.error as u64,
        seconds: suite.seconds,
        notes: notes(report, suite),
    };
    report.suites.iter().map(row).collect()
}

fn notes(report: &RunReport, suite: &Suite) -> String {
    let mut notes = Vec::new();
    if suite.suite == "security" {
        let figures = security_figures(report, suite);
        notes.push(plural(figures.operations, "operation"));
        notes.push(plural(figures.principals, "principal"));
        notes.push(format!("{} requests", grouped(figures.requests)));
        if !figures.uncovered.is_empty() {
            notes.push(format!("{} uncovered", grouped(figures.uncovered.len() as u64)));
        }
    }
    if !suite.loads.is_empty() {
        let figures = load_figures(suite);
        notes.push(format!("{} requests", grouped(figures.requests)));
        notes.push(format!("{} requests/s", grouped_rounded(figures.rps)));
    }
    if suite.unfinished > 0 {
        let processes = plural(suite.processes, "process");
        notes.push(format!("{} of {processes} did not reach the end", suite.unfinished));
    }
    if suite.counts.total() == 0 {
        notes.push("nothing was checked".to_owned());
    }
    notes.join(" · ")
}

/// The kill matrix of one target.
#[derive(Serialize)]
pub(super) struct Weaknesses {
    target: String,
    total: usize,
    killed: usize,
    /// Share killed, whole percent, rounded down so that 100 means all.
    percent: usize,
    /// What came of the service without a weakness, where that was tried.
    clean: Option<Clean>,
    rows: Vec<WeaknessRow>,
}

#[derive(Serialize)]
struct Clean {
    alarms: Vec<String>,
    quiet: bool,
}

#[derive(Serialize)]
struct WeaknessRow {
    id: String,
    family: Option<String>,
    gain: String,
    cwe: u32,
    expected: Vec<String>,
    caught_by: Vec<String>,
    killed: bool,
    by_general: bool,
    blind: Vec<String>,
    seconds: f64,
}

/// The kill matrices, one for each target in which something was seeded.
pub(super) fn weaknesses(report: &RunReport) -> Vec<Weaknesses> {
    let by_target = report.weaknesses_by_target();
    by_target.iter().map(|(target, weaknesses)| of_target(target, weaknesses)).collect()
}

/// Survivors first.
fn of_target(target: &str, weaknesses: &[&Weakness]) -> Weaknesses {
    let TargetWeaknessesEntry { target, total, killed, .. } = TargetWeaknessesEntry::of(target, weaknesses);
    let seeded = weaknesses.iter().filter(|weakness| !weakness.is_clean());
    let mut rows: Vec<_> = seeded
        .map(|weakness| WeaknessRow {
            id: weakness.result.id.clone(),
            family: weakness.result.family.clone(),
            gain: weakness.result.gain.clone(),
            cwe: weakness.result.cwe,
            expected: weakness.result.expected.clone(),
            caught_by: weakness.result.caught_by.clone(),
            killed: weakness.result.killed,
            by_general: weakness.result.by_general,
            blind: weakness.result.blind.clone(),
            seconds: weakness.result.seconds,
        })
        .collect();
    rows.sort_by(|a, b| (a.killed, &a.family, &a.id).cmp(&(b.killed, &b.family, &b.id)));
    let clean = weaknesses.iter().find(|weakness| weakness.is_clean());
    let clean = clean
        .map(|weakness| Clean { alarms: weakness.result.caught_by.clone(), quiet: weakness.alarms() == 0 });
    Weaknesses {
        target,
        total,
        killed,
        percent: (killed * 100).checked_div(total).unwrap_or(100),
        clean,
        rows,
    }
}
