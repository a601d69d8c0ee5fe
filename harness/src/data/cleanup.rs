//! Removing what was made: past the target where its store is at hand, so that nothing is left; otherwise
//! through its API, where soft-deleted items and the audit log stay behind.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::organisations::chosen_by_provider;
use super::{DataError, Outstanding, fresh_email};
use crate::client::{Answer, Call};
use crate::contract::SlotKind;
use crate::exchange::Class;
use crate::identity::Principal;
use crate::leak::{Entitlement, random_code};
use crate::stores::{Archive, Store};
use crate::system::System;
use crate::target::Capability;

/// The name under which what is sent is recorded.
const SUITE: &str = "cleanup";

/// Removes organisations and users (of which organisation, who), with all that belongs to them, and verifies it. `records`
/// has the ids under which the target keeps organisations, where it has some of its own.
pub(super) async fn remove(
    system: &System,
    orgs: &[&str],
    users: &[(String, String)],
    records: &BTreeMap<String, String>,
) -> Result<(), DataError> {
    match &system.store {
        None if system.founded_by_people() => {
            // Who founded them ended them. People who signed up by themselves stay: residue, as the ledger lists it.
        }
        Some(store) => {
            let users = users.iter().map(|(_, user)| user.as_str());
            from_store(store, &orgs.iter().copied().chain(users).collect::<Vec<_>>()).await?;
        }
        None if chosen_by_provider(&system.contract) => {
            tenants_through_api(system, orgs, users, records).await?;
        }
        None => through_api(system, orgs, users).await?,
    }
    match &system.stand_ins.archive {
        Some(archive) => from_archive(archive, orgs),
        None => Ok(()),
    }
}

/// Ends organisations as the people who founded them; what the store still has of them goes with the rest.
pub(super) async fn by_founders(
    system: &System,
    founders: &BTreeMap<String, Principal>,
) -> Result<(), DataError> {
    let Some(operation) = system.contract.get("org-delete").filter(|_| system.store.is_none()) else {
        return Ok(());
    };
    let api = system.api(SUITE);
    let mut left = Vec::new();
    for (org, founder) in founders {
        let answer = api.call(&operation.name).as_(founder).org(org).class(Class::Cleanup).send().await?;
        // The test itself removed it, or took the founder out of it.
        let gone = answer.status == 404 || operation.denied.contains(&answer.status);
        if !(answer.status < 300 || gone) {
            left.push(answer.unexpected("2xx or 404", &answer.status.to_string()).to_string());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(DataError::Left(left)) }
}

/// Removes the objects whose keys name one of the organisations.
fn from_archive(archive: &Archive, orgs: &[&str]) -> Result<(), DataError> {
    for key in archive.keys("")? {
        if orgs.iter().any(|org| key.contains(org)) {
            archive.delete_prefix(&key)?;
        }
    }
    Ok(())
}

async fn from_store(store: &Store, ids: &[&str]) -> Result<(), DataError> {
    let left = store.remove(ids).await?;
    if left.is_empty() { Ok(()) } else { Err(DataError::Left(left)) }
}

/// Removes permissions, which belong to no organisation.
pub(super) async fn remove_permissions(system: &System, permissions: &[&str]) -> Result<(), DataError> {
    if permissions.is_empty() {
        return Ok(());
    }
    if let Some(store) = &system.store {
        return from_store(store, permissions).await;
    }
    let api = system.impatient_api(SUITE);
    let call = |id: &&str| api.call("permission-delete").slot(SlotKind::Permission, id);
    send_all(system, permissions.iter().map(call)).await
}

async fn through_api(system: &System, orgs: &[&str], users: &[(String, String)]) -> Result<(), DataError> {
    let api = system.impatient_api(SUITE);
    // Organisations first: a user may be the last administrator of one that still stands.
    let orgs = orgs.iter().map(|id| api.call("org-delete").org(id));
    let deleted = json!({ "status": "DELETED" });
    let users = users.iter().map(|(_, id)| api.call("user-status-set").user(id).json(deleted.clone()));
    send_all(system, orgs.chain(users)).await
}

/// Where organisations come from the identity provider, only an owner ends a tenant: for each one is made, who goes
/// last. Memberships go one by one, once there is no tenant left whose last owner they could be.
async fn tenants_through_api(
    system: &System,
    orgs: &[&str],
    users: &[(String, String)],
    records: &BTreeMap<String, String>,
) -> Result<(), DataError> {
    let api = system.impatient_api(SUITE);
    let admin = administrator(system)?;
    let issuer = system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
    let role = &system.target.vocabulary.admin_role;
    let mut ended = Vec::new();
    for org in orgs {
        let subject = format!("watertight-cleaner-{}", random_code(8));
        let email = fresh_email("cleaner");
        let cleaner = Principal::minted("cleaner", issuer, &subject, &email, Entitlement::All);
        let enter = api.call("member-add").org(org).user(&subject).slot(SlotKind::Email, &email);
        send_all(system, std::iter::once(enter.slot(SlotKind::PlatformRole, role))).await?;
        let end = || api.call("tenant-delete").org(org).as_(&cleaner).class(Class::Cleanup).send();
        // 404: the test itself removed it, or the organisation never had one.
        let is_gone = |answer: &Answer| answer.status < 300 || answer.status == 404;
        let mut ends = end().await?;
        if let Some(record) = records.get(*org).filter(|_| !is_gone(&ends)) {
            // A suspended tenant lets nobody in, not even to end it.
            let open = api.call("tenant-status-set").slot(SlotKind::Tenant, record);
            let open = open.json(json!({ "status": "active" })).as_(&admin).class(Class::Cleanup);
            open.send().await?;
            ends = end().await?;
        }
        if !is_gone(&ends) {
            ended.push(ends.unexpected("2xx or 404", &ends.status.to_string()).to_string());
            continue;
        }
        send_all(system, std::iter::once(api.call("member-remove").org(org).user(&subject))).await?;
    }
    if !ended.is_empty() {
        return Err(DataError::Left(ended));
    }
    // Whoever only signed in is a member of nothing.
    let members = users.iter().filter(|(org, _)| !org.is_empty());
    send_all(system, members.map(|(org, user)| api.call("member-remove").org(org).user(user))).await
}

async fn send_all(system: &System, calls: impl Iterator<Item = Call>) -> Result<(), DataError> {
    let admin = administrator(system)?;
    let mut left = Vec::new();
    for call in calls {
        let answer = call.as_(&admin).class(Class::Cleanup).send().await?;
        // 404: the test itself removed it.
        if !(answer.status < 300 || answer.status == 404) {
            left.push(answer.unexpected("2xx or 404", &answer.status.to_string()).to_string());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(DataError::Left(left)) }
}

fn administrator(system: &System) -> Result<Principal, DataError> {
    system.platform_admin().ok_or(DataError::Lacks(Capability::Mint))
}

/// Removes what a run left on a target, by its ledger; returns how many entries are done with. Touches
/// nothing that the ledger does not name, and nothing of a process that is still at work. What was left on an
/// embedded target ended with its process, and is only marked.
pub async fn sweep(system: &System, folder: &Path) -> Result<usize, DataError> {
    if system.founded_by_people() && system.store.is_none() {
        // Whoever founded it would have to sign in again, with a password that nobody kept.
        return Ok(0);
    }
    let unreadable = |source| DataError::Unreadable { folder: folder.to_owned(), source };
    let here = |thing: &Outstanding| thing.base_url == system.target.base_url.as_str();
    let mut outstanding = Outstanding::of_run(folder).map_err(unreadable)?;
    outstanding.retain(|thing| {
        thing.target == system.target.name && (here(thing) || thing.embedded) && !thing.is_in_use()
    });
    let (mut orgs, mut users, mut permissions) = (Vec::new(), Vec::new(), Vec::new());
    let mut records = BTreeMap::new();
    for thing in outstanding.iter().filter(|thing| here(thing)) {
        match (thing.kind.as_str(), &thing.id) {
            ("org", Some(id)) => orgs.push(id.clone()),
            // Chosen by the harness, so known before it was made.
            ("org", None) if !thing.org.is_empty() => orgs.push(thing.org.clone()),
            ("org", None) => orgs.extend(find_by_canary(system, thing.tenant.as_str()).await?),
            ("user", Some(id)) => users.push((thing.org.clone(), id.clone())),
            ("tenant", Some(id)) => {
                records.insert(thing.org.clone(), id.clone());
            }
            ("permission", Some(id)) => permissions.push(id.as_str()),
            // Whatever else was made belongs to an organisation and goes with it.
            _ => {}
        }
    }
    if !(orgs.is_empty() && users.is_empty()) {
        let orgs: Vec<&str> = orgs.iter().map(String::as_str).collect();
        remove(system, &orgs, &users, &records).await?;
    }
    remove_permissions(system, &permissions).await?;
    for thing in &outstanding {
        thing.mark_removed().map_err(unreadable)?;
    }
    Ok(outstanding.len())
}

/// The organisation whose creation was never answered: its name holds the canary.
async fn find_by_canary(system: &System, canary: &str) -> Result<Option<String>, DataError> {
    let admin = administrator(system)?;
    let api = system.impatient_api(SUITE);
    let mut cursor: Option<String> = None;
    loop {
        let mut call = api.call("org-list").as_(&admin).query("limit", &100).class(Class::Cleanup);
        if let Some(cursor) = &cursor {
            call = call.query("cursor", cursor.as_str());
        }
        let page = call.send().await?.expect(200)?.json();
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |item: &&Value| item["name"].as_str().is_some_and(|name| name.contains(canary));
        if let Some(found) = items.iter().find(named) {
            return Ok(found["id"].as_str().map(str::to_owned));
        }
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(None);
        }
    }
}
