//! The tenants of a load run and their users, made before it: what is there, and what a user of it would know.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness::client::Api;
use harness::contract::SlotKind;
use harness::data::{Data, DataError, Tenant};
use harness::identity::Principal;
use harness::system::System;
use harness::target::Resident;

use crate::error::LoadError;
use crate::interrupt::Watch;
use crate::persona::{Cast, Persona};
use crate::profile::Profile;
use crate::visitor::Visitor;
use crate::workload::{By, Workload, WorkloadError};

/// What the role permits that users know of and invite into: less than each persona who invites holds.
const ROLE_PERMISSIONS: [&str; 2] = ["team:read", "site:read"];
/// The permissions of whoever holds many, each by its name: what the performance plan calls a large set.
const MANY_PERMISSIONS: [&str; 20] = [
    "site:read",
    "site:create",
    "site:update",
    "site:delete",
    "site:publish",
    "team:read",
    "team:read:all",
    "team:create",
    "team:update",
    "team:delete",
    "team:member:read",
    "role:read",
    "role:create",
    "role:update",
    "role:delete",
    "invitation:read",
    "invitation:create",
    "user:read",
    "audit:read",
    "audit:export",
];
/// Kinds of things that are there without being made, each with the operation that lists them.
const LISTED: [(SlotKind, &str); 3] = [
    (SlotKind::Permission, "permission-list"),
    (SlotKind::PlatformRole, "platform-role-list"),
    (SlotKind::TeamRole, "team-role-list"),
];
/// Kinds of things that a run makes for its users, each with the operation that lists those of a tenant that is there.
const MADE: [(SlotKind, &str); 3] =
    [(SlotKind::Team, "team-list"), (SlotKind::Role, "role-list"), (SlotKind::Product, "product-list")];
/// How many of them a user knows.
const KNOWN: usize = 50;

/// A tenant with what its users start from.
#[derive(Debug)]
pub(crate) struct Premises {
    pub tenant: Tenant,
    /// A user who holds many permissions, where a workload has one send.
    pub holder_of_many: Option<Principal>,
    /// What is there, by kind.
    pub known: BTreeMap<SlotKind, Vec<String>>,
    admin: Principal,
}

impl Premises {
    async fn build(data: &Data, api: &Api, workloads: &[&Workload]) -> Result<Premises, DataError> {
        let has = |operation: &str| api.contract().get(operation).is_some();
        let tenant = data.organisations().create("load").await?;
        let admin = data.users().administrator(&tenant, "perf-owner").await?;
        let mut known: BTreeMap<SlotKind, Vec<String>> = BTreeMap::new();
        if has("team-create") {
            known.insert(SlotKind::Team, vec![data.teams().create(&tenant, &admin).await?]);
        }
        if has("role-create") {
            let role = data.roles().create_with(&tenant, &admin, &ROLE_PERMISSIONS).await?;
            known.insert(SlotKind::Role, vec![role]);
        }
        if has("product-create") {
            known.insert(SlotKind::Product, vec![data.products().create(&tenant, &admin).await?]);
        }
        for (kind, operation) in LISTED {
            let is_named = workloads.iter().any(|workload| workload.names(kind, api.contract()));
            if is_named && has(operation) {
                known.insert(kind, listed(api, operation, &tenant, &admin).await?);
            }
        }
        let mut holder_of_many = None;
        if has("role-create") && workloads.iter().any(|workload| workload.has(By::HolderOfMany)) {
            let role = data.roles().create_with(&tenant, &admin, &MANY_PERMISSIONS).await?;
            holder_of_many = Some(data.users().create(&tenant, "perf-holder-of-many", Some(&role)).await?);
        }
        Ok(Premises { tenant, holder_of_many, known, admin })
    }
}

impl Premises {
    /// Of a tenant that is there: nothing is made, and what its users know of is what it has.
    async fn of_resident(
        data: &Data,
        api: &Api,
        resident: &Resident,
        workloads: &[&Workload],
    ) -> Result<Premises, DataError> {
        let tenant = data.organisations().resident(resident);
        let admin = data.users().resident(&tenant, resident, Persona::Admin.label())?;
        let mut known: BTreeMap<SlotKind, Vec<String>> = BTreeMap::new();
        for (kind, operation) in MADE.into_iter().chain(LISTED) {
            let is_named = workloads.iter().any(|workload| workload.names(kind, api.contract()));
            if is_named && api.contract().get(operation).is_some() {
                known.insert(kind, listed(api, operation, &tenant, &admin).await?);
            }
        }
        Ok(Premises { tenant, holder_of_many: None, known, admin })
    }
}

/// The ids that an operation lists.
async fn listed(
    api: &Api,
    operation: &str,
    tenant: &Tenant,
    admin: &Principal,
) -> Result<Vec<String>, DataError> {
    let answer = api.call(operation).as_(admin).org(&tenant.org).send().await?.expect(200)?;
    let items = answer.array_at("/items")?;
    let id = |item: &serde_json::Value| item.get("id")?.as_str().map(str::to_owned);
    Ok(items.iter().filter_map(id).take(KNOWN).collect())
}

/// The users of a profile on a target that is only read: those of the tenants that its file names.
async fn residents(
    system: &System,
    data: &Data,
    api: &Api,
    profile: &Profile,
    workloads: &[&Workload],
) -> Result<Vec<Visitor>, LoadError> {
    let residents = &system.target.tenants;
    if residents.is_empty() {
        return Err(LoadError::NoTenants { target: system.target.name.clone() });
    }
    let mut premises = Vec::new();
    for resident in residents.iter().take(profile.tenants) {
        let built = Premises::of_resident(data, api, resident, workloads).await;
        premises.push(Arc::new(built.map_err(|error| LoadError::provisioning(error, &system.target))?));
    }
    let visitor = |(number, premises): (usize, &Arc<Premises>)| {
        // Arrivals share connections, users do not.
        let http = match profile.arrivals {
            Some(_) => api.http().clone(),
            None => api.http().apart(),
        };
        let rng = system.run.seed().rng(&format!("{}/{number}", profile.purpose()));
        Ok(Visitor::new(premises.admin.clone(), Persona::Admin, http, premises.clone(), rng))
    };
    premises.iter().cycle().take(profile.population()).enumerate().map(visitor).collect()
}

/// Makes the tenants and users of a profile. Ends early, with those there are, when the run is interrupted.
pub(crate) async fn provision(
    system: &System,
    data: &Data,
    api: &Api,
    profile: &Profile,
    workloads: &[&Workload],
    watch: &Watch,
) -> Result<Vec<Visitor>, LoadError> {
    if system.target.read_only {
        return residents(system, data, api, profile, workloads).await;
    }
    let refused = |error| LoadError::provisioning(error, &system.target);
    let cast = Cast::of(&system.target).map_err(WorkloadError::from)?;
    let mut premises = Vec::new();
    for _ in 0..profile.tenants + usize::from(profile.aggression().is_some()) {
        if watch.interrupted() {
            return Ok(Vec::new());
        }
        premises.push(Arc::new(Premises::build(data, api, workloads).await.map_err(refused)?));
    }
    // Arrivals are of nobody in particular: they share connections, as requests behind a gateway do.
    // An aggressor's tenant comes last, and so do its people.
    let (others, aggressor) = premises.split_at(profile.tenants);
    let people = others.iter().cycle().take(profile.population());
    let people = people.chain(aggressor.iter().flat_map(|tenant| Persona::ALL.map(|_| tenant)));
    let mut visitors = Vec::new();
    for (number, premises) in people.enumerate() {
        if watch.interrupted() {
            return Ok(visitors);
        }
        let persona = match number.checked_sub(profile.population()) {
            None => Persona::of_user(number, profile.tenants),
            // Whoever may do most.
            Some(_) => Persona::Admin,
        };
        let Premises { tenant, admin, known, .. } = &**premises;
        let users = data.users();
        let principal =
            users.create(tenant, persona.label(), Some(cast.role(persona))).await.map_err(refused)?;
        if api.contract().get("team-member-add").is_some() {
            for team in known.get(&SlotKind::Team).into_iter().flatten() {
                data.teams().add_member(tenant, admin, team, &principal.subject).await.map_err(refused)?;
            }
        }
        let http = match profile.arrivals {
            Some(_) => api.http().clone(),
            None => api.http().apart(),
        };
        let rng = system.run.seed().rng(&format!("{}/{number}", profile.purpose()));
        visitors.push(Visitor::new(principal, persona, http, premises.clone(), rng));
    }
    Ok(visitors)
}
