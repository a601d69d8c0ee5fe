//! An organisation of any target, of which nothing is known but the contract: no shape of an answer, and of statuses only
//! which are a success and which a refusal.

use harness::client::{Answer, Call};
use harness::contract::{Effect, Operation, Permission, SlotKind};
use harness::data::{Invitation, Tenant};
use harness::identity::Principal;
use harness::target::Refusal;
use harness::world::{Stop, World};
use serde_json::Value;

/// An organisation with an administrator.
#[derive(Debug)]
pub struct Tenancy<'w> {
    world: &'w World,
    /// The organisation.
    pub tenant: Tenant,
    /// Its administrator.
    pub admin: Principal,
}

impl<'w> Tenancy<'w> {
    /// Founds an organisation of that name.
    pub async fn found(world: &'w World, name: &str) -> Result<Tenancy<'w>, Stop> {
        let tenant = world.data.organisations().create(name).await?;
        let admin = world.data.users().administrator(&tenant, "administrator").await?;
        Ok(Tenancy { world, tenant, admin })
    }

    /// The world it is in.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// An operation on this organisation by someone.
    pub fn by(&self, who: &Principal, operation: &str) -> Call {
        let call = self.world.api.call(operation).as_(who).org(&self.tenant.org);
        call.slot(SlotKind::Text, &self.tenant.text("words"))
    }

    /// An operation on this organisation by its administrator.
    pub fn admin(&self, operation: &str) -> Call {
        self.by(&self.admin, operation)
    }

    /// An operation of the administrator on somebody, by whatever the target calls them.
    pub fn on(&self, person: &Principal, operation: &str) -> Result<Call, Stop> {
        let call = self.admin(operation).user(&person.subject).member(&person.subject);
        let slots = self.world.system.contract.get(operation).into_iter().flat_map(|of| &of.slots);
        if !slots.into_iter().any(|slot| slot.kind == SlotKind::Membership) {
            return Ok(call);
        }
        let membership = self.world.data.membership(&self.tenant.org, &person.subject)?;
        Ok(call.slot(SlotKind::Membership, &membership))
    }

    /// A new member, in the role that people get who ask for none.
    pub async fn member(&self, label: &str) -> Result<Principal, Stop> {
        Ok(self.world.data.users().create(&self.tenant, label, None).await?)
    }

    /// Sends a call that must be done.
    pub async fn done(&self, call: Call) -> Result<Answer, Stop> {
        Ok(call.send().await?.success(&self.world.system.contract)?)
    }

    /// Sends a call of somebody who may not: must be refused as the target refuses.
    pub async fn refused(&self, call: Call) -> Result<(), Stop> {
        let answer = call.send().await?;
        must_be_refusal(&answer, self.is_refusal(&answer))
    }

    /// Sends a call that comes too late, whoever sends it: must be refused, or answered as the contract says that it
    /// cannot be done.
    pub async fn too_late(&self, call: Call) -> Result<(), Stop> {
        let answer = call.send().await?;
        let operation = self.world.system.contract.get(&answer.exchange.operation);
        let promised = operation.is_some_and(|operation| operation.statuses.contains(&answer.status));
        let cannot = promised && (400..500).contains(&answer.status);
        must_be_refusal(&answer, cannot || self.is_refusal(&answer))
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let operation = self.world.system.contract.get(&answer.exchange.operation);
        let reasons = [Refusal::Forbidden, Refusal::Hidden];
        let denials = &self.world.system.target.denials;
        operation.is_some_and(|operation| denials.refuses(operation, answer.status, &reasons))
    }

    /// Insists that something occurs, or does not, in what the administrator reads in a list.
    pub async fn lists(&self, list: Call, id: &str, is_there: bool) -> Result<(), Stop> {
        let answer = self.done(list).await?;
        if occurs(&answer, id) == is_there {
            return Ok(());
        }
        let (expected, found) = if is_there { (id.to_owned(), "none") } else { (format!("no {id}"), "it") };
        Err(answer.unexpected(&expected, found).into())
    }

    /// Does what must change what is read: the answer of `read` is another one after it.
    pub async fn changes(&self, change: Call, read: Call) -> Result<(), Stop> {
        let before = self.done(read.clone()).await?;
        self.done(change).await?;
        let after = self.done(read).await?;
        self.world.must(
            before.body != after.body,
            format!("another answer to {} after the change", after.exchange.operation),
        )
    }

    /// An invitation of somebody new, who has what lets them accept.
    pub async fn invite(&self, role: &str) -> Result<Invitation, Stop> {
        Ok(self.world.data.invitations().create(&self.tenant, &self.admin, role, None).await?)
    }

    /// What somebody does with an invitation, named by whatever the target takes.
    pub fn with(&self, invitation: &Invitation, who: &Principal, operation: &str) -> Call {
        self.by(who, operation).invitation(&invitation.id).invitation_token(&invitation.token)
    }

    /// What people are invited into, and what they may then read that names the organisation alone. Where an invitation
    /// names a role of the organisation's own, that is one made for it; otherwise it is the contract's example, and what it
    /// permits the target file must say: where it does not, there is nothing to read.
    pub async fn invited(&self) -> Result<(String, Option<Operation>), Stop> {
        let slots = self.world.system.contract.get("invitation-create").into_iter().flat_map(|of| &of.slots);
        let kinds: Vec<SlotKind> = slots.map(|slot| slot.kind).collect();
        if !kinds.contains(&SlotKind::Role) {
            let role = self.world.data.users().usual_role().unwrap_or_default();
            let read = self.reads().find(|read| self.permits(&role, read) == Some(true)).cloned();
            return Ok((String::new(), read));
        }
        self.world.must_serve(&["role-create"])?;
        let roles = self.world.data.roles();
        let Some((read, permission)) = self.reads().find_map(|read| Some((read, named(read)?))) else {
            return Ok((roles.create(&self.tenant, &self.admin).await?, None));
        };
        let role = roles.create_holding(&self.tenant, &self.admin, permission).await?;
        Ok((role, Some(read.clone())))
    }

    /// What any member may read and, of what names the organisation alone, what takes the highest role. Where the target
    /// file does not say what roles permit, the member tries: who was refused before their promotion is the measure then.
    pub async fn told_apart(&self, member: &Principal) -> Result<(Operation, Operation), Stop> {
        let role = self.world.data.users().usual_role().unwrap_or_default();
        let (mut may, mut may_not) = (None, None);
        for operation in self.doable() {
            let permitted = match self.permits(&role, operation) {
                Some(permitted) => permitted,
                None if operation.effect == Effect::Read => {
                    !self.is_refusal(&self.by(member, &operation.name).send().await?)
                }
                None => continue,
            };
            let found = if permitted { &mut may } else { &mut may_not };
            if operation.effect == Effect::Read || !permitted {
                found.get_or_insert_with(|| operation.clone());
            }
        }
        may.zip(may_not)
            .ok_or_else(|| Stop::fail("something that a member may read, and something they may not"))
    }

    /// What members do that names the organisation alone: reads first, then what creates nothing.
    fn doable(&self) -> Vec<&'w Operation> {
        let mut doable: Vec<&Operation> = self.world.system.contract.operations().collect();
        doable.retain(|operation| operation.effect != Effect::Consume && is_of_the_organisation(operation));
        doable.sort_by_key(|operation| (operation.effect != Effect::Read, !operation.creates.is_empty()));
        doable
    }

    /// What members read that names the organisation alone.
    fn reads(&self) -> impl Iterator<Item = &'w Operation> {
        let operations = self.world.system.contract.operations();
        operations.filter(|operation| operation.effect == Effect::Read && is_of_the_organisation(operation))
    }

    /// What the administrator reads without naming anything but the organisation.
    fn readable(&self) -> Vec<&'w Operation> {
        let highest = &self.world.system.target.vocabulary.admin_role;
        let own = self.reads().filter(|read| self.permits(highest, read) != Some(false));
        own.chain(self.world.system.contract.operations().filter(|read| names_nothing(read))).collect()
    }

    /// Insists that none of these ids is in anything that the administrator reads without naming more than the organisation.
    pub async fn finds_none_of(&self, ids: &[String]) -> Result<(), Stop> {
        let readable = self.readable();
        if readable.is_empty() {
            return Err(Stop::skip("the contract has nothing that is read by the organisation's id alone"));
        }
        for read in readable {
            let answer = self.done(self.admin(&read.name)).await?;
            if let Some(id) = ids.iter().find(|id| occurs(&answer, id)) {
                return Err(answer.unexpected(&format!("no {id}"), "it").into());
            }
        }
        Ok(())
    }

    /// Insists that the administrator is refused whatever members of another organisation read there.
    pub async fn is_refused_by(&self, other: &Tenancy<'_>) -> Result<(), Stop> {
        for read in self.reads() {
            self.refused(other.by(&self.admin, &read.name)).await?;
        }
        Ok(())
    }

    /// Whether a predefined role permits an operation, where the target file says so of its roles.
    fn permits(&self, role: &str, operation: &Operation) -> Option<bool> {
        let roles = self.world.system.target.roles(&self.world.system.contract);
        let (_, permissions) = roles.into_iter().find(|(name, _)| name == role)?;
        let held = |permission: &String| operation.allows(&Permission::Named(permission.clone()));
        Some(permissions.iter().any(held))
    }
}

fn must_be_refusal(answer: &Answer, is_one: bool) -> Result<(), Stop> {
    if is_one { Ok(()) } else { Err(answer.unexpected("a refusal", &answer.status.to_string()).into()) }
}

/// Whether members of an organisation call an operation by its id alone, and no plan decides.
fn is_of_the_organisation(operation: &Operation) -> bool {
    let mut required = operation.slots.iter().filter(|slot| !slot.optional);
    operation.slots.iter().any(|slot| slot.kind == SlotKind::Org)
        && required.all(|slot| matches!(slot.kind, SlotKind::Org | SlotKind::Text))
        && named(operation).is_some()
        && operation.feature.is_none()
}

/// Whether somebody who is signed in reads it as it stands: a list of what is theirs.
fn names_nothing(operation: &Operation) -> bool {
    operation.effect == Effect::Read
        && operation.allows(&Permission::SignedIn)
        && operation.slots.iter().all(|slot| slot.optional && !slot.kind.names())
}

/// The permission of an organisation that an operation takes.
fn named(operation: &Operation) -> Option<&str> {
    operation.permission.iter().find_map(|permission| match permission {
        Permission::Named(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Whether an id stands anywhere in an answer.
fn occurs(answer: &Answer, id: &str) -> bool {
    fn within(value: &Value, id: &str) -> bool {
        match value {
            Value::String(text) => text == id,
            Value::Number(number) => number.to_string() == id,
            Value::Array(items) => items.iter().any(|item| within(item, id)),
            Value::Object(members) => members.values().any(|member| within(member, id)),
            Value::Null | Value::Bool(_) => false,
        }
    }
    within(&answer.json(), id)
}
