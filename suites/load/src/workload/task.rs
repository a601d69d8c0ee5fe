//! Tasks of a workload: an operation each, who sends it, and how often it is drawn.

use std::collections::BTreeMap;

use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::target::{Capability, Target};
use rand::Rng;
use serde::Deserialize;

use crate::persona::{Cast, Persona};

/// Who sends a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// The user whose turn it is, if the role permits it.
    #[default]
    Persona,
    /// The platform's administrator.
    PlatformAdmin,
    /// A user of the tenant who holds many permissions, each by its name.
    HolderOfMany,
    /// Whoever was invited, with the token of the mail.
    Invitee,
    /// Nobody in particular: without a credential.
    Anyone,
}

/// One value, or several of which one is drawn each time; the empty one is left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Choice {
    One(String),
    OneOf(Vec<String>),
}

impl Choice {
    /// The value for one request.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Option<&str> {
        let drawn = match self {
            Choice::One(value) => Some(value),
            Choice::OneOf(values) if values.is_empty() => None,
            Choice::OneOf(values) => values.get(rng.random_range(0..values.len())),
        };
        drawn.map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// One task.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// The operation's name in the contract.
    pub operation: String,
    /// What its requests are called, once it is dealt to somebody: `GET permission-list (auth-cached)`.
    #[serde(skip)]
    pub name: String,
    /// What its requests are called beside the operation, to tell them from others of it.
    #[serde(default, rename = "as")]
    pub label: Option<String>,
    /// How often it is drawn, in proportion to all weights.
    pub(super) weight: u32,
    /// The statuses that are no failure.
    pub accepts: Vec<u16>,
    /// Who sends it.
    #[serde(default)]
    pub by: By,
    /// Sent with a token that was never sent before.
    #[serde(default)]
    pub fresh_token: bool,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, Choice>,
    /// Asks for so many days up to now.
    #[serde(default)]
    pub days: Option<i64>,
}

impl Task {
    /// The operation, where the target has it and has what the task needs beside it.
    pub(super) fn operation<'c>(&self, contract: &'c Contract, target: &Target) -> Option<&'c Operation> {
        let operation = contract.get(&self.operation)?;
        let may_be_sent = !target.read_only || operation.effect == Effect::Read;
        let names = |kind: SlotKind| operation.slots.iter().any(|slot| slot.kind == kind);
        let has_mail = !names(SlotKind::InvitationToken) || target.can(Capability::Mail);
        let exports = operation.created(SlotKind::AuditExport).is_some();
        let has_archive = !exports || target.can(Capability::Archive);
        (may_be_sent && has_mail && has_archive).then_some(operation)
    }

    /// Whether a user of that persona may send it, or whoever else sends it may.
    pub(super) fn is_permitted(&self, operation: &Operation, persona: Persona, cast: &Cast) -> bool {
        match self.by {
            By::Persona => !cast.permitted(persona, [operation]).is_empty(),
            By::PlatformAdmin => operation.needs_token(),
            By::HolderOfMany => true,
            By::Invitee => operation.allows(&Permission::Invitee),
            By::Anyone => !operation.needs_token(),
        }
    }

    /// What its requests are called.
    pub(super) fn name_of(&self, operation: &Operation) -> String {
        let label = self.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        format!("{} {}{label}", operation.method, operation.name)
    }
}

/// Tasks to draw from; never empty.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    pub(super) tasks: Vec<Task>,
    pub(super) weight: u32,
}

impl Tasks {
    /// One task, by weight.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Option<&Task> {
        let mut drawn = rng.random_range(0..self.weight);
        self.tasks.iter().find(|task| match drawn.checked_sub(task.weight) {
            None => true,
            Some(rest) => {
                drawn = rest;
                false
            }
        })
    }
}
