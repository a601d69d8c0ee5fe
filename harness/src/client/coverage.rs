//! The coverage ledger: what was SENT, by operation, principal and class. Declarations do not count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::exchange::Class;
use crate::record::Cell;

/// By operation, principal and class.
type Cells = BTreeMap<String, BTreeMap<String, BTreeMap<Class, Count>>>;

/// Requests sent, by operation, principal and class.
#[derive(Debug, Default)]
pub struct Coverage {
    cells: Mutex<Cells>,
    unanswered: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    sent: u64,
    recorded: u64,
}

impl Coverage {
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
        // Nearly every request is of a cell that is there: no new names for it.
        if let Some(by_class) = cells.get_mut(operation).and_then(|cells| cells.get_mut(principal)) {
            by_class.entry(class).or_default().sent += 1;
        } else {
            cell(&mut cells, operation, principal, class).sent += 1;
        }
    }

    /// How many requests of a class an operation got, from whomever.
    pub fn sent(&self, operation: &str, class: Class) -> u64 {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let by_principal = cells.get(operation).into_iter().flat_map(BTreeMap::values);
        by_principal.filter_map(|by_class| by_class.get(&class)).map(|count| count.sent).sum()
    }

    /// Whether an (operation, principal, class) was sent at all.
    pub fn covers(&self, operation: &str, principal: &str, class: Class) -> bool {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let by_class = cells.get(operation).and_then(|cells| cells.get(principal));
        by_class.is_some_and(|by_class| by_class.contains_key(&class))
    }

    /// Takes over what was sent to another system of the same contract. What of it is in the records already is not
    /// recorded again.
    pub fn absorb(&self, other: &Coverage) {
        let theirs = other.cells.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for (operation, principal, class, count) in each(&theirs) {
            let cell = cell(&mut cells, operation, principal, class);
            cell.sent += count.sent;
            cell.recorded += count.recorded;
        }
    }

    /// What was sent since the last call, as records that add up.
    pub(super) fn take_new(&self, suite: &str, target: &str) -> Vec<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let new = each(&cells).filter(|(.., count)| count.sent > count.recorded);
        let new = new.map(|(operation, principal, class, count)| Cell {
            suite: suite.to_owned(),
            target: target.to_owned(),
            operation: operation.to_owned(),
            principal: principal.to_owned(),
            class,
            requests: count.sent - count.recorded,
        });
        let new = new.collect();
        let counts = cells.values_mut().flat_map(BTreeMap::values_mut).flat_map(BTreeMap::values_mut);
        counts.for_each(|count| count.recorded = count.sent);
        new
    }
}

/// The count of a cell, which is made where there was none.
fn cell<'c>(cells: &'c mut Cells, operation: &str, principal: &str, class: Class) -> &'c mut Count {
    let by_principal = cells.entry(operation.to_owned()).or_default();
    by_principal.entry(principal.to_owned()).or_default().entry(class).or_default()
}

/// All cells, by operation, principal and class.
fn each(cells: &Cells) -> impl Iterator<Item = (&str, &str, Class, Count)> {
    cells.iter().flat_map(|(operation, by_principal)| {
        by_principal.iter().flat_map(move |(principal, by_class)| {
            by_class
                .iter()
                .map(move |(class, count)| (operation.as_str(), principal.as_str(), *class, *count))
        })
    })
}
