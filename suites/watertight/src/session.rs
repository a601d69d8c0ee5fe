//! A run of the command: its folder, its target, and the report at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::Selected;
use harness::data;
use harness::run::{RUN_VARIABLE, Run, out_folder};
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Exit;
use tokio::sync::Mutex;

use crate::error::CommandError;

/// A run under way.
#[derive(Debug)]
pub struct Session {
    /// The run.
    pub run: &'static Run,
    /// The target file, for the processes the command starts.
    pub target: Option<PathBuf>,
    name: String,
    selected: Mutex<Option<Selected>>,
}

impl Session {
    /// Begins a run on the target of a file, or on the embedded one, and says so.
    pub async fn open(target: Option<&Path>) -> Result<Session, CommandError> {
        let run = match std::env::var_os(RUN_VARIABLE) {
            Some(folder) => Run::at(Path::new(&folder))?,
            None => Run::create(&out_folder())?,
        };
        let run = run.work_in();
        let target = target.filter(|target| *target != Path::new("embedded"));
        println!("run {}  seed {}", run.id(), run.seed());
        let selected = fixtures::target(target).await.inspect_err(|_| discard(run))?;
        let system = selected.system.clone();
        println!(
            "target {} at {}, {} operations",
            system.target.name,
            system.target.base_url,
            system.contract.len()
        );
        if let Some(weakness) = fixtures::seeded() {
            println!("  with the weakness {weakness}");
        }
        for store in &system.target.stores {
            println!("  {store}");
        }
        let name = system.target.name.clone();
        // Absolute: the processes that get it stand in other folders.
        let target = target.map(|target| std::path::absolute(target).unwrap_or_else(|_| target.to_owned()));
        Ok(Session { run, target, name, selected: Mutex::new(Some(selected)) })
    }

    /// The system under test; opened again when it was lent.
    pub async fn system(&self) -> Result<Arc<System>, CommandError> {
        let mut selected = self.selected.lock().await;
        if selected.is_none() {
            *selected = Some(fixtures::target(self.target.as_deref()).await?);
        }
        // It has just been filled where it was empty.
        selected.as_ref().map(|selected| selected.system.clone()).ok_or(CommandError::Interrupted)
    }

    /// Gives up the ports that a target file names for keys and mail, for a process that opens the target
    /// itself. An embedded target has ports of its own in every process.
    pub async fn lend(&self) {
        if self.target.is_some() {
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
        data::sweep(&*self.system().await?, self.run.folder()).await?;
        Err(CommandError::Interrupted)
    }

    /// Ends the run: renders the report, prints the summary, gives the exit code. What stopped the run half
    /// way stands in the report too; a finding outranks it.
    pub fn close(self, done: &Result<(), CommandError>) -> Result<Exit, CommandError> {
        if let Err(error) = done {
            eprintln!("error: {error}");
            Suite::stopped(self.run, &self.name, &error.to_string())?;
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

/// Renders the report of a run again; the latest without a folder.
pub fn report(run: Option<&Path>) -> Result<Exit, CommandError> {
    let latest = out_folder().join("latest");
    rendered(run.unwrap_or(&latest))
}

fn rendered(folder: &Path) -> Result<Exit, CommandError> {
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
