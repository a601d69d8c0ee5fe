//! What a run left in the store: everything that was not there before it and that nobody keeps on purpose.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::data::{DataError, Outstanding};
use crate::stores::{Store, Things};
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
    store: Store,
    run: PathBuf,
    names: BTreeSet<String>,
    told: AtomicUsize,
}

impl Before {
    /// Looks at the store of a system. `None` without the store.
    pub async fn of(system: &System) -> Result<Option<Before>, DataError> {
        let Some(store) = system.store.clone() else { return Ok(None) };
        let names = store.everything().await?.into_keys().collect();
        let run = system.run.folder().to_owned();
        Ok(Some(Before { store, run, names, told: AtomicUsize::new(0) }))
    }

    /// What is there now and was not before. What a failed story keeps for a look at it stands in the ledger
    /// and is not left over: that story has failed already.
    pub async fn left(&self) -> Result<Left, DataError> {
        let mut new = self.store.everything().await?;
        let looked_at = new.len();
        new.retain(|name, _| !self.names.contains(name));
        if !new.is_empty() {
            let unreadable = |source| DataError::Unreadable { folder: self.run.clone(), source };
            let kept: Vec<String> = Outstanding::of_run(&self.run)
                .map_err(unreadable)?
                .into_iter()
                .filter_map(|outstanding| outstanding.id)
                .collect();
            without(&mut new, &self.kept(kept).await?);
        }
        Ok(Left { looked_at, names: new.into_keys().collect() })
    }

    /// These ids, and the schemas that are theirs: the rows in them need not say so.
    async fn kept(&self, mut ids: Vec<String>) -> Result<Vec<String>, DataError> {
        if let Some(database) = self.store.database() {
            let orgs: Vec<&str> = ids.iter().map(String::as_str).collect();
            ids.extend(database.schemas_of(&orgs).await?);
        }
        Ok(ids)
    }
}

/// Takes out what holds one of these strings.
fn without(things: &mut Things, strings: &[String]) {
    things.retain(|name, value| {
        let text = format!("{name} {value}");
        !strings.iter().any(|string| text.contains(string))
    });
}

/// What nobody claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many items, rows and schemas the store holds in all.
    pub looked_at: usize,
    /// The names of those left.
    pub names: BTreeSet<String>,
}

impl Left {
    /// What that makes of the suite.
    pub fn outcome(&self) -> Outcome {
        if self.names.is_empty() {
            Outcome::pass()
        } else {
            Outcome::because(Verdict::Fail, self.to_string())
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of the {} things in the store were not there before the first story and belong to none",
            self.names.len(),
            self.looked_at
        )?;
        for name in self.names.iter().take(NAMED) {
            write!(f, "\n  {name}")?;
        }
        match self.names.len().saturating_sub(NAMED) {
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
    let count = left.names.len();
    Ok((before.told.swap(count, Ordering::Relaxed) < count).then(|| left.to_string()))
}
