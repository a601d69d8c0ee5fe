//! The coverage ledger: what was SENT, by operation, principal and class. Declarations do not count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::exchange::Class;
use crate::record::Cell;

type Key = (String, String, Class);

/// Requests sent, by operation, principal and class.
#[derive(Debug, Default)]
pub struct Coverage {
    cells: Mutex<BTreeMap<Key, Count>>,
    spent: AtomicU64,
    unanswered: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    sent: u64,
    recorded: u64,
}

impl Coverage {
    /// Counts one request against the target's budget; returns how many went before it.
    pub(super) fn spend(&self) -> u64 {
        self.spent.fetch_add(1, Ordering::Relaxed)
    }

    /// A request was answered or not, whatever the answer.
    pub(super) fn answered(&self, answered: bool) {
        if answered {
            self.unanswered.store(0, Ordering::Relaxed);
        } else {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests in a row were left without an answer.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, operation: &str, principal: &str, class: Class) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.entry((operation.to_owned(), principal.to_owned(), class)).or_default().sent += 1;
    }

    /// How many requests of a class an operation got, from whomever.
    pub fn sent(&self, operation: &str, class: Class) -> u64 {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .iter()
            .filter(|((op, _, c), _)| op == operation && *c == class)
            .map(|(_, count)| count.sent)
            .sum()
    }

    /// Whether an (operation, principal, class) was sent at all.
    pub fn covers(&self, operation: &str, principal: &str, class: Class) -> bool {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.contains_key(&(operation.to_owned(), principal.to_owned(), class))
    }

    /// Takes over what was sent to another system of the same contract. What of it is in the records already is not
    /// recorded again.
    pub fn absorb(&self, other: &Coverage) {
        let theirs = other.cells.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in theirs {
            let cell = cells.entry(key).or_default();
            cell.sent += count.sent;
            cell.recorded += count.recorded;
        }
    }

    /// What was sent since the last call, as records that add up.
    pub(super) fn take_new(&self, suite: &str, target: &str) -> Vec<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let new = cells.iter_mut().filter(|(_, count)| count.sent > count.recorded);
        new.map(|((operation, principal, class), count)| {
            let requests = count.sent - count.recorded;
            count.recorded = count.sent;
            Cell {
                suite: suite.to_owned(),
                target: target.to_owned(),
                operation: operation.clone(),
                principal: principal.clone(),
                class: *class,
                requests,
            }
        })
        .collect()
    }
}
