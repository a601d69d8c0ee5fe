//! The clock and the counters of a load run: every request is entered once, with its two moments.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::measured::{Measured, Second, Series};

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer that was asked for.
    Passed,
    /// An answer that was not.
    Failed,
    /// No answer. It has no latency: a refused connection would pass for a fast one.
    Unanswered,
    /// An answer with another tenant's data.
    Leaked,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'s> {
    /// `GET team-list`.
    pub name: &'s str,
    /// When it was sent.
    pub sent: Instant,
    /// When its last byte came.
    pub finished: Instant,
    /// What came of it.
    pub outcome: Outcome,
}

/// Collects the samples of one run.
#[derive(Debug)]
pub(crate) struct Samples {
    uncounted: Duration,
    run: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    start: Option<Instant>,
    all: Series,
    endpoints: BTreeMap<String, Series>,
    seconds: Vec<Second>,
    in_vain: usize,
}

/// The run so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SoFar {
    /// Since the start; zero before.
    pub elapsed: Duration,
    /// Requests counted.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
    /// Leaks, the warm-up's included.
    pub leaks: u64,
    /// 95th percentile, milliseconds; 0 without answers.
    pub p95_ms: f64,
}

impl Samples {
    /// What is sent in `uncounted` after the start does not count; what is sent in `run` after that does.
    pub(crate) fn new(uncounted: Duration, run: Duration) -> Samples {
        Samples { uncounted, run, inner: Mutex::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the clock, once.
    pub(crate) fn begin(&self, now: Instant) {
        self.inner().start.get_or_insert(now);
    }

    /// Enters a request. Gives the number of requests in a row, of all users, that no answer came to.
    pub(crate) fn record(&self, sample: &Sample<'_>) -> usize {
        let mut inner = self.inner();
        let begin = *inner.start.get_or_insert(sample.sent) + self.uncounted;
        let counted = (begin..begin + self.run).contains(&sample.sent);
        let latency = sample.finished.saturating_duration_since(sample.sent);
        // A leak counts whenever it happens; the rest only after the warm-up.
        if counted || sample.outcome == Outcome::Leaked {
            inner.all.add(sample.outcome, latency, counted);
            let endpoint = inner.endpoints.entry(sample.name.to_owned()).or_default();
            endpoint.add(sample.outcome, latency, counted);
        }
        if counted {
            let second = sample.finished.saturating_duration_since(begin).as_secs();
            let at = usize::try_from(second).unwrap_or(usize::MAX - 1);
            if inner.seconds.len() <= at {
                inner.seconds.resize_with(at + 1, Second::default);
            }
            inner.seconds[at].add(sample.outcome, latency);
        }
        inner.in_vain = if sample.outcome == Outcome::Unanswered { inner.in_vain + 1 } else { 0 };
        inner.in_vain
    }

    /// The run so far.
    pub(crate) fn so_far(&self) -> SoFar {
        let inner = self.inner();
        SoFar {
            elapsed: inner.start.map(|start| start.elapsed()).unwrap_or_default(),
            requests: inner.all.requests,
            failures: inner.all.failures,
            leaks: inner.all.leaks,
            p95_ms: inner.all.percentile_us(95.0).unwrap_or_default() / 1e3,
        }
    }

    /// What was measured in a run that ended then, perhaps before its time.
    pub(crate) fn measured(&self, ended: Instant) -> Measured {
        let mut inner = self.inner();
        let begin = inner.start.unwrap_or(ended) + self.uncounted;
        let measured = ended.saturating_duration_since(begin).min(self.run);
        let inner = std::mem::take(&mut *inner);
        Measured {
            // To the millisecond, so that a record reads back as it was written.
            seconds: Duration::from_millis(u64::try_from(measured.as_millis()).unwrap_or(u64::MAX))
                .as_secs_f64(),
            all: inner.all,
            endpoints: inner.endpoints,
            ticks: Second::ticks(&inner.seconds),
        }
    }
}
