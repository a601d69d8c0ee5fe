//! The record of a cluster in the run's folder, written before anything is made, and what `sweep` does with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

use super::{PostgresError, warden};
use crate::run::{self, Run};
use crate::wait;

/// The folder of a run in which records stand.
const RECORDS: &str = "postgres";
/// How long a postmaster may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Where a cluster lies and what runs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The shell that ends it after its last user.
    pub(super) warden: Option<u32>,
    /// Its port, once it has one.
    pub(super) port: Option<u16>,
    /// Its postmaster: pid, and start in seconds since 1970, so that a pid used again is not taken for it.
    pub(super) postmaster: Option<(u32, u64)>,
}

impl Record {
    /// Where the record of a folder stands in a run.
    pub(super) fn path(run: &Run, folder: &Path) -> PathBuf {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        run.folder().join(RECORDS).join(format!("{name}.json"))
    }

    /// The same with the postmaster that runs it now.
    pub(super) fn runs(&mut self, postmaster: &Child) -> &Record {
        let pid = postmaster.id();
        self.postmaster = run::started(pid).map(|started| (pid, started));
        self
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), PostgresError> {
        let failed = |source| PostgresError::Folder { action: "write", path: path.to_owned(), source };
        let text = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::write(path, text)).map_err(failed)
    }

    /// Ends the postmaster, if it still is the one of the record, and removes the folder.
    async fn end(&self) -> Result<(), PostgresError> {
        if let Some((pid, started)) = self.postmaster.or_else(|| postmaster_in(&self.folder)) {
            let gone = || async move {
                if run::started(pid) == Some(started) { Err("it runs".to_owned()) } else { Ok(()) }
            };
            if gone().await.is_err() {
                signal(pid, Signal::Quit);
                if wait::until("the postmaster to end", END_LIMIT, gone).await.is_err() {
                    signal(pid, Signal::Kill);
                    wait::until("the postmaster to end", END_LIMIT, gone).await?;
                }
            }
        }
        match fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(PostgresError::Folder { action: "remove", path: self.folder.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// The postmaster a data folder names, if it runs: it may have started before its record was complete.
fn postmaster_in(folder: &Path) -> Option<(u32, u64)> {
    /// Seconds by which two clocks may differ: the file's first, the system's of the process second.
    const APART: u64 = 10;
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let wrote: u64 = lines.nth(1)?.trim().parse().ok()?;
    let started = run::started(pid)?;
    (started.abs_diff(wrote) <= APART).then_some((pid, started))
}

/// Sends a signal, if there is such a process.
pub(super) fn signal(pid: u32, signal: Signal) {
    let Ok(mut system) = System::new() else { return };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    if let Some(process) = system.process(pid) {
        process.kill_with(signal);
    }
}

/// Ends and removes the clusters that a run left and nobody uses; returns how many.
pub async fn sweep(run_folder: &Path) -> Result<usize, PostgresError> {
    let records = run_folder.join(RECORDS);
    let mut swept = 0;
    for entry in fs::read_dir(&records).into_iter().flatten().flatten() {
        let path = entry.path();
        let failed = |source| PostgresError::Folder { action: "read", path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            // Its warden was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.map_err(failed)?,
        };
        let record: Record = serde_json::from_str(&text).map_err(|error| failed(error.into()))?;
        if warden::is_used(&record.folder) {
            continue;
        }
        record.end().await?;
        fs::remove_file(&path).ok();
        swept += 1;
    }
    Ok(swept)
}
