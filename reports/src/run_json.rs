//! `run.json`: the stable shape that scripts read, see `run.schema.json`.

use std::collections::BTreeSet;

use harness::exchange::Class;
use harness::record::{Absent, Finding, Measured, Threshold};
use harness::verdict::Verdict;
use serde::Serialize;
use time::OffsetDateTime;

use crate::report::{Acceptance, RunReport, Suite, Weakness};
use crate::scope::{ClassScope, scope};

/// The whole file.
#[derive(Clone, Debug, Serialize)]
pub struct RunJson {
    /// The run's id.
    pub run: String,
    /// The seed, 16 hexadecimal digits.
    pub seed: String,
    /// When the run began, RFC 3339, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// Wall time.
    pub seconds: f64,
    /// A process did not reach its end.
    pub partial: bool,
    /// The worst of everything observed.
    pub verdict: Verdict,
    /// Names.
    pub targets: Vec<String>,
    /// Targets that were asked for and are not there.
    pub absent: Vec<Absent>,
    /// By suite, target and profile.
    pub suites: Vec<SuiteEntry>,
    /// Worst first; those that are accepted stand apart.
    pub findings: Vec<FindingEntry>,
    /// Accepted findings, and what became of them.
    pub accepted: Vec<AcceptedEntry>,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// The kill matrix in figures.
    pub weaknesses: WeaknessesEntry,
}

/// A suite against a target.
#[derive(Clone, Debug, Serialize)]
pub struct SuiteEntry {
    /// `integration`, `security`, `load`, `mutants`.
    pub suite: String,
    /// The target's name.
    pub target: String,
    /// The load profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The stores the target stood on.
    pub stores: Vec<String>,
    /// The worst of what is counted.
    pub verdict: Verdict,
    /// How many passed.
    pub pass: usize,
    /// How many failed.
    pub fail: usize,
    /// How many lacked a capability of the target.
    pub skip: usize,
    /// How many had no route to check.
    pub disabled: usize,
    /// How many could not be observed.
    pub error: usize,
    /// Wall time.
    pub seconds: f64,
    /// What the security suite adds.
    #[serde(flatten)]
    pub security: Option<SecurityFigures>,
    /// What the load suite adds.
    #[serde(flatten)]
    pub load: Option<LoadFigures>,
}

/// What the security suite adds.
#[derive(Clone, Debug, Serialize)]
pub struct SecurityFigures {
    /// Operations of the contract.
    pub operations: usize,
    /// Principals that sent at least one request.
    pub principals: usize,
    /// Requests sent.
    pub requests: u64,
    /// Distinct (operation, principal, class) sent, of attacks.
    pub cells: usize,
    /// The classes of attack, with what was sent and what their checks came to.
    pub classes: Vec<ClassEntry>,
    /// What the contract demands and no request covered.
    pub uncovered: Vec<UncoveredEntry>,
}

/// One class of attack.
#[derive(Clone, Debug, Serialize)]
pub struct ClassEntry {
    /// Its name.
    pub class: String,
    /// Operations it was tried on.
    pub operations: usize,
    /// Principals who tried it.
    pub principals: usize,
    /// Distinct (operation, principal) sent.
    pub cells: usize,
    /// Requests sent.
    pub requests: u64,
    /// How many of its checks passed.
    pub pass: usize,
    /// How many failed.
    pub fail: usize,
    /// How many were skipped.
    pub skip: usize,
    /// How many could not be observed.
    pub error: usize,
}

impl From<ClassScope> for ClassEntry {
    fn from(scope: ClassScope) -> ClassEntry {
        let ClassScope { class, operations, principals, cells, requests, counts } = scope;
        let (pass, fail, error) = (counts.pass, counts.fail, counts.error);
        let skip = counts.skip + counts.disabled;
        ClassEntry { class, operations, principals, cells, requests, pass, fail, skip, error }
    }
}

/// What the contract demands and no request covered.
#[derive(Clone, Debug, Serialize)]
pub struct UncoveredEntry {
    /// The operation.
    pub operation: String,
    /// The principal's label.
    pub principal: String,
    /// The class.
    pub class: Class,
}

/// What the load suite adds.
#[derive(Clone, Debug, Serialize)]
pub struct LoadFigures {
    /// Requests sent.
    pub requests: u64,
    /// Requests per second.
    pub rps: f64,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 95th percentile, milliseconds.
    pub p95_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// Failures among the requests, 0 to 1.
    pub error_rate: f64,
    /// Responses with another tenant's data.
    pub leaks: u64,
    /// The rules and what was observed.
    pub thresholds: Vec<Threshold>,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingEntry {
    /// What `watertight rerun` takes.
    pub id: String,
    /// One sentence.
    pub title: String,
    /// The check's path.
    pub check: String,
    /// The operation attacked.
    pub operation: String,
    /// The target's name.
    pub target: String,
    /// `low`, `medium`, `high`, `critical`.
    pub severity: &'static str,
    /// The number alone.
    pub cwe: u32,
    /// `API1`.
    pub owasp: String,
    /// `8.2.2`.
    pub asvs: Vec<String>,
    /// What an attacker gains.
    pub gain: String,
    /// What had to happen.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// Ids of the exchanges that show it.
    pub exchanges: Vec<String>,
}

impl From<&Finding> for FindingEntry {
    fn from(finding: &Finding) -> FindingEntry {
        FindingEntry {
            id: finding.id.clone(),
            title: finding.title.clone(),
            check: finding.check.clone(),
            operation: finding.operation.clone(),
            target: finding.target.clone(),
            severity: finding.severity.as_str(),
            cwe: finding.cwe,
            owasp: finding.owasp.clone(),
            asvs: finding.asvs.clone(),
            gain: finding.gain.clone(),
            expected: finding.expected.clone(),
            observed: finding.observed.clone(),
            exchanges: finding.exchanges.iter().map(|exchange| exchange.id.clone()).collect(),
        }
    }
}

/// An accepted finding.
#[derive(Clone, Debug, Serialize)]
pub struct AcceptedEntry {
    /// The finding's id.
    pub id: String,
    /// The target's name.
    pub target: String,
    /// `occurs`, `expired`, `gone`, `untried`.
    pub standing: &'static str,
    /// Why it may stay.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// The last day.
    pub until: String,
    /// The finding, where it occurs and is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingEntry>,
}

impl From<&Acceptance> for AcceptedEntry {
    fn from(accepted: &Acceptance) -> AcceptedEntry {
        let entry = &accepted.entry;
        AcceptedEntry {
            id: entry.finding.clone(),
            target: entry.target.clone(),
            standing: accepted.standing.as_str(),
            reason: entry.reason.clone(),
            by: entry.by.clone(),
            until: entry.until.to_string(),
            finding: accepted.finding.as_ref().map(FindingEntry::from),
        }
    }
}

/// The kill matrix in figures.
#[derive(Clone, Debug, Serialize)]
pub struct WeaknessesEntry {
    /// Weaknesses seeded.
    pub total: usize,
    /// Noticed by a check that was named beforehand.
    pub killed: usize,
    /// The ids of the others.
    pub survived: Vec<String>,
    /// Checks that failed on a clean service.
    pub alarms: usize,
    /// The same for each target by itself: ids are unique within a target.
    pub targets: Vec<TargetWeaknessesEntry>,
}

/// The kill matrix of one target in figures.
#[derive(Clone, Debug, Serialize)]
pub struct TargetWeaknessesEntry {
    /// The target's name.
    pub target: String,
    /// Weaknesses seeded in it.
    pub total: usize,
    /// Noticed by a check that was named beforehand.
    pub killed: usize,
    /// The ids of the others.
    pub survived: Vec<String>,
    /// Checks that failed on it without a weakness.
    pub alarms: usize,
}

impl TargetWeaknessesEntry {
    /// The figures of some weaknesses of one target.
    pub(crate) fn of(target: &str, weaknesses: &[&Weakness]) -> TargetWeaknessesEntry {
        let total = weaknesses.iter().filter(|weakness| !weakness.is_clean()).count();
        let survivors = weaknesses.iter().filter(|weakness| weakness.survived());
        let survived: Vec<_> = survivors.map(|weakness| weakness.result.id.clone()).collect();
        TargetWeaknessesEntry {
            target: target.to_owned(),
            total,
            killed: total - survived.len(),
            survived,
            alarms: weaknesses.iter().map(|weakness| weakness.alarms()).sum(),
        }
    }
}

/// The stable shape of a run.
pub fn run_json(report: &RunReport) -> RunJson {
    let survived: Vec<_> = report.survivors().map(|weakness| weakness.result.id.clone()).collect();
    let total = report.seeded().count();
    RunJson {
        run: report.run.clone(),
        seed: report.seed.to_string(),
        started: report.started,
        seconds: rounded(report.seconds),
        partial: report.partial,
        verdict: report.verdict,
        targets: report.targets.clone(),
        absent: report.absent.clone(),
        suites: report.suites.iter().map(|suite| entry(report, suite)).collect(),
        findings: report.findings.iter().map(FindingEntry::from).collect(),
        accepted: report.accepted.iter().map(AcceptedEntry::from).collect(),
        measured: report.measured.clone(),
        weaknesses: WeaknessesEntry {
            total,
            killed: total - survived.len(),
            survived,
            alarms: report.alarms(),
            targets: weaknesses_by_target(report),
        },
    }
}

/// The kill matrix in figures, target by target.
pub(crate) fn weaknesses_by_target(report: &RunReport) -> Vec<TargetWeaknessesEntry> {
    let by_target = report.weaknesses_by_target();
    by_target.iter().map(|(target, weaknesses)| TargetWeaknessesEntry::of(target, weaknesses)).collect()
}

fn entry(report: &RunReport, suite: &Suite) -> SuiteEntry {
    SuiteEntry {
        suite: suite.suite.clone(),
        target: suite.target.clone(),
        profile: suite.profile.clone(),
        stores: suite.stores.clone(),
        verdict: suite.verdict,
        pass: suite.counts.pass,
        fail: suite.counts.fail,
        skip: suite.counts.skip,
        disabled: suite.counts.disabled,
        error: suite.counts.error,
        seconds: rounded(suite.seconds),
        security: (suite.suite == "security").then(|| security_figures(report, suite)),
        load: (suite.suite != "security" && !suite.loads.is_empty()).then(|| load_figures(suite)),
    }
}

/// What the security suite sent, in figures.
pub(crate) fn security_figures(report: &RunReport, suite: &Suite) -> SecurityFigures {
    let sent = || {
        let cells = report.coverage.iter().filter(|cell| cell.requests > 0);
        cells.filter(|cell| cell.suite == suite.suite && cell.target == suite.target)
    };
    let scope = scope(report, suite);
    let uncovered = report.uncovered.iter().filter(|gap| gap.target == suite.target);
    SecurityFigures {
        operations: suite.operations,
        principals: sent().map(|cell| &cell.principal).collect::<BTreeSet<_>>().len(),
        requests: scope.requests,
        cells: scope.cells,
        classes: scope.classes.into_iter().map(ClassEntry::from).collect(),
        uncovered: uncovered
            .map(|gap| UncoveredEntry {
                operation: gap.operation.clone(),
                principal: gap.principal.clone(),
                class: gap.class,
            })
            .collect(),
    }
}

/// One profile is measured once in a run; where it was measured again, requests add up and the worse
/// percentile counts.
pub(crate) fn load_figures(suite: &Suite) -> LoadFigures {
    let results = || suite.loads.iter().map(|load| &load.result);
    let worst = |of: fn(&harness::record::Latency) -> f64| {
        rounded(results().map(|result| of(&result.latency)).fold(0.0, f64::max))
    };
    let requests: u64 = results().map(|result| result.requests).sum();
    let failures: u64 = results().map(|result| result.failures).sum();
    LoadFigures {
        requests,
        rps: rounded(ratio(requests, results().map(|result| result.seconds).sum())),
        p50_ms: worst(|latency| latency.p50_ms),
        p95_ms: worst(|latency| latency.p95_ms),
        p99_ms: worst(|latency| latency.p99_ms),
        error_rate: share(failures, requests),
        leaks: results().map(|result| result.leaks).sum(),
        thresholds: suite.loads.iter().flat_map(|load| load.thresholds.iter().cloned()).collect(),
    }
}

/// A count over something, 0 where that is nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^52")]
pub(crate) fn ratio(count: u64, over: f64) -> f64 {
    if over > 0.0 { count as f64 / over } else { 0.0 }
}

/// A part of a whole, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^52")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    ratio(part, whole as f64)
}

/// Three decimals: milliseconds, where the unit is the second.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
