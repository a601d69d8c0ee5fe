//! Other processes: the parent by which those of one `cargo test` find their common run, and who still lives.

use std::fs;
use std::path::{Path, PathBuf};

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::{Lock, Run, RunError, folder_error};

/// The run of this process's parent below `out`: opened if a sibling made it, else created.
///
/// The parent is named by pid AND start time, so that a pid used again does not join an old run.
pub(super) fn shared_run(out: &Path) -> Result<Run, RunError> {
    fs::create_dir_all(out).map_err(folder_error("create", out))?;
    let Some(parent) = parent() else {
        return Run::create(out);
    };
    let _lock = Lock::take(&out.join(".lock"))?;
    let pointer = out.join(format!(".parent-{parent}"));
    if let Ok(folder) = fs::read_to_string(&pointer)
        && let Some(run) = Run::open(&PathBuf::from(folder))?
    {
        return Ok(run);
    }
    forget_the_dead(out);
    let run = Run::create(out)?;
    run.become_latest();
    fs::write(&pointer, run.folder().as_os_str().as_encoded_bytes())
        .map_err(folder_error("write", &pointer))?;
    Ok(run)
}

/// `<pid>-<start time>` of the parent process, when that is cargo (or nextest). Any other parent, such as a
/// shell, outlives many invocations, and each of those is a run of its own.
fn parent() -> Option<String> {
    let parent = keeper()?;
    Some(format!("{parent}-{}", started(parent)?))
}

/// The parent whose children are one run: cargo.
pub(crate) fn keeper() -> Option<u32> {
    let mut system = System::new().ok()?;
    let own = sysinfo::get_current_pid().ok()?;
    refresh(&mut system, own);
    let parent = system.process(own)?.parent()?;
    refresh(&mut system, parent);
    let name = system.process(parent)?.name().to_string_lossy();
    name.starts_with("cargo").then(|| parent.as_u32())
}

/// When the process of a pid started, in seconds since 1970.
pub(crate) fn started(pid: u32) -> Option<u64> {
    start_of(&mut System::new().ok()?, Pid::from_u32(pid))
}

/// Whether another process than this one is alive under a pid.
pub(crate) fn lives(pid: u32) -> bool {
    let Ok(mut system) = System::new() else { return false };
    pid != std::process::id() && start_of(&mut system, Pid::from_u32(pid)).is_some()
}

fn refresh(system: &mut System, pid: Pid) {
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
}

fn start_of(system: &mut System, pid: Pid) -> Option<u64> {
    refresh(system, pid);
    // One that has ended and that nobody has asked after is listed still.
    let process = system.process(pid).filter(|process| process.status() != ProcessStatus::Zombie);
    process.map(sysinfo::Process::start_time)
}

/// Removes the pointers of parents that are gone. A pointer that cannot be removed does no harm.
fn forget_the_dead(out: &Path) {
    let Ok(mut system) = System::new() else { return };
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pid, start)) = name.strip_prefix(".parent-").and_then(|parent| parent.split_once('-'))
        else {
            continue;
        };
        let alive = pid.parse().ok().and_then(|pid| start_of(&mut system, Pid::from_u32(pid)));
        if alive.map(|start| start.to_string()).as_deref() != Some(start) {
            fs::remove_file(entry.path()).ok();
        }
    }
}
