//! `report --merge`: one run of the shards of a load run, judged as a whole. Merged again into the same folder, it replaces
//! what came of it before: nothing counts twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use harness::record::Record;
use harness::run::{Meta, Run};
use harness::verdict::Exit;
use suites_load::Baseline;

use crate::error::CommandError;
use crate::session::{rendered, run};

/// The suite whose records these are.
const SUITE: &str = "load";
/// What every run's folder has.
const META: &str = "meta.json";
/// What the names of records begin with that a merge wrote.
const MERGED: &str = "merged-";
/// Which shards a run was merged of.
const OF: &str = "merged.json";
/// What of a shard is taken over.
const KINDS: [&str; 2] = ["records", "exchanges"];

pub fn merge(
    folders: &[PathBuf],
    baseline: Option<&Path>,
    save_baseline: Option<&Path>,
) -> Result<Exit, CommandError> {
    let baseline = baseline.map(Baseline::read).transpose()?;
    let shards = runs(folders)?;
    // Before there is a run: what cannot be merged has no report.
    let results = suites_load::merged(&shards, baseline.as_ref())?;
    let run = run()?;
    clear(&run, &shards)?;
    for (number, shard) in shards.iter().enumerate() {
        gather(shard, &run, number)?;
    }
    let mut measured = Baseline::default();
    for result in results {
        measured.keep(&result);
        // When the suite began and ended is in the shards' own records.
        run.record(&format!("{MERGED}{SUITE}"), &Record::Load(Box::new(result)))?;
    }
    if let Some(path) = save_baseline {
        measured.save(path)?;
    }
    run.become_latest();
    run.forget_shared();
    rendered(run.folder())
}

/// The folders of runs among these and in these, by name, each once by whichever path.
fn runs(folders: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut runs = Vec::new();
    for folder in folders {
        if folder.join(META).is_file() {
            runs.push(folder.clone());
            continue;
        }
        let failed = |source| CommandError::File { path: folder.clone(), source };
        let mut inside = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // `latest` points at one that is there by its own name.
            if path.join(META).is_file() && !path.is_symlink() {
                inside.push(path);
            }
        }
        inside.sort();
        runs.extend(inside);
    }
    let mut seen = BTreeSet::new();
    runs.retain(|run| seen.insert(fs::canonicalize(run).unwrap_or_else(|_| run.clone())));
    Ok(runs)
}

/// Makes room in a run for these shards: what an earlier merge of the same ones wrote is removed, and a run that is one of
/// them, or was merged of others, is refused.
fn clear(run: &Run, shards: &[PathBuf]) -> Result<(), CommandError> {
    let mut of = Vec::new();
    for shard in shards {
        let meta = Run::at(shard)?.meta().clone();
        if meta == *run.meta() {
            return Err(CommandError::Merged {
                run: run.folder().to_owned(),
                found: format!("that it is the shard's in {}", shard.display()),
            });
        }
        of.push(meta);
    }
    of.sort_by(|one, other| (one.started, &one.run).cmp(&(other.started, &other.run)));
    let path = run.folder().join(OF);
    let failed = |source| CommandError::File { path: path.clone(), source };
    let text = serde_json::to_string_pretty(&of).map_err(|error| failed(error.into()))?;
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(before) if before == text => {}
        Ok(before) => {
            let before: Vec<Meta> = serde_json::from_str(&before).map_err(|error| failed(error.into()))?;
            let names: Vec<String> = before.into_iter().map(|meta| meta.run).collect();
            return Err(CommandError::Merged {
                run: run.folder().to_owned(),
                found: format!("one merged of other shards: {}", names.join(", ")),
            });
        }
    }
    // Written before anything it speaks of.
    fs::write(&path, text).map_err(failed)?;
    for kind in KINDS {
        let folder = run.folder().join(kind);
        let failed = |source| CommandError::File { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(MERGED) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Takes over what a shard recorded: findings, what it covered, exchanges, and that it came to its end; but for its load,
/// which is a part.
fn gather(shard: &Path, run: &Run, number: usize) -> Result<(), CommandError> {
    for kind in KINDS {
        let folder = shard.join(kind);
        let failed = |source| CommandError::File { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            let is_part = |line: &&str| matches!(serde_json::from_str(line), Ok(Record::Load(_)));
            let kept: String = text.split_inclusive('\n').filter(|line| !is_part(line)).collect();
            // Processes of other machines may have the same number.
            let name = format!("{MERGED}shard{number}-{}", entry.file_name().to_string_lossy());
            let path = run.folder().join(kind).join(name);
            fs::write(&path, kept).map_err(|source| CommandError::File { path, source })?;
        }
    }
    Ok(())
}
