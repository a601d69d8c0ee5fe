//! What a run left in the store: everything that was not there before it and that nobody keeps on purpose.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::data::{DataError, Outstanding};
use crate::stores::{Item, Key, Table, key_of};
use crate::suite::{Outcome, Suite};
use crate::system::System;
use crate::target::Capability;
use crate::verdict::Verdict;

/// The name under which it is recorded.
pub const TEST: &str = "nothing is left in the store";

/// More are counted and not named.
const NAMED: usize = 20;

/// The store as it was before the first story.
#[derive(Debug)]
pub struct Before {
    table: Table,
    run: PathBuf,
    keys: BTreeSet<Key>,
    told: AtomicUsize,
}

impl Before {
    /// Looks at the store of a system. `None` without the store.
    pub async fn of(system: &System) -> Result<Option<Before>, DataError> {
        let Some(table) = system.table.clone() else { return Ok(None) };
        let keys = table.scan().await?.iter().filter_map(key_of).collect();
        let run = system.run.folder().to_owned();
        Ok(Some(Before { table, run, keys, told: AtomicUsize::new(0) }))
    }

    /// What is there now and was not before. What a failed story keeps for a look at it stands in the ledger
    /// and is not left over: that story has failed already.
    pub async fn left(&self) -> Result<Left, DataError> {
        let items = self.table.scan().await?;
        let looked_at = items.len();
        let mut new: Vec<(Key, Item)> = items
            .into_iter()
            .filter_map(|item| Some((key_of(&item)?, item)))
            .filter(|(key, _)| !self.keys.contains(key))
            .collect();
        if !new.is_empty() {
            let unreadable = |source| DataError::Unreadable { folder: self.run.clone(), source };
            let kept: Vec<String> = Outstanding::of_run(&self.run)
                .map_err(unreadable)?
                .into_iter()
                .filter_map(|outstanding| outstanding.id)
                .collect();
            new.retain(|(_, item)| !belongs(item, &kept));
        }
        Ok(Left { looked_at, keys: new.into_iter().map(|(key, _)| key).collect() })
    }
}

fn belongs(item: &Item, ids: &[String]) -> bool {
    let text = serde_json::to_string(item).unwrap_or_default();
    ids.iter().any(|id| text.contains(id))
}

/// The items that nobody claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many items the store holds in all.
    pub looked_at: usize,
    /// The keys of those left.
    pub keys: BTreeSet<Key>,
}

impl Left {
    /// What that makes of the suite.
    pub fn outcome(&self) -> Outcome {
        if self.keys.is_empty() { Outcome::pass() } else { Outcome::because(Verdict::Fail, self.to_string()) }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of the {} items in the store were not there before the first story and belong to none",
            self.keys.len(),
            self.looked_at
        )?;
        for key in self.keys.iter().take(NAMED) {
            write!(f, "\n  {} {}", key.partition, key.sort)?;
        }
        match self.keys.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Records what was left as a test of the suite; without the store as skipped. Gives what is wrong when there is
/// more of it than the last time.
pub async fn record(before: Option<&Before>, suite: &Suite) -> Result<Option<String>, DataError> {
    let start = Instant::now();
    suite.started(TEST)?;
    let Some(before) = before else {
        let reason = DataError::Lacks(Capability::Store).to_string();
        suite.ended(TEST, start, &Outcome::because(Verdict::Skip, reason))?;
        return Ok(None);
    };
    let left = before.left().await?;
    suite.ended(TEST, start, &left.outcome())?;
    let count = left.keys.len();
    Ok((before.told.swap(count, Ordering::Relaxed) < count).then(|| left.to_string()))
}
