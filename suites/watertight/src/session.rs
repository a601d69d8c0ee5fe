//! A run of the command: its folder, its targets, and the report at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::{Lodging, Selected, Targets};
use harness::data;
use harness::record::{Absent, Record};
use harness::run::{RUN_VARIABLE, Run, out_folder};
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Exit;
use tokio::sync::Mutex;

use crate::error::CommandError;

/// Whose records say which targets are not there.
const RECORDS: &str = "run";

/// A run under way.
#[derive(Debug)]
pub struct Session {
    /// The run.
    pub run: &'static Run,
    /// What was asked for, for the processes the command starts: a target file, the name of an embedded target, or
    /// nothing for all of those.
    pub asked: Option<PathBuf>,
    names: Vec<String>,
    lodging: Mutex<Lodging>,
    selected: Mutex<Option<Vec<Selected>>>,
}

impl Session {
    /// Begins a run on the target of a file, on one embedded target or on all of them, and says so.
    pub async fn open(asked: Option<&Path>) -> Result<Session, CommandError> {
        Session::open_in(asked, Lodging::default()).await
    }

    /// The same, embedded targets started as it is asked for.
    pub async fn open_in(asked: Option<&Path>, lodging: Lodging) -> Result<Session, CommandError> {
        let run = run()?.work_in();
        let lodged = fixtures::lodged(asked, &lodging).await;
        let Targets { selected, absent } = lodged.inspect_err(|_| discard(run))?;
        let systems: Vec<&System> = selected.iter().map(|selected| &*selected.system).collect();
        println!("run {}  seed {}  {}", run.id(), run.seed(), stores(&systems));
        if let Some(weakness) = fixtures::seeded() {
            println!("  with the weakness {weakness}");
        }
        for system in &systems {
            let (name, url) = (&system.target.name, &system.target.base_url);
            println!("target {name} at {url}, {} operations", system.contract.len());
        }
        for fixtures::Absent { name: target, reason } in absent {
            println!("target {target} is skipped: {reason}");
            run.record(RECORDS, &Record::Absent(Absent { target, reason }))?;
        }
        let names = systems.iter().map(|system| system.target.name.clone()).collect();
        // Absolute: the processes that get it stand in other folders.
        let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let asked = fixtures::file(asked).map(absolute).or_else(|| asked.map(Path::to_owned));
        let (lodging, selected) = (Mutex::new(lodging), Mutex::new(Some(selected)));
        Ok(Session { run, asked, names, lodging, selected })
    }

    /// Whether a target file was asked for, and no embedded target.
    pub fn is_on_file(&self) -> bool {
        fixtures::file(self.asked.as_deref()).is_some()
    }

    /// The systems under test; opened again when they were lent.
    pub async fn systems(&self) -> Result<Vec<Arc<System>>, CommandError> {
        let mut selected = self.selected.lock().await;
        if selected.is_none() {
            let lodging = self.lodging.lock().await;
            *selected = Some(fixtures::lodged(self.asked.as_deref(), &lodging).await?.selected);
        }
        Ok(selected.iter().flatten().map(|selected| selected.system.clone()).collect())
    }

    /// Gives up the ports that a target file names for keys and mail, for a process that opens the target
    /// itself. An embedded target has ports of its own in every process.
    pub async fn lend(&self) {
        if self.is_on_file() {
            self.selected.lock().await.take();
        }
    }

    /// Gives up embedded targets with all that is in them, for new ones, started as it is asked for.
    pub async fn renew(&self, lodging: Lodging) {
        if !self.is_on_file() {
            *self.lodging.lock().await = lodging;
            self.selected.lock().await.take();
        }
    }

    /// Does a part of the run. Ctrl-C ends it at once and removes what it had created; pressed again it ends
    /// the command.
    pub async fn part<T>(
        &self,
        work: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        UNDER_WAY.store(true, Ordering::Relaxed);
        let done = tokio::select! {
            done = work => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        };
        UNDER_WAY.store(false, Ordering::Relaxed);
        if let Some(done) = done {
            return done;
        }
        for system in self.systems().await? {
            data::sweep(&system, self.run.folder()).await?;
        }
        Err(CommandError::Interrupted)
    }

    /// Ends the run: renders the report, prints the summary, gives the exit code. What stopped the run half
    /// way stands in the report too; a finding outranks it.
    pub fn close(self, done: &Result<(), CommandError>) -> Result<Exit, CommandError> {
        if let Err(error) = done {
            eprintln!("error: {error}");
            // What was not reached on one of them is not known of any.
            for name in &self.names {
                Suite::stopped(self.run, name, &error.to_string())?;
            }
        }
        self.run.become_latest();
        self.run.forget_shared();
        rendered(self.run.folder())
    }

    /// Ends a run that tested nothing and has nothing to report.
    pub fn discard(self) {
        discard(self.run);
    }
}

/// Which stores the run stands on and why, for its first line.
fn stores(systems: &[&System]) -> String {
    let on = systems.iter().map(|system| match system.target.stores.as_slice() {
        [] => format!("{} on stores of its own", system.target.name),
        stores => format!("{} on {}", system.target.name, stores.join(" and ")),
    });
    on.collect::<Vec<_>>().join("; ")
}

/// Removes the folder of a run in which nothing happened, unless it is one that the user named.
fn discard(run: &Run) {
    if std::env::var_os(RUN_VARIABLE).is_none() {
        fs::remove_dir_all(run.folder()).ok();
    }
}

/// Whether a part is under way, which ends itself at Ctrl-C.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// What a shell makes of a program that Ctrl-C ended: 128 and the number of SIGINT.
const ENDED_BY_INTERRUPT: i32 = 130;

/// Says what Ctrl-C does outside of parts and load runs: it ends the command. Goose keeps the first handler
/// of the process, so this comes before everything else.
pub fn end_at_interrupt() {
    suites_load::interrupt::otherwise(|| {
        if !UNDER_WAY.load(Ordering::Relaxed) {
            std::process::exit(ENDED_BY_INTERRUPT);
        }
    });
}

/// Where this program is.
pub fn this_program() -> Result<PathBuf, CommandError> {
    let failed = |source| CommandError::Process { what: "this program".to_owned(), source };
    std::env::current_exe().map_err(failed)
}

/// Its folder, where the programs of the reference systems lie too.
pub fn programs() -> Result<PathBuf, CommandError> {
    Ok(this_program()?.parent().map(Path::to_owned).unwrap_or_default())
}

/// The run that the environment names, or a new one.
pub fn run() -> Result<Run, CommandError> {
    Ok(match std::env::var_os(RUN_VARIABLE) {
        Some(folder) => Run::at(Path::new(&folder))?,
        None => Run::create(&out_folder())?,
    })
}

/// Renders the report of a run again; the latest without a folder.
pub fn report(run: Option<&Path>) -> Result<Exit, CommandError> {
    let latest = out_folder().join("latest");
    rendered(run.unwrap_or(&latest))
}

pub fn rendered(folder: &Path) -> Result<Exit, CommandError> {
    let rendered = reports::render_all(folder)?;
    println!("\n{}", reports::terminal_summary(&rendered.report));
    println!("report  {}", shown(&rendered.page).display());
    Ok(rendered.report.exit)
}

/// A path as short as it can be from here.
fn shown(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
