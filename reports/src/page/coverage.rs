//! Operations against principals: what was sent, and what the target allowed.

use std::collections::{BTreeMap, BTreeSet};

use harness::exchange::Class;
use harness::record::{Cell, MatrixCell};
use serde::Serialize;

use crate::knowledge;
use crate::report::RunReport;
use crate::text::grouped;

/// More columns than this are not read; integration tests may well have a persona each.
const COLUMNS: usize = 60;

/// Requests sent to one target.
#[derive(Serialize)]
pub(super) struct Heat {
    target: String,
    principals: Vec<String>,
    rows: Vec<HeatRow>,
    requests: u64,
    columns_left_out: usize,
    uncovered: Vec<UncoveredRow>,
    uncovered_total: usize,
}

#[derive(Serialize)]
struct HeatRow {
    operation: String,
    requests: u64,
    cells: Vec<HeatCell>,
}

#[derive(Serialize)]
struct HeatCell {
    requests: u64,
    /// 0 for none, then 1 to 4 by powers of four.
    level: u32,
    /// The marks of the classes sent.
    classes: String,
    /// The marks of the classes that were demanded and not sent.
    missing: String,
    title: String,
}

#[derive(Serialize)]
struct UncoveredRow {
    operation: String,
    gaps: Vec<String>,
}

/// What a mark in the tables stands for.
#[derive(Serialize)]
pub(super) struct Mark {
    mark: String,
    title: String,
}

/// The marks of the classes that were sent or demanded.
pub(super) fn marks(report: &RunReport) -> Vec<Mark> {
    let sent = report.coverage.iter().map(|cell| cell.class);
    let classes: BTreeSet<Class> = sent.chain(report.uncovered.iter().map(|gap| gap.class)).collect();
    let mark = |class: Class| Mark {
        mark: mark(class),
        title: knowledge::class(class.as_str())
            .map_or_else(|| class.as_str().replace('-', " "), |known| known.title.to_lowercase()),
    };
    classes.into_iter().map(mark).collect()
}

/// What stands for a class in a cell: its letter, or the beginning of its name where it has none.
fn mark(class: Class) -> String {
    match knowledge::class(class.as_str()) {
        Some(known) => known.mark.clone(),
        None => class.as_str().chars().take(2).collect(),
    }
}

/// The heat tables, one for each target. What the security suite sent counts, or, where it did not run, what
/// the others sent.
pub(super) fn heats(report: &RunReport) -> Vec<Heat> {
    let heats = report.targets.iter().map(|target| heat(report, target));
    heats.filter(|heat| !heat.rows.is_empty()).collect()
}

fn heat(report: &RunReport, target: &str) -> Heat {
    let here = || report.coverage.iter().filter(|cell| cell.target == target && cell.requests > 0);
    let secured = here().any(|cell| cell.suite == "security");
    let cells: Vec<&Cell> = here().filter(|cell| !secured || cell.suite == "security").collect();
    let gaps: Vec<_> = report.uncovered.iter().filter(|gap| gap.target == target).collect();

    let mut sent: BTreeMap<(&str, &str), BTreeMap<Class, u64>> = BTreeMap::new();
    let mut missing: BTreeMap<(&str, &str), BTreeSet<Class>> = BTreeMap::new();
    let named = cells.iter().map(|cell| cell.principal.as_str());
    let mut principals = in_order(named.chain(gaps.iter().map(|gap| gap.principal.as_str())));
    for cell in &cells {
        let classes = sent.entry((&cell.operation, &cell.principal)).or_default();
        *classes.entry(cell.class).or_default() += cell.requests;
    }
    for gap in &gaps {
        missing.entry((&gap.operation, &gap.principal)).or_default().insert(gap.class);
    }
    let columns_left_out = principals.len().saturating_sub(COLUMNS);
    principals.truncate(COLUMNS);
    let operations: BTreeSet<&str> =
        sent.keys().chain(missing.keys()).map(|(operation, _)| *operation).collect();
    let rows = operations.into_iter().map(|operation| {
        let cells: Vec<_> = principals
            .iter()
            .map(|principal| {
                heat_cell(sent.get(&(operation, principal)), missing.get(&(operation, principal)))
            })
            .collect();
        let of_operation = sent.iter().filter(|((of, _), _)| *of == operation);
        let requests = of_operation.flat_map(|(_, classes)| classes.values()).sum();
        HeatRow { operation: operation.to_owned(), requests, cells }
    });
    Heat {
        target: target.to_owned(),
        rows: rows.collect(),
        requests: cells.iter().map(|cell| cell.requests).sum(),
        columns_left_out,
        uncovered_total: gaps.len(),
        uncovered: uncovered(&missing),
        principals: principals.into_iter().map(str::to_owned).collect(),
    }
}

fn heat_cell(sent: Option<&BTreeMap<Class, u64>>, missing: Option<&BTreeSet<Class>>) -> HeatCell {
    let classes = || sent.into_iter().flatten();
    let requests: u64 = classes().map(|(_, requests)| requests).sum();
    let mut title: Vec<_> =
        classes().map(|(class, requests)| format!("{} {}", class.as_str(), grouped(*requests))).collect();
    title.extend(missing.into_iter().flatten().map(|class| format!("{} not covered", class.as_str())));
    HeatCell {
        requests,
        level: if requests == 0 { 0 } else { (requests.ilog2() / 2 + 1).min(4) },
        classes: classes().map(|(class, _)| mark(*class)).collect(),
        missing: missing.into_iter().flatten().map(|class| mark(*class)).collect(),
        title: title.join(", "),
    }
}

fn uncovered(missing: &BTreeMap<(&str, &str), BTreeSet<Class>>) -> Vec<UncoveredRow> {
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((operation, principal), classes) in missing {
        let classes: Vec<_> = classes.iter().map(|class| class.as_str()).collect();
        rows.entry(operation).or_default().push(format!("{principal} ({})", classes.join(", ")));
    }
    rows.into_iter().map(|(operation, gaps)| UncoveredRow { operation: operation.to_owned(), gaps }).collect()
}

/// The authorization matrix of one target.
#[derive(Serialize)]
pub(super) struct Matrix {
    target: String,
    principals: Vec<String>,
    rows: Vec<MatrixRow>,
    cells: usize,
    mismatches: usize,
}

#[derive(Serialize)]
struct MatrixRow {
    operation: String,
    mismatch: bool,
    cells: Vec<Option<Judged>>,
}

#[derive(Serialize)]
struct Judged {
    expected: String,
    observed: String,
    status: u16,
    mismatch: bool,
    /// `allow`, `deny` or `other`: the colour.
    tone: &'static str,
}

/// The matrices, one for each target that has one.
pub(super) fn matrices(report: &RunReport) -> Vec<Matrix> {
    let targets: BTreeSet<_> = report.matrix.iter().map(|cell| cell.target.as_str()).collect();
    targets.into_iter().map(|target| matrix(report, target)).collect()
}

fn matrix(report: &RunReport, target: &str) -> Matrix {
    let cells: Vec<_> = report.matrix.iter().filter(|cell| cell.target == target).collect();
    let by_place: BTreeMap<(&str, &str), &MatrixCell> =
        cells.iter().map(|cell| ((cell.operation.as_str(), cell.principal.as_str()), *cell)).collect();
    // Coverage keeps the order in which the suite tried the principals, the matrix is sorted by name.
    let tried =
        report.coverage.iter().filter(|cell| cell.target == target).map(|cell| cell.principal.as_str());
    let present: BTreeSet<_> = cells.iter().map(|cell| cell.principal.as_str()).collect();
    let mut principals = in_order(tried.chain(present.iter().copied()));
    principals.retain(|principal| present.contains(principal));
    let operations: BTreeSet<_> = cells.iter().map(|cell| cell.operation.as_str()).collect();
    let rows = operations.into_iter().map(|operation| {
        let cells: Vec<_> = principals
            .iter()
            .map(|principal| by_place.get(&(operation, *principal)).map(|cell| judged(cell)))
            .collect();
        let mismatch = cells.iter().flatten().any(|cell| cell.mismatch);
        MatrixRow { operation: operation.to_owned(), mismatch, cells }
    });
    Matrix {
        target: target.to_owned(),
        rows: rows.collect(),
        cells: cells.len(),
        mismatches: cells.iter().filter(|cell| cell.expected != cell.observed).count(),
        principals: principals.into_iter().map(str::to_owned).collect(),
    }
}

fn judged(cell: &MatrixCell) -> Judged {
    Judged {
        expected: cell.expected.clone(),
        observed: cell.observed.clone(),
        status: cell.status,
        mismatch: cell.expected != cell.observed,
        tone: match cell.observed.as_str() {
            "allow" => "allow",
            "forbidden" | "hidden" | "unauthenticated" => "deny",
            _ => "other",
        },
    }
}

/// Each name once, in the order it was first met.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}
