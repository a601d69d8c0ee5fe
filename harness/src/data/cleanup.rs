//! Removing what was made: past the target where its store is at hand, so that nothing is left; otherwise
//! through its API, where soft-deleted items and the audit log stay behind.

use std::path::Path;

use serde_json::{Value, json};

use super::{DataError, Outstanding};
use crate::client::Call;
use crate::contract::SlotKind;
use crate::exchange::Class;
use crate::identity::Principal;
use crate::stores::{Archive, Table};
use crate::system::System;
use crate::target::Capability;

/// The name under which what is sent is recorded.
const SUITE: &str = "cleanup";

/// Removes organisations and users, with all that belongs to them, and verifies it.
pub(super) async fn remove(system: &System, orgs: &[&str], users: &[&str]) -> Result<(), DataError> {
    match &system.table {
        Some(table) => from_store(table, &[orgs, users].concat()).await?,
        None => through_api(system, orgs, users).await?,
    }
    match &system.stand_ins.archive {
        Some(archive) => from_archive(archive, orgs),
        None => Ok(()),
    }
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

async fn from_store(table: &Table, ids: &[&str]) -> Result<(), DataError> {
    table.delete(&table.keys_of(ids).await?).await?;
    let left = table.keys_of(ids).await?;
    if left.is_empty() {
        return Ok(());
    }
    let names = left.iter().map(|key| format!("{} {}", key.partition, key.sort));
    Err(DataError::Left(names.collect()))
}

/// Removes permissions, which belong to no organisation.
pub(super) async fn remove_permissions(system: &System, permissions: &[&str]) -> Result<(), DataError> {
    if permissions.is_empty() {
        return Ok(());
    }
    if let Some(table) = &system.table {
        return from_store(table, permissions).await;
    }
    let api = system.api(SUITE);
    let call = |id: &&str| api.call("permission-delete").slot(SlotKind::Permission, id);
    send_all(system, permissions.iter().map(call)).await
}

async fn through_api(system: &System, orgs: &[&str], users: &[&str]) -> Result<(), DataError> {
    let api = system.api(SUITE);
    // Organisations first: a user may be the last administrator of one that still stands.
    let orgs = orgs.iter().map(|id| api.call("org-delete").org(id));
    let deleted = json!({ "status": "DELETED" });
    let users = users.iter().map(|id| api.call("user-status-set").user(id).json(deleted.clone()));
    send_all(system, orgs.chain(users)).await
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
    let unreadable = |source| DataError::Unreadable { folder: folder.to_owned(), source };
    let here = |thing: &Outstanding| thing.base_url == system.target.base_url.as_str();
    let mut outstanding = Outstanding::of_run(folder).map_err(unreadable)?;
    outstanding.retain(|thing| {
        thing.target == system.target.name && (here(thing) || thing.embedded) && !thing.is_in_use()
    });
    let (mut orgs, mut users, mut permissions) = (Vec::new(), Vec::new(), Vec::new());
    for thing in outstanding.iter().filter(|thing| here(thing)) {
        match (thing.kind.as_str(), &thing.id) {
            ("org", Some(id)) => orgs.push(id.clone()),
            ("org", None) => orgs.extend(find_by_canary(system, thing.tenant.as_str()).await?),
            ("user", Some(id)) => users.push(id.clone()),
            ("permission", Some(id)) => permissions.push(id.as_str()),
            // Whatever else was made belongs to an organisation and goes with it.
            _ => {}
        }
    }
    if !(orgs.is_empty() && users.is_empty()) {
        let orgs: Vec<&str> = orgs.iter().map(String::as_str).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        remove(system, &orgs, &users).await?;
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
    let api = system.api(SUITE);
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
