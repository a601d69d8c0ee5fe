//! The open model: requests begin when they are due, at a rate, however long answers take. What users wait for in the
//! closed model (an answer before the next request) hides how many would have come meanwhile; here they come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::fairness;
use crate::field::{Due, Field};
use crate::interrupt::Watch;
use crate::measured::Offered;
use crate::profile::Profile;
use crate::samples::Turn;
use crate::shard::Shard;

/// With requests for so many seconds under way, no more are sent: by then the target answers none in time.
pub(crate) const SECONDS_UNDER_WAY: f64 = 10.0;
/// And at least so many may be.
const UNDER_WAY: usize = 500;
/// How long nobody looks whether the run is over.
const LOOK: Duration = Duration::from_millis(100);

/// How often requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// So many a second; at the end, where it began with another rate.
    pub rate: f64,
    /// The rate it begins with: from there it rises or falls evenly over what is counted.
    #[serde(default)]
    pub from: Option<f64>,
}

impl Arrivals {
    /// Whether requests can arrive so.
    pub(crate) fn is_possible(self) -> bool {
        let from = self.from.unwrap_or(self.rate);
        self.rate.is_finite() && self.rate > 0.0 && from.is_finite() && from >= 0.0
    }
}

/// When each request is due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    from: f64,
    to: f64,
    /// Before the rate begins to change, seconds.
    steady: f64,
    /// While it changes.
    changing: f64,
}

impl Schedule {
    fn of(profile: &Profile, arrivals: Arrivals) -> Schedule {
        Schedule {
            from: arrivals.from.unwrap_or(arrivals.rate),
            to: arrivals.rate,
            steady: profile.uncounted().as_secs_f64(),
            changing: profile.counted().as_secs_f64(),
        }
    }

    /// When so many requests have been due before: where the integral of the rate reaches that number.
    fn due(&self, number: f64) -> Option<Duration> {
        let before = self.from * self.steady;
        let seconds = if number < before {
            number / self.from
        } else {
            let (number, slope) = (number - before, (self.to - self.from) / self.changing);
            self.steady
                + if slope == 0.0 {
                    number / self.from
                } else {
                    (-self.from + (self.from * self.from + 2.0 * slope * number).sqrt()) / slope
                }
        };
        // Where a falling rate never reaches the number, it is no number.
        (seconds < self.steady + self.changing).then(|| Duration::try_from_secs_f64(seconds).ok())?
    }

    /// All of them.
    fn all(self) -> impl Iterator<Item = Duration> {
        (0u32..).map_while(move |number| self.due(f64::from(number)))
    }
}

/// Sends what is due until the end of the profile, Ctrl-C or trouble, and waits for the answers. An aggressor sends
/// beside it, and nothing of that is told here.
pub(crate) async fn run(
    field: &Arc<Field>,
    profile: &Profile,
    arrivals: Arrivals,
    mut rng: StdRng,
    watch: &Watch,
) -> Offered {
    let start = Instant::now();
    field.begin(start);
    let people = profile.population().min(field.visitors.len()).max(1);
    let shards = profile.shard.map_or(1, Shard::of);
    let is_due_here = |number: usize| profile.shard.is_none_or(|shard| shard.takes(number));
    let all = Schedule::of(profile, arrivals).all().enumerate();
    let due = all.filter(|(number, _)| is_due_here(*number)).map(|(_, due)| due);
    let others = send(field, due, start, most_under_way(arrivals, shards), watch, |number| {
        (drawn(field, &mut rng), number % people)
    });
    let aggression = async {
        let Some(aggressor) = profile.aggression() else { return };
        let stage = fairness::stage(profile.counted());
        let begins = start + profile.uncounted() + stage;
        let (part, theirs) = (field.parts.len() - 1, people..field.visitors.len());
        let steady = Arrivals { rate: aggressor.rate, from: None };
        let schedule =
            Schedule { from: steady.rate, to: steady.rate, steady: 0.0, changing: stage.as_secs_f64() };
        send(field, schedule.all(), begins, most_under_way(steady, 1), watch, |number| {
            (part, theirs.start + number % theirs.len().max(1))
        })
        .await;
    };
    let (offered, ()) = tokio::join!(others, aggression);
    // The rate is one over the whole time, not up to the last request.
    is_time(field, start + profile.length(), watch).await;
    offered
}

/// Sends what is due so long after the beginning; `chosen` says what and who.
async fn send(
    field: &Arc<Field>,
    all: impl Iterator<Item = Duration>,
    begins: Instant,
    most: usize,
    watch: &Watch,
    mut chosen: impl FnMut(usize) -> (usize, usize),
) -> Offered {
    let mut offered = Offered::default();
    let mut under_way = JoinSet::new();
    for (number, due) in all.enumerate() {
        let due = begins + due;
        if !is_time(field, due, watch).await {
            break;
        }
        while under_way.try_join_next().is_some() {}
        let counts = field.samples.counts(due);
        offered.due += u64::from(counts);
        if under_way.len() >= most {
            offered.dropped += u64::from(counts);
            continue;
        }
        let (field, (part, visitor)) = (field.clone(), chosen(number));
        under_way.spawn(async move {
            field.act(part, visitor, Due { at: Some(due), turn: Turn::Only }).await;
        });
    }
    // Each gives up at the field's deadline.
    while under_way.join_next().await.is_some() {}
    offered
}

/// How many may be under way at once, in one of so many shards.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that overflows is never reached"
)]
fn most_under_way(arrivals: Arrivals, shards: usize) -> usize {
    let fastest = arrivals.rate.max(arrivals.from.unwrap_or_default());
    UNDER_WAY.max((fastest * SECONDS_UNDER_WAY) as usize / shards.max(1))
}

/// Waits until a request is due; no, if the run is over before.
async fn is_time(field: &Field, due: Instant, watch: &Watch) -> bool {
    loop {
        if field.is_stopped() || watch.interrupted() {
            return false;
        }
        let now = Instant::now();
        if now >= due {
            return true;
        }
        tokio::time::sleep_until(due.min(now + LOOK).into()).await;
    }
}

/// One of the scenarios, by weight.
fn drawn(field: &Field, rng: &mut StdRng) -> usize {
    let all: usize = field.parts.iter().map(|part| part.weight).sum();
    let mut drawn = rng.random_range(0..all.max(1));
    let found = field.parts.iter().position(|part| match drawn.checked_sub(part.weight) {
        None => true,
        Some(rest) => {
            drawn = rest;
            false
        }
    });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_constant_rate_is_evenly_spaced_to_the_end() {
        let schedule = Schedule { from: 100.0, to: 100.0, steady: 1.0, changing: 2.0 };
        let due: Vec<f64> = schedule.all().map(|due| due.as_secs_f64()).collect();
        assert_eq!(due.len(), 300);
        assert!(due.windows(2).all(|pair| (pair[1] - pair[0] - 0.01).abs() < 1e-6));
    }

    #[test]
    fn a_rate_that_rises_gives_as_many_as_its_mean() {
        let schedule = Schedule { from: 0.0, to: 100.0, steady: 0.0, changing: 10.0 };
        let due: Vec<f64> = schedule.all().map(|due| due.as_secs_f64()).collect();
        assert_eq!(due.len(), 500);
        let first_half = due.iter().filter(|due| **due < 5.0).count();
        assert_eq!(first_half, 125, "a quarter of the area lies under the first half of a line from 0");
    }

    #[test]
    fn a_rate_that_falls_ends_with_its_time() {
        let schedule = Schedule { from: 50.0, to: 10.0, steady: 0.0, changing: 10.0 };
        assert_eq!(schedule.all().count(), 300);
    }
}
