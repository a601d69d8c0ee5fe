//! The state oracle: what a tenant's state is, and what changed. "403, but it was written" is a failure.
//!
//! With the store a snapshot is everything that belongs to the tenants, audit entries and counters left out.
//! Without it, it is what the rightful owner reads through the API.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::client::{Api, CallError};
use crate::contract::{Effect, Permission, SlotKind};
use crate::exchange::Class;
use crate::identity::Principal;
use crate::stores::{Store, StoreError};

/// The state of some tenants at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    things: BTreeMap<String, Value>,
}

/// One difference between two snapshots.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Was not there before.
    Added(String),
    /// Is not there any more.
    Removed(String),
    /// Is another.
    Changed {
        /// What.
        thing: String,
        /// Before and after, shortened.
        what: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added(thing) => write!(f, "added {thing}"),
            Change::Removed(thing) => write!(f, "removed {thing}"),
            Change::Changed { thing, what } => write!(f, "changed {thing}: {what}"),
        }
    }
}

/// A snapshot could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading as the owner.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is nothing to read, so nothing could ever be seen to change.
    #[error("cannot read the state: no operation lists anything of an organisation, and there is no store")]
    Blind,
    /// The owner was refused, so nothing was observed.
    #[error("cannot read the state: the rightful owner was refused {operation} with status {status}")]
    Refused {
        /// The operation.
        operation: String,
        /// The status.
        status: u16,
    },
}

/// A tenant whose state is watched, with who may read it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The organisation's id.
    pub org: String,
    /// Who may read all of it.
    pub owner: Principal,
}

impl Snapshot {
    /// The state of these tenants now, and with the store of whatever holds one of these words.
    pub async fn take(
        store: Option<&Store>,
        api: &Api,
        watched: &[Watched],
        words: &[&str],
    ) -> Result<Snapshot, SnapshotError> {
        match store {
            Some(store) => Snapshot::from_store(store, watched, words).await,
            None => Snapshot::by_reading(api, watched).await,
        }
    }

    async fn from_store(
        store: &Store,
        watched: &[Watched],
        words: &[&str],
    ) -> Result<Snapshot, SnapshotError> {
        let orgs = watched.iter().map(|watched| watched.org.as_str());
        let sought: Vec<&str> = orgs.chain(words.iter().copied()).collect();
        Ok(Snapshot { things: store.state_of(&sought).await? })
    }

    /// Calls every reading operation that names nothing but the organisation. What comes with a plan is left out: whoever
    /// loses the plan is refused, and nothing of the state is gone.
    async fn by_reading(api: &Api, watched: &[Watched]) -> Result<Snapshot, SnapshotError> {
        let mut things = BTreeMap::new();
        let operations: Vec<String> = api
            .contract()
            .operations()
            .filter(|operation| operation.effect == Effect::Read && operation.feature.is_none())
            .filter(|operation| !operation.name.starts_with("audit-"))
            .filter(|operation| operation.permission.iter().any(|p| matches!(p, Permission::Named(_))))
            .filter(|operation| {
                operation.slots.iter().filter(|slot| !slot.optional).all(|slot| slot.kind == SlotKind::Org)
            })
            .map(|operation| operation.name.clone())
            .collect();
        if operations.is_empty() {
            return Err(SnapshotError::Blind);
        }
        for watched in watched {
            for operation in &operations {
                let call = api.call(operation).as_(&watched.owner).org(&watched.org).class(Class::Control);
                let answer = call.send().await?;
                if answer.status != 200 {
                    return Err(SnapshotError::Refused {
                        operation: operation.clone(),
                        status: answer.status,
                    });
                }
                let mut state = answer.json();
                strip(&mut state, &api.target().volatile);
                things.insert(format!("{operation} of {}", watched.org), state);
            }
        }
        Ok(Snapshot { things })
    }

    /// The sum of all counts (members whose names end so), by name: what is counted twice shows here.
    pub fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for (name, value) in self.things.values().filter_map(Value::as_object).flatten() {
            if let (true, Some(count)) = (name.to_ascii_lowercase().ends_with("count"), value.as_i64()) {
                *counts.entry(name.clone()).or_insert(0) += count;
            }
        }
        counts
    }

    /// What holds a text, if anything does.
    pub fn holds(&self, text: &str) -> Option<&str> {
        let found = self.things.iter().find(|(_, thing)| thing.to_string().contains(text));
        found.map(|(name, _)| name.as_str())
    }

    /// What is different in `later`.
    pub fn changes(&self, later: &Snapshot) -> Vec<Change> {
        let mut changes = Vec::new();
        for (thing, before) in &self.things {
            match later.things.get(thing) {
                None => changes.push(Change::Removed(thing.clone())),
                Some(after) if after != before => {
                    changes.push(Change::Changed { thing: thing.clone(), what: difference(before, after) });
                }
                Some(_) => {}
            }
        }
        let added = later.things.keys().filter(|thing| !self.things.contains_key(*thing));
        changes.extend(added.map(|thing| Change::Added(thing.clone())));
        changes
    }
}

/// The first member that differs.
fn difference(before: &Value, after: &Value) -> String {
    let short = |value: Option<&Value>| -> String {
        value.map_or_else(|| "nothing".to_owned(), |value| value.to_string().chars().take(120).collect())
    };
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        let names = before.keys().chain(after.keys());
        if let Some(name) = names.into_iter().find(|name| before.get(*name) != after.get(*name)) {
            return format!("{name} was {}, is {}", short(before.get(name)), short(after.get(name)));
        }
    }
    format!("was {}, is {}", short(Some(before)), short(Some(after)))
}

/// Takes members of these names out, wherever they stand.
fn strip(state: &mut Value, names: &[String]) {
    match state {
        _ if names.is_empty() => {}
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(name));
            members.values_mut().for_each(|member| strip(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Snapshot, strip};

    fn snapshot(things: &[(&str, Value)]) -> Snapshot {
        Snapshot { things: things.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect() }
    }

    #[test]
    fn what_changes_when_somebody_is_seen_is_no_state_wherever_it_stands() {
        let mut state =
            json!({ "items": [{ "id": 1, "seenAt": "now" }], "seenAt": { "seenAt": 2 }, "seen": true });
        strip(&mut state, &["seenAt".to_owned()]);
        assert_eq!(state, json!({ "items": [{ "id": 1 }], "seen": true }));
    }

    #[test]
    fn every_kind_of_change_is_named() {
        let before = snapshot(&[("a", json!({ "name": "x" })), ("b", json!(1))]);
        let after = snapshot(&[("a", json!({ "name": "y" })), ("c", json!(1))]);
        let changes: Vec<String> = before.changes(&after).iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["changed a: name was \"x\", is \"y\"", "removed b", "added c"]);
        assert!(before.changes(&before).is_empty());
    }
}
