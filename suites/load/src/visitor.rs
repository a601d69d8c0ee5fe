//! The users of a load run and their tenants: made before it, each knowing what a user of it would know.

use std::sync::{Mutex, PoisonError};

use harness::client::{Api, Call, http_client};
use harness::contract::{Operation, SlotKind};
use harness::data::{Data, DataError, Tenant, fresh_email};
use harness::identity::Principal;
use harness::system::System;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::LoadError;
use crate::interrupt::Watch;
use crate::persona::{Cast, Persona};
use crate::profile::Profile;
use crate::workload::{Task, Tasks, WorkloadError};

/// What the role permits that users know of and invite into: less than each persona who invites holds.
const ROLE_PERMISSIONS: [&str; 2] = ["team:read", "site:read"];

/// One user.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Who.
    pub principal: Principal,
    /// As what.
    pub persona: Persona,
    /// A connection pool of its own, as users do not share connections.
    pub client: reqwest::Client,
    tenant: Tenant,
    memory: Mutex<Memory>,
}

/// What the user knows of, and the source of its choices.
#[derive(Debug)]
struct Memory {
    rng: StdRng,
    teams: Vec<String>,
    roles: Vec<String>,
    products: Vec<String>,
}

/// A tenant with what its users start from.
struct Premises {
    tenant: Tenant,
    admin: Principal,
    teams: Vec<String>,
    roles: Vec<String>,
    products: Vec<String>,
}

impl Premises {
    async fn build(data: &Data, api: &Api) -> Result<Premises, DataError> {
        let has = |operation: &str| api.contract().get(operation).is_some();
        let tenant = data.organisations().create("load").await?;
        let admin = data.users().administrator(&tenant, "perf-owner").await?;
        let (mut teams, mut roles, mut products) = (Vec::new(), Vec::new(), Vec::new());
        if has("team-create") {
            teams.push(data.teams().create(&tenant, &admin).await?);
        }
        if has("role-create") {
            roles.push(data.roles().create_with(&tenant, &admin, &ROLE_PERMISSIONS).await?);
        }
        if has("product-create") {
            products.push(data.products().create(&tenant, &admin).await?);
        }
        Ok(Premises { tenant, admin, teams, roles, products })
    }
}

/// Makes the tenants and users of a profile. Ends early, with those there are, when the run is interrupted.
pub(crate) async fn provision(
    system: &System,
    data: &Data,
    api: &Api,
    profile: &Profile,
    watch: &Watch,
) -> Result<Vec<Visitor>, LoadError> {
    let refused = |error| LoadError::provisioning(error, &system.target);
    let cast = Cast::of(&system.target).map_err(WorkloadError::from)?;
    let mut premises = Vec::new();
    for _ in 0..profile.tenants {
        if watch.interrupted() {
            return Ok(Vec::new());
        }
        premises.push(Premises::build(data, api).await.map_err(refused)?);
    }
    let mut visitors = Vec::new();
    for (number, premises) in premises.iter().cycle().take(profile.users).enumerate() {
        if watch.interrupted() {
            return Ok(visitors);
        }
        let persona = Persona::of_user(number, profile.tenants);
        let Premises { tenant, admin, teams, roles, products } = premises;
        let users = data.users();
        let principal =
            users.create(tenant, persona.label(), Some(cast.role(persona))).await.map_err(refused)?;
        if api.contract().get("team-member-add").is_some() {
            for team in teams {
                data.teams().add_member(tenant, admin, team, &principal.subject).await.map_err(refused)?;
            }
        }
        let rng = system.run.seed().rng(&format!("load/{}/{number}", profile.name));
        visitors.push(Visitor {
            principal,
            persona,
            client: http_client(&system.target)?,
            tenant: tenant.clone(),
            memory: Mutex::new(Memory {
                rng,
                teams: teams.clone(),
                roles: roles.clone(),
                products: products.clone(),
            }),
        });
    }
    Ok(visitors)
}

impl Visitor {
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task.
    pub(crate) fn draw<'t>(&self, tasks: &'t Tasks) -> Option<&'t Task> {
        tasks.draw(&mut self.memory().rng)
    }

    /// A task as a call, about something the user knows of.
    pub(crate) fn call(&self, api: &Api, task: &Task) -> Call {
        let mut call = api
            .call(&task.operation)
            .as_(&self.principal)
            .org(&self.tenant.org)
            .user(&self.principal.subject)
            .slot(SlotKind::Email, &fresh_email("perf-invitee"))
            .slot(SlotKind::Text, &self.tenant.text("load"));
        if let Some(team) = self.memory().one_of(SlotKind::Team) {
            call = call.team(&team);
        }
        if let Some(role) = self.memory().one_of(SlotKind::Role) {
            call = call.role(&role);
        }
        if let Some(product) = self.memory().one_of(SlotKind::Product) {
            call = call.slot(SlotKind::Product, &product);
        }
        for (name, value) in &task.query {
            call = call.query(name, value);
        }
        let now = OffsetDateTime::now_utc();
        let since = task.days.map(|days| now - time::Duration::days(days));
        if let Some((since, now)) = since.and_then(|since| Some((moment(since)?, moment(now)?))) {
            call = call.query("start_date", &since).query("end_date", &now);
        }
        call
    }

    /// Enters what an answer says was created into ledger and leak detector, and remembers it.
    pub(crate) fn adopt(&self, data: &Data, operation: &Operation, body: &str) -> Result<(), DataError> {
        if operation.creates.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        for (kind, pointer) in &operation.creates {
            if let Some(id) = answer.pointer(pointer).and_then(Value::as_str) {
                data.adopt(&self.tenant, *kind, id)?;
                self.memory().learn(*kind, id);
            }
        }
        Ok(())
    }
}

impl Memory {
    fn known(&mut self, kind: SlotKind) -> Option<&mut Vec<String>> {
        match kind {
            SlotKind::Team => Some(&mut self.teams),
            SlotKind::Role => Some(&mut self.roles),
            SlotKind::Product => Some(&mut self.products),
            _ => None,
        }
    }

    fn learn(&mut self, kind: SlotKind, id: &str) {
        if let Some(known) = self.known(kind) {
            known.push(id.to_owned());
        }
    }

    fn one_of(&mut self, kind: SlotKind) -> Option<String> {
        let count = self.known(kind)?.len();
        let at = (count > 0).then(|| self.rng.random_range(0..count))?;
        self.known(kind)?.get(at).cloned()
    }
}

fn moment(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
