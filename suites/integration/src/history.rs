//! Concurrent histories: whether what several clients saw at once has an order in which one after the other could
//! have seen it.
//!
//! The search is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993) with the memory of
//! Lowe (Testing for linearizability, 2017): an operation may come next if none that has not come yet had ended
//! before it began.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Instant;

/// One operation as its client saw it.
#[derive(Clone, Debug)]
pub struct Observed<O> {
    /// When it was sent.
    pub began: Instant,
    /// When its answer was there.
    pub ended: Instant,
    /// What was asked and what was answered.
    pub what: O,
}

impl<O> Observed<O> {
    /// Watches an operation from its beginning to its end.
    pub async fn watch(operation: impl Future<Output = O>) -> Observed<O> {
        let began = Instant::now();
        let what = operation.await;
        Observed { began, ended: Instant::now(), what }
    }
}

/// The longest history that is searched: its operations are the bits of a word.
const LONGEST: usize = 64;

/// An order in which the operations could have happened one after the other; `None` if there is none. `step`
/// gives the state after an operation, or nothing where its answer is impossible.
///
/// # Panics
///
/// When the history is longer than 64 operations.
pub fn linearized<'h, O, S>(
    history: &'h [Observed<O>],
    first: &S,
    step: impl Fn(&S, &O) -> Option<S>,
) -> Option<Vec<&'h O>>
where
    S: Clone + Eq + Hash,
{
    assert!(history.len() <= LONGEST, "a history has up to {LONGEST} operations, this one {}", history.len());
    let mut search = Search { history, step, seen: HashSet::new(), order: Vec::new() };
    search.from(0, first).then(|| search.order.iter().map(|index| &history[*index].what).collect())
}

struct Search<'h, O, S, F> {
    history: &'h [Observed<O>],
    step: F,
    seen: HashSet<(u64, S)>,
    order: Vec<usize>,
}

impl<O, S: Clone + Eq + Hash, F: Fn(&S, &O) -> Option<S>> Search<'_, O, S, F> {
    /// Whether the rest can follow, given which have come.
    fn from(&mut self, come: u64, state: &S) -> bool {
        if self.order.len() == self.history.len() {
            return true;
        }
        if !self.seen.insert((come, state.clone())) {
            return false;
        }
        let waiting: Vec<usize> = (0..self.history.len()).filter(|index| come & (1 << index) == 0).collect();
        let first_end = waiting.iter().map(|index| self.history[*index].ended).min();
        for index in waiting {
            let operation = &self.history[index];
            if first_end.is_some_and(|end| end < operation.began) {
                continue;
            }
            let Some(next) = (self.step)(state, &operation.what) else { continue };
            self.order.push(index);
            if self.from(come | (1 << index), &next) {
                return true;
            }
            self.order.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Observed, linearized};

    /// A register: what was written, or what was read.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Op {
        Write(u8),
        Read(u8),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "states are not always this small")]
    fn step(state: &u8, op: &Op) -> Option<u8> {
        match *op {
            Op::Write(value) => Some(value),
            Op::Read(value) => (value == *state).then_some(value),
        }
    }

    fn history(spans: &[(u64, u64, Op)]) -> Vec<Observed<Op>> {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        spans
            .iter()
            .map(|&(began, ended, what)| Observed { began: at(began), ended: at(ended), what })
            .collect()
    }

    #[test]
    fn overlapping_operations_may_have_happened_in_either_order() {
        let seen = history(&[(0, 10, Op::Write(1)), (1, 9, Op::Read(0)), (2, 8, Op::Read(1))]);
        let order = linearized(&seen, &0, step).unwrap();
        assert_eq!(order, [&Op::Read(0), &Op::Write(1), &Op::Read(1)]);
    }

    #[test]
    fn a_read_after_a_write_sees_it() {
        let stale = history(&[(0, 1, Op::Write(1)), (2, 3, Op::Read(0))]);
        assert_eq!(linearized(&stale, &0, step), None);
    }

    #[test]
    fn two_reads_do_not_see_a_value_come_and_go() {
        let flicker = history(&[(0, 9, Op::Write(1)), (1, 2, Op::Read(1)), (3, 4, Op::Read(0))]);
        assert_eq!(linearized(&flicker, &0, step), None);
    }
}
