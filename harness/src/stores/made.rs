//! What a run makes on servers that outlive it, written down before it is made: for whoever comes later, and `sweep`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::postgres::{self, PostgresError};
use super::tables::{self, DynamoDbError};
use crate::run::{self, Run, RunError};

/// The folder of a run in which it stands, a file per process.
const RECORDS: &str = "made";

/// A thing on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Made {
    /// A DynamoDB table.
    Table {
        /// Its endpoint.
        server: String,
        /// Its name.
        name: String,
    },
    /// A PostgreSQL database, with the roles made for it.
    Database {
        /// Host and port.
        server: String,
        /// Its name.
        name: String,
    },
}

impl Made {
    fn shown(&self) -> String {
        match self {
            Made::Table { server, name } => format!("table {name} on {server}"),
            Made::Database { server, name } => format!("database {name} on {server}"),
        }
    }

    async fn remove(&self) -> Result<(), RemovalError> {
        match self {
            Made::Table { server, name } => Ok(tables::remove(server, name).await?),
            Made::Database { server, name } => Ok(postgres::remove(server, name).await?),
        }
    }
}

/// A line of a record.
#[derive(Serialize, Deserialize)]
struct Line {
    made: Made,
    /// Whether it has been removed since.
    gone: bool,
}

/// Something on a server, as long as it is there.
#[derive(Debug)]
pub(super) struct Entry {
    made: Made,
    run: &'static Run,
}

impl Entry {
    /// Writes down what is about to be made.
    pub(super) fn of(run: &'static Run, made: Made) -> Result<Entry, RunError> {
        run.folder_of(RECORDS)?;
        let entry = Entry { made, run };
        entry.write(false)?;
        Ok(entry)
    }

    /// It is gone.
    pub(super) fn strike(&self) {
        // Otherwise it is looked for once more.
        self.write(true).ok();
    }

    fn write(&self, gone: bool) -> Result<(), RunError> {
        // By pid and start, so that a pid used again is not taken for it.
        let pid = std::process::id();
        let started = run::started(pid).unwrap_or_default();
        let name = format!("{RECORDS}/{pid}-{started}.jsonl");
        self.run.append(&name, &Line { made: self.made.clone(), gone })
    }
}

/// Something that a run made on a server is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// A table.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// A database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The records.
    #[error("cannot read {path}: {source}; what the run left on servers stands in it")]
    Record {
        /// The record.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Things that could not be removed.
    #[error("still there: {what}: {source}")]
    Left {
        /// Which.
        what: String,
        /// Why.
        source: Box<RemovalError>,
    },
}

/// Removes from servers what the ended processes of a run left there; gives the names of what was removed.
pub async fn sweep(run_folder: &Path) -> Result<Vec<String>, RemovalError> {
    let mut removed = Vec::new();
    for (path, left) in left(run_folder)? {
        for made in left {
            let what = made.shown();
            if let Err(source) = made.remove().await {
                return Err(RemovalError::Left { what, source: Box::new(source) });
            }
            removed.push(what);
        }
        fs::remove_file(&path).map_err(|source| RemovalError::Record { path, source })?;
    }
    Ok(removed)
}

/// Removes from one server what the ended processes of this run and of its neighbours left there: nobody else would,
/// as libtest has no end that a test could use.
pub(super) async fn reclaim(run: &Run, here: impl Fn(&Made) -> bool) {
    let runs = run.folder().parent().map(fs::read_dir);
    for neighbour in runs.into_iter().flatten().flatten().flatten() {
        for (path, left) in left(&neighbour.path()).unwrap_or_default() {
            let mut others = 0;
            for made in left {
                // What fails here is tried again, and `sweep` says why it fails.
                if !here(&made) || made.remove().await.is_err() {
                    others += 1;
                }
            }
            if others == 0 {
                fs::remove_file(&path).ok();
            }
        }
    }
}

/// What ended processes of a run left, by record.
fn left(run_folder: &Path) -> Result<Vec<(PathBuf, Vec<Made>)>, RemovalError> {
    let mut all = Vec::new();
    for entry in fs::read_dir(run_folder.join(RECORDS)).into_iter().flatten().flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some((pid, started)) = stem.split_once('-') else { continue };
        if pid.parse().ok().and_then(run::started).map(|now| now.to_string()).as_deref() == Some(started) {
            continue;
        }
        let text = fs::read_to_string(&path)
            .map_err(|source| RemovalError::Record { path: path.clone(), source })?;
        let mut left: Vec<Made> = Vec::new();
        // The last line of a killed process may be half of one: then nothing was made yet.
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            if line.gone {
                left.retain(|made| *made != line.made);
            } else {
                left.push(line.made);
            }
        }
        all.push((path, left));
    }
    Ok(all)
}
