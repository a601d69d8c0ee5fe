//! Where a group of attacks takes place: two tenants of its own, everyone who may attack, and resources
//! made fresh for whatever an attack or a control uses up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use harness::client::{Answer, Api, Call, CallError, HttpError};
use harness::contract::{Effect, Operation, SlotKind};
use harness::data::{Data, DataError, Fill, Tenant};
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::snapshot::{Change, Snapshot, Watched};
use harness::system::System;
use harness::target::Refusal;
use harness::world::Stop;
use serde_json::{Value, json};

use crate::cast::{Cast, Persona};
use crate::ladder::Role;

/// Two tenants and who attacks them.
#[derive(Debug)]
pub struct Arena {
    /// The system under attack.
    pub system: Arc<System>,
    /// The client that records what this group sends.
    pub api: Api,
    /// The attacker's own tenant.
    pub acme: Side,
    /// The tenant that is attacked.
    pub globex: Side,
    /// Who attacks.
    pub cast: Arc<Cast>,
    data: Data,
    personas: BTreeMap<Persona, Principal>,
    /// What reads were filled with, by organisation and operation.
    read: Mutex<BTreeMap<(String, String), Fill>>,
}

/// One tenant.
#[derive(Debug)]
pub struct Side {
    /// The tenant.
    pub tenant: Tenant,
    /// Its administrator, who may do everything in it.
    pub admin: Principal,
}

/// What came of an attack.
#[derive(Debug)]
pub struct Attacked {
    /// The status.
    pub status: u16,
    /// The evidence.
    pub exchange: Exchange,
    /// What of another tenant was in the answer.
    pub leak: Option<String>,
    /// The body, where nothing leaked.
    pub body: Value,
}

impl Arena {
    /// Builds an arena for a cast. `owner` names it in the ledger. One that cannot be built to its end is removed.
    pub async fn build(system: &Arc<System>, cast: &Arc<Cast>, owner: &str) -> Result<Arena, Stop> {
        let api = system.impatient_api("security");
        let data = Data::new(system.clone(), api.clone(), owner);
        let sides = async {
            let top = cast.ladder.top;
            let acme = Side::build(&data, "acme", Persona::Holder(top), top).await?;
            Ok::<_, Stop>((acme, Side::build(&data, "globex", Persona::OtherTenant(top), top).await?))
        };
        let (acme, globex) = match sides.await {
            Ok(sides) => sides,
            Err(stop) => {
                data.cleanup().await?;
                return Err(stop);
            }
        };
        let (system, cast) = (system.clone(), cast.clone());
        let mut arena = Arena {
            system,
            api,
            acme,
            globex,
            cast,
            data,
            personas: BTreeMap::new(),
            read: Mutex::default(),
        };
        for persona in arena.cast.personas.clone() {
            match arena.persona(persona).await {
                Ok(principal) => arena.personas.insert(persona, principal),
                Err(stop) => {
                    arena.leave().await?;
                    return Err(stop);
                }
            };
        }
        Ok(arena)
    }

    async fn persona(&self, persona: Persona) -> Result<Principal, Stop> {
        let users = self.data.users();
        let newcomer = async |role: Option<Role>| {
            users.create(&self.acme.tenant, persona.label(), role.map(|role| role.name)).await
        };
        let top = self.cast.ladder.top;
        Ok(match persona {
            Persona::Anonymous => Principal::anonymous(),
            Persona::PlatformAdmin => self.data.platform_admin()?,
            Persona::Holder(role) if role == top => self.acme.admin.clone(),
            Persona::OtherTenant(_) => self.globex.admin.clone(),
            Persona::Holder(_) | Persona::NoRole => newcomer(persona.role()).await?,
            Persona::MemberOfTwo(_) => {
                let person = newcomer(persona.role()).await?;
                users.join(&self.globex.tenant, &person, Some(top.name)).await?
            }
            Persona::Suspended(_) => {
                let person = newcomer(persona.role()).await?;
                let call =
                    self.api.call("user-status-set").as_(&self.data.platform_admin()?).user(&person.subject);
                call.json(json!({ "status": "SUSPENDED" })).send().await?.expect(200)?;
                person
            }
        })
    }

    /// What else can be made for the cases of a group; it goes with the arena.
    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    /// A persona, signed in.
    pub fn principal(&self, persona: Persona) -> Principal {
        self.personas.get(&persona).cloned().unwrap_or_else(Principal::anonymous)
    }

    /// Somebody more who holds a role in the attacker's own tenant, as an operation names people: by their id, or by
    /// that of their membership.
    pub async fn somebody(&self, role: Role, kind: SlotKind) -> Result<String, Stop> {
        let person = self.data.users().create(&self.acme.tenant, role.label, Some(role.name)).await?;
        match kind {
            SlotKind::Membership => Ok(self.data.membership(&self.acme.tenant.org, &person.subject)?),
            _ => Ok(person.subject),
        }
    }

    /// A persona as what it is in the organisation that a fill is about: one that was made to be ended knows nobody
    /// yet, and refusing strangers says nothing of roles.
    pub async fn principal_in(&self, persona: Persona, fill: &Fill) -> Result<Principal, Stop> {
        let principal = self.principal(persona);
        match fill.ending() {
            Some(tenant) if persona.is_member() => {
                let role = persona.role().map(|role| role.name);
                Ok(self.data.users().join(tenant, &principal, role).await?)
            }
            _ => Ok(principal),
        }
    }

    /// Makes whatever an operation names on one side. A read uses nothing up, so all reads of an arena are of the same.
    pub async fn fresh(&self, side: &Side, operation: &Operation) -> Result<Fill, Stop> {
        let reads = operation.effect == Effect::Read;
        let key = (side.tenant.org.clone(), operation.name.clone());
        let known = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fill) = known().get(&key).filter(|_| reads) {
            return Ok(fill.clone());
        }
        let fill = self.data.fill(&side.tenant, &side.admin, operation).await?;
        if reads {
            known().insert(key, fill.clone());
        }
        Ok(fill)
    }

    /// Lets reads have something new: an attack may have used up what they were about.
    pub(crate) fn renew(&self) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// One more administrator of a side; with the other side's too, where they are one person.
    pub async fn colleague(&self, side: &Side, also: Option<&Side>) -> Result<Principal, Stop> {
        let (users, role) = (self.data.users(), Some(self.cast.ladder.top.name));
        let colleague = users.create(&side.tenant, "colleague", role).await?;
        Ok(match also {
            Some(other) => users.join(&other.tenant, &colleague, role).await?,
            None => colleague,
        })
    }

    /// Takes somebody's standing in a side away, by whichever way the contract has.
    pub async fn expel(&self, side: &Side, person: &Principal) -> Result<(), Stop> {
        let call = if self.api.contract().get("member-remove").is_some() {
            self.api.call("member-remove").as_(&side.admin).org(&side.tenant.org)
        } else {
            let suspend = self.api.call("user-status-set").as_(&self.data.platform_admin()?);
            suspend.slot(SlotKind::Status, "SUSPENDED")
        };
        let answer = call.user(&person.subject).send().await?;
        if answer.status < 300 {
            return Ok(());
        }
        Err(Stop::error(answer.unexpected("2xx", &answer.status.to_string()).to_string()))
    }

    /// A call of an operation with the values of a fill.
    pub fn call(&self, operation: &Operation, principal: &Principal, fill: &Fill, class: Class) -> Call {
        fill.call(&self.api, operation, principal).class(class)
    }

    /// Sends an attack. A leak is an observation here, not an end.
    pub async fn attack(&self, call: Call) -> Result<Attacked, Stop> {
        Ok(self.attempt(call).await?)
    }

    /// The same, where the target may well end the connection instead of answering: then there is nothing.
    pub async fn attack_or_cut(&self, call: Call) -> Result<Option<Attacked>, Stop> {
        match self.attempt(call).await {
            Err(CallError::Transport { source: HttpError::Broken(_), .. }) => Ok(None),
            attempted => Ok(Some(attempted?)),
        }
    }

    async fn attempt(&self, call: Call) -> Result<Attacked, CallError> {
        match call.send().await {
            Ok(answer) => {
                let exchange = answer.exchange.clone();
                Ok(Attacked { status: answer.status, exchange, leak: None, body: answer.json() })
            }
            Err(CallError::Leak { leak, exchange }) => {
                let status = exchange.status.unwrap_or_default();
                Ok(Attacked { status, exchange: *exchange, leak: Some(leak.to_string()), body: Value::Null })
            }
            Err(error) => Err(error),
        }
    }

    /// Whoever rightfully calls an operation with a fill of a side.
    pub fn rightful(&self, operation: &Operation, side: &Side, fill: &Fill) -> Principal {
        if operation.is_the_platforms() {
            return self.principal(Persona::PlatformAdmin);
        }
        fill.rightful(operation, &side.admin)
    }

    /// The rightful caller's token, spoilt: must be refused, or a denial of the same operation means nothing. A service
    /// that ignores tokens refuses for other reasons, or not at all.
    pub async fn negative_control(
        &self,
        operation: &Operation,
        side: &Side,
        fill: &Fill,
    ) -> Result<(), Stop> {
        let principal = self.rightful(operation, side, fill);
        let Some(spoilt) = principal.credential_for(operation).spoilt()?.filter(|_| operation.needs_token())
        else {
            return Ok(());
        };
        let call = self.call(operation, &principal, fill, Class::Control).credential(spoilt);
        let answered = self.attack(call).await?;
        let denials = &self.system.target.denials;
        if answered.leak.is_none() && denials.refuses(operation, answered.status, &[Refusal::Unauthenticated])
        {
            return Ok(());
        }
        let status = answered.status;
        Err(Stop::error(format!(
            "negative control failed, so a denial would mean nothing: status {status} for a knowingly invalid token"
        )))
    }

    /// The rightful caller's request: must succeed, or a denial of the same operation means nothing. So must the same
    /// request with an invalid token be refused.
    pub async fn control(&self, operation: &Operation, side: &Side, fill: &Fill) -> Result<Answer, Stop> {
        self.negative_control(operation, side, fill).await?;
        let principal = self.rightful(operation, side, fill);
        let answer = self.call(operation, &principal, fill, Class::Control).send().await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let unexpected = answer.unexpected("2xx, as the rightful caller", &answer.status.to_string());
        Err(Stop::error(format!("control failed, so a denial would mean nothing: {unexpected}")))
    }

    /// The state of both tenants, of whatever else a fill names, and of what the attack would have created
    /// elsewhere, which is found by the words in it.
    pub async fn snapshot(&self, operation: &Operation, fills: &[&Fill]) -> Result<Snapshot, Stop> {
        self.snapshot_of(&[&self.acme, &self.globex], operation, fills).await
    }

    /// The same, where the operation may change it.
    pub async fn state(&self, operation: &Operation, fills: &[&Fill]) -> Result<Option<Snapshot>, Stop> {
        if operation.effect == Effect::Read {
            return Ok(None);
        }
        Ok(Some(self.snapshot(operation, fills).await?))
    }

    /// The same of some sides.
    pub async fn snapshot_of(
        &self,
        sides: &[&Side],
        operation: &Operation,
        fills: &[&Fill],
    ) -> Result<Snapshot, Stop> {
        let watch = |side: &&Side| Watched { org: side.tenant.org.clone(), owner: side.admin.clone() };
        let mut watched: Vec<Watched> = sides.iter().map(watch).collect();
        for org in fills.iter().filter_map(|fill| fill.values.get(&SlotKind::Org)) {
            if self.system.store.is_some() && watched.iter().all(|watched| watched.org != *org) {
                watched.push(Watched { org: org.clone(), owner: self.principal(Persona::PlatformAdmin) });
            }
        }
        let words = [SlotKind::Text, SlotKind::Email, SlotKind::Slug];
        let words = words.iter().flat_map(|kind| fills.iter().filter_map(|fill| fill.values.get(kind)));
        let words = words.filter(|_| !operation.creates.is_empty());
        // A permission belongs to no tenant: it is found by its name alone.
        let permissions = fills.iter().filter_map(|fill| fill.values.get(&SlotKind::Permission));
        let words: Vec<&str> = words.chain(permissions).map(String::as_str).collect();
        Ok(Snapshot::take(self.system.store.as_ref(), &self.api, &watched, &words).await?)
    }

    /// Removes everything, and writes what was sent into the records.
    pub async fn leave(&self) -> Result<(), Stop> {
        self.data.cleanup().await?;
        self.api.flush_coverage()?;
        Ok(())
    }
}

impl Side {
    async fn build(data: &Data, name: &str, admin: Persona, role: Role) -> Result<Side, Stop> {
        let tenant = data.organisations().create(name).await?;
        let admin = data.users().create(&tenant, admin.label(), Some(role.name)).await?;
        match data.roles().by_name(&tenant, &admin).await {
            // Where an organisation has no roles of its own, there are no ids of them to learn.
            Ok(_) | Err(DataError::Call(CallError::NoSuchOperation { .. })) => Ok(Side { tenant, admin }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a status says that nobody looked at the request: too many requests, or a gateway or store in
/// trouble. Nothing can be concluded from it. A plain 500 is not among them: it is the service's own.
pub fn is_no_answer(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

/// The reason for such a case.
pub fn no_answer(status: u16) -> String {
    format!(
        "status {status}: the request was not judged, so nothing is known; run again with less load on the target"
    )
}

/// Changes as one line.
pub fn listed(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
