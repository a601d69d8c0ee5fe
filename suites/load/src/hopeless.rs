//! When a run is given up: once a threshold cannot hold any more, whatever is answered from now on.
//!
//! Of requests, failures and percentiles of the whole run this can be known before its end. Let no more than a share of
//! them fail, or be slower than a limit, and let more than that of all that may still come have done so already: then
//! the rest of the run changes nothing. What may still come is taken to be twice what came until now, for the time that
//! is left. Rules about one operation or a part of the target wait for the end, and so does a leak: which other
//! operations leak is worth the time.

use std::time::Duration;

use crate::measured::Series;
use crate::threshold::Rule;

/// Nothing is given up before.
const AFTER: Duration = Duration::from_secs(5);
/// So many times as fast as until now requests may come from now on.
const FASTER: f64 = 2.0;

/// Why one of the rules cannot hold any more, after so much of what is counted.
#[expect(clippy::cast_precision_loss, reason = "counts of one run stay far below 2^52")]
pub(crate) fn hopeless(rules: &[Rule], all: &Series, counted: Duration, of: Duration) -> Option<String> {
    if counted < AFTER || counted >= of {
        return None;
    }
    let left = of.saturating_sub(counted).as_secs_f64() / counted.as_secs_f64();
    let expected = all.requests as f64 * (1.0 + FASTER * left);
    let hopeless = |rule: &Rule| {
        let (broken, allowed) = rule.broken(all)?;
        let is_hopeless = broken as f64 > allowed * expected;
        is_hopeless.then(|| {
            format!(
                "given up after {} of {} s: {rule} could not hold any more, with {broken} of {} requests against it",
                counted.as_secs(),
                of.as_secs(),
                all.requests
            )
        })
    };
    rules.iter().find_map(hopeless)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::hopeless;
    use crate::measured::Series;
    use crate::samples::{Outcome, Sample, Turn};
    use crate::threshold::Rule;

    /// Requests of which so many failed and so many took a second.
    fn answered(passed: usize, failed: usize, slow: usize) -> Series {
        let due = Instant::now();
        let mut all = Series::default();
        for number in 0..passed + failed + slow {
            let sample = Sample {
                name: "GET team-list",
                scenario: "teams",
                tenant: "acme",
                turn: Turn::Only,
                due,
                late: Duration::ZERO,
                finished: due + Duration::from_millis(if number < slow { 1000 } else { 10 }),
                outcome: if number >= passed + slow { Outcome::Failed } else { Outcome::Passed },
                cause: None,
                limited: false,
                parts: Vec::new(),
                users: 1,
                under_way: 1,
            };
            all.add(&sample, true);
        }
        all
    }

    fn given_up(rule: &str, all: &Series, counted: u64) -> bool {
        let rules = [rule.parse::<Rule>().unwrap()];
        hopeless(&rules, all, Duration::from_secs(counted), Duration::from_mins(1)).is_some()
    }

    #[test]
    fn a_run_that_fails_more_than_all_of_it_may_is_given_up() {
        // A sixth is over; of 100 there may be 1,100 in the end, of which 11 may fail.
        assert!(!given_up("error-rate<1%", &answered(89, 11, 0), 10));
        assert!(given_up("error-rate<1%", &answered(88, 12, 0), 10));
        assert!(
            !given_up("error-rate<1% for team-list", &answered(0, 100, 0), 10),
            "of one operation, at the end"
        );
    }

    #[test]
    fn so_is_one_that_is_slower_more_often_than_all_of_it_may_be() {
        assert!(!given_up("p95<500ms", &answered(50, 0, 50), 10), "5% of 1,100 are 55");
        assert!(given_up("p95<500ms", &answered(40, 0, 60), 10));
        assert!(!given_up("p95<2s", &answered(0, 0, 100), 10));
        assert!(!given_up("p95<500ms in authz", &answered(0, 0, 100), 10));
    }

    #[test]
    fn nothing_is_given_up_at_once_or_when_it_is_over_or_for_what_may_still_come() {
        let failed = answered(0, 100, 0);
        assert!(!given_up("error-rate<1%", &failed, 4));
        assert!(!given_up("error-rate<1%", &failed, 60));
        for rule in ["rps>=1000", "error-rate>=1%", "p95>500ms", "leaks=0", "error-rate<=100%"] {
            assert!(!given_up(rule, &failed, 10), "{rule}");
        }
    }
}
