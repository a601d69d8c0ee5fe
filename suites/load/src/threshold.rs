//! Thresholds: rules over what was measured, as people write them.
//!
//! ```text
//! p95<500ms                  a percentile of the time to the last byte: us, ms or s
//! p99.9<=1.5s for team-list  of one operation
//! error-rate<0.1%            failed requests, of all
//! rps>=20                    requests per second that did not fail
//! leaks=0                    responses with another tenant's data, the warm-up's included
//! ```

use std::fmt;
use std::str::FromStr;

use harness::record::Threshold;
use serde::Deserialize;

use crate::measured::{Measured, Series};

/// What a rule observes when nothing was measured. It fails then: nothing was seen to hold.
const NO_SAMPLES: &str = "no samples";

/// A threshold that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No comparison.
    #[error("the threshold '{0}': expected METRIC, a comparison and a value, as in p95<500ms")]
    NoComparison(String),
    /// An unknown metric.
    #[error(
        "the threshold '{rule}': expected p50, p95, p99.9 or the like, error-rate, rps or leaks before the comparison, got '{found}'"
    )]
    Metric {
        /// The rule.
        rule: String,
        /// What stands there.
        found: String,
    },
    /// A value of the wrong form.
    #[error("the threshold '{rule}': expected {expected} after the comparison, got '{found}'")]
    Value {
        /// The rule.
        rule: String,
        /// The form.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// `for` without a name.
    #[error(
        "the threshold '{0}': expected the name of an operation after 'for', as in p95<500ms for team-list"
    )]
    NoName(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// A percentile of the latency; the limit is in microseconds.
    Percentile(f64),
    /// Percent.
    ErrorRate,
    /// Per second.
    Rps,
    Leaks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rule {
    text: String,
    metric: Metric,
    comparison: Comparison,
    limit: f64,
    operation: Option<String>,
}

impl Rule {
    /// Judges what was measured.
    pub(crate) fn judge(&self, measured: &Measured) -> Threshold {
        let series = match &self.operation {
            Some(operation) => measured.endpoint(operation),
            None => Some(&measured.all),
        };
        let observed = series.and_then(|series| self.observed(series, measured.seconds));
        let (observed, pass) = match observed {
            Some((value, text)) => (text, self.comparison.holds(value, self.limit)),
            None => (NO_SAMPLES.to_owned(), false),
        };
        Threshold { rule: self.text.clone(), observed, pass }
    }

    /// The observed value in the unit of the limit, and with its unit for people. `None` without samples.
    #[expect(clippy::cast_precision_loss, reason = "counts of one run stay far below 2^52")]
    fn observed(&self, series: &Series, seconds: f64) -> Option<(f64, String)> {
        let count = |count: u64| count as f64;
        match self.metric {
            Metric::Leaks if series.leaks > 0 => Some((count(series.leaks), series.leaks.to_string())),
            _ if series.requests == 0 => None,
            Metric::Leaks => Some((0.0, "0".to_owned())),
            Metric::Percentile(percentile) => {
                let micros = series.percentile_us(percentile)?;
                Some((micros, format!("{:.1} ms", micros / 1e3)))
            }
            Metric::ErrorRate => {
                let rate = 100.0 * count(series.failures) / count(series.requests);
                Some((rate, format!("{rate:.3}%, {} of {}", series.failures, series.requests)))
            }
            Metric::Rps => {
                let answered = series.requests - series.failures;
                let rate = (seconds > 0.0).then(|| count(answered) / seconds)?;
                Some((rate, format!("{rate:.1}/s")))
            }
        }
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "counts are compared for equality, and small ones are exact")]
    fn holds(self, observed: f64, limit: f64) -> bool {
        match self {
            Comparison::Less => observed < limit,
            Comparison::AtMost => observed <= limit,
            Comparison::Equal => observed == limit,
            Comparison::AtLeast => observed >= limit,
            Comparison::More => observed > limit,
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let rule = text.trim();
        let (condition, operation) = match rule.split_once(" for") {
            None => (rule, None),
            Some((_, name)) if name.trim().is_empty() => return Err(RuleError::NoName(rule.to_owned())),
            Some((condition, name)) => (condition, Some(name.trim().to_owned())),
        };
        let no_comparison = || RuleError::NoComparison(rule.to_owned());
        let at = condition.find(['<', '>', '=']).ok_or_else(no_comparison)?;
        let (metric, rest) = condition.split_at(at);
        let comparisons = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
            ("=", Comparison::Equal),
        ];
        let found = comparisons.into_iter().find_map(|(sign, kind)| Some((rest.strip_prefix(sign)?, kind)));
        let (value, comparison) = found.ok_or_else(no_comparison)?;
        let metric = parse_metric(metric.trim())
            .ok_or_else(|| RuleError::Metric { rule: rule.to_owned(), found: metric.trim().to_owned() })?;
        let value = value.trim();
        let limit = parse_limit(metric, value).map_err(|expected| RuleError::Value {
            rule: rule.to_owned(),
            expected,
            found: value.to_owned(),
        })?;
        Ok(Rule { text: rule.to_owned(), metric, comparison, limit, operation })
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Rule, RuleError> {
        text.parse()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_metric(text: &str) -> Option<Metric> {
    match text {
        "error-rate" => Some(Metric::ErrorRate),
        "rps" => Some(Metric::Rps),
        "leaks" => Some(Metric::Leaks),
        _ => {
            let percentile = number(text.strip_prefix('p')?)?;
            (percentile > 0.0 && percentile <= 100.0).then_some(Metric::Percentile(percentile))
        }
    }
}

/// The limit in the unit the metric is observed in; the form it must have when it has not.
fn parse_limit(metric: Metric, text: &str) -> Result<f64, &'static str> {
    match metric {
        Metric::Percentile(_) => {
            let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
            let unit = units.into_iter().find_map(|(unit, micros)| Some((text.strip_suffix(unit)?, micros)));
            let limit = unit.and_then(|(text, micros)| Some(number(text.trim())? * micros));
            limit.ok_or("a time with its unit (us, ms or s), as in 500ms,")
        }
        Metric::ErrorRate => text.strip_suffix('%').and_then(number).ok_or("a percentage, as in 0.1%,"),
        Metric::Rps => number(text).ok_or("a number of requests per second, as in 20,"),
        Metric::Leaks => {
            number(text).filter(|count| count.fract() == 0.0).ok_or("a whole number of responses, as in 0,")
        }
    }
}

/// Digits with perhaps a fraction: what `f64` also takes (signs, exponents, `inf`, `NaN`) is no limit.
fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests;
