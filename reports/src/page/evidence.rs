//! Findings and the exchanges that show them.

use std::collections::{BTreeMap, HashMap, HashSet};

use harness::exchange::{Exchange, curl};
use harness::record::Finding;
use serde::Serialize;

use crate::conclusion::shell_word;
use crate::knowledge::remedy;
use crate::merge::EXCHANGES;
use crate::report::RunReport;
use crate::text::is_control;

/// A request and its response.
#[derive(Serialize)]
pub(super) struct ExchangeView {
    /// Where a link finds it; empty inside a finding.
    anchor: String,
    id: String,
    operation: String,
    principal: String,
    class: &'static str,
    method: String,
    url: String,
    status: String,
    /// The first digit of the status, for its colour; `0` without a response.
    family: char,
    millis: f64,
    request: String,
    response: String,
    curl: String,
}

/// Where each exchange of the appendix stands.
pub(super) struct Anchors<'a> {
    by_id: HashMap<&'a str, (usize, &'a Exchange)>,
}

/// A link to an exchange, or its bare id where the exchange is not on the page.
#[derive(Serialize)]
pub(super) struct Link {
    anchor: Option<String>,
    label: String,
    family: char,
}

impl<'a> Anchors<'a> {
    pub fn of(report: &'a RunReport) -> Anchors<'a> {
        let numbered = in_order_of_mention(report).into_iter().enumerate();
        Anchors { by_id: numbered.map(|(at, exchange)| (exchange.id.as_str(), (at + 1, exchange))).collect() }
    }

    pub fn link(&self, id: &str) -> Link {
        match self.by_id.get(id) {
            Some((at, exchange)) => Link {
                anchor: Some(anchor(*at)),
                label: format!("{} {} → {}", exchange.method, exchange.operation, status(exchange)),
                family: family(exchange),
            },
            None => Link { anchor: None, label: id.to_owned(), family: '0' },
        }
    }
}

/// The appendix: every exchange that a link leads to.
pub(super) fn exchanges(report: &RunReport) -> Vec<ExchangeView> {
    let numbered = in_order_of_mention(report).into_iter().enumerate();
    numbered.map(|(at, exchange)| view(exchange, anchor(at + 1))).collect()
}

fn in_order_of_mention(report: &RunReport) -> Vec<&Exchange> {
    let steps = report.suites.iter().flat_map(|suite| &suite.tests).flat_map(|test| &test.steps);
    let mut seen = HashSet::new();
    let ids = steps.flat_map(|step| &step.exchanges).filter(|id| seen.insert(id.as_str()));
    ids.filter_map(|id| report.exchanges.get(id)).collect()
}

fn anchor(at: usize) -> String {
    format!("exchange-{at}")
}

/// A finding as a card.
#[derive(Serialize)]
pub(super) struct FindingCard {
    id: String,
    anchor: String,
    title: String,
    severity: &'static str,
    suite: String,
    operation: String,
    target: String,
    check: String,
    gain: String,
    expected: String,
    observed: String,
    cwe: u32,
    owasp: String,
    asvs: Vec<String>,
    weakness: String,
    remedy: String,
    /// By whom and until when it was accepted, where that day is over.
    expired: String,
    rerun: String,
    exchanges: Vec<ExchangeView>,
    left_out: usize,
}

/// The cards, and how many exchanges did not find room on them.
pub(super) struct Findings {
    pub cards: Vec<FindingCard>,
    pub left_out: usize,
}

/// The findings, worst first.
pub(super) fn findings(report: &RunReport) -> Findings {
    let mut room = EXCHANGES;
    let mut left_out = 0;
    let cards = report.findings.iter().enumerate().map(|(at, finding)| {
        let shown = finding.exchanges.len().min(room);
        room -= shown;
        left_out += finding.exchanges.len() - shown;
        card(report, finding, at + 1, shown)
    });
    Findings { cards: cards.collect(), left_out }
}

fn card(report: &RunReport, finding: &Finding, number: usize, shown: usize) -> FindingCard {
    let remedy = remedy(finding.cwe);
    let expired =
        report.accepted.iter().map(|accepted| &accepted.entry).find(|entry| entry.finding == finding.id);
    FindingCard {
        id: finding.id.clone(),
        anchor: finding_anchor(number),
        title: finding.title.clone(),
        severity: finding.severity.as_str(),
        suite: finding.suite.clone(),
        operation: finding.operation.clone(),
        target: finding.target.clone(),
        check: finding.check.clone(),
        gain: finding.gain.clone(),
        expected: finding.expected.clone(),
        observed: finding.observed.clone(),
        cwe: finding.cwe,
        owasp: finding.owasp.clone(),
        asvs: finding.asvs.clone(),
        weakness: remedy.map(|remedy| remedy.name.clone()).unwrap_or_default(),
        remedy: remedy.map(|remedy| remedy.hint.clone()).unwrap_or_default(),
        expired: expired.map_or_else(String::new, |entry| {
            format!("by {} until {}, which is over. {}", entry.by, entry.until, entry.reason)
        }),
        rerun: format!("watertight rerun {}", shell_word(&finding.id)),
        exchanges: finding.exchanges[..shown].iter().map(|exchange| view(exchange, String::new())).collect(),
        left_out: finding.exchanges.len() - shown,
    }
}

/// Where the page shows the finding of that number.
pub(super) fn finding_anchor(number: usize) -> String {
    format!("finding-{number}")
}

fn view(exchange: &Exchange, anchor: String) -> ExchangeView {
    let first = format!("{} {}", exchange.method, exchange.url);
    let request = message(first, &exchange.request_headers, exchange.request_body.as_deref());
    let response = match (&exchange.status, &exchange.trouble) {
        (Some(code), _) => {
            message(code.to_string(), &exchange.response_headers, exchange.response_body.as_deref())
        }
        (None, Some(trouble)) => format!("no response: {trouble}"),
        (None, None) => "no response".to_owned(),
    };
    ExchangeView {
        anchor,
        id: exchange.id.clone(),
        operation: exchange.operation.clone(),
        principal: exchange.principal.clone(),
        class: exchange.class.as_str(),
        method: exchange.method.clone(),
        url: exchange.url.clone(),
        status: status(exchange),
        family: family(exchange),
        millis: exchange.millis,
        request: visible(&request),
        response: visible(&response),
        curl: visible(&curl(exchange)),
    }
}

fn status(exchange: &Exchange) -> String {
    exchange.status.map_or_else(|| "no response".to_owned(), |code| code.to_string())
}

fn family(exchange: &Exchange) -> char {
    exchange.status.and_then(|code| code.to_string().chars().next()).unwrap_or('0')
}

fn message(first: String, headers: &BTreeMap<String, String>, body: Option<&str>) -> String {
    let mut text = first;
    for (name, value) in headers {
        text.extend(["\n", name, ": ", value]);
    }
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&indented(body));
    }
    text
}

/// JSON spread over lines, anything else as it came.
fn indented(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| body.to_owned())
}

/// Control characters spelled out, so that what was sent is what is read.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) && c != '\n' && c != '\t' {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
