//! `sweep`: removes what interrupted runs left on a target, by their ledgers.

use std::fs;
use std::path::Path;

use harness::client::Api;
use harness::data::Outstanding;
use harness::exchange::Class;
use harness::run::out_folder;
use harness::stores::{Volatile, key_of};
use harness::system::System;
use harness::verdict::Exit;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::session::Session;

pub async fn sweep(target: Option<&Path>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let out = out_folder();
    let unreadable = |source| CommandError::File { path: out.clone(), source };
    let mut removed = 0;
    for entry in fs::read_dir(&out).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join("ledger").is_dir() && !folder.is_symlink() {
            removed += run_folder(&folder, session.system()).await?;
        }
    }
    println!("removed {removed} things that interrupted runs had left on {}", session.system().target.name);
    Ok(Exit::Pass)
}

/// Removes what one run left on a target. Touches nothing that its ledger does not name.
///
/// What was left on an embedded target ended with its process, and is only marked.
pub async fn run_folder(folder: &Path, system: &System) -> Result<usize, CommandError> {
    let unreadable = |source| CommandError::File { path: folder.to_owned(), source };
    let outstanding = Outstanding::of_run(folder).map_err(unreadable)?;
    let (mut removed, mut left) = (0, Vec::new());
    for thing in outstanding.iter().rev() {
        let here = thing.base_url == system.target.base_url.as_str();
        if thing.target != system.target.name || (!here && thing.target != "embedded") {
            continue;
        }
        let result = if here { remove(system, thing).await } else { Ok(()) };
        match result {
            Ok(()) => {
                thing.mark_removed().map_err(unreadable)?;
                removed += 1;
            }
            Err(error) => {
                left.push(format!("{} {}: {error}", thing.kind, thing.id.as_deref().unwrap_or("without id")));
            }
        }
    }
    if left.is_empty() { Ok(removed) } else { Err(CommandError::Left(left)) }
}

/// Past the target where its store is at hand, so that nothing is left; otherwise through its API.
async fn remove(system: &System, thing: &Outstanding) -> Result<(), CommandError> {
    if !matches!(thing.kind.as_str(), "org" | "user") {
        // Teams, roles and invitations go with their organisation.
        return Ok(());
    }
    let api = system.api("sweep");
    if let Some(table) = &system.table {
        let mut items = Vec::new();
        let mut ids: Vec<String> = thing.id.iter().cloned().collect();
        if ids.is_empty() {
            // The answer never came: the name holds the canary, and the item that has the name has the id.
            items.extend(table.mentioning(&[thing.tenant.as_str()]).await?);
            ids.extend(
                items.iter().filter_map(|item| item.get("organisationId")?.as_str().map(str::to_owned)),
            );
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        items.extend(table.belonging_to(&ids, Volatile::Included).await?);
        let mut keys: Vec<_> = items.iter().filter_map(key_of).collect();
        keys.sort();
        keys.dedup();
        table.delete(&keys).await?;
        return Ok(());
    }
    let Some(id) = (match &thing.id {
        Some(id) => Some(id.clone()),
        None => find_by_canary(system, &api, thing).await?,
    }) else {
        return Ok(());
    };
    let call = match thing.kind.as_str() {
        "org" => api.call("org-delete").org(&id),
        _ => api.call("user-status-set").user(&id).json(json!({ "status": "DELETED" })),
    };
    let admin = system.platform_admin().ok_or_else(|| no_admin(system))?;
    let answer = call.as_(&admin).class(Class::Cleanup).send().await?;
    if answer.status < 300 || answer.status == 404 {
        return Ok(());
    }
    Err(CommandError::Nothing(answer.unexpected("2xx or 404", &answer.status.to_string()).to_string()))
}

/// The id of an organisation whose creation was never answered: its name holds the canary.
async fn find_by_canary(
    system: &System,
    api: &Api,
    thing: &Outstanding,
) -> Result<Option<String>, CommandError> {
    let admin = system.platform_admin().ok_or_else(|| no_admin(system))?;
    let mut cursor: Option<String> = None;
    loop {
        let mut call = api.call("org-list").as_(&admin).query("limit", &100).class(Class::Cleanup);
        if let Some(cursor) = &cursor {
            call = call.query("cursor", cursor.as_str());
        }
        let page = call.send().await?.json();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if let Some(found) = items.iter().find(|item| item.to_string().contains(thing.tenant.as_str())) {
            return Ok(found["id"].as_str().map(str::to_owned));
        }
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(None);
        }
    }
}

fn no_admin(system: &System) -> CommandError {
    let name = &system.target.name;
    CommandError::Nothing(format!(
        "sweeping '{name}' needs its platform administrator: give the target file an [identity] table"
    ))
}
