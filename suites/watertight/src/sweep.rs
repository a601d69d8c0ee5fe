//! `sweep`: removes what interrupted runs left on the targets, by their ledgers.

use std::fs;
use std::path::Path;

use harness::data;
use harness::run::out_folder;
use harness::stores::postgres;
use harness::verdict::Exit;

use crate::error::CommandError;
use crate::session::Session;

pub async fn sweep(target: Option<&Path>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let out = out_folder();
    let unreadable = |source| CommandError::File { path: out.clone(), source };
    let mut ledgers = Vec::new();
    for entry in fs::read_dir(&out).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join("ledger").is_dir() && !folder.is_symlink() {
            ledgers.push(folder);
        }
    }
    let mut clusters = 0;
    for entry in fs::read_dir(&out).map_err(unreadable)? {
        clusters += postgres::sweep(&entry.map_err(unreadable)?.path()).await?;
    }
    if clusters > 0 {
        println!("ended {clusters} PostgreSQL clusters that interrupted runs had left");
    }
    for system in session.systems().await? {
        let mut removed = 0;
        for folder in &ledgers {
            removed += data::sweep(&system, folder).await?;
        }
        println!("removed {removed} things that interrupted runs had left on {}", system.target.name);
    }
    session.discard();
    Ok(Exit::Pass)
}
