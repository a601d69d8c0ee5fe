//! What a load run measured: histograms, and the figures read off them.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::record::{Endpoint, Latency, Tick};
use hdrhistogram::Histogram;

use crate::samples::Outcome;

/// Decimal digits of a latency that are exact: an error of at most a thousandth.
const DIGITS: u8 = 3;
/// For the single seconds of a run, of which there may be thousands: a hundredth.
const DIGITS_OF_SECOND: u8 = 2;

/// All of a run that counts.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Measured time.
    pub seconds: f64,
    /// All requests.
    pub all: Series,
    /// By request name.
    pub endpoints: BTreeMap<String, Series>,
    /// By second.
    pub ticks: Vec<Tick>,
}

impl Measured {
    /// The requests of one name, or of one operation whatever its method.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&Series> {
        let of_operation = |(key, _): &(&String, &Series)| {
            key.split_once(' ').is_some_and(|(_, operation)| operation == name)
        };
        self.endpoints
            .get(name)
            .or_else(|| self.endpoints.iter().find(of_operation).map(|(_, series)| series))
    }

    /// The endpoints as records.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |(name, series): (&String, &Series)| Endpoint {
            name: name.clone(),
            requests: series.requests,
            failures: series.failures,
            latency: series.latency(),
        };
        self.endpoints.iter().map(endpoint).collect()
    }
}

/// Requests that are looked at together.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Requests sent.
    pub requests: u64,
    /// Those that failed; a leak is a failure too.
    pub failures: u64,
    /// Responses with another tenant's data, also of the warm-up.
    pub leaks: u64,
    latency: Micros<DIGITS>,
}

impl Series {
    pub(crate) fn add(&mut self, outcome: Outcome, latency: Duration, counted: bool) {
        self.leaks += u64::from(outcome == Outcome::Leaked);
        if !counted {
            return;
        }
        self.requests += 1;
        self.failures += u64::from(outcome != Outcome::Passed);
        if outcome != Outcome::Unanswered {
            self.latency.add(latency);
        }
    }

    /// A percentile of the time to the last byte, microseconds. `None` when nothing was answered.
    pub(crate) fn percentile_us(&self, percentile: f64) -> Option<f64> {
        self.latency.percentile_us(percentile)
    }

    /// The usual percentiles; 0 when nothing was answered.
    pub(crate) fn latency(&self) -> Latency {
        let millis = |percentile| self.percentile_us(percentile).unwrap_or_default() / 1e3;
        Latency { p50_ms: millis(50.0), p95_ms: millis(95.0), p99_ms: millis(99.0), max_ms: millis(100.0) }
    }
}

/// One second of a run.
#[derive(Debug, Default)]
pub(crate) struct Second {
    requests: u64,
    failures: u64,
    latency: Micros<DIGITS_OF_SECOND>,
}

impl Second {
    pub(crate) fn add(&mut self, outcome: Outcome, latency: Duration) {
        self.requests += 1;
        self.failures += u64::from(outcome != Outcome::Passed);
        if outcome != Outcome::Unanswered {
            self.latency.add(latency);
        }
    }

    /// The series as records.
    pub(crate) fn ticks(seconds: &[Second]) -> Vec<Tick> {
        let tick = |(second, figures): (u64, &Second)| Tick {
            second,
            requests: figures.requests,
            failures: figures.failures,
            p50_ms: figures.latency.percentile_us(50.0).unwrap_or_default() / 1e3,
            p95_ms: figures.latency.percentile_us(95.0).unwrap_or_default() / 1e3,
        };
        (0..).zip(seconds).map(tick).collect()
    }
}

/// Latencies in microseconds, exact to so many digits. Takes no memory before the first.
#[derive(Debug, Default)]
struct Micros<const DIGITS: u8>(Option<Histogram<u64>>);

impl<const DIGITS: u8> Micros<DIGITS> {
    fn add(&mut self, latency: Duration) {
        if self.0.is_none() {
            // Fails only for more than five digits.
            self.0 = Histogram::new(DIGITS).ok();
        }
        if let Some(histogram) = &mut self.0 {
            // Fails only where a histogram may not grow.
            histogram.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)).ok();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 142 years")]
    fn percentile_us(&self, percentile: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(histogram.value_at_percentile(percentile) as f64)
    }
}
