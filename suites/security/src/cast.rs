//! Who the matrix sends requests as: the same personas for every system, with the roles of its ladder.

use std::sync::Arc;

use harness::contract::{Contract, SlotKind};
use harness::system::System;
use serde_json::Value;

use crate::ladder::{Ladder, Role};

/// Who sends a request. All but `OtherTenant` and `PlatformAdmin` belong to the tenant whose data is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    /// No token.
    Anonymous,
    /// Manages the platform, member of no organisation.
    PlatformAdmin,
    /// Holds one role of the ladder.
    Holder(Role),
    /// A member without any role.
    NoRole,
    /// Holds this role here, and the highest in another organisation.
    MemberOfTwo(Role),
    /// Holds this role, but the account is suspended.
    Suspended(Role),
    /// Holds this role in another organisation.
    OtherTenant(Role),
}

impl Persona {
    /// The label in records.
    pub fn label(self) -> &'static str {
        match self {
            Persona::Anonymous => "anonymous",
            Persona::PlatformAdmin => "platform-admin",
            Persona::Holder(role) => role.label,
            Persona::NoRole => "no-role",
            Persona::MemberOfTwo(_) => "member-of-two",
            Persona::Suspended(_) => "suspended",
            Persona::OtherTenant(_) => "other-tenant",
        }
    }

    /// The role held in the organisation asked for.
    pub fn role(self) -> Option<Role> {
        match self {
            Persona::Holder(role) | Persona::MemberOfTwo(role) | Persona::Suspended(role) => Some(role),
            Persona::Anonymous | Persona::PlatformAdmin | Persona::NoRole | Persona::OtherTenant(_) => None,
        }
    }

    /// Whether it belongs to the organisation asked for.
    pub fn is_member(self) -> bool {
        self == Persona::NoRole || self.role().is_some()
    }

    /// Why a system with this contract can have nobody like that.
    fn impossible(self, contract: &Contract) -> Option<&'static str> {
        match self {
            Persona::NoRole if !makes_members_without_role(contract) => {
                Some("the contract has no operation that makes a member without a role")
            }
            Persona::Suspended(_) if contract.get("user-status-set").is_none() => {
                Some("the contract has no operation user-status-set")
            }
            _ => None,
        }
    }
}

fn makes_members_without_role(contract: &Contract) -> bool {
    let mut making = contract.operations().filter(|operation| operation.created(SlotKind::User).is_some());
    making.any(|making| making.slots.iter().all(|slot| slot.kind != SlotKind::PlatformRole || slot.optional))
}

/// Everybody who attacks a system.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The roles.
    pub ladder: Ladder,
    /// Who there is, as columns of the matrix.
    pub personas: Vec<Persona>,
    /// Whom the system cannot have, and why.
    pub absent: Vec<(Persona, &'static str)>,
}

impl Cast {
    /// The cast for a system.
    pub fn of(system: &System) -> Cast {
        Cast::new(title(system), &system.contract)
    }

    /// The same with these personas alone, for groups that need no others.
    pub(crate) fn among(&self, wanted: &[Persona]) -> Arc<Cast> {
        let personas = self.personas.iter().copied().filter(|persona| wanted.contains(persona)).collect();
        Arc::new(Cast { ladder: self.ladder, personas, absent: Vec::new() })
    }

    /// The cast for a service of this title.
    pub fn new(title: &str, contract: &Contract) -> Cast {
        let ladder = Ladder::of_title(title);
        let first = [Persona::Anonymous, Persona::PlatformAdmin];
        let last = [
            Persona::NoRole,
            Persona::MemberOfTwo(ladder.bottom()),
            Persona::Suspended(ladder.top),
            Persona::OtherTenant(ladder.top),
        ];
        let everyone = first.into_iter().chain(ladder.roles().map(Persona::Holder)).chain(last);
        let mut cast = Cast { ladder, personas: Vec::new(), absent: Vec::new() };
        for persona in everyone {
            match persona.impossible(contract) {
                Some(why) => cast.absent.push((persona, why)),
                None => cast.personas.push(persona),
            }
        }
        cast
    }
}

/// The title of a system's OpenAPI document: what golden tables and ladders go by.
pub(crate) fn title(system: &System) -> &str {
    system.document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use harness::contract::Contract;
    use serde_json::{Map, Value, json};

    use super::Cast;

    /// A contract in which members are made with a role in this place, and which has these other operations.
    fn contract(role: &str, others: &[&str]) -> Contract {
        let operation = |name: &str| {
            json!({ "operationId": name, "x-permission": ["platform:manage"], "x-effect": "write",
                    "x-visibility": "public", "responses": {} })
        };
        let mut making = operation("member-add");
        making["x-slot"] = json!({ role: "platform-role" });
        making["x-creates"] = json!({ "user": "/id" });
        let others = others.iter().map(|name| (format!("/{name}"), json!({ "put": operation(name) })));
        let paths: Map<String, Value> =
            others.chain([("/members".to_owned(), json!({ "post": making }))]).collect();
        Contract::from_openapi(&json!({ "openapi": "3.1.0", "paths": paths })).unwrap()
    }

    fn labels(cast: &Cast) -> Vec<&str> {
        cast.personas.iter().map(|persona| persona.label()).collect()
    }

    #[test]
    fn the_personas_are_those_of_the_ladder_and_of_every_system() {
        let cast = Cast::new("access-service", &contract("body/role?", &["user-status-set"]));
        let expected = [
            "anonymous",
            "platform-admin",
            "org-admin",
            "org-manager",
            "site-editor",
            "site-viewer",
            "no-role",
            "member-of-two",
            "suspended",
            "other-tenant",
        ];
        assert_eq!(labels(&cast), expected);
        assert!(cast.absent.is_empty());
    }

    #[test]
    fn whom_a_system_cannot_have_is_absent_by_name_and_with_the_reason() {
        let cast = Cast::new("platform-service", &contract("body/role", &[]));
        let expected = [
            "anonymous",
            "platform-admin",
            "owner",
            "admin",
            "member",
            "viewer",
            "member-of-two",
            "other-tenant",
        ];
        assert_eq!(labels(&cast), expected);
        let absent: Vec<_> = cast.absent.iter().map(|(persona, why)| (persona.label(), *why)).collect();
        assert_eq!(
            absent[0],
            ("no-role", "the contract has no operation that makes a member without a role")
        );
        assert_eq!(absent[1], ("suspended", "the contract has no operation user-status-set"));
    }
}
