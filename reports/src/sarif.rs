//! `findings.sarif`: the findings for code scanning, in SARIF 2.1.0 of OASIS.
//!
//! A rule is a class of attack with what it is known as; a result is a finding, with its first request and response. What
//! could not be observed is a notification of the invocation, never silence.

use std::collections::BTreeMap;

use harness::exchange::Exchange;
use harness::record::{Finding, Severity};
use harness::verdict::{Exit, Verdict};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use crate::conclusion::shell_word;
use crate::knowledge::{class, class_of, remedy};
use crate::report::{Acceptance, RunReport};
use crate::text::line;

/// Where the schema that the file names is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The findings of a run as SARIF.
pub fn sarif(report: &RunReport) -> Value {
    let mut rules = Rules::default();
    let open = report.findings.iter().map(|finding| (finding, None));
    let accepted = report.accepted.iter();
    let accepted = accepted.filter_map(|accepted| Some((accepted.finding.as_ref()?, Some(accepted))));
    let results: Vec<Value> =
        open.chain(accepted).map(|(finding, accepted)| result(finding, accepted, &mut rules)).collect();
    let troubled = report.suites.iter().filter(|suite| suite.suite == "security").flat_map(|suite| {
        let target = &suite.target;
        suite.tests_of(Verdict::Error).map(move |test| {
            let reason = test.reason.as_deref().unwrap_or("could not be observed");
            json!({ "level": "error", "message": { "text": line(&format!("{target}: {}: {reason}", test.test)) } })
        })
    });
    let seconds = time::Duration::saturating_seconds_f64(report.seconds.max(0.0));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Watertight",
                "semanticVersion": report.version,
                "rules": rules.rows,
            } },
            "automationDetails": { "id": format!("watertight/{}", report.run) },
            "invocations": [{
                "executionSuccessful": report.exit != Exit::Trouble && !report.partial,
                "exitCode": report.exit as u8,
                "startTimeUtc": report.started.format(&Rfc3339).unwrap_or_default(),
                "endTimeUtc": report.started.saturating_add(seconds).format(&Rfc3339).unwrap_or_default(),
                "toolExecutionNotifications": troubled.collect::<Vec<_>>(),
            }],
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    })
}

/// The rules that results refer to: a class of attack and a weakness.
#[derive(Default)]
struct Rules {
    rows: Vec<Value>,
    places: BTreeMap<String, usize>,
}

impl Rules {
    fn place(&mut self, finding: &Finding) -> (String, usize) {
        let name = class_of(&finding.check);
        let id = format!("{name}/cwe-{}", finding.cwe);
        let next = self.rows.len();
        let place = *self.places.entry(id.clone()).or_insert(next);
        if place == next {
            self.rows.push(rule(&id, name, finding));
        }
        (id, place)
    }
}

fn rule(id: &str, name: &str, finding: &Finding) -> Value {
    let remedy = remedy(finding.cwe);
    let weakness = remedy.map_or_else(|| format!("CWE-{}", finding.cwe), |remedy| remedy.name.clone());
    let title = class(name).map_or(name, |class| &class.title);
    let mut tags = vec!["security".to_owned(), format!("external/cwe/cwe-{}", finding.cwe)];
    tags.extend(
        Some(format!("owasp-{}-2023", finding.owasp.to_lowercase())).filter(|_| !finding.owasp.is_empty()),
    );
    tags.extend(finding.asvs.iter().map(|requirement| format!("asvs-5.0-{requirement}")));
    let mut rule = json!({
        "id": id,
        "shortDescription": { "text": format!("{title}: {weakness}") },
        "helpUri": format!("https://cwe.mitre.org/data/definitions/{}.html", finding.cwe),
        "defaultConfiguration": { "level": level(finding.severity) },
        "properties": { "tags": tags, "security-severity": score(finding.severity) },
    });
    if let Some(class) = class(name) {
        rule["fullDescription"] = json!({ "text": class.tried });
    }
    if let Some(remedy) = remedy {
        rule["help"] = json!({ "text": remedy.hint });
    }
    rule
}

fn result(finding: &Finding, accepted: Option<&Acceptance>, rules: &mut Rules) -> Value {
    let (rule, index) = rules.place(finding);
    let text = format!(
        "{}. An attacker gains: {}. Expected {}, observed {}.",
        finding.title, finding.gain, finding.expected, finding.observed
    );
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": index,
        "kind": "fail",
        "level": level(finding.severity),
        "message": { "text": line(&text) },
        // A deployment has no files: the place is the operation, named as the contract of its target names it.
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(&finding.target, &finding.operation) } },
            "logicalLocations": [{
                "name": finding.operation,
                "fullyQualifiedName": format!("{}.{}", finding.target, finding.operation),
                "kind": "function",
            }],
        }],
        "partialFingerprints": { "watertightFinding/v1": finding.id },
        "properties": {
            "severity": finding.severity.as_str(),
            "check": finding.check,
            "target": finding.target,
            "cwe": finding.cwe,
            "owasp": finding.owasp,
            "asvs": finding.asvs,
            "rerun": format!("watertight rerun {}", shell_word(&finding.id)),
        },
    });
    // The attack is the last exchange; what stands before it is there for comparison.
    if let Some(exchange) = finding.exchanges.last() {
        result["webRequest"] = request(exchange);
        result["webResponse"] = response(exchange);
    }
    if let Some(Acceptance { entry, .. }) = accepted {
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("{} (accepted by {} until {})", entry.reason, entry.by, entry.until),
        }]);
    }
    result
}

fn request(exchange: &Exchange) -> Value {
    let headers: Map<String, Value> = exchange
        .request_headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let mut request =
        json!({ "protocol": "http", "method": exchange.method, "target": exchange.url, "headers": headers });
    if let Some(body) = &exchange.request_body {
        request["body"] = json!({ "text": body });
    }
    request
}

fn response(exchange: &Exchange) -> Value {
    let Some(status) = exchange.status else { return json!({ "noResponseReceived": true }) };
    let headers: Map<String, Value> = exchange
        .response_headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let mut response = json!({ "protocol": "http", "statusCode": status, "headers": headers });
    if let Some(body) = &exchange.response_body {
        response["body"] = json!({ "text": body });
    }
    response
}

/// A relative reference whatever the names are.
fn uri(target: &str, operation: &str) -> String {
    let plain = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' }).collect()
    };
    format!("{}/{}", plain(target), plain(operation))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A figure within the range that CVSS gives the word, for readers that sort by figures.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
    }
}
