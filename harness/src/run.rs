//! A run: its id, seed and folder, and how the processes of one invocation find each other.
//!
//! ```text
//! reports/out/<run>/
//!   meta.json                     id, seed, start, version
//!   records/<suite>-<pid>.jsonl   results, see `record`
//!   exchanges/<suite>-<pid>.jsonl requests and responses, redacted
//!   ledger/<pid>.jsonl            what was created and removed, see `data`
//!   quarters/                     where the run has what is temporary, see `reaper`
//!   made/<pid>-<start>.jsonl      what was made on servers that outlive the run, see `stores`
//!   shared/                       made once for all processes of the run (key pairs, addresses of stores)
//! ```
//!
//! Every process appends to files of its own, so nothing is interleaved and nothing needs a lock but
//! `shared/`.

mod parent;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::exchange::Exchange;
use crate::record::Record;
use crate::seed::{NotASeed, Seed};

pub(crate) use parent::{keeper, lives, started};

/// The variable that names the run's folder; the command sets it for the processes it starts.
pub const RUN_VARIABLE: &str = "WATERTIGHT_RUN";
/// The variable that fixes the seed.
pub const SEED_VARIABLE: &str = "WATERTIGHT_SEED";

static CURRENT: OnceLock<Run> = OnceLock::new();

/// The folder of a run in which lies what is made once for all its processes.
const SHARED: &str = "shared";

/// Where runs lie below the workspace, or below the current folder outside of one.
const OUT: &str = "reports/out";

/// The run folder could not be made, found or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file system said no.
    #[error(
        "cannot {action} {path}: {source}; free the path or set {RUN_VARIABLE} to a folder that can be written"
    )]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder holds a `meta.json` that is not ours.
    #[error(
        "{path} is not the description of a run: {source}; remove it or name another folder in {RUN_VARIABLE}"
    )]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The seed in the environment is none.
    #[error(transparent)]
    Seed(#[from] NotASeed),
}

fn folder_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Folder { action, path, source }
}

/// What `meta.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The run's id: start in UTC and four random characters, `20261121-110302-k3f9`. Sorts by time.
    pub run: String,
    /// The seed.
    pub seed: Seed,
    /// When the run began.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// The version of watertight.
    pub version: String,
}

/// A run, as one process sees it.
#[derive(Debug)]
pub struct Run {
    meta: Meta,
    folder: PathBuf,
    /// What the ids of this process's requests begin with.
    requests_of: String,
    requests: AtomicU64,
    files: Mutex<Vec<(String, File)>>,
}

impl Run {
    /// The run of this process: the one it was told to work in, the one the environment names, or the one
    /// that all processes with the same parent share (one `cargo test` starts many). Made on first use.
    pub fn current() -> Result<&'static Run, RunError> {
        if let Some(run) = CURRENT.get() {
            return Ok(run);
        }
        let run = match std::env::var_os(RUN_VARIABLE) {
            Some(folder) => Run::at(Path::new(&folder))?,
            None => parent::shared_run(&out_folder())?,
        };
        Ok(run.work_in())
    }

    /// Makes this the run the process works in, unless it works in one already; returns that.
    pub fn work_in(self) -> &'static Run {
        CURRENT.get_or_init(|| self)
    }

    /// A new run below `out` (see [`out_folder`]).
    pub fn create(out: &Path) -> Result<Run, RunError> {
        let started = OffsetDateTime::now_utc();
        let format = format_description!("[year][month][day]-[hour][minute][second]");
        let stamp = started.format(&format).unwrap_or_else(|_| started.unix_timestamp().to_string());
        let id = format!("{stamp}-{}", crate::leak::random_code(4));
        let folder = out.join(&id);
        Run::make(&folder, id, started)
    }

    /// The run in a given folder, which is made when it is not there.
    pub fn at(folder: &Path) -> Result<Run, RunError> {
        if let Some(run) = Run::open(folder)? {
            return Ok(run);
        }
        let name = folder.file_name();
        let id = name.map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
        Run::make(folder, id, OffsetDateTime::now_utc())
    }

    /// The run in a folder, if there is one.
    pub fn open(folder: &Path) -> Result<Option<Run>, RunError> {
        let path = folder.join("meta.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(folder_error("read", &path)(error)),
        };
        let meta = serde_json::from_str(&text).map_err(|source| RunError::Meta { path, source })?;
        Ok(Some(Run::new(meta, folder)))
    }

    /// A run in a folder of its own that uses what this one has made for its processes, keys and servers, and ends with
    /// it. Both draw from one seed.
    pub fn beside(&self, folder: &Path) -> Result<Run, RunError> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let run = Run::seeded(folder, name, OffsetDateTime::now_utc(), self.seed())?;
        let (ours, theirs) = (run.folder.join(SHARED), self.folder.join(SHARED));
        fs::remove_dir_all(&ours).map_err(folder_error("replace", &ours))?;
        std::os::unix::fs::symlink(&theirs, &ours).map_err(folder_error("link", &ours))?;
        Ok(run)
    }

    fn make(folder: &Path, id: String, started: OffsetDateTime) -> Result<Run, RunError> {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => text.parse()?,
            Err(_) => Seed::fresh(),
        };
        Run::seeded(folder, id, started, seed)
    }

    fn seeded(folder: &Path, id: String, started: OffsetDateTime, seed: Seed) -> Result<Run, RunError> {
        for part in ["records", "exchanges", "ledger", SHARED] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(folder_error("create", &path))?;
        }
        let meta = Meta { run: id, seed, started, version: env!("CARGO_PKG_VERSION").to_owned() };
        let path = folder.join("meta.json");
        let text = serde_json::to_string_pretty(&meta)
            .map_err(|source| RunError::Meta { path: path.clone(), source })?;
        // Written aside and renamed, so that a process that opens the folder meanwhile sees all or nothing.
        let aside = folder.join(format!("meta.{}.tmp", std::process::id()));
        fs::write(&aside, text).map_err(folder_error("write", &aside))?;
        fs::rename(&aside, &path).map_err(folder_error("write", &path))?;
        Ok(Run::new(meta, folder))
    }

    fn new(meta: Meta, folder: &Path) -> Run {
        let requests_of = format!("{}-{:x}", meta.run, std::process::id());
        Run {
            meta,
            requests_of,
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            requests: AtomicU64::new(0),
            files: Mutex::new(Vec::new()),
        }
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.meta.run
    }

    /// The run's seed.
    pub fn seed(&self) -> Seed {
        self.meta.seed
    }

    /// What `meta.json` says.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The run's folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Points `latest` beside the run's folder at it. Only a convenience for people, so a file system without
    /// links is no error.
    pub fn become_latest(&self) {
        #[cfg(unix)]
        if let (Some(out), Some(name)) = (self.folder.parent(), self.folder.file_name()) {
            let aside = out.join(format!(".latest.{}", std::process::id()));
            let pointed = std::os::unix::fs::symlink(name, &aside)
                .and_then(|()| fs::rename(&aside, out.join("latest")));
            if pointed.is_err() {
                fs::remove_file(&aside).ok();
            }
        }
    }

    /// Removes what the processes of the run shared: private keys, which nobody needs once they are through.
    pub fn forget_shared(&self) {
        fs::remove_dir_all(self.folder.join(SHARED)).ok();
    }

    /// A request id: the run's id, the process and a counter, so that the target's log leads back here.
    pub fn next_request_id(&self) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{count:x}", self.requests_of)
    }

    /// Appends a record.
    pub fn record(&self, suite: &str, record: &Record) -> Result<(), RunError> {
        self.append(&format!("records/{suite}-{}.jsonl", std::process::id()), record)
    }

    /// Appends an exchange.
    pub fn exchange(&self, suite: &str, exchange: &Exchange) -> Result<(), RunError> {
        self.append(&format!("exchanges/{suite}-{}.jsonl", std::process::id()), exchange)
    }

    /// A folder in the run's, made when it is not there.
    pub(crate) fn folder_of(&self, name: &str) -> Result<PathBuf, RunError> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).map_err(folder_error("create", &path))?;
        Ok(path)
    }

    /// Appends one JSON line to a file of the run, in one write, so that a killed process leaves whole
    /// lines only (but perhaps the last).
    pub(crate) fn append<T: Serialize>(&self, name: &str, line: &T) -> Result<(), RunError> {
        let path = self.folder.join(name);
        let mut text =
            serde_json::to_string(line).map_err(|source| RunError::Meta { path: path.clone(), source })?;
        text.push('\n');
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let at = if let Some(at) = files.iter().position(|(open, _)| open == name) {
            at
        } else {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            files.push((name.to_owned(), file.map_err(folder_error("open", &path))?));
            files.len() - 1
        };
        files[at].1.write_all(text.as_bytes()).map_err(folder_error("write", &path))
    }

    /// What is made once per run: read from `shared/<name>.json`, or made and written by whoever takes the
    /// lock first. The file is readable by its owner alone.
    pub fn shared<T, E>(&self, name: &str, make: impl FnOnce() -> Result<T, E>) -> Result<T, SharedError<E>>
    where
        T: Serialize + DeserializeOwned,
    {
        self.shared_while(name, |_| true, make)
    }

    /// As [`shared`](Self::shared), for what may have ended since: it is made anew when it is not `good` any more.
    pub fn shared_while<T, E>(
        &self,
        name: &str,
        good: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, SharedError<E>>
    where
        T: Serialize + DeserializeOwned,
    {
        shared_in(&self.folder.join(SHARED), name, good, make)
    }
}

/// What is made once by whoever comes first to a folder: read from `<name>.json`, or made under a lock.
pub(crate) fn shared_in<T, E>(
    folder: &Path,
    name: &str,
    good: impl FnOnce(&T) -> bool,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<T, SharedError<E>>
where
    T: Serialize + DeserializeOwned,
{
    fs::create_dir_all(folder).map_err(folder_error("create", folder)).map_err(SharedError::Run)?;
    let _lock = Lock::take(&folder.join(format!("{name}.lock"))).map_err(SharedError::Run)?;
    let path = folder.join(format!("{name}.json"));
    if let Ok(text) = fs::read_to_string(&path) {
        let found =
            serde_json::from_str(&text).map_err(|source| RunError::Meta { path: path.clone(), source });
        let found = found.map_err(SharedError::Run)?;
        if good(&found) {
            return Ok(found);
        }
    }
    let made = make().map_err(SharedError::Make)?;
    write_private(&path, &made).map_err(SharedError::Run)?;
    Ok(made)
}

/// Something shared could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum SharedError<E> {
    /// The run folder.
    #[error(transparent)]
    Run(RunError),
    /// The making itself.
    #[error(transparent)]
    Make(E),
}

fn write_private<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    let text =
        serde_json::to_string(value).map_err(|source| RunError::Meta { path: path.to_owned(), source })?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(folder_error("create", path))?;
    file.write_all(text.as_bytes()).map_err(folder_error("write", path))
}

/// An advisory lock on a file, released when dropped or when the process dies.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(path: &Path) -> Result<Lock, RunError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(folder_error("open", path))?;
        file.lock().map_err(folder_error("lock", path))?;
        Ok(Lock { _file: file })
    }
}

/// The cargo workspace the process stands in.
pub fn workspace() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let is_workspace = |folder: &&Path| {
        fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[workspace]"))
    };
    here.ancestors().find(is_workspace).map(Path::to_owned)
}

/// `reports/out` of the workspace the process stands in, otherwise of the current folder.
pub fn out_folder() -> PathBuf {
    workspace().or_else(|| std::env::current_dir().ok()).unwrap_or_default().join(OUT)
}

#[cfg(test)]
mod tests {
    use super::Run;

    #[test]
    fn a_run_is_found_again_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let made = Run::create(dir.path()).unwrap();
        made.become_latest();
        let found = Run::at(made.folder()).unwrap();
        assert_eq!(made.meta(), found.meta());
        assert_eq!(dir.path().join("latest").canonicalize().unwrap(), made.folder().canonicalize().unwrap());
    }

    #[test]
    fn what_is_shared_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = Run::create(dir.path()).unwrap();
        let second = Run::at(first.folder()).unwrap();
        let made = first.shared("thing", || Ok::<_, std::io::Error>(41)).unwrap();
        let found = second.shared("thing", || Ok::<_, std::io::Error>(42)).unwrap();
        assert_eq!((made, found), (41, 41));
    }

    #[test]
    fn a_run_beside_another_uses_what_that_has_made_and_leaves_it_there() {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::create(dir.path()).unwrap();
        let beside = run.beside(&run.folder().join("weak/one")).unwrap();
        let thing = |run: &Run, new: u32| run.shared("thing", || Ok::<_, std::io::Error>(new)).unwrap();
        assert_eq!((thing(&run, 41), thing(&beside, 42)), (41, 41));
        assert_eq!(
            thing(&Run::at(beside.folder()).unwrap(), 43),
            41,
            "nor does another process make its own"
        );
        assert_eq!(beside.seed(), run.seed());
        beside.forget_shared();
        assert_eq!(thing(&run, 44), 41);
    }

    #[test]
    fn what_has_ended_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::create(dir.path()).unwrap();
        let shared = |good: bool, new: u32| {
            run.shared_while("thing", |_| good, || Ok::<_, std::io::Error>(new)).unwrap()
        };
        assert_eq!([shared(true, 1), shared(true, 2), shared(false, 3), shared(true, 4)], [1, 1, 3, 3]);
    }

    #[test]
    fn a_foreign_meta_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("meta.json"), "{}").unwrap();
        let error = Run::at(dir.path()).unwrap_err().to_string();
        assert!(error.contains("meta.json") && error.contains("WATERTIGHT_RUN"), "{error}");
    }
}
