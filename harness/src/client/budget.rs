//! How many requests may be sent to a target, and how fast: one budget for all its clients in a process. What removes
//! things again is outside of it, or a run that is at its end would leave what it made.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, interval_at};

use super::CallError;
use crate::target::Limits;

/// What may still be sent.
#[derive(Debug)]
pub struct Budget {
    terms: Mutex<Terms>,
}

#[derive(Debug)]
struct Terms {
    most: Option<u64>,
    rate: Option<u32>,
    spent: u64,
    /// When the next request may be sent.
    next: Instant,
}

impl Budget {
    /// What a target's limits leave.
    pub(crate) fn of(limits: &Limits) -> Budget {
        let terms = Terms { most: limits.max_requests, rate: limits.rate, spent: 0, next: Instant::now() };
        Budget { terms: Mutex::new(terms) }
    }

    fn terms(&self) -> std::sync::MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on at most so many requests in all, those sent already among them, and so many a second; without a number
    /// it stays as it was.
    pub fn limit(&self, most: Option<u64>, rate: Option<u32>) {
        let mut terms = self.terms();
        terms.most = most.or(terms.most);
        terms.rate = rate.or(terms.rate);
    }

    /// Counts one more request, if it may be sent.
    pub(super) fn spend(&self) -> Result<(), CallError> {
        let mut terms = self.terms();
        match terms.most {
            Some(most) if terms.spent >= most => Err(CallError::Budget(most)),
            _ => {
                terms.spent += 1;
                Ok(())
            }
        }
    }

    /// Waits for the next request's turn.
    pub(super) async fn turn(&self) {
        if let Some(at) = self.reserve(Instant::now()) {
            interval_at(at, Duration::from_secs(1)).tick().await;
        }
    }

    /// When somebody who asks now may send; at once where nothing is said of the rate.
    fn reserve(&self, now: Instant) -> Option<Instant> {
        let mut terms = self.terms();
        let at = terms.next.max(now);
        terms.next = at + Duration::from_secs(1) / terms.rate?.max(1);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Budget, CallError};
    use crate::target::Limits;

    #[test]
    fn what_is_spent_is_spent_and_a_later_limit_counts_it() {
        let budget = Budget::of(&Limits { max_requests: Some(2), ..Limits::default() });
        assert!(budget.spend().is_ok() && budget.spend().is_ok());
        assert!(matches!(budget.spend(), Err(CallError::Budget(2))));
        budget.limit(Some(3), None);
        assert!(budget.spend().is_ok());
        assert!(matches!(budget.spend(), Err(CallError::Budget(3))));
    }

    #[test]
    fn requests_take_turns_at_the_rate_however_many_ask_at_once() {
        let budget = Budget::of(&Limits::default());
        let now = Instant::now();
        assert_eq!(budget.reserve(now), None);
        budget.limit(None, Some(50));
        let turns: Vec<_> = (0..101).filter_map(|_| budget.reserve(now)).collect();
        assert_eq!((turns[0], turns[100]), (now, now + Duration::from_secs(2)));
        let later = now + Duration::from_secs(9);
        assert_eq!(budget.reserve(later), Some(later), "turns that nobody took are not made up for");
    }
}
