//! The role ladders: which predefined roles a system has and what each permits. The suite's own copy, written from
//! the specification; no service is asked.

use harness::system::System;

use crate::cast::title;

/// A predefined role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its name, as it is given to a user.
    pub name: &'static str,
    /// The persona that holds it, in records.
    pub label: &'static str,
    /// What it permits.
    permissions: &'static [&'static str],
}

impl Role {
    /// Whether it permits what needs this permission.
    pub fn permits(self, needed: &str) -> bool {
        self.permissions.iter().any(|held| covers(held, needed))
    }

    /// What it permits, wildcards as they are written.
    pub fn all(self) -> &'static [&'static str] {
        self.permissions
    }

    /// Whether it holds exactly this permission, wildcards as they are written.
    pub fn holds(self, permission: &str) -> bool {
        self.permissions.contains(&permission)
    }
}

/// `team:*` covers everything whose first segment is `team`; nothing else is a wildcard here.
fn covers(held: &str, needed: &str) -> bool {
    held == needed
        || held.strip_suffix(":*").is_some_and(|resource| needed.split(':').next() == Some(resource))
}

/// The words of a target file, kept until the process ends: it has one ladder, which is copied everywhere.
fn kept(word: &str) -> &'static str {
    String::leak(word.to_owned())
}

/// The roles of a system.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// Who may do everything in an organisation.
    pub top: Role,
    /// The others, downwards.
    below: &'static [Role],
}

impl Ladder {
    /// The ladder of a system: that of its target file, otherwise that of its title.
    pub fn of(system: &System) -> Ladder {
        let roles = system.target.roles(&system.contract);
        let mut roles = roles.iter().map(|(name, permissions)| {
            let name = kept(name);
            let permissions: Vec<&str> = permissions.iter().map(|permission| kept(permission)).collect();
            Role { name, label: name, permissions: Vec::leak(permissions) }
        });
        match roles.next() {
            Some(top) => Ladder { top, below: Vec::leak(roles.collect()) },
            None => Ladder::of_title(title(system)),
        }
    }

    /// The ladder of a service, by the title of its OpenAPI document. A service that nobody wrote one for is
    /// provisioned with the roles of the vocabulary's own service, so it has that one's.
    pub fn of_title(title: &str) -> Ladder {
        let known = LADDERS.into_iter().find(|(known, _)| *known == title);
        known.map_or(ACCESS, |(_, ladder)| ladder)
    }

    /// Every role, from the top.
    pub fn roles(self) -> impl Iterator<Item = Role> {
        std::iter::once(self.top).chain(self.below.iter().copied())
    }

    /// Who may least.
    pub fn bottom(self) -> Role {
        self.below.last().copied().unwrap_or(self.top)
    }
}

const LADDERS: [(&str, Ladder); 2] = [("access-service", ACCESS), ("platform-service", PLATFORM)];

const ACCESS: Ladder = Ladder {
    top: Role {
        name: "ORG_ADMIN",
        label: "org-admin",
        permissions: &["site:*", "team:*", "team-role:*", "invitation:*", "role:*", "user:*", "audit:*"],
    },
    below: &[
        Role {
            name: "ORG_MANAGER",
            label: "org-manager",
            permissions: &["site:read", "team:*", "team-role:read", "invitation:*", "role:read", "user:read"],
        },
        Role {
            name: "SITE_EDITOR",
            label: "site-editor",
            permissions: &["site:read", "site:update", "site:publish", "team:read", "team:member:read"],
        },
        Role { name: "SITE_VIEWER", label: "site-viewer", permissions: &["site:read", "team:read"] },
    ],
};

const PLATFORM: Ladder = Ladder {
    top: Role {
        name: "owner",
        label: "owner",
        permissions: &[
            "product:*",
            "sale:*",
            "dashboard:read",
            "forecast:read",
            "report:read",
            "member:*",
            "audit:read",
            "tenant:update",
            "tenant:delete",
        ],
    },
    below: &[
        Role {
            name: "admin",
            label: "admin",
            permissions: &[
                "product:*",
                "sale:*",
                "dashboard:read",
                "forecast:read",
                "report:read",
                "member:*",
                "audit:read",
            ],
        },
        Role {
            name: "member",
            label: "member",
            permissions: &[
                "product:read",
                "sale:read",
                "sale:create",
                "dashboard:read",
                "forecast:read",
                "report:read",
                "member:read",
            ],
        },
        Role {
            name: "viewer",
            label: "viewer",
            permissions: &["product:read", "sale:read", "dashboard:read", "forecast:read", "member:read"],
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::{ACCESS, LADDERS, Ladder, PLATFORM, Role, covers};

    #[test]
    fn a_wildcard_covers_its_own_first_segment_only() {
        assert!(covers("team:*", "team:member:add"));
        assert!(!covers("site:*", "sitemap:read"));
        assert!(!covers("*", "team:read"));
    }

    /// What a role holds by name: a wildcard is no permission that anything needs.
    fn named(role: Role) -> impl Iterator<Item = &'static str> {
        role.permissions.iter().copied().filter(|permission| !permission.ends_with('*'))
    }

    #[test]
    fn the_top_of_a_ladder_may_whatever_any_other_role_may() {
        for (title, ladder) in LADDERS {
            for role in ladder.roles() {
                assert!(named(role).all(|needed| ladder.top.permits(needed)), "{title}: {}", role.name);
            }
        }
    }

    #[test]
    fn each_step_down_the_platforms_ladder_takes_something_away_and_adds_nothing() {
        let roles: Vec<_> = PLATFORM.roles().collect();
        for pair in roles.windows(2) {
            let (above, below) = (pair[0], pair[1]);
            assert!(named(below).all(|needed| above.permits(needed)), "{} over {}", below.name, above.name);
            assert_ne!(above.permissions, below.permissions);
        }
    }

    #[test]
    fn the_ladders_are_those_of_the_specification() {
        let names = |ladder: Ladder| ladder.roles().map(|role| role.name).collect::<Vec<_>>();
        assert_eq!(names(ACCESS), ["ORG_ADMIN", "ORG_MANAGER", "SITE_EDITOR", "SITE_VIEWER"]);
        assert_eq!(names(PLATFORM), ["owner", "admin", "member", "viewer"]);
        let who = |ladder: Ladder, needed: &str| {
            let may = ladder.roles().filter(|role| role.permits(needed));
            may.map(|role| role.label).collect::<Vec<_>>()
        };
        assert_eq!(who(PLATFORM, "product:read"), ["owner", "admin", "member", "viewer"]);
        assert_eq!(who(PLATFORM, "sale:create"), ["owner", "admin", "member"]);
        assert_eq!(who(PLATFORM, "report:read"), ["owner", "admin", "member"]);
        assert_eq!(who(PLATFORM, "member:update"), ["owner", "admin"]);
        assert_eq!(who(PLATFORM, "tenant:update"), ["owner"]);
        assert_eq!(who(ACCESS, "invitation:create"), ["org-admin", "org-manager"]);
        assert_eq!(who(ACCESS, "team:member:read"), ["org-admin", "org-manager", "site-editor"]);
    }

    #[test]
    fn a_service_nobody_wrote_a_ladder_for_has_that_of_the_vocabulary() {
        assert_eq!(Ladder::of_title("notes").top, ACCESS.top);
    }
}
