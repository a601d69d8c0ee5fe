//! `junit.xml`: every test, threshold and weakness as a case, for the tools that read nothing else. A target that
//! is not there is a case that was skipped.

use std::time::Duration;

use harness::verdict::Verdict;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::error::ReportError;
use crate::report::{RunReport, Suite, Test};

/// The run as JUnit XML: one `testsuite` for each suite, target and profile.
pub fn junit(report: &RunReport) -> Result<String, ReportError> {
    let mut xml = Report::new(format!("watertight {}", report.run));
    xml.set_time(seconds(report.seconds));
    for suite in &report.suites {
        xml.add_test_suite(test_suite(report, suite));
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

fn test_suite(report: &RunReport, suite: &Suite) -> TestSuite {
    let name = format!("{} {}", suite.title(), suite.target);
    let mut xml = TestSuite::new(text(&name));
    xml.set_time(seconds(suite.seconds));
    xml.add_property(Property::new("run", text(&report.run)));
    xml.add_property(Property::new("seed", text(&report.seed.to_string())));
    xml.add_property(Property::new("partial", text(&(suite.unfinished > 0).to_string())));
    let mut add = |mut case: TestCase| {
        case.set_classname(text(&name));
        xml.add_test_case(case);
    };
    for test in &suite.tests {
        add(test_case(test));
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
