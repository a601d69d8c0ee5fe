//! Fairness between tenants: what the others feel of one that asks for more than its quota, who is told to come less
//! often, and how soon all is as it was.
//!
//! A run has three stages of equal length: the tenants alone, beside the aggressor, and after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::record::Fairness;
use serde::{Deserialize, Serialize};

use crate::measured::{Second, Series};
use crate::samples::{Outcome, Sample};

/// Alone, beside, after.
const STAGES: u32 = 3;
/// A second in which the slowest take no more than so many times what they took alone is one as before.
const AS_BEFORE: f64 = 2.0;
/// So many seconds as before, one after the other, are no chance.
const IN_A_ROW: usize = 3;

/// A tenant that asks for more than it may.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggressor {
    /// What it sends.
    pub workload: String,
    /// How many a second.
    pub rate: f64,
    /// How many a second it is entitled to.
    pub quota: f64,
}

/// What is collected by stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stages {
    /// How long a stage is.
    stage: Duration,
    /// What it is entitled to in a stage.
    quota: f64,
    /// What the others send together in a stage.
    fair: f64,
    /// The aggressor's organisation; empty in a part of a run that it is no part of.
    aggressor: String,
    alone: Series,
    beside: Series,
    all_of_aggressor: Series,
    /// Requests that were done, by tenant, beside the aggressor.
    done: BTreeMap<String, u64>,
    seconds: Vec<Second>,
}

/// How long a stage is in a run of this length.
pub(crate) fn stage(counted: Duration) -> Duration {
    counted / STAGES
}

impl Stages {
    /// Of a run in which so much is counted, and the others send so many requests a second.
    pub(crate) fn new(counted: Duration, rate: f64, aggressor: &Aggressor, org: &str) -> Stages {
        let stage = stage(counted);
        Stages {
            stage,
            quota: aggressor.quota * stage.as_secs_f64(),
            fair: rate * stage.as_secs_f64(),
            aggressor: org.to_owned(),
            alone: Series::default(),
            beside: Series::default(),
            all_of_aggressor: Series::default(),
            done: BTreeMap::new(),
            seconds: Vec::new(),
        }
    }

    /// Whether a request is the aggressor's.
    pub(crate) fn is_aggressors(&self, sample: &Sample<'_>) -> bool {
        sample.tenant == self.aggressor
    }

    /// Enters a request that counts; `begin` is when counting began.
    pub(crate) fn add(&mut self, sample: &Sample<'_>, begin: Instant) {
        let since = sample.due.saturating_duration_since(begin);
        if (self.stage..self.stage * 2).contains(&since) {
            let done = sample.outcome == Outcome::Passed && !sample.limited;
            *self.done.entry(sample.tenant.to_owned()).or_default() += u64::from(done);
        }
        if self.is_aggressors(sample) {
            self.all_of_aggressor.add(sample, true);
            return;
        }
        if since < self.stage {
            self.alone.add(sample, true);
        } else if since < self.stage * 2 {
            self.beside.add(sample, true);
        }
        let second = usize::try_from(since.as_secs()).unwrap_or(usize::MAX - 1);
        if self.seconds.len() <= second {
            self.seconds.resize_with(second + 1, Second::default);
        }
        self.seconds[second].add(sample);
    }

    /// Adds what another part of the same run collected. Each has stages of its own, counted from its beginning.
    pub(crate) fn absorb(&mut self, other: &Stages) {
        if self.aggressor.is_empty() {
            self.aggressor.clone_from(&other.aggressor);
        }
        self.alone.absorb(&other.alone);
        self.beside.absorb(&other.beside);
        self.all_of_aggressor.absorb(&other.all_of_aggressor);
        for (tenant, done) in &other.done {
            *self.done.entry(tenant.clone()).or_default() += done;
        }
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize_with(other.seconds.len(), Second::default);
        }
        for (second, other) in self.seconds.iter_mut().zip(&other.seconds) {
            second.absorb(other);
        }
    }

    /// What it came to; nothing without answers alone and beside the aggressor.
    pub(crate) fn fairness(&self) -> Option<Fairness> {
        let (alone, beside) = (self.alone.percentile_us(99.0)?, self.beside.percentile_us(99.0)?);
        Some(Fairness {
            alone_p99_ms: alone / 1e3,
            beside_p99_ms: beside / 1e3,
            degradation_percent: rounded(100.0 * (beside - alone) / alone.max(1.0)),
            recovery_seconds: self.recovery(alone),
            jain: rounded(self.jain()),
            others_limited: self.alone.limited + self.beside.limited,
            aggressor_limited: self.all_of_aggressor.limited,
        })
    }

    /// Seconds from the aggressor's end to the first of some that are as before; none if they do not come.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
    fn recovery(&self, alone_us: f64) -> Option<f64> {
        let end = usize::try_from((self.stage * 2).as_secs()).ok()?;
        let after = self.seconds.get(end..).unwrap_or_default();
        let as_before = |second: &Second| second.p99_us().is_none_or(|p99| p99 <= AS_BEFORE * alone_us);
        let first = (0..after.len()).find(|first| after[*first..].iter().take(IN_A_ROW).all(as_before))?;
        Some(first as f64)
    }

    /// Jain's index of what each tenant got, by its fair share: 1 where all got the same part of theirs.
    #[expect(clippy::cast_precision_loss, reason = "requests and tenants of a run")]
    fn jain(&self) -> f64 {
        let others = self.done.len().saturating_sub(1).max(1) as f64;
        let part = |(tenant, done): (&String, &u64)| {
            let fair = if *tenant == self.aggressor { self.quota } else { self.fair / others };
            *done as f64 / fair.max(f64::MIN_POSITIVE)
        };
        jain(&self.done.iter().map(part).collect::<Vec<_>>())
    }
}

/// (sum of x)² / (n × sum of x²)
#[expect(clippy::cast_precision_loss, reason = "tenants are counted in hundreds")]
fn jain(parts: &[f64]) -> f64 {
    let squares: f64 = parts.iter().map(|part| part * part).sum();
    if squares > 0.0 { parts.iter().sum::<f64>().powi(2) / (parts.len() as f64 * squares) } else { 0.0 }
}

/// To the thousandth, so that a record reads back as it was written.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Aggressor, Stages, jain};
    use crate::samples::{Outcome, Sample, Turn};

    #[test]
    fn the_index_is_one_where_all_get_the_same_part_and_falls_to_one_of_n() {
        assert!((jain(&[0.7, 0.7, 0.7]) - 1.0).abs() < 1e-9);
        assert!((jain(&[0.0, 0.0, 5.0, 0.0]) - 0.25).abs() < 1e-9);
    }

    /// Nine seconds, ten requests a second of one tenant; the other asks for ten a second in the middle third, where the
    /// first is slow, and for two seconds after it.
    fn stages(granted: bool) -> Stages {
        let begin = Instant::now();
        let aggressor = Aggressor { workload: String::new(), rate: 10.0, quota: 1.0 };
        let mut stages = Stages::new(Duration::from_secs(9), 10.0, &aggressor, "greedy");
        for tenth in 0..90u64 {
            let slow = (30..50).contains(&tenth) || (60..80).contains(&tenth);
            let due = begin + Duration::from_millis(tenth * 100);
            let sample = |tenant, millis, limited| Sample {
                name: "GET team-list",
                scenario: "teams",
                tenant,
                turn: Turn::Only,
                due,
                late: Duration::ZERO,
                finished: due + Duration::from_millis(millis),
                outcome: Outcome::Passed,
                cause: None,
                limited,
                parts: Vec::new(),
                users: 2,
                under_way: 1,
            };
            stages.add(&sample("modest", if slow { 50 } else { 10 }, false), begin);
            if (30..60).contains(&tenth) {
                stages.add(&sample("greedy", 5, !granted && tenth % 10 > 0), begin);
            }
        }
        stages
    }

    #[test]
    fn what_the_others_feel_and_how_long_is_told() {
        let fairness = stages(false).fairness().unwrap();
        assert!((fairness.alone_p99_ms - 10.0).abs() < 0.1 && (fairness.beside_p99_ms - 50.0).abs() < 0.1);
        assert!((fairness.degradation_percent - 400.0).abs() < 5.0, "{fairness:?}");
        assert_eq!(fairness.recovery_seconds, Some(2.0));
        assert_eq!((fairness.others_limited, fairness.aggressor_limited), (0, 27));
        assert!((fairness.jain - 1.0).abs() < 1e-6, "everybody got what is theirs: {fairness:?}");
    }

    #[test]
    fn whoever_gets_ten_times_its_quota_is_seen_in_the_index() {
        let fairness = stages(true).fairness().unwrap();
        assert!((fairness.jain - 121.0 / 202.0).abs() < 1e-3, "{fairness:?}");
    }
}
