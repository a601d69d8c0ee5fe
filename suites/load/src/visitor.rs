//! One user of a load run: who it is, what it knows of, and what its next request says.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use harness::client::{Api, Call, Http};
use harness::contract::{Effect, Operation, Place, SlotKind};
use harness::data::{Data, DataError, Tenant, fresh_email};
use harness::identity::Principal;
use harness::leak::random_code;
use harness::system::System;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::persona::Persona;
use crate::premises::Premises;
use crate::workload::{By, Task, Tasks};

/// As many things of a kind a user keeps in mind. A long run makes more than anybody looks at again.
const KEPT: usize = 200;

/// One user.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// As what.
    pub persona: Persona,
    /// A connection pool of its own, as users do not share connections.
    pub http: Http,
    principal: Arc<Principal>,
    premises: Arc<Premises>,
    memory: Mutex<Memory>,
}

/// What the user knows of, and the source of its choices.
#[derive(Debug)]
struct Memory {
    rng: StdRng,
    known: BTreeMap<SlotKind, VecDeque<String>>,
    /// What it made itself, of kinds that are everyone's.
    own: BTreeMap<SlotKind, VecDeque<String>>,
    invitations: VecDeque<Invited>,
}

/// Somebody whom the user invited.
#[derive(Clone, Debug)]
struct Invited {
    id: String,
    invitee: Principal,
}

/// A request in the making, with what is to be known of it when it is answered.
pub(crate) struct Draft<'v> {
    pub call: Call,
    /// Whose data it makes.
    tenant: Cow<'v, Tenant>,
    invitee: Option<Principal>,
}

impl Visitor {
    pub(crate) fn new(
        principal: Principal,
        persona: Persona,
        http: Http,
        premises: Arc<Premises>,
        rng: StdRng,
    ) -> Visitor {
        let known = premises.known.iter().map(|(kind, ids)| (*kind, ids.iter().cloned().collect())).collect();
        let memory = Memory { rng, known, own: BTreeMap::new(), invitations: VecDeque::new() };
        Visitor { persona, http, principal: Arc::new(principal), premises, memory: Mutex::new(memory) }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant it belongs to.
    pub(crate) fn tenant(&self) -> &str {
        &self.premises.tenant.org
    }

    /// The next task.
    pub(crate) fn draw<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.draw(&mut self.memory().rng)
    }

    /// A task as a request about something the user knows of. `None` where it knows of nothing that could be meant.
    pub(crate) fn draft(
        &self,
        system: &System,
        api: &Api,
        data: &Data,
        task: &Task,
        operation: &Operation,
    ) -> Result<Option<Draft<'_>>, DataError> {
        // Somebody new is an organisation of their own, known before it is made.
        let tenant = match operation.created(SlotKind::Org) {
            Some(_) => Cow::Owned(data.organisations().without_tenant("load")?),
            None => Cow::Borrowed(&self.premises.tenant),
        };
        let names = |kind| operation.slots.iter().any(|slot| slot.kind == kind);
        let invited = if names(SlotKind::Invitation) || names(SlotKind::InvitationToken) {
            let Some(invited) = self.memory().invited(operation.effect == Effect::Consume) else {
                return Ok(None);
            };
            Some(invited)
        } else {
            None
        };
        let invites = operation.created(SlotKind::Invitation).is_some();
        let invitee = invites.then(|| data.users().stranger("perf-invitee")).transpose()?;
        let Some(sender) = self.sender(data, task, invited.as_ref())? else { return Ok(None) };

        let mut call = api.call(&task.operation).as_(sender);
        for slot in &operation.slots {
            let value = match slot.kind {
                SlotKind::Email => Some(
                    invitee.as_ref().map_or_else(|| fresh_email("perf"), |invitee| invitee.email.clone()),
                ),
                SlotKind::Slug => Some(format!("t-{}", tenant.key)),
                SlotKind::Status if operation.created(SlotKind::Org).is_some() => {
                    system.target.vocabulary.plan.clone()
                }
                SlotKind::Permission if operation.created(slot.kind).is_some() => {
                    Some(data.permissions().fresh_name())
                }
                SlotKind::Permission | SlotKind::PlatformRole if !matches!(slot.place, Place::Path(_)) => {
                    None
                }
                SlotKind::Invitation => invited.as_ref().map(|invited| invited.id.clone()),
                SlotKind::InvitationToken => {
                    let email = invited.as_ref().map(|invited| invited.invitee.email.as_str());
                    let token = email.and_then(|email| mailed(system, email));
                    let Some(token) = token else { return Ok(None) };
                    api.leaks().learn_pass(&tenant.key, &token);
                    Some(token)
                }
                SlotKind::Text => Some(tenant.text("load")),
                SlotKind::Org => Some(tenant.org.clone()),
                SlotKind::User => Some(self.principal.subject.clone()),
                SlotKind::Status | SlotKind::ResourceType => None,
                kind => match self.memory().one_of(kind, operation.effect != Effect::Read) {
                    None if !slot.optional => return Ok(None),
                    one => one,
                },
            };
            if let Some(value) = value {
                call = call.at(&slot.place, &value);
            }
        }
        for (name, choice) in &task.query {
            if let Some(value) = choice.draw(&mut self.memory().rng) {
                call = call.query(name, value);
            }
        }
        if let Some(days) = task.days {
            let now = OffsetDateTime::now_utc();
            if let Some((since, now)) = moment(now - time::Duration::days(days)).zip(moment(now)) {
                call = call.query("start_date", &since).query("end_date", &now);
            }
        }
        Ok(Some(Draft { call, tenant, invitee }))
    }

    /// Who sends a task; nobody where there is none.
    fn sender(
        &self,
        data: &Data,
        task: &Task,
        invited: Option<&Invited>,
    ) -> Result<Option<Arc<Principal>>, DataError> {
        let sender = match task.by {
            By::Persona => Some(self.principal.clone()),
            By::PlatformAdmin => match data.platform_admin() {
                Err(DataError::Lacks(_)) => None,
                admin => Some(Arc::new(admin?)),
            },
            By::HolderOfMany => self.premises.holder_of_many.as_ref().map(Arc::from),
            By::Invitee => invited.map(|invited| Arc::from(&invited.invitee)),
            By::Anyone => Some(Arc::new(Principal::anonymous())),
        };
        Ok(sender.map(|sender| if task.fresh_token { with_fresh_token(sender) } else { sender }))
    }

    /// Enters what an answer says was created into ledger and leak detector, and remembers it.
    pub(crate) fn adopt(
        &self,
        data: &Data,
        operation: &Operation,
        draft: &Made<'_>,
        body: &str,
    ) -> Result<(), DataError> {
        if operation.creates.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        for (kind, pointer) in &operation.creates {
            let Some(id) = answer.pointer(pointer).and_then(Value::as_str) else { continue };
            match kind {
                // Chosen by the harness, so entered before it was made.
                SlotKind::Org => {}
                SlotKind::Permission => {
                    data.permissions().adopt(&draft.tenant, id)?;
                    remember(self.memory().own.entry(*kind).or_default(), id.to_owned());
                }
                SlotKind::Invitation => {
                    data.adopt(&draft.tenant, *kind, id)?;
                    if let Some(invitee) = &draft.invitee {
                        let invited = Invited { id: id.to_owned(), invitee: invitee.clone() };
                        remember(&mut self.memory().invitations, invited);
                    }
                }
                _ => {
                    data.adopt(&draft.tenant, *kind, id)?;
                    remember(self.memory().known.entry(*kind).or_default(), id.to_owned());
                }
            }
        }
        Ok(())
    }
}

/// What is to be known of a request that was sent, when its answer says what it made.
pub(crate) struct Made<'v> {
    tenant: Cow<'v, Tenant>,
    invitee: Option<Principal>,
}

impl<'v> Draft<'v> {
    /// The call, and what is to be known when it is answered.
    pub(crate) fn into_parts(self) -> (Call, Made<'v>) {
        (self.call, Made { tenant: self.tenant, invitee: self.invitee })
    }
}

impl Memory {
    /// Something of a kind. What is everyone's is changed only where the user made it.
    fn one_of(&mut self, kind: SlotKind, changed: bool) -> Option<String> {
        let of = if changed && kind == SlotKind::Permission { &self.own } else { &self.known };
        let of = of.get(&kind).filter(|of| !of.is_empty())?;
        of.get(self.rng.random_range(0..of.len())).cloned()
    }

    /// Somebody who was invited; forgotten with what ends the invitation.
    fn invited(&mut self, ends: bool) -> Option<Invited> {
        let count = self.invitations.len();
        let at = (count > 0).then(|| self.rng.random_range(0..count))?;
        if ends { self.invitations.remove(at) } else { self.invitations.get(at).cloned() }
    }
}

/// Keeps the newest.
fn remember<T>(kept: &mut VecDeque<T>, new: T) {
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(new);
}

/// The token of the newest mail to an address, if one has come.
fn mailed(system: &System, email: &str) -> Option<String> {
    let mail = system.stand_ins.mail.as_ref()?.to(email).pop()?;
    mail.token().map(str::to_owned)
}

/// The same principal with a token that was never sent: nothing that is known of the others is known of it.
fn with_fresh_token(principal: Arc<Principal>) -> Arc<Principal> {
    let fresh = principal.with_claims(|claims| {
        claims.insert("jti".into(), random_code(24).into());
    });
    fresh.map_or(principal, Arc::new)
}

fn moment(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
