//! The clock and the counters of a load run: every request is entered once, with its two moments.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::fairness::Stages;
use crate::hopeless::hopeless;
use crate::measured::{Measured, Micros, Second, Series};
use crate::threshold::Rule;

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

/// Which request of a visit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Visits are of one request.
    Only,
    /// The first.
    Cold,
    /// One of the others.
    Warm,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Sample<'s> {
    /// `GET team-list`.
    pub name: &'s str,
    /// The scenario it belongs to.
    pub scenario: &'s str,
    /// The tenant whose user sent it.
    pub tenant: &'s str,
    /// Which request of a visit.
    pub turn: Turn,
    /// When it was sent, or was to be sent.
    pub due: Instant,
    /// How much later than that it was sent.
    pub late: Duration,
    /// When its last byte came.
    pub finished: Instant,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub cause: Option<String>,
    /// Whether the answer was to come less often (429).
    pub limited: bool,
    /// What the target says its parts took, those that somebody asks about.
    pub parts: Vec<Option<Duration>>,
    /// How many users there were.
    pub users: u64,
    /// How many requests were under way, this one included.
    pub under_way: u64,
}

/// Collects the samples of one run.
#[derive(Debug)]
pub(crate) struct Samples {
    uncounted: Duration,
    run: Duration,
    asked: Vec<String>,
    inner: Mutex<Inner>,
}

/// So many seconds are still added to: answers come in about their order.
const OPEN: usize = 3;

#[derive(Debug, Default)]
struct Inner {
    start: Option<Instant>,
    all: Series,
    endpoints: BTreeMap<String, Series>,
    scenarios: BTreeMap<String, Series>,
    tenants: BTreeMap<String, Series>,
    cold: Series,
    warm: Series,
    seconds: Vec<Second>,
    /// So many of them are over.
    closed: usize,
    late: Micros,
    in_time: u64,
    in_vain: usize,
    stages: Option<Stages>,
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
    /// What is due in `uncounted` after the start does not count; what is due in `run` after that does. `asked` are
    /// the parts of `Server-Timing` that are looked at.
    pub(crate) fn new(uncounted: Duration, run: Duration, asked: Vec<String>) -> Samples {
        Samples { uncounted, run, asked, inner: Mutex::default() }
    }

    /// Collects by stage too, for fairness.
    pub(crate) fn with_stages(self, stages: Option<Stages>) -> Samples {
        self.inner().stages = stages;
        self
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parts of `Server-Timing` that are looked at.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }

    /// Starts the clock, once.
    pub(crate) fn begin(&self, now: Instant) {
        self.inner().start.get_or_insert(now);
    }

    /// Whether what is due then counts.
    pub(crate) fn counts(&self, due: Instant) -> bool {
        let begin = self.inner().start.map(|start| start + self.uncounted);
        begin.is_some_and(|begin| (begin..begin + self.run).contains(&due))
    }

    /// Enters a request. Gives the number of requests in a row, of all users, that no answer came to.
    pub(crate) fn record(&self, sample: &Sample<'_>) -> usize {
        let mut inner = self.inner();
        let begin = *inner.start.get_or_insert(sample.due) + self.uncounted;
        let counted = (begin..begin + self.run).contains(&sample.due);
        // A leak counts whenever it happens; the rest only after the warm-up.
        if counted || sample.outcome == Outcome::Leaked {
            let Inner { all, endpoints, scenarios, tenants, cold, warm, .. } = &mut *inner;
            all.add(sample, counted);
            add(endpoints, sample.name, sample, counted);
            add(scenarios, sample.scenario, sample, counted);
            add(tenants, sample.tenant, sample, counted);
            match sample.turn {
                Turn::Only => {}
                Turn::Cold => cold.add(sample, counted),
                Turn::Warm => warm.add(sample, counted),
            }
        }
        if counted {
            inner.late.add(sample.late);
            let mut is_in_time = sample.outcome != Outcome::Unanswered && sample.finished <= begin + self.run;
            if let Some(stages) = &mut inner.stages {
                stages.add(sample, begin);
                is_in_time &= !stages.is_aggressors(sample);
            }
            inner.in_time += u64::from(is_in_time);
            let second = sample.finished.saturating_duration_since(begin).as_secs();
            let at = usize::try_from(second).unwrap_or(usize::MAX - 1);
            if inner.seconds.len() <= at {
                inner.seconds.resize_with(at + 1, Second::default);
                let over = inner.seconds.len().saturating_sub(OPEN).max(inner.closed);
                let closed = std::mem::replace(&mut inner.closed, over);
                inner.seconds[closed..over].iter_mut().for_each(Second::close);
            }
            inner.seconds[at].add(sample);
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

    /// When counting began, if it has.
    pub(crate) fn counted_from(&self) -> Option<Instant> {
        self.inner().start.map(|start| start + self.uncounted)
    }

    /// Why one of these rules cannot hold any more, whatever is answered from now on.
    pub(crate) fn hopeless(&self, rules: &[Rule]) -> Option<String> {
        let inner = self.inner();
        let counted = (inner.start? + self.uncounted).elapsed();
        hopeless(rules, &inner.all, counted, self.run)
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
            scenarios: inner.scenarios,
            tenants: inner.tenants,
            cold: inner.cold,
            warm: inner.warm,
            parts: self.asked.clone(),
            seconds_of_run: inner.seconds,
            memory_growth: None,
            offered: None,
            fairness: inner.stages.as_ref().and_then(Stages::fairness),
            stages: inner.stages,
            late: inner.late,
            in_time: inner.in_time,
        }
    }
}

/// Adds to the series of a name, without a new name for each request.
fn add(series: &mut BTreeMap<String, Series>, name: &str, sample: &Sample<'_>, counted: bool) {
    if let Some(series) = series.get_mut(name) {
        series.add(sample, counted);
    } else {
        series.entry(name.to_owned()).or_default().add(sample, counted);
    }
}
