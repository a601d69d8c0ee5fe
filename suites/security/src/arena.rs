//! Where a group of attacks takes place: two tenants of its own, everyone who may attack, and resources
//! made fresh for whatever an attack or a control uses up.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness::client::{Answer, Api, Call, CallError};
use harness::contract::{Effect, Operation, Permission, Place, Slot, SlotKind};
use harness::data::{Data, Tenant, fresh_email};
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::leak::random_code;
use harness::snapshot::{Change, Snapshot, Watched};
use harness::system::System;
use harness::target::Capability;
use harness::world::Stop;
use serde_json::{Value, json};

use crate::model::Persona;

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
    data: Data,
    personas: BTreeMap<Persona, Principal>,
}

/// One tenant.
#[derive(Debug)]
pub struct Side {
    /// The tenant.
    pub tenant: Tenant,
    /// Its administrator, who may do everything in it.
    pub admin: Principal,
    team_role: Option<String>,
}

/// Values for the slots of one operation, all of one tenant, with which the rightful caller succeeds.
#[derive(Clone, Debug)]
pub struct Fill {
    /// By kind.
    pub values: BTreeMap<SlotKind, String>,
    /// Who may accept the invitation among the values.
    invitee: Option<Principal>,
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
    /// Builds an arena. `owner` names it in the ledger. One that cannot be built to its end is removed.
    pub async fn build(system: &Arc<System>, owner: &str) -> Result<Arena, Stop> {
        let api = system.api("security");
        let data = Data::new(system.clone(), api.clone(), owner);
        let sides = async {
            let acme = Side::build(&data, &api, "acme", Persona::OrgAdmin).await?;
            Ok::<_, Stop>((acme, Side::build(&data, &api, "globex", Persona::OtherTenant).await?))
        };
        let (acme, globex) = match sides.await {
            Ok(sides) => sides,
            Err(stop) => {
                data.cleanup().await?;
                return Err(stop);
            }
        };
        let mut arena = Arena { system: system.clone(), api, acme, globex, data, personas: BTreeMap::new() };
        for persona in Persona::ALL {
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
        let label = persona.label();
        Ok(match persona {
            Persona::Anonymous => Principal::anonymous(),
            Persona::PlatformAdmin => self.data.platform_admin()?,
            Persona::OrgAdmin => self.acme.admin.clone(),
            Persona::OtherTenant => self.globex.admin.clone(),
            Persona::OrgManager | Persona::SiteEditor | Persona::SiteViewer | Persona::NoRole => {
                users.create(&self.acme.tenant, label, persona.role()).await?
            }
            Persona::MemberOfTwo => {
                let person = users.create(&self.acme.tenant, label, persona.role()).await?;
                users.join(&self.globex.tenant, &person, Some("ORG_ADMIN")).await?
            }
            Persona::Suspended => {
                let person = users.create(&self.acme.tenant, label, persona.role()).await?;
                let call =
                    self.api.call("user-status-set").as_(&self.data.platform_admin()?).user(&person.subject);
                call.json(json!({ "status": "SUSPENDED" })).send().await?.expect(200)?;
                person
            }
        })
    }

    /// A persona, signed in.
    pub fn principal(&self, persona: Persona) -> Principal {
        self.personas.get(&persona).cloned().unwrap_or_else(Principal::anonymous)
    }

    /// Makes whatever an operation names on one side.
    pub async fn fresh(&self, side: &Side, operation: &Operation) -> Result<Fill, Stop> {
        let mut fill = Fill { values: BTreeMap::new(), invitee: None };
        if operation.created(SlotKind::AuditExport).is_some() {
            self.must_archive()?;
        }
        let mut kinds: Vec<SlotKind> =
            operation.slots.iter().filter(|slot| !operation.chooses(slot)).map(|slot| slot.kind).collect();
        // By the order of the kinds: a member needs the team of the same request, an invitation its role.
        kinds.sort_unstable();
        kinds.dedup();
        let ends_the_tenant = operation.effect == Effect::Consume && operation.naming_slots().count() == 1;
        for kind in kinds {
            let value = match kind {
                SlotKind::Org if ends_the_tenant && operation.allows(&Permission::Platform) => {
                    self.data.organisations().create("shortlived").await?.org
                }
                SlotKind::Permission if operation.created(kind).is_some() => {
                    let name = self.data.permissions().fresh_name();
                    self.data.permissions().adopt(&side.tenant, &name)?;
                    name
                }
                // What is changed or ended is one of the group's own: the catalogue is everyone's.
                SlotKind::Permission if changes_permission(operation) => {
                    self.data.permissions().create(&side.tenant).await?
                }
                _ => match self.value(side, kind, &mut fill).await? {
                    Some(value) => value,
                    None => continue,
                },
            };
            fill.values.insert(kind, value);
        }
        self.precede(side, operation, &fill).await?;
        Ok(fill)
    }

    async fn value(&self, side: &Side, kind: SlotKind, fill: &mut Fill) -> Result<Option<String>, Stop> {
        let (tenant, admin, data) = (&side.tenant, &side.admin, &self.data);
        Ok(Some(match kind {
            SlotKind::Org => tenant.org.clone(),
            SlotKind::Team => data.teams().create(tenant, admin).await?,
            SlotKind::Role => data.roles().create(tenant, admin).await?,
            SlotKind::User => data.users().create(tenant, "subject", None).await?.subject,
            SlotKind::Member => {
                let user = data.users().create(tenant, "subject", None).await?.subject;
                let team = fill.values.get(&SlotKind::Team).cloned().unwrap_or_default();
                data.teams().add_member(tenant, admin, &team, &user).await?;
                user
            }
            SlotKind::TeamRole => self.team_role(side).await?,
            SlotKind::Invitation | SlotKind::InvitationToken => {
                let role = data.roles().create(tenant, admin).await?;
                let invitation = data.invitations().create(tenant, admin, &role, None).await?;
                fill.invitee = Some(invitation.invitee);
                if kind == SlotKind::Invitation { invitation.id } else { invitation.token }
            }
            SlotKind::Text => tenant.text("words"),
            SlotKind::Email => fresh_email("someone"),
            SlotKind::Slug => format!("s-{}", random_code(8)),
            SlotKind::AuditExport => self.exported(side).await?,
            SlotKind::Product => {
                return Err(Stop::error(format!(
                    "nothing in the harness can make a {kind}: add a data manager for it"
                )));
            }
            SlotKind::Status | SlotKind::Permission | SlotKind::PlatformRole | SlotKind::ResourceType => {
                return Ok(None);
            }
        }))
    }

    async fn exported(&self, side: &Side) -> Result<String, Stop> {
        self.must_archive()?;
        Ok(self.data.exports().create(&side.tenant, &side.admin).await?)
    }

    /// Where nothing can be archived, an export's rightful caller fails too.
    fn must_archive(&self) -> Result<(), Stop> {
        if self.system.target.can(Capability::Archive) {
            return Ok(());
        }
        Err(Stop::skip(format!("the target has no capability '{}'", Capability::Archive)))
    }

    /// A team role of the side's own, or one of those it began with where the target can make none.
    async fn team_role(&self, side: &Side) -> Result<String, Stop> {
        let Some(create) = self.api.contract().get("team-role-create") else {
            return side.team_role.clone().ok_or_else(|| Stop::skip("the target has no team role to name"));
        };
        let call = self.api.call(&create.name).as_(&side.admin).org(&side.tenant.org);
        let answer = call.slot(SlotKind::Text, &side.tenant.text("part")).send().await?.expect(201)?;
        let id = answer.text_at(create.created(SlotKind::TeamRole).unwrap_or("/id"))?;
        self.data.adopt(&side.tenant, SlotKind::TeamRole, &id)?;
        Ok(id)
    }

    /// What `role-assignment-delete` takes away, `role-assignment-create` must first have given: the
    /// operation that adds what this one removes, if the contract has one for the same things.
    async fn precede(&self, side: &Side, operation: &Operation, fill: &Fill) -> Result<(), Stop> {
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
            let answer = self.call(sibling, &side.admin, fill, Class::Use).send().await?;
            if answer.status >= 300 {
                return Err(Stop::error(answer.unexpected("2xx", &answer.status.to_string()).to_string()));
            }
        }
        Ok(())
    }

    /// A call of an operation with the values of a fill.
    pub fn call(&self, operation: &Operation, principal: &Principal, fill: &Fill, class: Class) -> Call {
        let call = self.api.call(&operation.name).as_(principal).class(class);
        fill.values.iter().fold(call, |call, (kind, value)| call.slot(*kind, value))
    }

    /// Sends an attack. A leak is an observation here, not an end.
    pub async fn attack(&self, call: Call) -> Result<Attacked, Stop> {
        match call.send().await {
            Ok(answer) => {
                let exchange = answer.exchange.clone();
                Ok(Attacked { status: answer.status, exchange, leak: None, body: answer.json() })
            }
            Err(CallError::Leak { leak, exchange }) => {
                let status = exchange.status.unwrap_or_default();
                Ok(Attacked { status, exchange: *exchange, leak: Some(leak.to_string()), body: Value::Null })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whoever rightfully calls an operation with a fill of a side.
    pub fn rightful(&self, operation: &Operation, side: &Side, fill: &Fill) -> Principal {
        if operation.allows(&Permission::Platform) {
            return self.principal(Persona::PlatformAdmin);
        }
        match &fill.invitee {
            Some(invitee) if operation.allows(&Permission::Invitee) => invitee.clone(),
            _ => side.admin.clone(),
        }
    }

    /// The rightful caller's request: must succeed, or a denial of the same operation means nothing.
    pub async fn control(&self, operation: &Operation, side: &Side, fill: &Fill) -> Result<Answer, Stop> {
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
        let mut watched = vec![
            Watched { org: self.acme.tenant.org.clone(), owner: self.acme.admin.clone() },
            Watched { org: self.globex.tenant.org.clone(), owner: self.globex.admin.clone() },
        ];
        for org in fills.iter().filter_map(|fill| fill.values.get(&SlotKind::Org)) {
            if self.system.table.is_some() && watched.iter().all(|watched| watched.org != *org) {
                watched.push(Watched { org: org.clone(), owner: self.principal(Persona::PlatformAdmin) });
            }
        }
        let words = [SlotKind::Text, SlotKind::Email, SlotKind::Slug];
        let words = words.iter().flat_map(|kind| fills.iter().filter_map(|fill| fill.values.get(kind)));
        let words = words.filter(|_| !operation.creates.is_empty());
        // A permission belongs to no tenant: it is found by its name alone.
        let permissions = fills.iter().filter_map(|fill| fill.values.get(&SlotKind::Permission));
        let words: Vec<&str> = words.chain(permissions).map(String::as_str).collect();
        Ok(Snapshot::take(self.system.table.as_ref(), &self.api, &watched, &words).await?)
    }

    /// Removes everything, and writes what was sent into the records.
    pub async fn leave(&self) -> Result<(), Stop> {
        self.data.cleanup().await?;
        self.api.flush_coverage()?;
        Ok(())
    }
}

impl Side {
    async fn build(data: &Data, api: &Api, name: &str, admin: Persona) -> Result<Side, Stop> {
        let tenant = data.organisations().create(name).await?;
        let admin = data.users().create(&tenant, admin.label(), Some("ORG_ADMIN")).await?;
        data.roles().by_name(&tenant, &admin).await?;
        let team_role = match api.call("team-role-list").as_(&admin).org(&tenant.org).send().await {
            Ok(answer) => answer.expect(200)?.text_at("/items/0/id").ok(),
            Err(CallError::NoSuchOperation { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Side { tenant, admin, team_role })
    }
}

/// Whether the permission that the path names is changed or ended.
fn changes_permission(operation: &Operation) -> bool {
    let names_it = |slot: &Slot| slot.kind == SlotKind::Permission && matches!(slot.place, Place::Path(_));
    operation.effect != Effect::Read && operation.slots.iter().any(names_it)
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
