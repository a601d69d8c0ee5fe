//! Thresholds: rules over what was measured, as people write them.
//!
//! ```text
//! p95<500ms                  a percentile of the time to the last byte: us, ms or s
//! p99.9<=1.5s for team-list  of one operation, one scenario, or requests of one name
//! p95<100ms in authz         of the time that a part of the target took, as it says in `Server-Timing`
//! p95<3s for cold            of the first request of each visit; the others are `warm`
//! error-rate<0.1%            failed requests, of all
//! rps>=20                    requests per second that did not fail
//! achieved>=99%              answers in time, of the requests that were to be sent (open model)
//! memory-growth<50MB         what the target's memory grows by in the run, by the slope of its metrics
//! leaks=0                    responses with another tenant's data, the warm-up's included
//! degradation<100%           what tenants' p99 rises by beside one that asks for too much
//! recovery<5s                until it is as before, once that one has stopped
//! jain>=0.9                  Jain's index of what each tenant got by its fair share
//! limited-others=0           answers to the other tenants that they should come less often
//! limited-aggressor>0        such answers to that one
//! ```
//!
//! A percentile needs as many samples as it takes for one to lie above it: 20 for p95, 100 for p99. A rule that was
//! given fewer fails, as one without any does: nothing was seen to hold.

use std::fmt;
use std::str::FromStr;

use harness::record::{Fairness, Threshold};
use serde::Deserialize;

use crate::measured::{Measured, Series};

/// What a rule observes when nothing was measured. It fails then: nothing was seen to hold.
const NO_SAMPLES: &str = "no samples";
/// Bytes of a megabyte.
const MEGABYTE: f64 = 1e6;

/// A threshold that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No comparison.
    #[error("the threshold '{0}': expected METRIC, a comparison and a value, as in p95<500ms")]
    NoComparison(String),
    /// An unknown metric.
    #[error(
        "the threshold '{rule}': expected p50, p95, p99.9 or the like, error-rate, rps, achieved, memory-growth, leaks, degradation, recovery, jain, limited-others or limited-aggressor before the comparison, got '{found}'"
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
    /// `in` where it says nothing.
    #[error(
        "the threshold '{0}': expected 'in' and a part of Server-Timing after a percentile, as in p95<100ms in authz"
    )]
    NoPart(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// A percentile of the latency; the limit is in microseconds.
    Percentile(f64),
    /// Percent.
    ErrorRate,
    /// Per second.
    Rps,
    /// Percent.
    Achieved,
    /// Megabytes.
    MemoryGrowth,
    Leaks,
    /// Percent.
    Degradation,
    /// Microseconds.
    Recovery,
    Jain,
    LimitedOthers,
    LimitedAggressor,
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
    of: Option<String>,
    part: Option<String>,
}

impl Rule {
    /// The name after `for`.
    pub(crate) fn of(&self) -> Option<&str> {
        self.of.as_deref()
    }

    /// The part of `Server-Timing` after `in`.
    pub(crate) fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// Whether it is about the target's memory.
    pub(crate) fn is_about_memory(&self) -> bool {
        self.metric == Metric::MemoryGrowth
    }

    /// How many of these requests are against a rule about all of a run, and which part of all may be. Nothing of a
    /// rule that no single request is against.
    pub(crate) fn broken(&self, all: &Series) -> Option<(u64, f64)> {
        let is_upper = matches!(self.comparison, Comparison::Less | Comparison::AtMost);
        if self.of.is_some() || self.part.is_some() || !is_upper {
            return None;
        }
        match self.metric {
            Metric::ErrorRate => Some((all.failures, self.limit / 100.0)),
            Metric::Percentile(percentile) => {
                Some((all.latencies().above(self.limit), 1.0 - percentile / 100.0))
            }
            _ => None,
        }
    }

    /// How many samples it takes for the rule to say anything.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a percentile with so many nines that it overflows cannot be observed"
    )]
    pub(crate) fn least(&self) -> u64 {
        match self.metric {
            // The small part taken away: 100 / (100 - 99.9) is a hair above 1000.
            Metric::Percentile(percentile) if percentile < 100.0 => {
                (100.0 / (100.0 - percentile) - 1e-6).ceil() as u64
            }
            Metric::MemoryGrowth => 0,
            _ => 1,
        }
    }

    /// Judges what was measured.
    pub(crate) fn judge(&self, measured: &Measured) -> Threshold {
        let series = match &self.of {
            Some(name) => measured.named(name),
            None => Some(measured.all.clone()),
        };
        let (observed, pass) = match series.and_then(|series| self.observed(&series, measured)) {
            None => (NO_SAMPLES.to_owned(), false),
            Some(Observed { samples, .. }) if samples < self.least() => {
                (format!("{samples} samples, of the {} it takes", self.least()), false)
            }
            Some(Observed { value, text, .. }) => (text, self.comparison.holds(value, self.limit)),
        };
        Threshold { rule: self.text.clone(), observed, pass }
    }

    /// What was observed. `None` without samples.
    #[expect(clippy::cast_precision_loss, reason = "counts of one run stay far below 2^52")]
    fn observed(&self, series: &Series, measured: &Measured) -> Option<Observed> {
        let count = |count: u64| count as f64;
        let observed = |value, text| Some(Observed { value, text, samples: series.requests });
        match self.metric {
            Metric::MemoryGrowth => {
                let growth = measured.memory_growth? / MEGABYTE;
                observed(growth, format!("{growth:.1} MB"))
            }
            Metric::Leaks if series.leaks > 0 => observed(count(series.leaks), series.leaks.to_string())
                .map(|observed| Observed { samples: series.leaks, ..observed }),
            _ if series.requests == 0 => None,
            Metric::Leaks => observed(0.0, "0".to_owned()),
            Metric::Percentile(percentile) => {
                let latencies = match &self.part {
                    Some(part) => measured.part_of(series, part)?,
                    None => series.latencies(),
                };
                let micros = latencies.percentile_us(percentile)?;
                let text = format!("{:.1} ms", micros / 1e3);
                Some(Observed { value: micros, text, samples: latencies.count() })
            }
            Metric::ErrorRate => {
                let rate = 100.0 * count(series.failures) / count(series.requests);
                observed(rate, format!("{rate:.3}%, {} of {}", series.failures, series.requests))
            }
            Metric::Rps => {
                let answered = series.requests - series.failures;
                let rate = (measured.seconds > 0.0).then(|| count(answered) / measured.seconds)?;
                observed(rate, format!("{rate:.1}/s"))
            }
            Metric::Achieved => {
                let offered = measured.offered.as_ref()?;
                let share = (offered.due > 0).then(|| 100.0 * count(offered.in_time) / count(offered.due))?;
                observed(share, format!("{share:.2}%, {} of {}", offered.in_time, offered.due))
            }
            Metric::Degradation => {
                let Fairness { degradation_percent, alone_p99_ms, beside_p99_ms, .. } = measured.fairness?;
                let text =
                    format!("{degradation_percent:.0}%, {alone_p99_ms:.1} ms to {beside_p99_ms:.1} ms");
                observed(degradation_percent, text)
            }
            Metric::Recovery => match measured.fairness?.recovery_seconds {
                Some(seconds) => observed(seconds * 1e6, format!("{seconds:.0} s")),
                None => observed(f64::INFINITY, "not before the end".to_owned()),
            },
            Metric::Jain => {
                let jain = measured.fairness?.jain;
                observed(jain, format!("{jain:.3}"))
            }
            Metric::LimitedOthers | Metric::LimitedAggressor => {
                let Fairness { others_limited, aggressor_limited, .. } = measured.fairness?;
                let of_others = self.metric == Metric::LimitedOthers;
                let limited = if of_others { others_limited } else { aggressor_limited };
                observed(count(limited), limited.to_string())
            }
        }
    }
}

/// A value in the unit of the limit, with its unit for people, and how much it rests on.
struct Observed {
    value: f64,
    text: String,
    samples: u64,
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
        let (condition, of) = match rule.split_once(" for") {
            None => (rule, None),
            Some((_, name)) if name.trim().is_empty() => return Err(RuleError::NoName(rule.to_owned())),
            Some((condition, name)) => (condition, Some(name.trim().to_owned())),
        };
        let (condition, part) = match condition.split_once(" in") {
            None => (condition, None),
            Some((condition, part)) => (condition, Some(part.trim().to_owned())),
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
        let is_percentile = matches!(metric, Metric::Percentile(_));
        if part.as_ref().is_some_and(|part| part.is_empty() || !is_percentile) {
            return Err(RuleError::NoPart(rule.to_owned()));
        }
        Ok(Rule { text: rule.to_owned(), metric, comparison, limit, of, part })
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
        "achieved" => Some(Metric::Achieved),
        "memory-growth" => Some(Metric::MemoryGrowth),
        "degradation" => Some(Metric::Degradation),
        "recovery" => Some(Metric::Recovery),
        "jain" => Some(Metric::Jain),
        "limited-others" => Some(Metric::LimitedOthers),
        "limited-aggressor" => Some(Metric::LimitedAggressor),
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
        Metric::Percentile(_) | Metric::Recovery => {
            let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
            let unit = units.into_iter().find_map(|(unit, micros)| Some((text.strip_suffix(unit)?, micros)));
            let limit = unit.and_then(|(text, micros)| Some(number(text.trim())? * micros));
            limit.ok_or("a time with its unit (us, ms or s), as in 500ms,")
        }
        Metric::ErrorRate | Metric::Achieved | Metric::Degradation => {
            text.strip_suffix('%').and_then(number).ok_or("a percentage, as in 0.1%,")
        }
        Metric::MemoryGrowth => {
            text.strip_suffix("MB").and_then(|text| number(text.trim())).ok_or("megabytes, as in 50MB,")
        }
        Metric::Rps => number(text).ok_or("a number of requests per second, as in 20,"),
        Metric::Jain => number(text).ok_or("a number from 0 to 1, as in 0.9,"),
        Metric::Leaks | Metric::LimitedOthers | Metric::LimitedAggressor => {
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
