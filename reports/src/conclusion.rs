//! What a run's verdict means, in a sentence, and how to see it again.

use harness::verdict::{Exit, Verdict};

use crate::report::RunReport;
use crate::text::{line, plural};

/// The verdict as a headline. A hole is named first, also where the harness had trouble of its own.
pub(crate) fn headline(report: &RunReport) -> &'static str {
    match (report.exit, report.verdict) {
        (Exit::Pass, _) => "Passed",
        (Exit::Findings, Verdict::Error) => "Failed, and not everything was observed",
        (Exit::Findings, _) => "Failed",
        (Exit::Trouble, _) if nothing_observed(report) => "Nothing observed",
        (Exit::Trouble, _) => "Not proven",
    }
}

/// What a reader must know, in a line.
pub(crate) fn sentence(report: &RunReport) -> String {
    sentences(report).join(" ")
}

/// What a reader must know, worst first.
pub(crate) fn sentences(report: &RunReport) -> Vec<String> {
    let counts = report.counts();
    let mut parts = Vec::new();
    if let Some(worst) = report.findings.first() {
        let findings = plural(report.findings.len(), "finding");
        let lead = if report.findings.len() == 1 { "it is" } else { "the worst is" };
        let title = line(&worst.title);
        parts.push(format!(
            "{findings}; {lead} {}: {}.",
            worst.severity.as_str(),
            title.trim_end_matches('.')
        ));
    }
    let accepted = report.accepted_findings();
    if accepted > 0 {
        let they = if accepted == 1 { "is accepted and does" } else { "are accepted and do" };
        parts.push(format!("{} {they} not fail the run.", plural(accepted, "known finding")));
    }
    if report.leaks() > 0 {
        let leaks = usize::try_from(report.leaks()).unwrap_or(usize::MAX);
        parts.push(format!("{} under load carried another tenant's data.", plural(leaks, "response")));
    }
    let survivors = report.survivors().count();
    if survivors > 0 {
        let seeded = report.seeded().count();
        let them = if survivors == 1 { "1 went" } else { &format!("{survivors} went") };
        parts.push(format!("Of {}, {them} unnoticed.", plural(seeded, "seeded weakness")));
    }
    if report.alarms() > 0 {
        parts.push(format!("{} on a clean service.", plural(report.alarms(), "false alarm")));
    }
    if counts.fail > 0 {
        parts.push(format!("{} failed.", plural(counts.fail, "check")));
    }
    if nothing_observed(report) {
        parts.push("No check passed or failed, so the run proves nothing.".to_owned());
    }
    if counts.error > 0 {
        let them = plural(counts.error, "check");
        parts.push(format!("{them} could not be observed, which is never a pass."));
    }
    if report.exit == Exit::Pass {
        parts.push(format!("{} passed, none failed.", plural(counts.pass, "check")));
    }
    if counts.skip > 0 {
        parts.push(format!("{} skipped for want of a capability.", plural(counts.skip, "check")));
    }
    if counts.disabled > 0 {
        let them = plural(counts.disabled, "check");
        parts.push(format!("{them} disabled: the target does not serve or promise what they ask for."));
    }
    for absent in &report.absent {
        let (target, reason) = (line(&absent.target), line(&absent.reason));
        parts.push(format!("{target} was skipped: {}.", reason.trim_end_matches('.')));
    }
    if report.suites.iter().any(|suite| suite.part.is_some()) {
        parts.push("Only a part of the suite was asked for.".to_owned());
    }
    if report.partial {
        parts.push("A process did not reach its end, so the run is incomplete.".to_owned());
    }
    parts
}

/// The command that replays the run with its seed.
pub(crate) fn reproduce(report: &RunReport) -> String {
    let mut commands: Vec<String> = report
        .suites
        .iter()
        .map(|suite| match (suite.suite.as_str(), &suite.profile) {
            ("integration", _) => "cargo test -p suites-integration".to_owned(),
            ("load", Some(profile)) => format!("make load PROFILE={}", shell_word(profile)),
            ("security" | "load" | "mutants", _) => format!("make {}", suite.suite),
            _ => "make demo".to_owned(),
        })
        .collect();
    commands.dedup();
    let command = match commands.as_slice() {
        [one] => one,
        _ => "make demo",
    };
    format!("WATERTIGHT_SEED={} {command}", report.seed)
}

/// A name as one word of a command line.
pub(crate) fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

fn nothing_observed(report: &RunReport) -> bool {
    let counts = report.counts();
    counts.pass + counts.fail == 0 && report.findings.is_empty()
}
