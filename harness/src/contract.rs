//! The operations of an API, with every place in a request that names something.
//!
//! docs/contract.md is the notation for people; this module reads it from an OpenAPI document.

mod binding;
mod conformance;
mod openapi;
mod presence;
mod roles;
mod schema;
mod slot;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use http::Method;
use serde_json::Value;

pub use binding::Binding;
pub(crate) use binding::{bound, problems};
pub use conformance::{Conformance, Nonconformity};
pub use openapi::ContractError;
pub(crate) use presence::miss_absent;
pub use schema::Schemas;
pub use slot::{Place, Slot, SlotKind};

/// What an operation does to what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Ends the life of what it names: accept, cancel, delete. Each attack needs a fresh one.
    Consume,
}

/// Whether a stranger may learn that something exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// What is foreign must look absent.
    Hidden,
    /// Whoever is no member of the organisation that the request names is forbidden to enter, whether or not it
    /// exists; inside, what is foreign must look absent.
    Guarded,
    /// Existence is no secret.
    Public,
}

/// One way of being allowed; an operation has a list of alternatives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Anyone, without a token.
    Public,
    /// Any valid token.
    SignedIn,
    /// The user whom the `user` slot names.
    SelfUser,
    /// The holder of the invitation token, signed in as the invited e-mail.
    Invitee,
    /// Whoever holds the invitation token.
    Token,
    /// A platform administrator.
    Platform,
    /// Who holds this permission in the organisation.
    Named(String),
}

/// Everything but permissions of the target's own.
const PERMISSION_WORDS: [(&str, Permission); 6] = [
    ("public", Permission::Public),
    ("signed-in", Permission::SignedIn),
    ("self", Permission::SelfUser),
    ("invitee", Permission::Invitee),
    ("token", Permission::Token),
    ("platform:manage", Permission::Platform),
];

/// The words of a table, for messages: `read, write or consume`.
fn one_of<T>(words: &[(&str, T)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}

impl Permission {
    fn parse(word: &str) -> Option<Permission> {
        let known = PERMISSION_WORDS.into_iter().find(|(known, _)| *known == word);
        let named = || word.contains(':').then(|| Permission::Named(word.to_owned()));
        known.map(|(_, permission)| permission).or_else(named)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Permission::Public => "public",
            Permission::SignedIn => "signed-in",
            Permission::SelfUser => "self",
            Permission::Invitee => "invitee",
            Permission::Token => "token",
            Permission::Platform => "platform:manage",
            Permission::Named(named) => named,
        })
    }
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name, `invitation-create`.
    pub name: String,
    /// The HTTP method.
    pub method: Method,
    /// The path template, `/v1/orgs/{orgId}/teams`.
    pub path: String,
    /// Every place that names something or is filled by the harness.
    pub slots: Vec<Slot>,
    /// What it does.
    pub effect: Effect,
    /// Who may, any one suffices.
    pub permission: Vec<Permission>,
    /// The roles of the target file that may. What stands for them is among `permission`.
    pub roles: Vec<String>,
    /// Whether strangers may know.
    pub visibility: Visibility,
    /// The feature that the organisation's plan must include.
    pub feature: Option<String>,
    /// New ids in the answer: kind and JSON pointer into the body.
    pub creates: Vec<(SlotKind, String)>,
    /// The example body.
    pub body: Option<Value>,
    /// The statuses the document promises.
    pub statuses: BTreeSet<u16>,
    /// Statuses that refuse here, besides those of the target.
    pub denied: BTreeSet<u16>,
    /// Operations that the caller sends first, as the rest of the request wants it.
    pub setup: Vec<String>,
    /// Headers that are the same in every request.
    pub headers: Vec<(String, String)>,
    /// The token that it wants in the place of the credential, as `[identity.tokens]` of the target file calls it.
    pub token: Option<String>,
    /// The members its body may have.
    pub asked: Schemas,
    /// The members its answer may have.
    pub answered: Schemas,
    /// The parameters its query may have.
    pub query: Schemas,
}

impl Operation {
    /// The path without the parameters that are the same in every request, which only a bound path has.
    pub fn route(&self) -> &str {
        self.path.split_once('?').map_or(&self.path, |(route, _)| route)
    }

    /// The slots that name something a tenant owns: what a hop swaps.
    pub fn naming_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.kind.names() && !self.chooses(slot))
    }

    /// Whether a slot lets the caller choose the id of what is being created: it names nothing yet. It is optional, or
    /// the answer has the new id in the place where the request had it.
    pub fn chooses(&self, slot: &Slot) -> bool {
        self.created(slot.kind).is_some_and(|created| {
            slot.optional || (slot.kind.names() && slot.place == Place::Body(pointer(created)))
        })
    }

    /// Whether some way of being allowed is this one.
    pub fn allows(&self, permission: &Permission) -> bool {
        self.permission.contains(permission)
    }

    /// Whether a token is needed at all.
    pub fn needs_token(&self) -> bool {
        !self.allows(&Permission::Public) && !self.allows(&Permission::Token)
    }

    /// Whether nobody but the platform's administrator may: no member of any organisation, whatever the role.
    pub fn is_the_platforms(&self) -> bool {
        self.permission.iter().all(|permission| *permission == Permission::Platform)
    }

    /// The pointer to the new id of a kind in the answer.
    pub fn created(&self, kind: SlotKind) -> Option<&str> {
        self.creates.iter().find(|(created, _)| *created == kind).map(|(_, pointer)| pointer.as_str())
    }
}

/// The segments of a JSON pointer.
fn pointer(text: &str) -> Vec<String> {
    text.trim_start_matches('/').split('/').map(str::to_owned).collect()
}

/// A route that the service serves without (whole) annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unannotated {
    /// `GET /v1/orgs/{orgId}/notes`.
    pub route: String,
    /// What is missing.
    pub missing: Vec<String>,
}

impl fmt::Display for Unannotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lacks {}", self.route, self.missing.join(", "))
    }
}

/// All operations of an API.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    operations: BTreeMap<String, Operation>,
    /// Routes that cannot be attacked because they do not say what they are. Each fails the run.
    pub unannotated: Vec<Unannotated>,
    /// Operations that the target file binds and the target does not serve.
    pub absent: Vec<Operation>,
}

impl Contract {
    /// The operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// An operation by its name.
    pub fn get(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// Takes out what the target turned out not to serve.
    pub(crate) fn miss(&mut self, name: &str) {
        self.absent.extend(self.operations.remove(name));
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}
