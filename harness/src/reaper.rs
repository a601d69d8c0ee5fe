//! What ends everything a run has made on its machine once the last process that uses it has gone, however it went: a
//! shell that looks.
//!
//! ```text
//! <temporary folder>/watertight-<run>-<code>/    the run's quarters, in memory where there is room
//!   users/<pid>      the processes that use them, in each the one that started it, if that is another of them
//!   pg-<code>/       a PostgreSQL cluster, see `stores::postgres`
//!   initdb-<code>/   what every cluster's data are a copy of
//!   engine           where the container engine is, once there may be containers with the quarters' name as a label
//!   asked-<code>     there while the engine is asked for a container
//! <run>/quarters/watertight-<run>-<code>.json    where they are, written before they are made: for `sweep`
//! ```
//!
//! libtest has no end that a test could use, and SIGKILL has none at all. So the quarters have a shell, which outlives
//! the processes and ends what is in there after the last of them. Where the shell was killed too, or the machine went
//! down, [`sweep`] does the same by the record.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sysinfo::System;

use crate::leak::random_code;
use crate::run::{self, Run, RunError, SharedError};

const SCRIPT: &str = include_str!("reaper/reaper.sh");
/// Its name among the processes, and what the name of all quarters begins with.
const NAME: &str = "watertight-reaper";
const PREFIX: &str = "watertight-";
/// The folder of quarters in which their users stand.
const USERS: &str = "users";
/// The folder of a run in which records stand.
const RECORDS: &str = "quarters";
/// The folder in memory that Linux has; others have none of the name.
const SHARED_MEMORY: &str = "/dev/shm";
/// How much room it must have, in bytes: the stories of platform-service took 155 MiB at one look, and others run beside.
const ROOM: u64 = 2 << 30;
/// The run's id goes into names that are bounded.
const SHOWN: usize = 40;

/// The run has no place for what is temporary, or what is in there cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    /// The file system said no.
    #[error(
        "cannot {action} {path}: {source}; clusters lie in the folder for temporary files, so free some of it or name another one in TMPDIR"
    )]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No shell.
    #[error("cannot start the shell (sh) that ends what the run leaves: {0}")]
    Shell(io::Error),
    /// The shell could not end everything.
    #[error(
        "something of the run whose record is {record} could not be ended; is its container engine reachable ({engine})? then sweep again"
    )]
    Left {
        /// The record.
        record: PathBuf,
        /// Where the engine is, as far as is known.
        engine: String,
    },
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<SharedError<ReaperError>> for ReaperError {
    fn from(error: SharedError<ReaperError>) -> ReaperError {
        match error {
            SharedError::Run(error) => error.into(),
            SharedError::Make(error) => error,
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReaperError {
    let path = path.to_owned();
    move |source| ReaperError::Folder { action, path, source }
}

/// What the run knows of its quarters.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    folder: PathBuf,
    /// Who made them, by pid and start: until there are users, this is one.
    maker: (u32, u64),
    /// The shell.
    reaper: Option<u32>,
    /// The container engine, once it is asked for something.
    engine: Option<String>,
}

impl Record {
    fn write(&self, path: &Path) -> Result<(), ReaperError> {
        let text = serde_json::to_string(self).map_err(|error| failed("write", path)(error.into()))?;
        // All or nothing: somebody may sweep.
        let aside = path.with_extension(random_code(6));
        fs::write(&aside, text).and_then(|()| fs::rename(&aside, path)).map_err(failed("write", path))
    }

    fn is_used(&self) -> bool {
        let users = fs::read_dir(self.folder.join(USERS)).into_iter().flatten().flatten();
        let lives = |pid: u32| run::started(pid).is_some();
        // Whoever was started by one that was killed goes with it, as the shell has it.
        let parent = |user: &fs::DirEntry| fs::read_to_string(user.path()).ok()?.trim().parse().ok();
        let mut users =
            users.filter_map(|user| Some((user.file_name().to_str()?.parse().ok()?, parent(&user))));
        users.any(|(pid, parent)| lives(pid) && parent.is_none_or(lives))
            || (!self.folder.exists() && run::started(self.maker.0) == Some(self.maker.1))
    }

    /// The shell's command line on these quarters.
    fn shell(&self, path: &Path) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, NAME]).arg(&self.folder).arg(path);
        shell.arg(self.engine.as_deref().unwrap_or_default());
        shell.stdin(Stdio::null()).stderr(Stdio::null());
        shell
    }
}

/// Where temporary things lie: where `TMPDIR` says; else in memory, if it has room to spare; else where the system keeps
/// them. A database makes and removes thousands of small files, which takes a disk's file system longer than the
/// database itself: the stories of platform-service take 21 s in memory and 27 s on ext4.
fn temporary() -> PathBuf {
    if std::env::var_os("TMPDIR").is_none() && has_room(Path::new(SHARED_MEMORY)) {
        PathBuf::from(SHARED_MEMORY)
    } else {
        std::env::temp_dir()
    }
}

/// Whether a folder in memory can take what a run makes, and the machine what the run is besides.
fn has_room(folder: &Path) -> bool {
    let free = rustix::fs::statvfs(folder).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    let Ok(mut machine) = System::new() else { return false };
    machine.refresh_memory();
    free.is_ok_and(|free| free >= ROOM) && machine.available_memory() >= 2 * ROOM
}

/// Where a run keeps what is temporary, until the last process in there has gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarters {
    folder: PathBuf,
    record: PathBuf,
}

impl Quarters {
    /// Enters this process, and cargo, whose next process will be in there, into the quarters of its run; they are made
    /// where there are none, or where those there were have been closed. Waits for a lock.
    pub fn of(run: &Run) -> Result<Quarters, ReaperError> {
        let shared = run.shared_while(
            "quarters",
            |quarters: &Quarters| quarters.folder.join(USERS).is_dir() && enter(&quarters.folder).is_ok(),
            || Quarters::make(run),
        );
        Ok(shared?)
    }

    fn make(run: &Run) -> Result<Quarters, ReaperError> {
        let id = run.id().replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-").to_ascii_lowercase();
        let folder = temporary().join(format!("{PREFIX}{id:.SHOWN$}-{}", random_code(8)));
        let records = run.folder().join(RECORDS);
        fs::create_dir_all(&records).map_err(failed("create", &records))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = records.join(format!("{name}.json"));
        let maker = std::process::id();
        let maker = (maker, run::started(maker).unwrap_or_default());
        let mut record = Record { folder: folder.clone(), maker, reaper: None, engine: None };
        record.write(&path)?;
        let made = make_in(&folder).and_then(|()| {
            // In a group of its own: Ctrl-C ends us, and it must outlive us.
            let shell = record.shell(&path).stdout(Stdio::null()).process_group(0).spawn();
            shell.map_err(ReaperError::Shell)
        });
        match made {
            Ok(shell) => {
                record.reaper = Some(shell.id());
                record.write(&path)?;
                Ok(Quarters { folder, record: path })
            }
            Err(error) => {
                fs::remove_dir_all(new(&folder)).ok();
                fs::remove_dir_all(&folder).ok();
                fs::remove_file(&path).ok();
                Err(error)
            }
        }
    }

    /// Their folder. Whatever lies in there is removed in the end, and a server whose data do (`-D`) is ended.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Enters a process that this one has started, which is killed when this one is gone.
    pub fn adopt(&self, pid: u32) -> Result<(), ReaperError> {
        let path = self.folder.join(USERS).join(pid.to_string());
        fs::write(&path, format!("{}\n", std::process::id())).map_err(failed("write", &path))
    }

    /// Their name: a label of containers.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Says that the engine is about to be asked for a container with the quarters' name as a label; until this is
    /// dropped.
    pub(crate) fn asking(&self, engine: &str) -> Result<Asking, ReaperError> {
        let text = fs::read(&self.record).map_err(failed("read", &self.record))?;
        let record: Result<Record, _> = serde_json::from_slice(&text);
        let mut record = record.map_err(|error| failed("read", &self.record)(error.into()))?;
        record.engine = Some(engine.to_owned());
        record.write(&self.record)?;
        let said = self.folder.join("engine");
        fs::write(&said, format!("{engine}\n")).map_err(failed("write", &said))?;
        let path = self.folder.join(format!("asked-{}", random_code(8)));
        File::create(&path).map_err(failed("create", &path))?;
        Ok(Asking { path })
    }
}

/// The engine is being asked.
#[derive(Debug)]
pub(crate) struct Asking {
    path: PathBuf,
}

impl Drop for Asking {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

/// Beside the quarters, while they are made.
fn new(folder: &Path) -> PathBuf {
    folder.with_extension("new")
}

/// Makes quarters with this process in them: aside, so that they are never seen without.
fn make_in(folder: &Path) -> Result<(), ReaperError> {
    let new = new(folder);
    let users = new.join(USERS);
    fs::create_dir_all(&users).map_err(failed("create", &users))?;
    // A server that refuses root runs as another user.
    fs::set_permissions(&new, Permissions::from_mode(0o711)).map_err(failed("open", &new))?;
    enter(&new).and_then(|()| fs::rename(&new, folder)).map_err(failed("create", folder))
}

/// Enters this process, and cargo. Fails where the quarters are closed. Who was started by one in there names it: when
/// that is killed, this one is too.
fn enter(folder: &Path) -> io::Result<()> {
    let of = |pid: u32| folder.join(USERS).join(pid.to_string());
    if let Some(cargo) = run::keeper() {
        File::create(of(cargo))?;
    }
    let parent = parent_id();
    let named = if of(parent).exists() { format!("{parent}\n") } else { String::new() };
    fs::write(of(std::process::id()), named)
}

/// Ends what a run left in quarters that nobody uses; gives the names of what was ended.
pub fn sweep(run_folder: &Path) -> Result<Vec<String>, ReaperError> {
    let mut ended = Vec::new();
    for entry in fs::read_dir(run_folder.join(RECORDS)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = match fs::read_to_string(&path) {
            // Its reaper was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.map_err(failed("read", &path))?,
        };
        let record: Record =
            serde_json::from_str(&text).map_err(|error| failed("read", &path)(error.into()))?;
        if record.is_used() {
            continue;
        }
        let output = record.shell(&path).output().map_err(ReaperError::Shell)?;
        ended.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        if !output.status.success() {
            let engine = record.engine.unwrap_or_else(|| "none was asked".to_owned());
            return Err(ReaperError::Left { record: path, engine });
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{Record, sweep};
    use crate::run::Run;

    fn run_with(users: &[(u32, String)]) -> (tempfile::TempDir, Run, Record) {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::at(&folder.path().join("run")).unwrap();
        let quarters = folder.path().join("quarters");
        fs::create_dir_all(quarters.join("users")).unwrap();
        for (pid, parent) in users {
            fs::write(quarters.join(format!("users/{pid}")), parent).unwrap();
        }
        let record = Record { folder: quarters, maker: (0, 0), reaper: None, engine: None };
        record.write(&run.folder_of("quarters").unwrap().join("it.json")).unwrap();
        (folder, run, record)
    }

    #[test]
    fn what_is_in_use_is_not_swept_and_what_is_not_goes_with_its_record() {
        let (_folder, run, record) = run_with(&[(std::process::id(), String::new())]);
        assert!(sweep(run.folder()).unwrap().is_empty());
        fs::remove_dir_all(record.folder.join("users")).unwrap();
        assert_eq!(sweep(run.folder()).unwrap(), [format!("folder {}", record.folder.display())]);
        assert!(!record.folder.exists());
        assert_eq!(fs::read_dir(run.folder().join("quarters")).unwrap().count(), 0);
    }

    #[test]
    fn a_process_goes_with_the_one_that_started_it() {
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let mut orphan = Command::new("sleep").arg("600").spawn().unwrap();
        let (_folder, run, record) = run_with(&[(orphan.id(), format!("{}\n", gone.id()))]);
        let path = run.folder().join("quarters/it.json");
        let ended = [format!("process {}", orphan.id()), format!("folder {}", record.folder.display())];
        assert_eq!(sweep(run.folder()).unwrap(), ended);
        assert!(!orphan.wait().unwrap().success() && !record.folder.exists() && !path.exists());
    }
}
