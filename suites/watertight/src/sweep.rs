//! `sweep`: removes what interrupted runs left, by their records and ledgers: on this machine, on the servers their
//! stores were on, and on a target.

use std::fs;
use std::path::{Path, PathBuf};

use harness::run::out_folder;
use harness::verdict::Exit;
use harness::{data, reaper, stores};

use crate::error::CommandError;
use crate::session::Session;

pub async fn sweep(target: Option<&Path>) -> Result<Exit, CommandError> {
    let runs = runs()?;
    // First what holds memory and disk here, whatever becomes of the rest.
    let mut removed = Vec::new();
    for run in &runs {
        removed.extend(reaper::sweep(run)?);
    }
    for run in &runs {
        removed.extend(stores::sweep(run).await?);
    }
    for what in &removed {
        println!("removed {what}");
    }
    println!(
        "removed {} things that interrupted runs had left on this machine and its stores",
        removed.len()
    );
    // An embedded target goes with its stores.
    if fixtures::file(target).is_none() {
        return Ok(Exit::Pass);
    }
    let session = Session::open(target).await?;
    for system in session.systems().await? {
        let mut removed = 0;
        for run in &runs {
            removed += data::sweep(&system, run).await?;
        }
        println!("removed {removed} things that interrupted runs had left on {}", system.target.name);
    }
    session.discard();
    Ok(Exit::Pass)
}

/// The folders of all runs there are.
fn runs() -> Result<Vec<PathBuf>, CommandError> {
    let out = out_folder();
    let mut runs = Vec::new();
    if out.is_dir() {
        let unreadable = |source| CommandError::File { path: out.clone(), source };
        for entry in fs::read_dir(&out).map_err(unreadable)? {
            let folder = entry.map_err(unreadable)?.path();
            if folder.join("ledger").is_dir() && !folder.is_symlink() {
                runs.push(folder);
            }
        }
    }
    Ok(runs)
}
