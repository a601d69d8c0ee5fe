//! What a load run measured: histograms, and the figures read off them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use harness::record::{Endpoint, Fairness, Heat, Latency, Share, TenantLoad, Tick};
use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fairness::Stages;
use crate::samples::{Outcome, Sample};

/// Decimal digits of a latency that are exact: an error of at most a thousandth.
const DIGITS: u8 = 3;
/// For the single seconds of a run, of which there may be thousands: a hundredth.
const DIGITS_OF_SECOND: u8 = 2;
/// The upper bounds of the bands of the heat map, milliseconds; the last band is everything above.
const BANDS: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// All of a run that counts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Measured time.
    pub seconds: f64,
    /// All requests.
    pub all: Series,
    /// By request name.
    pub endpoints: BTreeMap<String, Series>,
    /// By scenario.
    pub scenarios: BTreeMap<String, Series>,
    /// By tenant.
    pub tenants: BTreeMap<String, Series>,
    /// The first requests of visits, where these have several.
    pub cold: Series,
    /// The others.
    pub warm: Series,
    /// The parts of `Server-Timing` that were looked at, in the order of every series.
    pub parts: Vec<String>,
    /// By second.
    pub seconds_of_run: Vec<Second>,
    /// What the target's memory grew by, bytes.
    pub memory_growth: Option<f64>,
    /// What was to be sent, in the open model.
    pub offered: Option<Offered>,
    /// What tenants felt of one that asked for too much, where there was one.
    pub fairness: Option<Fairness>,
    /// What that is read off.
    pub stages: Option<Stages>,
    /// How much later than due requests were sent.
    pub late: Micros,
    /// Requests that were answered before the end, but for an aggressor's.
    pub in_time: u64,
}

/// What an open model was to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offered {
    /// Requests that were due.
    pub due: u64,
    /// Those that were not sent, because too many were under way.
    pub dropped: u64,
    /// Those that were answered before the end.
    pub in_time: u64,
}

impl Offered {
    fn and(self, other: Offered) -> Offered {
        Offered {
            due: self.due + other.due,
            dropped: self.dropped + other.dropped,
            in_time: self.in_time + other.in_time,
        }
    }
}

impl Measured {
    /// The requests of one name: a whole one, an operation whatever its method and label, a label, a scenario, or a turn.
    pub(crate) fn named(&self, name: &str) -> Option<Series> {
        let is_operation = |key: &str| key.split(' ').nth(1) == Some(name);
        let is_label = |key: &str| key.ends_with(&format!(" ({name})"));
        let is_called = |key: &str| key == name || is_operation(key) || is_label(key);
        let called = self.endpoints.iter().filter(|(key, _)| is_called(key)).map(|(_, series)| series);
        let turn = match name {
            "cold" => Some(&self.cold),
            "warm" => Some(&self.warm),
            _ => None,
        };
        let all = called.chain(self.scenarios.get(name)).chain(turn);
        all.fold(None, |sum: Option<Series>, series| Some(sum.unwrap_or_default().and(series)))
    }

    /// Adds what another part of the same run measured, which began so much later: histograms bucket by bucket, so that
    /// a percentile is one of all requests. Of memory, which each part saw of the same target, the largest growth counts.
    pub(crate) fn absorb(&mut self, other: &Measured, later: Duration) {
        self.seconds = self.seconds.max(later.as_secs_f64() + other.seconds);
        self.all.absorb(&other.all);
        self.cold.absorb(&other.cold);
        self.warm.absorb(&other.warm);
        for (ours, theirs) in [
            (&mut self.endpoints, &other.endpoints),
            (&mut self.scenarios, &other.scenarios),
            (&mut self.tenants, &other.tenants),
        ] {
            for (name, series) in theirs {
                ours.entry(name.clone()).or_default().absorb(series);
            }
        }
        // To the nearest second: a part does not begin in the middle of one.
        let later = usize::try_from((later + Duration::from_millis(500)).as_secs()).unwrap_or(usize::MAX / 2);
        let ends = later + other.seconds_of_run.len();
        if self.seconds_of_run.len() < ends && !other.seconds_of_run.is_empty() {
            self.seconds_of_run.resize_with(ends, Second::default);
        }
        for (second, other) in self.seconds_of_run.iter_mut().skip(later).zip(&other.seconds_of_run) {
            second.absorb(other);
        }
        self.memory_growth = match (self.memory_growth, other.memory_growth) {
            (Some(ours), Some(theirs)) => Some(ours.max(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.offered = match (self.offered, other.offered) {
            (Some(ours), Some(theirs)) => Some(ours.and(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        match (&mut self.stages, &other.stages) {
            (Some(ours), Some(theirs)) => ours.absorb(theirs),
            (ours, theirs) => *ours = ours.take().or_else(|| theirs.clone()),
        }
        self.fairness = self.stages.as_ref().and_then(Stages::fairness);
        self.late.absorb(&other.late);
        self.in_time += other.in_time;
    }

    /// What a part of the target took in a series.
    pub(crate) fn part_of<'s>(&self, series: &'s Series, part: &str) -> Option<&'s Micros> {
        let at = self.parts.iter().position(|known| known == part)?;
        series.parts.get(at)
    }

    /// The endpoints as records.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |(name, series): (&String, &Series)| Endpoint {
            name: name.clone(),
            requests: series.requests,
            failures: series.failures,
            latency: series.latency(),
            causes: series.causes.clone(),
        };
        self.endpoints.iter().map(endpoint).collect()
    }

    /// The tenants as records.
    pub(crate) fn tenants(&self) -> Vec<TenantLoad> {
        let tenant = |(tenant, series): (&String, &Series)| TenantLoad {
            tenant: tenant.clone(),
            requests: series.requests,
            failures: series.failures,
            limited: series.limited,
            latency: series.latency(),
        };
        self.tenants.iter().map(tenant).collect()
    }

    /// What the target says its parts took, as records.
    pub(crate) fn shares(&self) -> Vec<Share> {
        let shares = self.parts.iter().zip(&self.all.parts);
        let told = shares.filter(|(_, micros)| micros.count() > 0);
        told.map(|(part, micros)| Share { part: part.clone(), latency: micros.latency() }).collect()
    }

    /// The seconds as records.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let tick = |(second, figures): (u64, &Second)| {
            let Latency { p50_ms, p95_ms, p99_ms, .. } = figures.latency.latency();
            Tick {
                second,
                requests: figures.requests,
                failures: figures.failures,
                users: figures.users,
                under_way: figures.under_way,
                p50_ms,
                p95_ms,
                p99_ms,
            }
        };
        (0..).zip(&self.seconds_of_run).map(tick).collect()
    }

    /// How many answers of each second lie in each band of latency.
    pub(crate) fn heat(&self) -> Heat {
        let counts = self.seconds_of_run.iter().map(|second| second.bands.to_vec());
        Heat { bounds_ms: BANDS.to_vec(), counts: counts.collect() }
    }
}

/// Requests that are looked at together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Requests sent.
    pub requests: u64,
    /// Those that failed; a leak is a failure too.
    pub failures: u64,
    /// Those that were told to come less often.
    pub limited: u64,
    /// Responses with another tenant's data, also of the warm-up.
    pub leaks: u64,
    latency: Micros,
    parts: Vec<Micros>,
    causes: BTreeMap<String, u64>,
}

impl Series {
    pub(crate) fn add(&mut self, sample: &Sample<'_>, counted: bool) {
        let outcome = sample.outcome;
        self.leaks += u64::from(outcome == Outcome::Leaked);
        if !counted {
            return;
        }
        self.requests += 1;
        self.failures += u64::from(outcome != Outcome::Passed);
        self.limited += u64::from(sample.limited);
        if let Some(cause) = &sample.cause {
            *self.causes.entry(cause.clone()).or_default() += 1;
        }
        if outcome != Outcome::Unanswered {
            self.latency.add(sample.latency());
        }
        if self.parts.len() < sample.parts.len() {
            self.parts.resize_with(sample.parts.len(), Micros::default);
        }
        for (part, took) in self.parts.iter_mut().zip(&sample.parts) {
            if let Some(took) = took {
                part.add(*took);
            }
        }
    }

    /// These requests and others.
    fn and(mut self, other: &Series) -> Series {
        self.absorb(other);
        self
    }

    /// Adds others.
    pub(crate) fn absorb(&mut self, other: &Series) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.limited += other.limited;
        self.leaks += other.leaks;
        for (cause, count) in &other.causes {
            *self.causes.entry(cause.clone()).or_default() += count;
        }
        self.latency.absorb(&other.latency);
        if self.parts.len() < other.parts.len() {
            self.parts.resize_with(other.parts.len(), Micros::default);
        }
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            part.absorb(other);
        }
    }

    /// Times to the last byte.
    pub(crate) fn latencies(&self) -> &Micros {
        &self.latency
    }

    /// A percentile of the time to the last byte, microseconds. `None` when nothing was answered.
    pub(crate) fn percentile_us(&self, percentile: f64) -> Option<f64> {
        self.latency.percentile_us(percentile)
    }

    /// The usual percentiles; 0 when nothing was answered.
    pub(crate) fn latency(&self) -> Latency {
        self.latency.latency()
    }
}

impl Sample<'_> {
    /// From when it was due to the last byte.
    pub(crate) fn latency(&self) -> Duration {
        self.finished.saturating_duration_since(self.due)
    }
}

/// One second of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Second {
    requests: u64,
    failures: u64,
    /// The most at once.
    users: u64,
    under_way: u64,
    latency: Micros<DIGITS_OF_SECOND>,
    bands: [u64; BANDS.len() + 1],
}

impl Second {
    /// The 99th percentile, microseconds. `None` without an answer.
    pub(crate) fn p99_us(&self) -> Option<f64> {
        self.latency.percentile_us(99.0)
    }

    pub(crate) fn add(&mut self, sample: &Sample<'_>) {
        self.requests += 1;
        self.failures += u64::from(sample.outcome != Outcome::Passed);
        self.users = self.users.max(sample.users);
        self.under_way = self.under_way.max(sample.under_way);
        if sample.outcome != Outcome::Unanswered {
            let latency = sample.latency();
            self.latency.add(latency);
            let millis = latency.as_secs_f64() * 1e3;
            let band = BANDS.iter().position(|bound| millis <= *bound).unwrap_or(BANDS.len());
            self.bands[band] += 1;
        }
    }

    /// Nothing comes any more, as far as one knows: seconds are thousands in a run, and each has a histogram.
    pub(crate) fn close(&mut self) {
        self.latency.pack();
    }

    /// Adds the same second of another part of the run, whose users are others.
    pub(crate) fn absorb(&mut self, other: &Second) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.users += other.users;
        self.under_way += other.under_way;
        self.latency.absorb(&other.latency);
        for (band, other) in self.bands.iter_mut().zip(&other.bands) {
            *band += other;
        }
    }
}

/// Times in microseconds, exact to so many digits. Takes no memory before the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Micros<const EXACT: u8 = DIGITS> {
    histogram: Option<Histogram<u64>>,
    /// What stood in it, a time of each bucket and how many lie there, while nobody adds: the buckets in use are few, and
    /// a histogram has room for all.
    packed: Vec<(u64, u64)>,
}

impl<const EXACT: u8> Micros<EXACT> {
    pub(crate) fn add(&mut self, time: Duration) {
        self.add_times(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), 1);
    }

    fn add_times(&mut self, micros: u64, count: u64) {
        if let Some(histogram) = self.open() {
            // Fails only where a histogram may not grow.
            histogram.record_n(micros, count).ok();
        }
    }

    fn absorb(&mut self, other: &Micros<EXACT>) {
        if let Some(theirs) = other.read()
            && let Some(ours) = self.open()
        {
            // Fails only where a histogram may not grow.
            ours.add(&*theirs).ok();
        }
    }

    /// Takes as little memory as it can until somebody adds again.
    fn pack(&mut self) {
        if let Some(histogram) = self.histogram.take() {
            self.packed = buckets(&histogram).collect();
        }
    }

    fn open(&mut self) -> Option<&mut Histogram<u64>> {
        if self.histogram.is_none() {
            self.histogram = self.read().map(Cow::into_owned).or_else(|| empty(EXACT));
            self.packed = Vec::new();
        }
        self.histogram.as_mut()
    }

    /// What is in it. `None` without any time.
    fn read(&self) -> Option<Cow<'_, Histogram<u64>>> {
        if let Some(histogram) = &self.histogram {
            return Some(Cow::Borrowed(histogram)).filter(|histogram| !histogram.is_empty());
        }
        if self.packed.is_empty() {
            return None;
        }
        let mut histogram = empty(EXACT)?;
        for (micros, count) in &self.packed {
            histogram.record_n(*micros, *count).ok();
        }
        Some(Cow::Owned(histogram))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.read().map_or(0, |histogram| histogram.len())
    }

    /// How many took longer.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limits are times of a run")]
    pub(crate) fn above(&self, micros: f64) -> u64 {
        self.read().map_or(0, |histogram| histogram.len() - histogram.count_between(0, micros as u64))
    }

    /// A percentile in microseconds. `None` without any time.
    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 142 years")]
    pub(crate) fn percentile_us(&self, percentile: f64) -> Option<f64> {
        Some(self.read()?.value_at_percentile(percentile) as f64)
    }

    /// The usual percentiles; 0 without any time.
    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 142 years")]
    pub(crate) fn latency(&self) -> Latency {
        let read = self.read();
        let micros = |percentile| read.as_ref().map_or(0, |read| read.value_at_percentile(percentile));
        let millis = |percentile| micros(percentile) as f64 / 1e3;
        Latency { p50_ms: millis(50.0), p95_ms: millis(95.0), p99_ms: millis(99.0), max_ms: millis(100.0) }
    }
}

fn empty(digits: u8) -> Option<Histogram<u64>> {
    // Fails only for more than five digits.
    Histogram::new(digits).ok()
}

/// The buckets in use, each with a time in it and how many lie there: whoever reads them has the same histogram.
fn buckets(histogram: &Histogram<u64>) -> impl Iterator<Item = (u64, u64)> {
    histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
}

/// As buckets.
impl<const EXACT: u8> Serialize for Micros<EXACT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.read().iter().flat_map(|histogram| buckets(histogram)))
    }
}

impl<'de, const EXACT: u8> Deserialize<'de> for Micros<EXACT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut micros = Micros::default();
        for (time, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            micros.add_times(time, count);
        }
        Ok(micros)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DIGITS_OF_SECOND, Micros};

    #[test]
    fn packed_times_are_the_same_times_in_less_memory() {
        let mut open = Micros::<DIGITS_OF_SECOND>::default();
        let times = (1..400_u64).map(|n| Duration::from_micros(n * n * 7));
        times.clone().for_each(|time| open.add(time));
        let mut packed = open.clone();
        packed.pack();
        assert!(packed.histogram.is_none() && packed.packed.len() < 400, "{}", packed.packed.len());
        let figures = |micros: &Micros<DIGITS_OF_SECOND>| {
            (micros.count(), micros.above(50_000.0), micros.latency(), serde_json::to_string(micros).unwrap())
        };
        assert_eq!(figures(&packed), figures(&open));
        // One that comes late, and another part of the run.
        open.add(Duration::from_secs(2));
        packed.add(Duration::from_secs(2));
        let mut both = packed.clone();
        both.pack();
        both.absorb(&open);
        packed.absorb(&open);
        assert_eq!(figures(&both), figures(&packed));
        assert_eq!(both.count(), 800);
    }
}
