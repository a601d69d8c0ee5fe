//! Who the users of a load run are: personas, each with a role of the target.

use std::collections::BTreeMap;

use harness::contract::{Operation, Permission};
use harness::target::Target;
use serde::Deserialize;

/// The predefined roles of access-service and of systems like it.
const ORGANISATION_ROLES: &str = include_str!("../../../fixtures/data/platform-roles.json");
/// The roles of a tenant's members, as platform-service and systems like it have them.
const TENANT_ROLES: &str = include_str!("../../../fixtures/data/tenant-roles.json");

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

    /// Who is among the users: of tenants that are there, the file names one person who may do most.
    pub(crate) fn of_target(target: &Target) -> &'static [Persona] {
        if target.read_only { &[Persona::Admin] } else { &Persona::ALL }
    }

    /// The label in records.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Persona::Admin => "perf-admin",
            Persona::Manager => "perf-manager",
            Persona::Viewer => "perf-viewer",
        }
    }
}

/// Which roles the personas hold at a target, and what those permit.
#[derive(Debug)]
pub(crate) struct Cast {
    roles: [&'static str; 3],
    permissions: BTreeMap<String, Vec<String>>,
}

impl Cast {
    /// The cast for a target: by the role that its vocabulary names for administrators.
    pub(crate) fn of(target: &Target) -> Result<Cast, serde_json::Error> {
        let casts = [
            (["ORG_ADMIN", "ORG_MANAGER", "SITE_VIEWER"], ORGANISATION_ROLES),
            (["owner", "member", "viewer"], TENANT_ROLES),
        ];
        let of_target = casts.iter().find(|(roles, _)| roles[0] == target.vocabulary.admin_role);
        let (roles, text) = of_target.unwrap_or(&casts[0]);
        let permissions: Vec<Role> = serde_json::from_str(text)?;
        let permissions = permissions.into_iter().map(|role| (role.name, role.permissions)).collect();
        Ok(Cast { roles: *roles, permissions })
    }

    /// The role a persona holds.
    pub(crate) fn role(&self, persona: Persona) -> &'static str {
        let [admin, manager, viewer] = self.roles;
        match persona {
            Persona::Admin => admin,
            Persona::Manager => manager,
            Persona::Viewer => viewer,
        }
    }

    /// Those of the operations that a persona may call with its own id in the `user` slot.
    pub(crate) fn permitted<'o>(
        &self,
        persona: Persona,
        operations: impl IntoIterator<Item = &'o Operation>,
    ) -> Vec<&'o Operation> {
        let held = self.permissions.get(self.role(persona)).map(Vec::as_slice).unwrap_or_default();
        let permitted = |permission: &Permission| match permission {
            Permission::Public | Permission::SignedIn | Permission::SelfUser => true,
            Permission::Named(needed) => held.iter().any(|held| covers(held, needed)),
            Permission::Invitee | Permission::Token | Permission::Platform => false,
        };
        let operations = operations.into_iter();
        operations.filter(|operation| operation.permission.iter().any(permitted)).collect()
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

    use harness::target::Target;

    use super::{Cast, Persona, covers};

    #[test]
    fn every_persona_holds_permissions() {
        for admin in ["ORG_ADMIN", "owner"] {
            let mut target = Target::at("here", "http://127.0.0.1:1".parse().unwrap());
            admin.clone_into(&mut target.vocabulary.admin_role);
            let cast = Cast::of(&target).unwrap();
            assert_eq!(cast.role(Persona::Admin), admin);
            for persona in Persona::ALL {
                assert!(!cast.permissions[cast.role(persona)].is_empty(), "{admin}: {persona:?}");
            }
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
