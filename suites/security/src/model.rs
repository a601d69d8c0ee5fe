//! The authorization model: who may do what, written down here and not asked of the service.
//!
//! What the roles permit is the suite's own copy ([`crate::ladder`]). What an operation needs is read from its
//! annotation, and pinned by the golden table `expected/authz-<title>.txt` where there is one, so that a service
//! that changes its annotation along with its mistake is noticed.

use harness::contract::{Operation, Permission, SlotKind, Visibility};

use crate::cast::{Cast, Persona};
use crate::ladder::Role;

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// A 2xx.
    Allow,
    /// No valid identity: 401.
    Unauthenticated,
    /// Known, and not permitted: 403.
    Forbidden,
    /// Must look absent: 404.
    Hidden,
}

impl Expected {
    /// The word of golden tables and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Expected::Allow => "allow",
            Expected::Unauthenticated => "unauthenticated",
            Expected::Forbidden => "forbidden",
            Expected::Hidden => "hidden",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Expected> {
        [Expected::Allow, Expected::Unauthenticated, Expected::Forbidden, Expected::Hidden]
            .into_iter()
            .find(|expected| expected.as_str() == word)
    }
}

/// Whose data the request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// Somebody else of the tenant.
    Other,
    /// The caller itself, in the `user` slot.
    Own,
}

/// What must come of `persona` calling `operation` with rightful values of a tenant.
pub fn expected(operation: &Operation, persona: Persona, relation: Relation) -> Expected {
    if operation.allows(&Permission::Public) || operation.allows(&Permission::Token) {
        return Expected::Allow;
    }
    if persona == Persona::Anonymous {
        return Expected::Unauthenticated;
    }
    if matches!(persona, Persona::Suspended(_)) {
        return Expected::Forbidden;
    }
    if operation.allows(&Permission::SignedIn) {
        return Expected::Allow;
    }
    if persona == Persona::PlatformAdmin && operation.allows(&Permission::Platform) {
        return Expected::Allow;
    }
    if operation.is_the_platforms() || operation.allows(&Permission::Invitee) {
        return Expected::Forbidden;
    }
    if !persona.is_member() {
        return match operation.visibility {
            Visibility::Hidden => Expected::Hidden,
            Visibility::Guarded | Visibility::Public => Expected::Forbidden,
        };
    }
    let own = relation == Relation::Own && operation.allows(&Permission::SelfUser);
    let role = persona.role();
    let permitted = operation.permission.iter().any(|permission| match permission {
        Permission::Named(needed) => role.is_some_and(|role| role.permits(needed)),
        _ => false,
    });
    match own || permitted {
        true if needs_team_membership(operation, role) => Expected::Hidden,
        true => Expected::Allow,
        false => Expected::Forbidden,
    }
}

/// `team:read` alone shows the teams one belongs to, and the personas belong to none.
fn needs_team_membership(operation: &Operation, role: Option<Role>) -> bool {
    let names_team = operation.slots.iter().any(|slot| slot.kind == SlotKind::Team);
    let by_team_permission = operation
        .permission
        .iter()
        .any(|permission| matches!(permission, Permission::Named(named) if named.starts_with("team:")));
    names_team && by_team_permission && !role.is_some_and(|role| role.holds("team:*"))
}

/// The rows of the matrix an operation has.
pub fn relations(operation: &Operation) -> &'static [Relation] {
    if operation.allows(&Permission::SelfUser) {
        &[Relation::Other, Relation::Own]
    } else {
        &[Relation::Other]
    }
}

/// The name of a row: the operation, and `(own)` where the caller asks for itself.
pub fn row(operation: &str, relation: Relation) -> String {
    match relation {
        Relation::Other => operation.to_owned(),
        Relation::Own => format!("{operation}(own)"),
    }
}

/// The table the model makes of a contract, in the form of the golden files.
pub fn table<'o>(cast: &Cast, operations: impl IntoIterator<Item = &'o Operation>) -> String {
    let columns: Vec<&str> = cast.personas.iter().map(|persona| persona.label()).collect();
    let mut text = format!("{:<32}{}\n", "operation", padded(&columns));
    for operation in operations {
        for &relation in relations(operation) {
            let words = cast.personas.iter().map(|&persona| expected(operation, persona, relation).as_str());
            let words: Vec<&str> = words.collect();
            text.push_str(&format!("{:<32}{}\n", row(&operation.name, relation), padded(&words)));
        }
    }
    text
}

fn padded(words: &[&str]) -> String {
    let padded: Vec<String> = words.iter().map(|word| format!("{word:<16}")).collect();
    padded.concat().trim_end().to_owned()
}
