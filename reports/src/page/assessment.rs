//! The security suite's work as a report of a penetration test: in short, scope, method, accepted findings,
//! checklist, and all cases.

use std::collections::BTreeMap;

use harness::record::{Measured, Severity};
use harness::verdict::Verdict;
use serde::Serialize;

use crate::checklist::{self, Answer, Sheet, checklists};
use crate::knowledge::{class, class_of};
use crate::report::{Counts, RunReport, Standing};
use crate::scope::{ClassScope, Scope, scopes};
use crate::text::{grouped, plural};

/// What a reader in a hurry reads, and what was in scope.
#[derive(Serialize)]
pub(super) struct Assessment {
    summary: Vec<String>,
    severities: Vec<SeverityCount>,
    scopes: Vec<ScopeView>,
    method: Vec<Method>,
}

#[derive(Serialize)]
struct SeverityCount {
    severity: &'static str,
    count: usize,
}

#[derive(Serialize)]
struct ScopeView {
    target: String,
    operations: usize,
    attacked: usize,
    principals: Vec<String>,
    cells: u64,
    requests: u64,
    uncovered: usize,
    classes: Vec<ClassRow>,
}

#[derive(Serialize)]
struct ClassRow {
    class: String,
    title: String,
    operations: usize,
    principals: usize,
    cells: u64,
    requests: u64,
    pass: u64,
    fail: u64,
    error: u64,
    skip: u64,
}

#[derive(Serialize)]
struct Method {
    title: &'static str,
    tried: &'static str,
}

/// The assessment, where the security suite ran.
pub(super) fn assessment(report: &RunReport) -> Option<Assessment> {
    let scopes = scopes(report);
    if scopes.is_empty() {
        return None;
    }
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let mut classes: Vec<&str> =
        scopes.iter().flat_map(|scope| &scope.classes).map(|class| class.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let method = classes.into_iter().filter_map(class);
    Some(Assessment {
        summary: summary(report, &scopes),
        severities: severities
            .into_iter()
            .map(|severity| SeverityCount { severity: severity.as_str(), count: count(severity) })
            .collect(),
        method: method.map(|class| Method { title: &class.title, tried: &class.tried }).collect(),
        scopes: scopes.into_iter().map(scope_view).collect(),
    })
}

fn summary(report: &RunReport, scopes: &[Scope]) -> Vec<String> {
    let mut out = Vec::new();
    for scope in scopes {
        out.push(format!(
            "On {}, {} of {} were attacked by {} with {} requests: {} distinct combinations of operation, principal and \
             class were sent.",
            scope.target,
            scope.attacked,
            plural(scope.operations, "operation"),
            plural(scope.principals.len(), "principal"),
            grouped(scope.requests),
            grouped(scope.cells as u64),
        ));
    }
    for suite in report.suites.iter().filter(|suite| suite.suite == "security") {
        if let Some(part) = &suite.part {
            out.push(format!("Of the suite only {part} was run on {}: the rest is not known.", suite.target));
        }
    }
    out.push(match report.findings.first() {
        None => "Nothing was found.".to_owned(),
        Some(worst) => {
            let findings = plural(report.findings.len(), "finding");
            format!("{findings}; the worst is {}.", worst.severity.as_str())
        }
    });
    let accepted = report.accepted_findings();
    if accepted > 0 {
        out.push(format!("{} known and accepted besides.", plural(accepted, "finding")));
    }
    let errors: usize =
        report.suites.iter().filter(|suite| suite.suite == "security").map(|suite| suite.counts.error).sum();
    if errors > 0 {
        out.push(format!(
            "{} could not be observed: nothing is known of what they ask.",
            plural(errors, "check")
        ));
    }
    let uncovered: usize = scopes.iter().map(|scope| scope.uncovered).sum();
    out.push(if uncovered == 0 {
        "Nothing that the contracts demand was left unsent.".to_owned()
    } else {
        let were = if uncovered == 1 { "was" } else { "were" };
        format!("{} that the contracts demand {were} not sent.", plural(uncovered, "combination"))
    });
    out
}

fn scope_view(scope: Scope) -> ScopeView {
    let row = |class_scope: ClassScope| {
        let ClassScope { class: name, operations, principals, cells, requests, counts } = class_scope;
        let Counts { pass, fail, error, skip, disabled } = counts;
        ClassRow {
            title: class(&name).map_or_else(|| name.clone(), |class| class.title.clone()),
            class: name,
            operations,
            principals,
            cells: cells as u64,
            requests,
            pass: pass as u64,
            fail: fail as u64,
            error: error as u64,
            skip: (skip + disabled) as u64,
        }
    };
    ScopeView {
        target: scope.target,
        operations: scope.operations,
        attacked: scope.attacked,
        principals: scope.principals.into_iter().collect(),
        cells: scope.cells as u64,
        requests: scope.requests,
        uncovered: scope.uncovered,
        classes: scope.classes.into_iter().map(row).collect(),
    }
}

/// An accepted finding, and what became of it.
#[derive(Serialize)]
pub(super) struct AcceptedRow {
    id: String,
    title: String,
    severity: &'static str,
    reason: String,
    by: String,
    until: String,
    standing: &'static str,
    /// It fails the run.
    bad: bool,
}

/// The accepted findings.
pub(super) fn accepted(report: &RunReport) -> Vec<AcceptedRow> {
    let rows = report.accepted.iter().map(|accepted| {
        let found = accepted.finding.as_ref();
        let found =
            found.or_else(|| report.findings.iter().find(|finding| finding.id == accepted.entry.finding));
        AcceptedRow {
            id: accepted.entry.finding.clone(),
            title: found.map(|finding| finding.title.clone()).unwrap_or_default(),
            severity: found.map_or("", |finding| finding.severity.as_str()),
            reason: accepted.entry.reason.clone(),
            by: accepted.entry.by.clone(),
            until: accepted.entry.until.to_string(),
            standing: match accepted.standing {
                Standing::Occurs => "occurs, accepted",
                Standing::Expired => "occurs, and the day is over",
                Standing::Gone => "no longer occurs: take the entry out",
                Standing::Untried => "not tried in this run",
            },
            bad: matches!(accepted.standing, Standing::Expired | Standing::Gone),
        }
    });
    rows.collect()
}

/// What was measured.
#[derive(Serialize)]
pub(super) struct MeasuredRow {
    target: String,
    name: String,
    unit: String,
    count: u64,
    values: [String; 4],
    bound: String,
    over: bool,
}

/// The distributions.
pub(super) fn measured(report: &RunReport) -> Vec<MeasuredRow> {
    let row = |measured: &Measured| MeasuredRow {
        target: measured.target.clone(),
        name: measured.name.clone(),
        unit: measured.unit.clone(),
        count: measured.count as u64,
        values: [measured.min, measured.median, measured.p95, measured.max]
            .map(|value| format!("{value:.1}")),
        bound: measured.bound.map_or_else(String::new, |bound| format!("{bound:.1}")),
        over: measured.bound.is_some_and(|bound| measured.max > bound),
    };
    report.measured.iter().map(row).collect()
}

/// The checklist of one target.
#[derive(Serialize)]
pub(super) struct ChecklistView {
    target: String,
    operations: usize,
    sheets: Vec<SheetView>,
}

#[derive(Serialize)]
struct SheetView {
    standard: &'static str,
    met: usize,
    not_met: usize,
    not_tried: usize,
    answers: Vec<AnswerRow>,
}

#[derive(Serialize)]
struct AnswerRow {
    id: String,
    text: String,
    standing: &'static str,
    tone: &'static str,
    classes: String,
    operations: Vec<String>,
    note: String,
}

/// The checklists of all targets.
pub(super) fn checklist(report: &RunReport) -> Vec<ChecklistView> {
    let view = |list: checklist::Checklist| ChecklistView {
        target: list.target,
        operations: list.operations,
        sheets: list.sheets.into_iter().map(sheet).collect(),
    };
    checklists(report).into_iter().map(view).collect()
}

fn sheet(sheet: Sheet) -> SheetView {
    let count =
        |standing| sheet.answers.iter().filter(|answer: &&Answer| answer.standing == standing).count();
    SheetView {
        standard: sheet.standard,
        met: count(checklist::Standing::Met),
        not_met: count(checklist::Standing::NotMet),
        not_tried: count(checklist::Standing::NotTried),
        answers: sheet.answers.into_iter().map(row).collect(),
    }
}

fn row(answer: Answer) -> AnswerRow {
    let classes =
        answer.classes.iter().map(|(class, counts)| format!("{class} {}", grouped(counts.total() as u64)));
    AnswerRow {
        standing: answer.standing.as_str(),
        tone: match answer.standing {
            checklist::Standing::Met => "pass",
            checklist::Standing::NotMet => "fail",
            checklist::Standing::NotTried => "skip",
        },
        classes: classes.collect::<Vec<_>>().join(", "),
        id: answer.id,
        text: answer.text,
        operations: answer.operations.into_iter().collect(),
        note: answer.note,
    }
}

/// All cases of one class on one target.
#[derive(Serialize)]
pub(super) struct CasesOfClass {
    target: String,
    title: String,
    verdict: Verdict,
    count: usize,
    operations: Vec<CasesOfOperation>,
}

#[derive(Serialize)]
struct CasesOfOperation {
    operation: String,
    cases: Vec<CaseView>,
}

#[derive(Serialize)]
struct CaseView {
    variant: String,
    verdict: Verdict,
}

/// The appendix: every case, by class and operation.
pub(super) fn cases(report: &RunReport) -> Vec<CasesOfClass> {
    let mut out = Vec::new();
    for suite in report.suites.iter().filter(|suite| suite.suite == "security") {
        let mut classes: BTreeMap<&str, BTreeMap<&str, Vec<CaseView>>> = BTreeMap::new();
        for test in &suite.tests {
            let name = class_of(&test.test);
            let rest = test.test.strip_prefix(name).unwrap_or_default().trim_start_matches('/');
            let (operation, variant) = rest.split_once('/').unwrap_or((rest, ""));
            let case = CaseView { variant: variant.to_owned(), verdict: test.verdict };
            classes.entry(name).or_default().entry(operation).or_default().push(case);
        }
        out.extend(classes.into_iter().map(|(name, operations)| {
            let all = || operations.values().flatten();
            CasesOfClass {
                target: suite.target.clone(),
                title: class(name).map_or_else(|| name.to_owned(), |class| class.title.clone()),
                verdict: all().map(|case| case.verdict).max().unwrap_or(Verdict::Pass),
                count: all().count(),
                operations: operations
                    .into_iter()
                    .map(|(operation, cases)| CasesOfOperation { operation: operation.to_owned(), cases })
                    .collect(),
            }
        }));
    }
    out
}
