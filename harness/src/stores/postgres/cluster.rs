//! A throwaway cluster: made, started, killed, started again, ended.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

use super::binaries::Binaries;
use super::initdb::{DATA, DataFolder};
use super::server_user::ServerUser;
use super::{Place, PostgresError, failed};
use crate::host;
use crate::leak::random_code;
use crate::reaper::Quarters;
use crate::run::Run;
use crate::wait;

const HOST: &str = "127.0.0.1";
/// How long a server may take to come up, also after a crash.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Attempts at a port that nobody else takes before the server does.
const PORTS: usize = 5;
/// The line of postmaster.pid that says whether connections are taken.
const STATUS_LINE: usize = 7;

/// For every server of a run. Many schemas are dropped at once, and each of their tables takes a lock. Shared memory of
/// queries lies with the data, where it goes with them if the server is killed. A look at the store reads hundreds of
/// small tables in one statement, which the planner would give to workers that cost more than the reading.
pub(super) const SETTINGS: [(&str, &str); 8] = [
    ("dynamic_shared_memory_type", "mmap"),
    ("max_connections", "200"),
    ("max_locks_per_transaction", "1024"),
    ("shared_buffers", "64MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];
/// Where nothing has to survive a crash.
pub(super) const HASTY: [(&str, &str); 4] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off"), ("autovacuum", "off")];

/// What a cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fast; whatever happens to it, nobody misses it.
    Throwaway,
    /// Keeps what was committed, also when it is killed.
    Durable,
}

/// A running cluster. It ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    place: Place,
    version: String,
    binaries: Binaries,
    postmaster: Child,
    /// Others go on using it when this is dropped.
    left: bool,
}

impl Cluster {
    /// A cluster of a test's own, which keeps what was committed when it is killed.
    pub async fn own(run: &'static Run) -> Result<Cluster, PostgresError> {
        let binaries = Binaries::at_hand().await?;
        // Where the run's quarters are being made there is a lock, and whoever waits for it holds up a thread.
        let quarters = host::handle()?.spawn_blocking(|| Quarters::of(run)).await;
        let quarters = quarters??;
        Cluster::start(run, &quarters, binaries, Kind::Durable).await
    }

    /// A cluster in a run's quarters, whose reaper removes it if nobody else does.
    pub(super) async fn start(
        run: &'static Run,
        quarters: &Quarters,
        binaries: Binaries,
        kind: Kind,
    ) -> Result<Cluster, PostgresError> {
        let initial = DataFolder::of_run(run, quarters, binaries.clone()).await?;
        let folder = quarters.folder().join(format!("pg-{}", random_code(8)));
        fs::create_dir(&folder).map_err(failed("create", &folder))?;
        // Of one that does not start nothing is left but this.
        let made = Cluster::start_in(&folder, &initial, binaries, kind).await;
        made.inspect_err(|_| {
            fs::remove_dir_all(&folder).ok();
        })
    }

    async fn start_in(
        folder: &Path,
        initial: &DataFolder,
        binaries: Binaries,
        kind: Kind,
    ) -> Result<Cluster, PostgresError> {
        fs::set_permissions(folder, Permissions::from_mode(0o711)).map_err(failed("open", folder))?;
        let server_user = ServerUser::of_this_process()?;
        initial.copy_to(&folder.join(DATA)).await?;
        let version = version(&binaries).await?;
        let mut tried = 0;
        loop {
            tried += 1;
            let port = free_port().map_err(failed("find a free port for", folder))?;
            configure(folder, port, kind)?;
            match come_up(&binaries, folder, server_user).await? {
                Ok(postmaster) => {
                    let password = initial.password.clone();
                    let place = Place { host: HOST.to_owned(), port, password };
                    let folder = folder.to_owned();
                    return Ok(Cluster { folder, place, version, binaries, postmaster, left: false });
                }
                Err(said) if tried == PORTS => {
                    return Err(PostgresError::Tool { what: "the server's start".to_owned(), said });
                }
                Err(_) => {}
            }
        }
    }

    /// Which PostgreSQL it is.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Kills the server with all its processes as a crash does, with no chance to write anything. Comes back with
    /// [`restart`](Self::restart).
    pub fn kill(&mut self) -> Result<(), PostgresError> {
        // Left alone, those that serve connections answer until they look whether the first is still there. Stopped, it
        // starts no further one.
        let first = self.postmaster.id();
        signal(first, Signal::Stop);
        for process in started_by(first) {
            signal(process, Signal::Kill);
        }
        let failed = |error: std::io::Error| PostgresError::Tool {
            what: "killing the server".to_owned(),
            said: error.to_string(),
        };
        self.postmaster.kill().map_err(failed)?;
        self.postmaster.wait().map(drop).map_err(failed)
    }

    /// Starts the server again after [`kill`](Self::kill), on the same port.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        let server_user = ServerUser::of_this_process()?;
        let (binaries, folder) = (&self.binaries, &self.folder);
        // The processes of the one that was killed take a moment to see it, and the server waits for no one.
        let up = wait::until("the server to come back", START_LIMIT, || async {
            match come_up(binaries, folder, server_user).await {
                Ok(Ok(postmaster)) => Ok(Ok(postmaster)),
                Ok(Err(said)) => Err(said),
                Err(error) => Ok(Err(error)),
            }
        });
        self.postmaster = up.await??;
        Ok(())
    }

    /// Lets it run for the processes that use it; the reaper ends it after the last of them. Gives its folder.
    pub(super) fn leave_to_its_users(mut self) -> PathBuf {
        self.left = true;
        self.folder.clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Of one that was killed the system still holds something that only the reaper knows how to give back.
        if self.left || !matches!(self.postmaster.try_wait(), Ok(None)) {
            return;
        }
        signal(self.postmaster.id(), Signal::Quit);
        // What fails here is the reaper's.
        self.postmaster.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Whether the cluster in a folder still runs, as far as it says so itself.
pub(super) fn runs_in(folder: &Path) -> bool {
    folder.join(DATA).join("postmaster.pid").exists()
}

/// Sends a signal, if there is such a process.
fn signal(pid: u32, signal: Signal) {
    let Ok(mut system) = System::new() else { return };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    if let Some(process) = system.process(pid) {
        process.kill_with(signal);
    }
}

/// The processes that a process started and that are still there.
fn started_by(pid: u32) -> Vec<u32> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let started = system.processes().values().filter(|process| process.parent() == Some(Pid::from_u32(pid)));
    started.map(|process| process.pid().as_u32()).collect()
}

/// A port that nobody listens on now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((HOST, 0))?.local_addr()?.port())
}

/// Writes the settings: those of the last attempt are gone.
fn configure(folder: &Path, port: u16, kind: Kind) -> Result<(), PostgresError> {
    let path = folder.join(DATA).join("postgresql.conf");
    let mut text = format!("listen_addresses = '{HOST}'\nport = {port}\nunix_socket_directories = ''\n");
    for (name, value) in SETTINGS.iter().chain(if kind == Kind::Throwaway { &HASTY[..] } else { &[] }) {
        text += &format!("{name} = '{value}'\n");
    }
    fs::write(&path, text).map_err(failed("write", &path))
}

async fn version(binaries: &Binaries) -> Result<String, PostgresError> {
    let mut command = tokio::process::Command::new(binaries.program("postgres"));
    let output = command.arg("--version").stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| PostgresError::Tool {
        what: "postgres --version".to_owned(),
        said: error.to_string(),
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(format!("PostgreSQL {}", number.unwrap_or("of an unknown version")))
}

/// Starts the server and waits until it takes connections; what it said where it ended instead.
async fn come_up(
    binaries: &Binaries,
    folder: &Path,
    user: ServerUser,
) -> Result<Result<Child, String>, PostgresError> {
    let log = folder.join("log");
    let file = File::create(&log).map_err(failed("create", &log))?;
    let errors = file.try_clone().map_err(failed("open", &log))?;
    let mut command = Command::new(binaries.program("postgres"));
    command.current_dir(folder).arg("-D").arg(folder.join(DATA));
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    // In a group of its own: Ctrl-C is for us.
    let mut postmaster = user.runs(&mut command).process_group(0).spawn().map_err(|error| {
        PostgresError::Tool { what: "starting postgres".to_owned(), said: error.to_string() }
    })?;
    let pid = postmaster.id().to_string();
    let status = folder.join(DATA).join("postmaster.pid");
    let up = wait::until("the server to take connections", START_LIMIT, || {
        let ended = postmaster.try_wait();
        let text = fs::read_to_string(&status).unwrap_or_default();
        let said = || fs::read_to_string(&log).unwrap_or_default().trim().to_owned();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let ready = lines.first() == Some(&pid.as_str()) && lines.get(STATUS_LINE) == Some(&"ready");
        let seen = match ended {
            Ok(None) if ready => Ok(Ok(())),
            Ok(None) => Err(said()),
            Ok(Some(_)) => Ok(Err(said())),
            Err(error) => Ok(Err(error.to_string())),
        };
        async { seen }
    });
    match up.await {
        Ok(Ok(())) => Ok(Ok(postmaster)),
        Ok(Err(said)) => Ok(Err(said)),
        Err(late) => {
            postmaster.kill().ok();
            postmaster.wait().ok();
            Err(late.into())
        }
    }
}
