//! The integration suite as a whole: how long it takes, and what it costs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fixtures::TARGET_VARIABLE;
use harness::host;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::error::CommandError;
use crate::integration::Tests;
use crate::progress::bar;

/// The embedded target whose stories stand in a module of their own, and that module.
const PLATFORM: &str = fixtures::platform::NAME;
const STORIES_OF_PLATFORM: &str = "platform::";
/// Between two looks at a process. What it uses after the last one is not seen.
const LOOK: Duration = Duration::from_millis(50);

/// What one run of the suite took.
#[derive(Debug)]
pub struct Measured {
    /// Whose stories.
    pub target: String,
    /// Tests.
    pub stories: usize,
    /// Of them failed.
    pub failed: usize,
    /// From start to end of its process.
    pub wall: Duration,
    /// Time on processors, of all its threads.
    pub processor: Duration,
}

/// Runs the stories of one embedded target once.
pub async fn measured(tests: &Tests, folder: &Path, target: &str) -> Result<Measured, CommandError> {
    let bar = bar(format!("stories of {target}"), None);
    let mut command = tests.command(folder, None);
    command.env(TARGET_VARIABLE, target);
    if target == PLATFORM {
        command.arg(STORIES_OF_PLATFORM);
    } else {
        command.args(["--skip", STORIES_OF_PLATFORM]);
    }
    let (mut stories, mut failed) = (0, 0);
    let used = Arc::new(AtomicU64::new(0));
    let runtime = host::handle()?;
    let start = Instant::now();
    let ended = tests.watch_process(
        command,
        folder,
        |process| {
            runtime.spawn(look_at(process, used.clone()));
        },
        |ok| {
            stories += 1;
            failed += usize::from(!ok);
            bar.inc(1);
        },
    );
    ended.await?;
    let wall = start.elapsed();
    bar.finish_and_clear();
    let processor = Duration::from_millis(used.load(Ordering::Relaxed));
    Ok(Measured { target: target.to_owned(), stories, failed, wall, processor })
}

/// Keeps how much time a process has spent on processors, until it is gone.
async fn look_at(process: u32, used: Arc<AtomicU64>) {
    let pid = Pid::from_u32(process);
    // Without a look the time stays zero, which the row shows as not known.
    let Ok(mut system) = System::new() else { return };
    let mut due = tokio::time::interval(LOOK);
    loop {
        due.tick().await;
        let only = ProcessesToUpdate::Some(&[pid]);
        system.refresh_processes_specifics(only, true, ProcessRefreshKind::nothing().with_cpu());
        match system.process(pid) {
            Some(process) => used.fetch_max(process.accumulated_cpu_time(), Ordering::Relaxed),
            None => return,
        };
    }
}
