//! A run of the command: its folder, its target, and the report at its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::Selected;
use harness::data;
use harness::run::{Run, out_folder};
use harness::system::System;
use harness::verdict::Exit;

use crate::error::CommandError;

/// A run under way.
#[derive(Debug)]
pub struct Session {
    /// The run.
    pub run: &'static Run,
    /// The target file, for the processes the command starts.
    pub target: Option<std::path::PathBuf>,
    selected: Selected,
}

impl Session {
    /// Begins a run on the target of a file, or on the embedded one, and says so.
    pub async fn open(target: Option<&Path>) -> Result<Session, CommandError> {
        let run = Run::create(&out_folder())?.work_in();
        let target = target.filter(|target| *target != Path::new("embedded"));
        println!("run {}  seed {}", run.id(), run.seed());
        let selected = fixtures::target(target).await?;
        let system = &selected.system;
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
        Ok(Session { run, target: target.map(Path::to_owned), selected })
    }

    /// The system under test.
    pub fn system(&self) -> &Arc<System> {
        &self.selected.system
    }

    /// Does a part of the run. Ctrl-C ends it at once and removes what it had created.
    pub async fn part<T>(
        &self,
        work: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        UNDER_WAY.store(true, Ordering::Relaxed);
        let done = tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => {
                data::sweep(self.system(), self.run.folder()).await?;
                Err(CommandError::Interrupted)
            }
        };
        UNDER_WAY.store(false, Ordering::Relaxed);
        done
    }

    /// Ends the run: renders the report, prints the summary, gives the exit code. What stopped the run half
    /// way is trouble, and the report shows what had been observed; a finding among that outranks it.
    pub fn close(self, done: &Result<(), CommandError>) -> Result<Exit, CommandError> {
        if let Err(error) = done {
            eprintln!("error: {error}");
        }
        let exit = rendered(self.run.folder())?;
        Ok(if done.is_err() && exit == Exit::Pass { Exit::Trouble } else { exit })
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
