//! The access rules as a model: what each act must be answered with, and what is then so. Written from the
//! description of the system and not from its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Person {
    Admin,
    Manager,
    Viewer,
    Plain,
    /// An administrator of another organisation.
    Outsider,
}

impl Person {
    pub const ALL: [Person; 5] =
        [Person::Admin, Person::Manager, Person::Viewer, Person::Plain, Person::Outsider];

    /// The predefined role they begin with.
    pub fn role(self) -> Option<Role> {
        match self {
            Person::Admin | Person::Outsider => Some(Role::OrgAdmin),
            Person::Manager => Some(Role::OrgManager),
            Person::Viewer => Some(Role::SiteViewer),
            Person::Plain => None,
        }
    }
}

/// A role: predefined, or the custom one made at that place in the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    OrgAdmin,
    OrgManager,
    SiteEditor,
    SiteViewer,
    Custom(usize),
}

impl Role {
    pub const PREDEFINED: [Role; 4] = [Role::OrgAdmin, Role::OrgManager, Role::SiteEditor, Role::SiteViewer];

    /// The name under which every organisation has it.
    pub fn name(self) -> &'static str {
        match self {
            Role::OrgAdmin => "ORG_ADMIN",
            Role::OrgManager => "ORG_MANAGER",
            Role::SiteEditor => "SITE_EDITOR",
            Role::SiteViewer => "SITE_VIEWER",
            Role::Custom(_) => "custom",
        }
    }
}

/// What custom roles may hold.
pub const BUNDLES: [&[&str]; 8] = [
    &["team:read"],
    &["team:*"],
    &["role:assign", "role:unassign", "role:read"],
    &["team:read", "team:read:all"],
    &["team:read", "team:member:add", "team:member:remove"],
    &["platform:manage"],
    &["role:*"],
    &["team:create", "team:delete", "site:*"],
];

/// One thing somebody does. Teams and custom roles are counted in the order in which they were made.
#[derive(Clone, Debug)]
pub enum Act {
    CreateTeam {
        by: Person,
    },
    DeleteTeam {
        by: Person,
        team: usize,
    },
    AddMember {
        by: Person,
        team: usize,
        who: Person,
    },
    RemoveMember {
        by: Person,
        team: usize,
        who: Person,
    },
    CreateRole {
        by: Person,
        bundle: usize,
    },
    SwitchRole {
        by: Person,
        role: usize,
        active: bool,
    },
    RewriteRole {
        by: Person,
        role: usize,
        bundle: usize,
    },
    DeleteRole {
        by: Person,
        role: usize,
    },
    Assign {
        by: Person,
        who: Person,
        role: Role,
    },
    Unassign {
        by: Person,
        who: Person,
        role: Role,
    },
    /// By the platform.
    SetStatus {
        who: Person,
        active: bool,
    },
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::CreateTeam { by } => write!(f, "{by:?} creates a team"),
            Act::DeleteTeam { by, team } => write!(f, "{by:?} deletes team {team}"),
            Act::AddMember { by, team, who } => write!(f, "{by:?} adds {who:?} to team {team}"),
            Act::RemoveMember { by, team, who } => write!(f, "{by:?} removes {who:?} from team {team}"),
            Act::CreateRole { by, bundle } => write!(f, "{by:?} creates a role with {:?}", BUNDLES[*bundle]),
            Act::SwitchRole { by, role, active } => {
                write!(f, "{by:?} switches custom role {role} {}", if *active { "on" } else { "off" })
            }
            Act::RewriteRole { by, role, bundle } => {
                write!(f, "{by:?} gives custom role {role} the permissions {:?}", BUNDLES[*bundle])
            }
            Act::DeleteRole { by, role } => write!(f, "{by:?} deletes custom role {role}"),
            Act::Assign { by, who, role } => write!(f, "{by:?} assigns {role:?} to {who:?}"),
            Act::Unassign { by, who, role } => write!(f, "{by:?} takes {role:?} from {who:?}"),
            Act::SetStatus { who, active } => {
                write!(f, "the platform {} {who:?}", if *active { "reactivates" } else { "suspends" })
            }
        }
    }
}

impl Act {
    /// Who acts; nobody of the organisation for the platform.
    pub fn by(&self) -> Option<Person> {
        match self {
            Act::CreateTeam { by }
            | Act::DeleteTeam { by, .. }
            | Act::AddMember { by, .. }
            | Act::RemoveMember { by, .. }
            | Act::CreateRole { by, .. }
            | Act::SwitchRole { by, .. }
            | Act::RewriteRole { by, .. }
            | Act::DeleteRole { by, .. }
            | Act::Assign { by, .. }
            | Act::Unassign { by, .. } => Some(*by),
            Act::SetStatus { .. } => None,
        }
    }

    /// What the audit log calls it.
    fn trace(&self) -> &'static str {
        match self {
            Act::CreateTeam { .. } => "CONFIGURATION CREATE",
            Act::DeleteTeam { .. } => "CONFIGURATION DELETE",
            Act::AddMember { .. } => "TEAM_MEMBERSHIP ADD_MEMBER",
            Act::RemoveMember { .. } => "TEAM_MEMBERSHIP REMOVE_MEMBER",
            Act::CreateRole { .. } => "ROLE_CHANGE CREATE",
            Act::SwitchRole { .. } | Act::RewriteRole { .. } => "ROLE_CHANGE UPDATE",
            Act::DeleteRole { .. } => "ROLE_CHANGE DELETE",
            Act::Assign { .. } => "ROLE_CHANGE ASSIGN",
            Act::Unassign { .. } => "ROLE_CHANGE UNASSIGN",
            Act::SetStatus { .. } => "USER_MANAGEMENT SET_STATUS",
        }
    }
}

#[derive(Clone, Debug)]
struct Team {
    there: bool,
    /// Whether each member leads it.
    members: BTreeMap<Person, bool>,
}

#[derive(Clone, Debug)]
struct Custom {
    there: bool,
    active: bool,
    bundle: usize,
}

/// What is so.
#[derive(Clone, Debug)]
pub struct Rules {
    teams: Vec<Team>,
    roles: Vec<Custom>,
    held: BTreeSet<(Person, Role)>,
    suspended: BTreeSet<Person>,
    /// The audit log's events, counted by type, action and outcome.
    pub log: BTreeMap<String, usize>,
}

/// What somebody sees when they list teams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    Refused(u16),
    Teams(BTreeSet<usize>),
}

fn covers(held: &str, asked: &str) -> bool {
    let segment = |permission: &str| permission.split(':').next().map(str::to_owned);
    held == asked || (held.ends_with(":*") && segment(held) == segment(asked))
}

impl Rules {
    /// An organisation with its people, before anybody does anything.
    pub fn at_first() -> Rules {
        let held = Person::ALL.into_iter().filter(|person| *person != Person::Outsider);
        let held = held.filter_map(|person| Some((person, person.role()?))).collect();
        Rules { teams: Vec::new(), roles: Vec::new(), held, suspended: BTreeSet::new(), log: BTreeMap::new() }
    }

    /// How many teams were made, deleted ones included.
    pub fn teams(&self) -> usize {
        self.teams.len()
    }

    /// How many custom roles were made, deleted ones included.
    pub fn roles(&self) -> usize {
        self.roles.len()
    }

    fn permissions(&self, role: Role) -> &'static [&'static str] {
        match role {
            Role::OrgAdmin => {
                &["site:*", "team:*", "team-role:*", "invitation:*", "role:*", "user:*", "audit:*"]
            }
            Role::OrgManager => {
                &["site:read", "team:*", "team-role:read", "invitation:*", "role:read", "user:read"]
            }
            Role::SiteEditor => {
                &["site:read", "site:update", "site:publish", "team:read", "team:member:read"]
            }
            Role::SiteViewer => &["site:read", "team:read"],
            Role::Custom(role) => BUNDLES[self.roles[role].bundle],
        }
    }

    fn counts(&self, role: Role) -> bool {
        match role {
            Role::Custom(role) => self.roles[role].there && self.roles[role].active,
            _ => true,
        }
    }

    fn is_there(&self, role: Role) -> bool {
        match role {
            Role::Custom(role) => self.roles[role].there,
            _ => true,
        }
    }

    fn may(&self, who: Person, permission: &str) -> bool {
        self.held
            .iter()
            .filter(|(holder, role)| *holder == who && self.counts(*role))
            .flat_map(|(_, role)| self.permissions(*role))
            .any(|held| covers(held, permission))
    }

    fn may_all(&self, who: Person, permissions: &[&str]) -> bool {
        permissions.iter().all(|permission| self.may(who, permission))
    }

    fn is_last_admin(&self, who: Person) -> bool {
        let active = |person: &Person| {
            self.held.contains(&(*person, Role::OrgAdmin)) && !self.suspended.contains(person)
        };
        let admins: Vec<Person> = Person::ALL.into_iter().filter(active).collect();
        admins == [who]
    }

    fn gate(&self, by: Person, permission: &str, team: Option<usize>) -> Result<(), u16> {
        if by == Person::Outsider {
            return Err(404);
        }
        if self.suspended.contains(&by) {
            return Err(403);
        }
        let leads = team.is_some_and(|team| self.teams[team].members.get(&by) == Some(&true));
        if self.may(by, permission) || leads { Ok(()) } else { Err(403) }
    }

    fn judge(&self, act: &Act) -> Result<u16, u16> {
        let must = |holds: bool, otherwise: u16| if holds { Ok(()) } else { Err(otherwise) };
        match *act {
            Act::CreateTeam { by } => {
                self.gate(by, "team:create", None)?;
                Ok(201)
            }
            Act::DeleteTeam { by, team } => {
                self.gate(by, "team:delete", None)?;
                must(self.teams[team].there, 404)?;
                Ok(204)
            }
            Act::AddMember { by, team, who } => {
                self.gate(by, "team:member:add", Some(team))?;
                must(self.teams[team].there && who != Person::Outsider, 404)?;
                must(!self.teams[team].members.contains_key(&who), 409)?;
                Ok(201)
            }
            Act::RemoveMember { by, team, who } => {
                self.gate(by, "team:member:remove", Some(team))?;
                must(self.teams[team].there && self.teams[team].members.contains_key(&who), 404)?;
                Ok(204)
            }
            Act::CreateRole { by, bundle } => {
                self.gate(by, "role:create", None)?;
                must(self.may_all(by, BUNDLES[bundle]), 403)?;
                Ok(201)
            }
            Act::SwitchRole { by, role, active } => {
                self.gate(by, "role:update", None)?;
                must(self.roles[role].there, 404)?;
                must(!active || self.may_all(by, BUNDLES[self.roles[role].bundle]), 403)?;
                Ok(200)
            }
            Act::RewriteRole { by, role, bundle } => {
                self.gate(by, "role:update", None)?;
                must(self.roles[role].there, 404)?;
                must(self.may_all(by, BUNDLES[bundle]), 403)?;
                Ok(200)
            }
            Act::DeleteRole { by, role } => {
                self.gate(by, "role:delete", None)?;
                must(self.roles[role].there, 404)?;
                Ok(204)
            }
            Act::Assign { by, who, role } => {
                self.gate(by, "role:assign", None)?;
                must(who != Person::Outsider && self.is_there(role), 404)?;
                must(self.may_all(by, self.permissions(role)), 403)?;
                must(self.counts(role) && !self.held.contains(&(who, role)), 409)?;
                Ok(201)
            }
            Act::Unassign { by, who, role } => {
                self.gate(by, "role:unassign", None)?;
                must(who != Person::Outsider && self.is_there(role), 404)?;
                must(self.held.contains(&(who, role)), 404)?;
                must(role != Role::OrgAdmin || !self.is_last_admin(who), 409)?;
                Ok(204)
            }
            Act::SetStatus { who, active } => {
                must(active || !self.is_last_admin(who), 409)?;
                Ok(200)
            }
        }
    }

    /// The status that an act must be answered with.
    pub fn answer(&self, act: &Act) -> u16 {
        self.judge(act).unwrap_or_else(|refusal| refusal)
    }

    fn tell(&mut self, event: String) {
        *self.log.entry(event).or_default() += 1;
    }

    /// What a refused or failed request leaves in the log: nothing of an outsider, whose own log tells it.
    fn tell_refusal(&mut self, by: Option<Person>, status: u16, trace: &str) {
        match status {
            _ if by == Some(Person::Outsider) => {}
            403 | 404 => self.tell("AUTHORIZATION ACCESS DENIED".to_owned()),
            _ => self.tell(format!("{trace} FAILURE")),
        }
    }

    /// What follows from an act.
    pub fn happen(&mut self, act: &Act) {
        if let Err(status) = self.judge(act) {
            return self.tell_refusal(act.by(), status, act.trace());
        }
        self.tell(format!("{} SUCCESS", act.trace()));
        match *act {
            Act::CreateTeam { by } => self.teams.push(Team { there: true, members: [(by, true)].into() }),
            Act::DeleteTeam { team, .. } => self.teams[team].there = false,
            Act::AddMember { team, who, .. } => {
                self.teams[team].members.insert(who, false);
            }
            Act::RemoveMember { team, who, .. } => {
                self.teams[team].members.remove(&who);
            }
            Act::CreateRole { bundle, .. } => self.roles.push(Custom { there: true, active: true, bundle }),
            Act::SwitchRole { role, active, .. } => self.roles[role].active = active,
            Act::RewriteRole { role, bundle, .. } => {
                if self.roles[role].bundle != bundle {
                    self.tell("PERMISSION_CHANGE UPDATE SUCCESS".to_owned());
                }
                self.roles[role].bundle = bundle;
            }
            Act::DeleteRole { role, .. } => self.roles[role].there = false,
            Act::Assign { who, role, .. } => {
                self.held.insert((who, role));
            }
            Act::Unassign { who, role, .. } => {
                self.held.remove(&(who, role));
            }
            Act::SetStatus { who, active } => {
                if active {
                    self.suspended.remove(&who);
                } else {
                    self.suspended.insert(who);
                }
            }
        }
    }

    /// What somebody sees who lists teams; a refusal is told in the log.
    pub fn look(&mut self, who: Person) -> Sight {
        if let Err(status) = self.gate(who, "team:read", None) {
            self.tell_refusal(Some(who), status, "");
            return Sight::Refused(status);
        }
        let all = self.may(who, "team:read:all");
        let seen = |(_, team): &(usize, &Team)| team.there && (all || team.members.contains_key(&who));
        Sight::Teams(self.teams.iter().enumerate().filter(seen).map(|(index, _)| index).collect())
    }
}
