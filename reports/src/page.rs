//! `index.html`: the whole run on one page that needs nothing but itself.
//!
//! Everything a target sent is hostile: templates escape every value, and the page's own policy lets no
//! script run but the one it was rendered with, so that a mistake here stays text as well.

mod assessment;
mod coverage;
mod evidence;
mod load;
mod overview;
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::ReportError;
use crate::report::RunReport;
use crate::text;

const STYLE: &str = include_str!("../templates/style.css");
const SCRIPT: &str = include_str!("../templates/script.js");

const TEMPLATES: [(&str, &str); 20] = [
    ("page.html", include_str!("../templates/page.html")),
    ("macros.html", include_str!("../templates/macros.html")),
    ("icons.html", include_str!("../templates/icons.html")),
    ("verdict.html", include_str!("../templates/verdict.html")),
    ("suites.html", include_str!("../templates/suites.html")),
    ("assessment.html", include_str!("../templates/assessment.html")),
    ("findings.html", include_str!("../templates/findings.html")),
    ("accepted.html", include_str!("../templates/accepted.html")),
    ("failures.html", include_str!("../templates/failures.html")),
    ("coverage.html", include_str!("../templates/coverage.html")),
    ("matrix.html", include_str!("../templates/matrix.html")),
    ("checklist.html", include_str!("../templates/checklist.html")),
    ("measured.html", include_str!("../templates/measured.html")),
    ("flows.html", include_str!("../templates/flows.html")),
    ("skipped.html", include_str!("../templates/skipped.html")),
    ("weaknesses.html", include_str!("../templates/weaknesses.html")),
    ("load.html", include_str!("../templates/load.html")),
    ("cases.html", include_str!("../templates/cases.html")),
    ("exchanges.html", include_str!("../templates/exchanges.html")),
    ("figure.html", include_str!("../templates/figure.html")),
];

/// Everything the templates show.
#[derive(Serialize)]
struct View {
    style: minijinja::Value,
    script: minijinja::Value,
    style_hash: String,
    script_hash: String,
    overview: overview::Overview,
    suites: Vec<overview::SuiteRow>,
    assessment: Option<assessment::Assessment>,
    findings: Vec<evidence::FindingCard>,
    accepted: Vec<assessment::AcceptedRow>,
    failures: Vec<tests::Failure>,
    coverage: Vec<coverage::Heat>,
    marks: Vec<coverage::Mark>,
    matrices: Vec<coverage::Matrix>,
    checklist: Vec<assessment::ChecklistView>,
    measured: Vec<assessment::MeasuredRow>,
    cases: Vec<assessment::CasesOfClass>,
    flows: Vec<tests::Flows>,
    skipped: Vec<tests::Skipped>,
    weaknesses: Vec<overview::Weaknesses>,
    loads: Vec<load::LoadView>,
    exchanges: Vec<evidence::ExchangeView>,
    exchanges_left_out: usize,
}

/// Renders the page.
pub fn page(report: &RunReport) -> Result<String, ReportError> {
    let anchors = evidence::Anchors::of(report);
    let findings = evidence::findings(report);
    let view = View {
        style: minijinja::Value::from_safe_string(STYLE.to_owned()),
        script: minijinja::Value::from_safe_string(SCRIPT.to_owned()),
        style_hash: STANDARD.encode(Sha256::digest(STYLE)),
        script_hash: STANDARD.encode(Sha256::digest(SCRIPT)),
        overview: overview::overview(report),
        suites: overview::suites(report),
        assessment: assessment::assessment(report),
        accepted: assessment::accepted(report),
        checklist: assessment::checklist(report),
        measured: assessment::measured(report),
        cases: assessment::cases(report),
        failures: tests::failures(report, &anchors),
        coverage: coverage::heats(report),
        marks: coverage::marks(report),
        matrices: coverage::matrices(report),
        flows: tests::flows(report, &anchors),
        skipped: tests::skipped(report),
        weaknesses: overview::weaknesses(report),
        loads: load::loads(report),
        exchanges: evidence::exchanges(report),
        exchanges_left_out: report.exchanges_left_out + findings.left_out,
        findings: findings.cards,
    };
    let environment = environment()?;
    Ok(environment.get_template("page.html")?.render(view)?)
}

fn environment() -> Result<Environment<'static>, ReportError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("grouped", text::grouped);
    environment.add_filter("duration", text::duration);
    environment.add_filter("millis", text::millis);
    environment.add_filter("plural", |count: usize, one: String| text::plural(count, &one));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}
