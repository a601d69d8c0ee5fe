//! An organisation's audit log, as stories read it.

use serde::Deserialize;

/// An event, without its id and time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Such as `TEAM_MEMBERSHIP`.
    pub event_type: String,
    /// Such as `ADD_MEMBER`.
    pub action: String,
    /// SUCCESS, DENIED or FAILURE.
    pub outcome: String,
    /// Who did it.
    pub actor_id: String,
    /// What kind of thing it was done to.
    pub resource_type: String,
    /// Which one.
    pub resource_id: String,
    /// When, in a form whose order is that of time.
    pub timestamp: String,
}

impl Event {
    /// Type, action and outcome: `INVITATION CREATE SUCCESS`.
    pub fn what(&self) -> String {
        format!("{} {} {}", self.event_type, self.action, self.outcome)
    }
}

/// Events, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log(pub Vec<Event>);

impl Log {
    /// Type, action and outcome of each, in the order of the alphabet.
    pub fn what(&self) -> Vec<String> {
        let mut what: Vec<String> = self.0.iter().map(Event::what).collect();
        what.sort();
        what
    }

    /// Those that `keep` keeps.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Event) -> bool) -> Log {
        Log(self.0.iter().filter(|event| keep(event)).cloned().collect())
    }

    /// Those of this outcome.
    #[must_use]
    pub fn ended(&self, outcome: &str) -> Log {
        self.only(|event| event.outcome == outcome)
    }

    /// Those about this thing.
    #[must_use]
    pub fn about(&self, resource: &str) -> Log {
        self.only(|event| event.resource_id == resource)
    }

    /// What came after this log was read; the log only grows, so the rest is the same.
    #[must_use]
    pub fn since(&self, before: &Log) -> Log {
        Log(self.0[..self.0.len().saturating_sub(before.0.len())].to_vec())
    }
}
