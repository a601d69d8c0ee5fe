//! `slack.json`: what a pipeline posts to a channel when a run was not as it should be, in Slack's blocks.

use harness::record::Threshold;
use serde_json::{Value, json};

use crate::conclusion::{headline, reproduce, sentence};
use crate::report::RunReport;

/// So many thresholds and findings are named; the report has all of them.
const ROWS: usize = 10;
/// Longer headers are refused.
const HEADER: usize = 150;

/// The message; `pipeline` is where the job can be looked at.
pub(crate) fn message(report: &RunReport, pipeline: Option<&str>) -> Value {
    let title: String =
        format!("Watertight: {}", headline(report).to_lowercase()).chars().take(HEADER).collect();
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": title } }),
        section(&escaped(&sentence(report))),
    ];
    let loads = report.suites.iter().flat_map(|suite| &suite.loads);
    let failed: Vec<String> = loads
        .flat_map(|load| {
            let failed = load.thresholds.iter().filter(|threshold| !threshold.pass);
            failed.map(move |threshold| row(&load.result.profile, &load.result.target, threshold))
        })
        .collect();
    let findings = report.findings.iter().map(|finding| {
        format!(
            "• *{}* {} ({})",
            finding.severity.as_str(),
            escaped(&finding.title),
            escaped(&finding.target)
        )
    });
    let rows: Vec<String> = findings.chain(failed).collect();
    if !rows.is_empty() {
        let more = rows.len().saturating_sub(ROWS);
        let mut text = rows.into_iter().take(ROWS).collect::<Vec<_>>().join("\n");
        if more > 0 {
            text += &format!("\nand {more} more");
        }
        blocks.push(section(&text));
    }
    if let Some(url) = pipeline {
        blocks.push(section(&format!("<{}|The job, with the report among its artifacts>", escaped(url))));
    }
    let about = format!("run {} · to replay: `{}`", escaped(&report.run), escaped(&reproduce(report)));
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": about }] }));
    json!({ "text": title, "blocks": blocks })
}

fn row(profile: &str, target: &str, threshold: &Threshold) -> String {
    let [profile, target, rule, observed] =
        [profile, target, &threshold.rule, &threshold.observed].map(escaped);
    format!("• {profile} on {target}: `{rule}`, observed {observed}")
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Where the job of this process can be looked at, if it runs in GitHub's pipeline.
pub(crate) fn pipeline() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let [server, repository, run] =
        [variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?, variable("GITHUB_RUN_ID")?];
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}
