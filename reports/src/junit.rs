//! `junit.xml`: every test, threshold and weakness as a case, for the tools that read nothing else. A target that
//! is not there is a case that was skipped.

use std::time::Duration;

use harness::exchange::curl;
use harness::record::Finding;
use harness::verdict::Verdict;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::checklist::{Sheet, Standing, checklists};
use crate::conclusion::shell_word;
use crate::error::ReportError;
use crate::knowledge::remedy;
use crate::report::{RunReport, Suite, Test};
use crate::scope::scope;
use crate::text::plural;

/// The run as JUnit XML: one `testsuite` for each suite, target and profile.
pub fn junit(report: &RunReport) -> Result<String, ReportError> {
    let mut xml = Report::new(format!("watertight {}", report.run));
    xml.set_time(seconds(report.seconds));
    for suite in &report.suites {
        xml.add_test_suite(test_suite(report, suite));
    }
    for list in checklists(report) {
        for sheet in list.sheets {
            xml.add_test_suite(checklist_suite(&list.target, sheet));
        }
    }
    for absent in &report.absent {
        let name = text(&absent.target);
        let mut suite = TestSuite::new(name.clone());
        let mut case = TestCase::new("the target is there", status(Verdict::Skip, Some(&absent.reason)));
        case.set_classname(name);
        suite.add_test_case(case);
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?)
}

/// What was tried of a standard.
fn checklist_suite(target: &str, sheet: Sheet) -> TestSuite {
    let name = format!("{} {target}", sheet.standard);
    let mut xml = TestSuite::new(text(&name));
    for answer in sheet.answers {
        let classes: Vec<_> = answer.classes.keys().map(String::as_str).collect();
        let (classes, operations) = (classes.join(", "), plural(answer.operations.len(), "operation"));
        let told =
            format!("{}; {}, tried by {classes} on {operations}", answer.standing.as_str(), answer.note);
        let status = match answer.standing {
            Standing::Met => TestCaseStatus::success(),
            Standing::NotMet if answer.open => status(Verdict::Fail, Some(&told)),
            Standing::NotMet => status(Verdict::Skip, Some(&told)),
            Standing::NotTried => status(Verdict::Skip, Some("not tried")),
        };
        let mut case = TestCase::new(text(format!("{} {}", answer.id, answer.text).trim()), status);
        case.set_classname(text(&name));
        xml.add_test_case(case);
    }
    xml
}

/// A finding as a reader of a test tab needs it.
fn told(finding: &Finding) -> String {
    let mut lines = vec![
        format!("{} ({})", finding.title, finding.severity.as_str()),
        format!("CWE-{}, OWASP {}, ASVS {}", finding.cwe, finding.owasp, finding.asvs.join(", ")),
        format!("an attacker gains: {}", finding.gain),
        format!("expected {}, observed {}", finding.expected, finding.observed),
    ];
    lines.extend(remedy(finding.cwe).map(|remedy| format!("to mend it: {}", remedy.hint)));
    lines.push(format!("try it again: watertight rerun {}", shell_word(&finding.id)));
    lines.extend(finding.exchanges.last().map(curl));
    lines.join("\n")
}

fn test_suite(report: &RunReport, suite: &Suite) -> TestSuite {
    let name = format!("{} {}", suite.title(), suite.target);
    let mut xml = TestSuite::new(text(&name));
    xml.set_time(seconds(suite.seconds));
    xml.add_property(Property::new("run", text(&report.run)));
    xml.add_property(Property::new("seed", text(&report.seed.to_string())));
    xml.add_property(Property::new("partial", text(&(suite.unfinished > 0).to_string())));
    if suite.suite == "security" {
        let scope = scope(report, suite);
        for (name, figure) in [
            ("operations", scope.operations),
            ("operations attacked", scope.attacked),
            ("principals", scope.principals.len()),
            ("operation x principal x class", scope.cells),
            ("uncovered", scope.uncovered),
        ] {
            xml.add_property(Property::new(name, text(&figure.to_string())));
        }
    }
    let mut add = |mut case: TestCase| {
        case.set_classname(text(&name));
        xml.add_test_case(case);
    };
    for test in &suite.tests {
        let of_test = |finding: &&Finding| {
            finding.target == suite.target && finding.suite == suite.suite && finding.check == test.test
        };
        let mut case = test_case(test);
        if let Some(finding) = report.holes().find(of_test) {
            case.set_system_out(text(&told(finding)));
        }
        add(case);
    }
    let recorded = |name: &str| suite.tests.iter().any(|test| test.test == name);
    for load in &suite.loads {
        for threshold in load.thresholds.iter().filter(|threshold| !recorded(&threshold.rule)) {
            let verdict = if threshold.pass { Verdict::Pass } else { Verdict::Fail };
            let reason = format!("expected {}, observed {}", threshold.rule, threshold.observed);
            add(TestCase::new(text(&threshold.rule), status(verdict, Some(&reason))));
        }
    }
    let weaknesses = report.weaknesses.iter().filter(|weakness| {
        weakness.suite == suite.suite && weakness.target() == suite.target && !recorded(&weakness.result.id)
    });
    for weakness in weaknesses {
        let result = &weakness.result;
        let reason = if weakness.is_clean() {
            format!("false alarm on the clean service: {}", result.caught_by.join(", "))
        } else if !result.blind.is_empty() {
            format!("not judged: {}", result.blind.join("; "))
        } else {
            format!(
                "survived: expected {} to fail under it; an attacker gains: {}",
                result.expected.join(", "),
                result.gain
            )
        };
        let mut case = TestCase::new(text(&result.id), status(weakness.verdict(), Some(&reason)));
        case.set_time(seconds(result.seconds));
        add(case);
    }
    xml
}

fn test_case(test: &Test) -> TestCase {
    let mut case = TestCase::new(text(&test.test), status(test.verdict, test.reason.as_deref()));
    case.set_time(seconds(test.seconds));
    if test.verdict >= Verdict::Fail && !test.steps.is_empty() {
        let story: Vec<_> = test
            .steps
            .iter()
            .map(|step| format!("{}: {} {}", step.verdict, step.title, step.exchanges.join(" ")))
            .collect();
        case.set_system_out(text(&story.join("\n")));
    }
    case
}

fn status(verdict: Verdict, reason: Option<&str>) -> TestCaseStatus {
    let (mut status, otherwise) = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => (TestCaseStatus::non_success(NonSuccessKind::Failure), "failed"),
        Verdict::Error => (TestCaseStatus::non_success(NonSuccessKind::Error), "could not be observed"),
        Verdict::Skip => (TestCaseStatus::skipped(), "skipped"),
        Verdict::Disabled => (TestCaseStatus::skipped(), "disabled: the target has no such route"),
    };
    status.set_message(text(reason.unwrap_or(otherwise)));
    status.set_type(verdict.as_str());
    status
}

/// Characters that XML does not allow at all are dropped; what else means something is escaped on writing.
fn text(text: &str) -> XmlString {
    XmlString::new(text.replace(['\u{fffe}', '\u{ffff}'], ""))
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
