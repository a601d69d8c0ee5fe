//! Who the users of a load run are: personas, each with the predefined role it holds.

use harness::contract::{Operation, Permission};
use serde::Deserialize;

/// The predefined roles, as the reference services define them.
const ROLES: &str = include_str!("../../../fixtures/data/platform-roles.json");

/// A persona.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Persona {
    /// Administers the organisation.
    Admin,
    /// Manages teams and invitations.
    Manager,
    /// Looks on.
    Viewer,
}

#[derive(Deserialize)]
struct Role {
    name: String,
    permissions: Vec<String>,
}

impl Persona {
    pub(crate) const ALL: [Persona; 3] = [Persona::Admin, Persona::Manager, Persona::Viewer];

    /// The persona of a user, when users are dealt to the tenants in turn: those of one tenant take turns
    /// too, and each tenant begins with another persona.
    pub(crate) fn of_user(number: usize, tenants: usize) -> Persona {
        let tenants = tenants.max(1);
        Persona::ALL[(number % tenants + number / tenants) % Persona::ALL.len()]
    }

    /// The label in records.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Persona::Admin => "perf-admin",
            Persona::Manager => "perf-manager",
            Persona::Viewer => "perf-viewer",
        }
    }

    /// The predefined role it holds.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Persona::Admin => "ORG_ADMIN",
            Persona::Manager => "ORG_MANAGER",
            Persona::Viewer => "SITE_VIEWER",
        }
    }

    /// What the role permits.
    fn permissions(self) -> Result<Vec<String>, serde_json::Error> {
        let roles: Vec<Role> = serde_json::from_str(ROLES)?;
        let role = roles.into_iter().find(|role| role.name == self.role());
        Ok(role.map(|role| role.permissions).unwrap_or_default())
    }

    /// Those of the operations that the persona may call with its own id in the `user` slot.
    pub(crate) fn permitted<'o>(
        self,
        operations: impl IntoIterator<Item = &'o Operation>,
    ) -> Result<Vec<&'o Operation>, serde_json::Error> {
        let held = self.permissions()?;
        let permitted = |permission: &Permission| match permission {
            Permission::Public | Permission::SignedIn | Permission::SelfUser => true,
            Permission::Named(needed) => held.iter().any(|held| covers(held, needed)),
            Permission::Invitee | Permission::Token | Permission::Platform => false,
        };
        let operations = operations.into_iter();
        Ok(operations.filter(|operation| operation.permission.iter().any(permitted)).collect())
    }
}

/// `team:*` covers everything whose first segment is `team`.
fn covers(held: &str, needed: &str) -> bool {
    held == needed
        || held.strip_suffix(":*").is_some_and(|resource| needed.split(':').next() == Some(resource))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Persona, covers};

    #[test]
    fn every_persona_holds_permissions() {
        for persona in Persona::ALL {
            assert!(!persona.permissions().unwrap().is_empty(), "{persona:?}");
        }
    }

    #[test]
    fn a_wildcard_covers_its_resource_and_no_other() {
        assert!(covers("team:*", "team:member:add"));
        assert!(!covers("site:*", "sitemap:read"));
        assert!(!covers("team:read", "team:update"));
    }

    #[test]
    fn the_users_of_one_tenant_differ() {
        for tenants in 1..=6 {
            let of_first = (0..3).map(|round| Persona::of_user(round * tenants, tenants));
            assert_eq!(of_first.collect::<BTreeSet<_>>().len(), 3, "{tenants} tenants");
        }
    }
}
