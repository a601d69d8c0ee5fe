//! What a command prints when it is done.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};

use crate::conclusion::{headline, sentences};
use crate::report::RunReport;
use crate::run_json::weaknesses_by_target;
use crate::scope::scopes;
use crate::text::{duration, line, plural, short, word};

/// So many findings and failed tests are named; the page has the rest.
const FINDINGS: usize = 3;
const FAILURES: usize = 10;
/// A line longer than this wraps in a usual terminal.
const WIDTH: usize = 100;

/// A short table, the verdict, the worst findings, the failed tests. Plain text, ends with a line feed.
pub fn terminal_summary(report: &RunReport) -> String {
    let mut out = String::new();
    if !report.suites.is_empty() {
        let _ = writeln!(out, "{}\n", table(report).trim_fmt());
    }
    let _ = writeln!(out, "{}", headline(report));
    for sentence in sentences(report) {
        let _ = writeln!(out, "  {sentence}");
    }
    if report.findings.len() > 1 {
        out.push('\n');
        for finding in report.findings.iter().take(FINDINGS) {
            let title = short(&line(&finding.title), WIDTH);
            let _ = writeln!(out, "  {:<8}  {title}", finding.severity.as_str());
        }
        more(&mut out, report.findings.len(), FINDINGS, "finding");
    }
    let troubled: Vec<_> = report.troubled().collect();
    if !troubled.is_empty() {
        out.push('\n');
        for (suite, test) in troubled.iter().take(FAILURES) {
            let (verdict, title, target) = (word(test.verdict), suite.title(), line(&suite.target));
            let _ = writeln!(out, "  {verdict:<8}  {} {target}: {}", line(&title), line(&test.test));
            if let Some(reason) = &test.reason {
                let _ = writeln!(out, "            {}", short(&line(reason), WIDTH));
            }
        }
        more(&mut out, troubled.len(), FAILURES, "test");
    }
    for (suite, load) in
        report.suites.iter().flat_map(|suite| suite.loads.iter().map(move |load| (suite, load)))
    {
        for threshold in load.thresholds.iter().filter(|threshold| !threshold.pass) {
            let (rule, observed) = (line(&threshold.rule), line(&threshold.observed));
            let _ = writeln!(
                out,
                "\n  failed    {} {}: {rule}, observed {observed}",
                suite.title(),
                line(&suite.target)
            );
        }
    }
    scope(&mut out, report);
    let seeded: Vec<_> = weaknesses_by_target(report).into_iter().filter(|of| of.total > 0).collect();
    for (at, of) in seeded.iter().enumerate() {
        let (weaknesses, target) = (plural(of.total, "weakness"), line(&of.target));
        let apart = if at == 0 { "\n" } else { "" };
        let _ = write!(out, "{apart}killed {} of {weaknesses} on {target}", of.killed);
        if of.survived.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, ", survived: {}", line(&of.survived.join(", ")));
        }
    }
    out
}

/// What the security suite sent, and by name what it should have sent and did not.
fn scope(out: &mut String, report: &RunReport) {
    for (at, scope) in scopes(report).iter().enumerate() {
        let apart = if at == 0 { "\n" } else { "" };
        let uncovered = match scope.uncovered {
            0 => "nothing uncovered".to_owned(),
            some => format!("{some} uncovered"),
        };
        let _ = writeln!(
            out,
            "{apart}sent to {}: {} distinct operation x principal x class, {} of {} attacked, {uncovered}",
            line(&scope.target),
            scope.cells,
            scope.attacked,
            plural(scope.operations, "operation")
        );
        let gaps: Vec<_> = report.uncovered.iter().filter(|gap| gap.target == scope.target).collect();
        for gap in gaps.iter().take(FAILURES) {
            let (operation, principal) = (line(&gap.operation), line(&gap.principal));
            let _ = writeln!(out, "  uncovered  {operation} as {principal} ({})", gap.class.as_str());
        }
        more(out, gaps.len(), FAILURES, "gap");
    }
}

fn table(report: &RunReport) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["suite", "target", "pass", "fail", "skip", "error", "time"]);
    for suite in &report.suites {
        let counts = suite.counts;
        table.add_row([
            line(&suite.title()),
            line(&suite.target),
            counts.pass.to_string(),
            counts.fail.to_string(),
            // One column for what was not to be checked; the page tells the two apart.
            (counts.skip + counts.disabled).to_string(),
            counts.error.to_string(),
            duration(suite.seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn more(out: &mut String, all: usize, shown: usize, what: &str) {
    if all > shown {
        let _ = writeln!(out, "  and {}", plural(all - shown, &format!("more {what}")));
    }
}
