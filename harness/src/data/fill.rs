//! Values for everything an operation names, made fresh, so that its rightful caller succeeds.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::organisations::org_of;
use super::{Data, DataError, Tenant, fresh_email, fresh_key};
use crate::client::{Api, Call, CallError};
use crate::contract::{Effect, Operation, Permission, Place, Slot, SlotKind};
use crate::identity::{Principal, login};
use crate::leak::random_code;
use crate::target::Capability;

/// Values for the slots of one operation, all of one tenant, with which the rightful caller succeeds.
#[derive(Clone, Debug, Default)]
pub struct Fill {
    /// By kind.
    pub values: BTreeMap<SlotKind, String>,
    /// The new ids that the caller must choose, by their places.
    chosen: BTreeMap<Place, String>,
    /// Who may do what others may not with something among the values: whoever was invited, or owns an organisation
    /// that is made to be ended.
    own: Option<Principal>,
    /// The organisation that is made to be ended, where only its own people may end it.
    ending: Option<Tenant>,
}

impl Fill {
    /// The organisation among the values that was made to be ended by its own people: who is to be tried on it must
    /// first belong to it.
    pub fn ending(&self) -> Option<&Tenant> {
        self.ending.as_ref()
    }

    /// A call of the operation with these values.
    pub fn call(&self, api: &Api, operation: &Operation, principal: &Principal) -> Call {
        let call = api.call(&operation.name).as_(principal);
        let call = self.values.iter().fold(call, |call, (kind, value)| call.slot(*kind, value));
        self.chosen.iter().fold(call, |call, (place, id)| call.at(place, id))
    }

    /// Who rightfully calls an operation that the platform does not keep for itself: the invitee, or the
    /// tenant's administrator.
    pub fn rightful(&self, operation: &Operation, admin: &Principal) -> Principal {
        match &self.own {
            Some(invitee) if operation.allows(&Permission::Invitee) => invitee.clone(),
            Some(owner) if ends_the_tenant(operation) => owner.clone(),
            _ => admin.clone(),
        }
    }
}

/// Whether an operation ends the organisation itself, which is all that it names.
fn ends_the_tenant(operation: &Operation) -> bool {
    let mut named = operation.naming_slots();
    operation.effect == Effect::Consume
        && named.next().is_some_and(|slot| slot.kind == SlotKind::Org)
        && named.next().is_none()
}

/// Whether an operation can do without a kind: it has only optional places for it.
fn may_lack(operation: &Operation, kind: SlotKind) -> bool {
    operation.slots.iter().filter(|slot| slot.kind == kind).all(|slot| slot.optional)
}

/// Whether the permission that the path names is changed or ended.
fn changes_permission(operation: &Operation) -> bool {
    let names_it = |slot: &Slot| slot.kind == SlotKind::Permission && matches!(slot.place, Place::Path(_));
    operation.effect != Effect::Read && operation.slots.iter().any(names_it)
}

impl Data {
    /// Makes whatever an operation names in a tenant.
    pub async fn fill(
        &self,
        tenant: &Tenant,
        admin: &Principal,
        operation: &Operation,
    ) -> Result<Fill, DataError> {
        let mut fill = Fill::default();
        if operation.created(SlotKind::AuditExport).is_some() {
            self.must_archive()?;
        }
        let first = operation.setup.iter().filter_map(|name| self.api.contract().get(name));
        let mut kinds: Vec<SlotKind> = std::iter::once(operation)
            .chain(first)
            .flat_map(|operation| operation.slots.iter().filter(|slot| !operation.chooses(slot)))
            .map(|slot| slot.kind)
            .collect();
        // By the order of the kinds: a member needs the team of the same request, an invitation its role.
        kinds.sort_unstable();
        kinds.dedup();
        for slot in operation.slots.iter().filter(|slot| !slot.optional && operation.chooses(slot)) {
            fill.chosen.insert(slot.place.clone(), self.choose(tenant, slot.kind)?);
        }
        for kind in kinds {
            let value = match kind {
                SlotKind::Org if ends_the_tenant(operation) => {
                    let shortlived = self.organisations().create("shortlived").await?;
                    if !operation.allows(&Permission::Platform) {
                        fill.own = Some(self.users().administrator(&shortlived, "owner").await?);
                        fill.ending = Some(shortlived.clone());
                    }
                    shortlived.org
                }
                // A tenant that is suspended lets nobody in any more.
                SlotKind::Tenant if operation.effect != Effect::Read => {
                    let shortlived = self.organisations().create("shortlived").await?;
                    shortlived.record.ok_or(DataError::Absent(kind))?
                }
                SlotKind::Permission if operation.created(kind).is_some() => {
                    let name = self.permissions().fresh_name();
                    self.permissions().adopt(tenant, &name)?;
                    name
                }
                // What is changed or ended is the tenant's own: the catalogue is everyone's.
                SlotKind::Permission if changes_permission(operation) => {
                    self.permissions().create(tenant).await?
                }
                _ => match self.value(tenant, admin, kind, &mut fill).await {
                    Ok(Some(value)) => value,
                    Ok(None) => continue,
                    // What nothing makes here cannot be named, and need not be.
                    Err(DataError::Call(CallError::NoSuchOperation { .. })) if may_lack(operation, kind) => {
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            fill.values.insert(kind, value);
        }
        self.precede(operation, admin, &fill).await?;
        Ok(fill)
    }

    async fn value(
        &self,
        tenant: &Tenant,
        admin: &Principal,
        kind: SlotKind,
        fill: &mut Fill,
    ) -> Result<Option<String>, DataError> {
        Ok(Some(match kind {
            SlotKind::Org => tenant.org.clone(),
            SlotKind::Team => self.teams().create(tenant, admin).await?,
            SlotKind::Role => self.roles().create(tenant, admin).await?,
            SlotKind::User => self.users().create(tenant, "subject", None).await?.subject,
            SlotKind::Member => {
                let user = self.users().create(tenant, "subject", None).await?.subject;
                let team = fill.values.get(&SlotKind::Team).cloned().unwrap_or_default();
                self.teams().add_member(tenant, admin, &team, &user).await?;
                user
            }
            SlotKind::Membership => {
                let person = self.users().create(tenant, "subject", None).await?;
                self.membership(&tenant.org, &person.subject)?
            }
            SlotKind::TeamRole => self.team_role(tenant, admin).await?,
            SlotKind::Invitation | SlotKind::InvitationToken => {
                let role = self.invitations().role(tenant, admin).await?;
                let invitation = self.invitations().create(tenant, admin, &role, None).await?;
                fill.own = Some(invitation.invitee);
                if kind == SlotKind::Invitation { invitation.id } else { invitation.token }
            }
            SlotKind::Text => tenant.text("words"),
            SlotKind::Password => login::fresh_password(),
            SlotKind::Email => fresh_email("someone"),
            SlotKind::Slug => format!("s-{}", random_code(8)),
            SlotKind::AuditExport => {
                self.must_archive()?;
                self.exports().create(tenant, admin).await?
            }
            SlotKind::Product => self.products().create(tenant, admin).await?,
            SlotKind::Tenant => tenant.record.clone().ok_or(DataError::Absent(kind))?,
            SlotKind::Person => self.users().person("newcomer").await?.subject,
            SlotKind::Caller
            | SlotKind::Status
            | SlotKind::Permission
            | SlotKind::PlatformRole
            | SlotKind::ResourceType => {
                return Ok(None);
            }
        }))
    }

    /// An id for something new, which the caller chooses: in the ledger already, for whoever sends it creates it.
    fn choose(&self, tenant: &Tenant, kind: SlotKind) -> Result<String, DataError> {
        let id = match kind {
            SlotKind::Org => org_of(&fresh_key()),
            SlotKind::User => Uuid::new_v4().to_string(),
            kind => return Err(DataError::Unmade(kind)),
        };
        self.adopt(tenant, kind, &id)?;
        Ok(id)
    }

    /// Where nothing can be archived, an export's rightful caller fails too.
    fn must_archive(&self) -> Result<(), DataError> {
        if self.system.target.can(Capability::Archive) {
            return Ok(());
        }
        Err(DataError::Lacks(Capability::Archive))
    }

    /// A team role of the tenant's own, or one of those it began with where the target can make none.
    async fn team_role(&self, tenant: &Tenant, admin: &Principal) -> Result<String, DataError> {
        let call = |operation: &str| self.api.call(operation).as_(admin).org(&tenant.org);
        if self.api.contract().get("team-role-create").is_some() {
            let create = call("team-role-create").slot(SlotKind::Text, &tenant.text("part"));
            let kind = SlotKind::TeamRole;
            return Ok(self.create(&tenant.key, &tenant.org, kind, create, "team-role-create").await?.0);
        }
        match call("team-role-list").send().await {
            Ok(answer) => {
                answer.expect(200)?.text_at("/items/0/id").map_err(|_| DataError::Absent(SlotKind::TeamRole))
            }
            Err(CallError::NoSuchOperation { .. }) => Err(DataError::Absent(SlotKind::TeamRole)),
            Err(error) => Err(error.into()),
        }
    }

    /// What `role-assignment-delete` takes away, `role-assignment-create` must first have given: the
    /// operation that adds what this one removes, if the contract has one for the same things.
    async fn precede(&self, operation: &Operation, admin: &Principal, fill: &Fill) -> Result<(), DataError> {
        let pairs = [("-delete", "-create"), ("-remove", "-add")];
        let sibling = pairs.iter().find_map(|(end, begin)| {
            let sibling =
                self.api.contract().get(&format!("{}{begin}", operation.name.strip_suffix(end)?))?;
            let kinds =
                |operation: &Operation| operation.naming_slots().map(|slot| slot.kind).collect::<Vec<_>>();
            let (mut ours, mut theirs) = (kinds(operation), kinds(sibling));
            ours.sort_unstable();
            theirs.sort_unstable();
            (ours == theirs && sibling.creates.is_empty()).then_some(sibling)
        });
        if let Some(sibling) = sibling {
            let answer = fill.call(&self.api, sibling, admin).send().await?;
            answer.success(&self.system.contract)?;
        }
        Ok(())
    }
}
