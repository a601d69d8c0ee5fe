//! The ledger: an entry BEFORE anything is created, so that what a killed run left behind is known.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::contract::SlotKind;
use crate::leak::TenantKey;
use crate::run::{self, Run, RunError};
use crate::target::Target;

/// An entry's number, unique within its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub u64);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// One line of `ledger/<pid>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LedgerLine {
    /// About to be created.
    Creating {
        /// The entry.
        entry: Entry,
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// The test that creates it.
        owner: String,
        /// The target's name.
        target: String,
        /// Where the target answers.
        base_url: String,
        /// Whether the target ends with this process, and everything in it.
        #[serde(default)]
        embedded: bool,
        /// The slot kind.
        kind: String,
        /// The tenant's canary: finds it in a list even when the answer never came.
        tenant: TenantKey,
        /// The organisation; empty when that is what is created, and the target chooses its id.
        org: String,
    },
    /// Created, with this id.
    Created {
        /// The entry.
        entry: Entry,
        /// The new id.
        id: String,
        /// The organisation.
        org: String,
    },
    /// Removed.
    Removed {
        /// The entry.
        entry: Entry,
    },
}

/// Writes the ledger of this process.
#[derive(Debug)]
pub struct Ledger {
    run: &'static Run,
    owner: String,
    target: String,
    base_url: String,
    embedded: bool,
}

impl Ledger {
    pub(super) fn new(run: &'static Run, owner: &str, target: &Target) -> Ledger {
        Ledger {
            run,
            owner: owner.to_owned(),
            target: target.name.clone(),
            base_url: target.base_url.to_string(),
            embedded: target.embedded,
        }
    }

    fn write(&self, line: &LedgerLine) -> Result<(), RunError> {
        self.run.append(&format!("ledger/{}.jsonl", std::process::id()), line)
    }

    pub(super) fn creating(&self, kind: SlotKind, tenant: &TenantKey, org: &str) -> Result<Entry, RunError> {
        let entry = Entry(NEXT.fetch_add(1, Ordering::Relaxed));
        self.write(&LedgerLine::Creating {
            entry,
            at: OffsetDateTime::now_utc(),
            owner: self.owner.clone(),
            target: self.target.clone(),
            base_url: self.base_url.clone(),
            embedded: self.embedded,
            kind: kind.as_str().to_owned(),
            tenant: tenant.clone(),
            org: org.to_owned(),
        })?;
        Ok(entry)
    }

    pub(super) fn created(&self, entry: Entry, id: &str, org: &str) -> Result<(), RunError> {
        self.write(&LedgerLine::Created { entry, id: id.to_owned(), org: org.to_owned() })
    }

    pub(super) fn removed(&self, entry: Entry) -> Result<(), RunError> {
        self.write(&LedgerLine::Removed { entry })
    }
}

/// Something a run created, or was about to create, and did not remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// The file it stands in and its number there, for marking it removed.
    pub file: std::path::PathBuf,
    /// The entry.
    pub entry: Entry,
    /// The target's name.
    pub target: String,
    /// Where the target answered.
    pub base_url: String,
    /// Whether the target ended with the process that made it.
    pub embedded: bool,
    /// The slot kind.
    pub kind: String,
    /// The tenant's canary.
    pub tenant: TenantKey,
    /// The organisation it belongs to; empty when it is one whose id the target chooses, and that was never told.
    pub org: String,
    /// The id; `None` when the answer to the creation never came.
    pub id: Option<String>,
}

impl Outstanding {
    /// Whether the process that made it is still at work, so that it is not left over but in use.
    pub(super) fn is_in_use(&self) -> bool {
        let pid = self.file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        pid.is_some_and(run::lives)
    }

    /// All that a run folder's ledger holds and that was not removed. A line cut short by a kill is passed
    /// over: its request was never sent.
    pub fn of_run(folder: &Path) -> std::io::Result<Vec<Outstanding>> {
        let mut outstanding: Vec<Outstanding> = Vec::new();
        let files = match fs::read_dir(folder.join("ledger")) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(outstanding),
            Err(error) => return Err(error),
        };
        for file in files {
            let file = file?.path();
            for line in fs::read_to_string(&file)?.lines() {
                match serde_json::from_str(line) {
                    Ok(LedgerLine::Creating {
                        entry, target, base_url, embedded, kind, tenant, org, ..
                    }) => {
                        let file = file.clone();
                        outstanding.push(Outstanding {
                            file,
                            entry,
                            target,
                            base_url,
                            embedded,
                            kind,
                            tenant,
                            org,
                            id: None,
                        });
                    }
                    Ok(LedgerLine::Created { entry, id, .. }) => {
                        for known in outstanding.iter_mut().filter(|o| o.file == file && o.entry == entry) {
                            known.id = Some(id.clone());
                        }
                    }
                    Ok(LedgerLine::Removed { entry }) => {
                        outstanding.retain(|o| o.file != file || o.entry != entry);
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(outstanding)
    }

    /// Marks it removed in its ledger.
    pub fn mark_removed(&self) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new().append(true).open(&self.file)?;
        let line = serde_json::to_string(&LedgerLine::Removed { entry: self.entry })?;
        // A leading newline, in case the last line was cut short.
        writeln!(file, "\n{line}")
    }
}
