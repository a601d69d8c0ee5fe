//! The ways to lose a standing, as far as a contract has operations for them.

use harness::contract::{Contract, Operation, Permission, SlotKind};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::target::TokenStyle;
use harness::world::Stop;
use serde_json::json;

use super::reference;
use crate::arena::Arena;
use crate::case::Reference;
use crate::cast::Cast;

/// A way to lose a standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The role is taken away.
    Unassigned,
    /// The role becomes the least there is.
    Demoted,
    /// The role permits less.
    Narrowed,
    /// The membership ends.
    Removed,
    /// The session ends by the person's own wish.
    SignedOut,
    /// The account is suspended.
    Suspended,
    /// The account is deleted.
    Deleted,
    /// The organisation's tenant is suspended.
    Closed,
    /// The organisation, or its tenant, is deleted.
    Ended,
}

/// What ends a session.
pub(crate) const SIGN_OUT: &str = "sign-out";

/// What ends an organisation for its members, by whichever name.
const ENDINGS: [&str; 2] = ["org-delete", "tenant-delete"];

impl Loss {
    /// Those that apply to an operation, the ones that end the arena last.
    pub fn all<'c>(
        operation: &'c Operation,
        cast: &'c Cast,
        contract: &'c Contract,
    ) -> impl Iterator<Item = Loss> + 'c {
        use Loss::{Closed, Deleted, Demoted, Ended, Narrowed, Removed, SignedOut, Suspended, Unassigned};
        let all = [Unassigned, Demoted, Narrowed, Removed, SignedOut, Suspended, Deleted, Closed, Ended];
        all.into_iter().filter(move |loss| loss.applies(operation, cast, contract))
    }

    fn applies(self, operation: &Operation, cast: &Cast, contract: &Contract) -> bool {
        let has = |name: &str| contract.get(name).is_some();
        let names_org = operation.slots.iter().any(|slot| slot.kind == SlotKind::Org);
        let by_role = operation.permission.iter().any(|p| matches!(p, Permission::Named(_)));
        let bottom_may = operation.permission.iter().any(|permission| match permission {
            Permission::Named(needed) => cast.ladder.bottom().permits(needed),
            _ => false,
        });
        let lists_permissions = |name: &str| {
            let body = contract.get(name).and_then(|operation| operation.body.as_ref());
            body.is_some_and(|body| body["permissions"].is_array())
        };
        match self {
            Loss::Unassigned => by_role && has("role-assignment-delete"),
            Loss::Demoted => by_role && !bottom_may && has("member-role-set"),
            Loss::Narrowed => by_role && lists_permissions("role-create") && lists_permissions("role-update"),
            Loss::Removed => by_role && has("member-remove"),
            Loss::SignedOut => has(SIGN_OUT),
            Loss::Suspended | Loss::Deleted => has("user-status-set"),
            Loss::Closed => by_role && has("tenant-status-set"),
            Loss::Ended => names_org && by_role && ENDINGS.iter().any(|ending| has(ending)),
        }
    }

    /// The word in paths, and the principal's label.
    pub fn variant(self) -> &'static str {
        match self {
            Loss::Unassigned => "unassigned",
            Loss::Demoted => "demoted",
            Loss::Narrowed => "role-narrowed",
            Loss::Removed => "removed",
            Loss::SignedOut => "signed-out",
            Loss::Suspended => "just-suspended",
            Loss::Deleted => "just-deleted",
            Loss::Closed => "tenant-suspended",
            Loss::Ended => "organisation-ended",
        }
    }

    /// Who has lost it.
    pub fn who(self) -> &'static str {
        match self {
            Loss::Unassigned => "somebody whose role was taken away",
            Loss::Demoted => "somebody who was demoted",
            Loss::Narrowed => "somebody whose role permits it no more",
            Loss::Removed => "somebody who was removed",
            Loss::SignedOut => "somebody who signed out",
            Loss::Suspended => "somebody who was suspended",
            Loss::Deleted => "somebody who was deleted",
            Loss::Closed => "a member of a suspended tenant",
            Loss::Ended => "a member of what was deleted",
        }
    }

    pub fn reference(self) -> Reference {
        match self {
            Loss::SignedOut => reference(613, "API2", "7.4.1"),
            Loss::Suspended | Loss::Deleted => reference(613, "API2", "7.4.2"),
            Loss::Closed | Loss::Ended => reference(672, "API1", "8.3.2"),
            Loss::Unassigned | Loss::Demoted | Loss::Narrowed | Loss::Removed => {
                reference(613, "API5", "8.3.2")
            }
        }
    }

    /// Whether nobody can do anything in the arena's organisation any more.
    pub fn ends_the_arena(self) -> bool {
        self == Loss::Ended
    }

    /// Somebody new in the organisation who may do everything.
    pub async fn person(self, arena: &Arena) -> Result<Principal, Stop> {
        let (data, tenant, top) = (arena.data(), &arena.acme.tenant, arena.cast.ladder.top);
        let role = match self {
            Loss::Narrowed => Some(data.roles().create_with(tenant, &arena.acme.admin, top.all()).await?),
            _ => None,
        };
        let role = role.as_deref().unwrap_or(top.name);
        let person = data.users().create(tenant, self.variant(), Some(role)).await?;
        Ok(claiming(arena, person, top.name))
    }

    /// Takes from a person what they may do.
    pub async fn bring_about(self, arena: &Arena, person: &Principal) -> Result<(), Stop> {
        match self {
            Loss::Unassigned => {
                let call = by(arena, "role-assignment-delete", person)?;
                send(call.role(&self.role(arena, person).await?)).await
            }
            Loss::Narrowed => {
                let role = self.role(arena, person).await?;
                let text = arena.acme.tenant.text("narrowed");
                let call = by(arena, "role-update", person)?.role(&role);
                send(call.json(json!({ "name": text, "permissions": [LITTLE] }))).await
            }
            Loss::Demoted => {
                let bottom = arena.cast.ladder.bottom().name;
                send(by(arena, "member-role-set", person)?.slot(SlotKind::PlatformRole, bottom)).await
            }
            Loss::Removed => send(by(arena, "member-remove", person)?).await,
            Loss::SignedOut => send(by(arena, SIGN_OUT, person)?.as_(person)).await,
            Loss::Suspended => {
                send(by(arena, "user-status-set", person)?.json(json!({ "status": "SUSPENDED" }))).await
            }
            Loss::Deleted => {
                send(by(arena, "user-status-set", person)?.json(json!({ "status": "DELETED" }))).await
            }
            Loss::Closed => {
                send(by(arena, "tenant-status-set", person)?.json(json!({ "status": "suspended" }))).await
            }
            Loss::Ended => {
                let contract = &arena.system.contract;
                let ending = ENDINGS.into_iter().find(|ending| contract.get(ending).is_some());
                send(by(arena, ending.unwrap_or_default(), person)?).await
            }
        }
    }

    /// Opens again what was closed.
    pub async fn restore(self, arena: &Arena) -> Result<(), Stop> {
        let open = by(arena, "tenant-status-set", &arena.acme.admin)?;
        send(open.json(json!({ "status": "active" }))).await
    }

    /// The id of the one role that the person holds.
    async fn role(self, arena: &Arena, person: &Principal) -> Result<String, Stop> {
        let list = by(arena, "role-assignment-list", person)?;
        let held = list.send().await?.expect(200)?;
        Ok(held.text_at("/items/0/roleId")?)
    }
}

/// The person with a token as providers make it: it says what they were when they signed in, and goes on saying it.
fn claiming(arena: &Arena, person: Principal, role: &str) -> Principal {
    let org = &arena.acme.tenant.org;
    let said = match arena.system.token_style() {
        TokenStyle::Cognito => [("custom:organisation_id", json!(org)), ("cognito:groups", json!([role]))],
        TokenStyle::Clerk => [("org_id", json!(org)), ("org_role", json!(format!("org:{role}")))],
    };
    let claiming = person.with_claims(|claims| {
        claims.extend(said.map(|(name, value)| (name.to_owned(), value)));
    });
    claiming.unwrap_or(person)
}

/// What is left of a role that was narrowed.
const LITTLE: &str = "site:read";

/// An operation that changes a person's standing, by whoever rightfully does so.
fn by(arena: &Arena, name: &str, person: &Principal) -> Result<harness::client::Call, Stop> {
    let tenant = &arena.acme.tenant;
    let is_the_platforms = arena.system.contract.get(name).is_some_and(Operation::is_the_platforms);
    let who = if is_the_platforms { arena.data().platform_admin()? } else { arena.acme.admin.clone() };
    let call = arena.api.call(name).as_(&who).org(&tenant.org).user(&person.subject);
    let call = call.member(&person.subject).class(Class::Control);
    let call = match &tenant.record {
        Some(record) => call.slot(SlotKind::Tenant, record),
        None => call,
    };
    let operation = arena.system.contract.get(name);
    if !operation
        .is_some_and(|operation| operation.slots.iter().any(|slot| slot.kind == SlotKind::Membership))
    {
        return Ok(call);
    }
    Ok(call.slot(SlotKind::Membership, &arena.data().membership(&tenant.org, &person.subject)?))
}

async fn send(call: harness::client::Call) -> Result<(), Stop> {
    let answer = call.send().await?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let why = answer.unexpected("2xx, so that somebody loses their standing", &answer.status.to_string());
    Err(Stop::error(why.to_string()))
}
