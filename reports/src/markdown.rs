//! `summary.md`: what a pipeline's job page shows.

use std::fmt::Write as _;

use harness::record::Severity;
use harness::verdict::Exit;

use crate::checklist::{Standing, checklists};
use crate::conclusion::{headline, reproduce, sentence, shell_word};
use crate::knowledge::remedy;
use crate::report::RunReport;
use crate::run_json::weaknesses_by_target;
use crate::scope::scopes;
use crate::text::{duration, line, plural, short, word};

/// Longer lists are cut, and say so: a job page has a limit, and a reader too.
const ROWS: usize = 50;

/// The run as Markdown.
pub fn summary(report: &RunReport) -> String {
    let mut out = String::new();
    let icon = match report.exit {
        Exit::Pass => "✅",
        Exit::Findings => "❌",
        Exit::Trouble => "⚠️",
    };
    let _ = writeln!(
        out,
        "# {icon} Watertight: {}\n\n{}\n",
        headline(report).to_lowercase(),
        escaped(&sentence(report))
    );
    let _ = writeln!(
        out,
        "Run {}, seed {}, {}, {} {}.\n",
        code(&report.run),
        code(&report.seed.to_string()),
        duration(report.seconds),
        if report.targets.len() == 1 { "target" } else { "targets" },
        report.targets.iter().map(|target| escaped(target)).collect::<Vec<_>>().join(", "),
    );
    suites(&mut out, report);
    scope(&mut out, report);
    findings(&mut out, report);
    accepted(&mut out, report);
    failures(&mut out, report);
    checklist(&mut out, report);
    measured(&mut out, report);
    thresholds(&mut out, report);
    weaknesses(&mut out, report);
    let _ = writeln!(out, "To replay: {}", code(&reproduce(report)));
    out
}

fn suites(out: &mut String, report: &RunReport) {
    if report.suites.is_empty() {
        return;
    }
    out.push_str("| suite | target | verdict | pass | fail | error | skip | disabled | time |\n");
    out.push_str("|---|---|---|--:|--:|--:|--:|--:|--:|\n");
    for suite in &report.suites {
        let counts = suite.counts;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            escaped(&suite.title()),
            escaped(&suite.target),
            word(suite.verdict),
            counts.pass,
            counts.fail,
            counts.error,
            counts.skip,
            counts.disabled,
            duration(suite.seconds),
        );
    }
    out.push('\n');
}

/// Operations, principals and classes, as they were sent.
fn scope(out: &mut String, report: &RunReport) {
    let scopes = scopes(report);
    if scopes.is_empty() {
        return;
    }
    out.push_str("## What was attacked\n\n");
    out.push_str(
        "| target | class | operations | principals | distinct | requests | pass | fail | error | skip |\n",
    );
    out.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for scope in &scopes {
        let target = escaped(&scope.target);
        for class in &scope.classes {
            let counts = class.counts;
            let _ = writeln!(
                out,
                "| {target} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                escaped(&class.class),
                class.operations,
                class.principals,
                class.cells,
                class.requests,
                counts.pass,
                counts.fail,
                counts.error,
                counts.skip + counts.disabled,
            );
        }
        let uncovered = match scope.uncovered {
            0 => "nothing uncovered".to_owned(),
            some => format!("**{some} uncovered**"),
        };
        let _ = writeln!(
            out,
            "| {target} | all, {uncovered} | {} of {} | {} | {} | {} | | | | |",
            scope.attacked,
            scope.operations,
            scope.principals.len(),
            scope.cells,
            scope.requests,
        );
    }
    out.push('\n');
    if report.uncovered.is_empty() {
        return;
    }
    out.push_str("| not covered | target | principal | class |\n|---|---|---|---|\n");
    for gap in report.uncovered.iter().take(ROWS) {
        let (operation, target) = (escaped(&gap.operation), escaped(&gap.target));
        let _ = writeln!(
            out,
            "| {operation} | {target} | {} | {} |",
            escaped(&gap.principal),
            gap.class.as_str()
        );
    }
    rest(out, report.uncovered.len());
}

/// The findings that were known.
fn accepted(out: &mut String, report: &RunReport) {
    if report.accepted.is_empty() {
        return;
    }
    out.push_str(
        "## Accepted findings\n\n| finding | standing | why | by | until |\n|---|---|---|---|---|\n",
    );
    for accepted in report.accepted.iter().take(ROWS) {
        let entry = &accepted.entry;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(&entry.finding),
            accepted.standing.as_str(),
            escaped(&entry.reason),
            escaped(&entry.by),
            entry.until,
        );
    }
    rest(out, report.accepted.len());
}

/// What was tried of the standards; what was not is counted.
fn checklist(out: &mut String, report: &RunReport) {
    for list in checklists(report) {
        let _ = writeln!(out, "## Checklist: {}\n", escaped(&list.target));
        out.push_str("| requirement | verdict | tried by | operations |\n|---|---|---|--:|\n");
        let mut untried = 0;
        for sheet in &list.sheets {
            for answer in &sheet.answers {
                if answer.standing == Standing::NotTried && answer.classes.is_empty() {
                    untried += 1;
                    continue;
                }
                let verdict = match answer.standing {
                    Standing::NotMet => "**not met**".to_owned(),
                    other => other.as_str().to_owned(),
                };
                let note = match answer.note.as_str() {
                    "" => String::new(),
                    note => format!(" ({})", escaped(note)),
                };
                let classes: Vec<_> = answer.classes.keys().map(String::as_str).collect();
                let _ = writeln!(
                    out,
                    "| {} {} | {verdict}{note} | {} | {} of {} |",
                    escaped(&answer.id),
                    escaped(&answer.text),
                    escaped(&classes.join(", ")),
                    answer.operations.len(),
                    list.operations,
                );
            }
        }
        let standards: Vec<_> = list.sheets.iter().map(|sheet| sheet.standard).collect();
        let _ = writeln!(
            out,
            "\nOf {}, {} no check names: not tried.\n",
            standards.join(" and "),
            plural(untried, "requirement")
        );
    }
}

/// The distributions.
fn measured(out: &mut String, report: &RunReport) {
    if report.measured.is_empty() {
        return;
    }
    out.push_str(
        "## Measured\n\n| what | target | samples | least | median | 95 of 100 | most | allowed |\n",
    );
    out.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
    for measured in report.measured.iter().take(ROWS) {
        let unit = escaped(&measured.unit);
        let figure = |value: f64| format!("{value:.1} {unit}");
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            escaped(&measured.name),
            escaped(&measured.target),
            measured.count,
            figure(measured.min),
            figure(measured.median),
            figure(measured.p95),
            figure(measured.max),
            measured.bound.map(figure).unwrap_or_default(),
        );
    }
    rest(out, report.measured.len());
}

fn findings(out: &mut String, report: &RunReport) {
    if report.findings.is_empty() {
        return;
    }
    out.push_str("## Findings\n\n| severity | finding | operation | target | refers to | try it again |\n");
    out.push_str("|---|---|---|---|---|---|\n");
    for finding in report.findings.iter().take(ROWS) {
        let severity = match finding.severity {
            Severity::Critical => "**critical**",
            other => other.as_str(),
        };
        let mut references = vec![format!("CWE-{}", finding.cwe), finding.owasp.clone()];
        references.extend(finding.asvs.iter().map(|requirement| format!("ASVS {requirement}")));
        references.retain(|reference| !reference.is_empty());
        let _ = writeln!(
            out,
            "| {severity} | {}<br>{}{} | {} | {} | {} | {} |",
            escaped(&finding.title),
            escaped(&finding.gain),
            remedy(finding.cwe).map(|remedy| format!("<br>To mend it: {}", remedy.hint)).unwrap_or_default(),
            escaped(&finding.operation),
            escaped(&finding.target),
            escaped(&references.join(", ")),
            code(&format!("watertight rerun {}", shell_word(&finding.id))),
        );
    }
    rest(out, report.findings.len());
}

fn failures(out: &mut String, report: &RunReport) {
    let troubled: Vec<_> = report.troubled().collect();
    if troubled.is_empty() {
        return;
    }
    out.push_str(
        "## Failed and not observed\n\n| suite | target | test | verdict | reason |\n|---|---|---|---|---|\n",
    );
    for (suite, test) in troubled.iter().take(ROWS) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            escaped(&suite.title()),
            escaped(&suite.target),
            code(&test.test),
            word(test.verdict),
            escaped(&short(test.reason.as_deref().unwrap_or_default(), 300)),
        );
    }
    rest(out, troubled.len());
}

fn thresholds(out: &mut String, report: &RunReport) {
    let loads: Vec<_> = report.suites.iter().flat_map(|suite| &suite.loads).collect();
    if loads.is_empty() {
        return;
    }
    out.push_str("## Thresholds\n\n| load | target | rule | observed | holds |\n|---|---|---|--:|---|\n");
    for load in loads {
        for threshold in &load.thresholds {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                escaped(&load.result.profile),
                escaped(&load.result.target),
                code(&threshold.rule),
                escaped(&threshold.observed),
                if threshold.pass { "yes" } else { "**no**" },
            );
        }
    }
    out.push('\n');
}

fn weaknesses(out: &mut String, report: &RunReport) {
    if report.weaknesses.is_empty() {
        return;
    }
    out.push_str("## Weaknesses\n\n");
    for of in weaknesses_by_target(report) {
        let alarms = match of.alarms {
            0 => "no alarm on the clean service".to_owned(),
            some => format!("{} on the clean service", plural(some, "false alarm")),
        };
        let _ = writeln!(out, "- {}: killed {} of {}, {alarms}", escaped(&of.target), of.killed, of.total);
    }
    out.push('\n');
    let survivors: Vec<_> = report.survivors().collect();
    if survivors.is_empty() {
        return;
    }
    out.push_str("| survived | target | what an attacker gains |\n|---|---|---|\n");
    for weakness in survivors.iter().take(ROWS) {
        let (id, target) = (code(&weakness.result.id), escaped(weakness.target()));
        let _ = writeln!(out, "| {id} | {target} | {} |", escaped(&weakness.result.gain));
    }
    rest(out, survivors.len());
}

/// Ends a table, and says how much of it is missing.
fn rest(out: &mut String, all: usize) {
    out.push('\n');
    if all > ROWS {
        let _ = writeln!(out, "…and {} more, in `index.html`.\n", all - ROWS);
    }
}

/// Text that is shown as it is: neither markup nor the end of a table's cell, and no HTML.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in line(text).chars() {
        match c {
            '*' | '_' | '~' | '#' | '!' | '$' => out.extend(['\\', c]),
            // The bar ends a cell and the backslash escapes; a colon or an at makes a link of an address.
            '&' | '<' | '>' | '\\' | '`' | '[' | ']' | '|' | ':' | '@' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            _ => out.push(c),
        }
    }
    out.replace("www.", "www&#46;").replace("&#58; ", ": ")
}

/// Text as code. A code span can hold neither its own mark nor, in a table, a bar; such text is HTML, where
/// everything can be escaped.
fn code(text: &str) -> String {
    let text = line(text);
    if !text.is_empty() && !text.contains(['`', '|']) {
        return format!("`{text}`");
    }
    let mut out = String::from("<code>");
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            let _ = write!(out, "&#{};", c as u32);
        } else {
            out.push(c);
        }
    }
    out.push_str("</code>");
    out
}
