//! `report --merge`: one run of the shards of a load run, judged as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use harness::record::{LoadResult, Record, SuiteEnded, SuiteStarted};
use harness::run::Run;
use harness::verdict::Exit;
use suites_load::Baseline;
use time::OffsetDateTime;

use crate::error::CommandError;
use crate::session::{rendered, run};

/// The suite whose records these are.
const SUITE: &str = "load";
/// What every run's folder has.
const META: &str = "meta.json";

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
    for (number, shard) in shards.iter().enumerate() {
        gather(shard, &run, number)?;
    }
    let mut measured = Baseline::default();
    for result in results {
        measured.keep(&result);
        record(&run, result)?;
    }
    if let Some(path) = save_baseline {
        measured.save(path)?;
    }
    run.become_latest();
    run.forget_shared();
    rendered(run.folder())
}

/// The folders of runs among these and in these, by name.
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
    Ok(runs)
}

/// Takes over what a shard recorded: findings, what it covered, exchanges, and that it came to its end; but for its load,
/// which is a part.
fn gather(shard: &Path, run: &Run, number: usize) -> Result<(), CommandError> {
    for kind in ["records", "exchanges"] {
        let folder = shard.join(kind);
        let failed = |source| CommandError::File { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            let is_part = |line: &&str| matches!(serde_json::from_str(line), Ok(Record::Load(_)));
            let kept: String = text.split_inclusive('\n').filter(|line| !is_part(line)).collect();
            // Processes of other machines may have the same number.
            let name = format!("shard{number}-{}", entry.file_name().to_string_lossy());
            let path = run.folder().join(kind).join(name);
            fs::write(&path, kept).map_err(|source| CommandError::File { path, source })?;
        }
    }
    Ok(())
}

fn record(run: &Run, result: LoadResult) -> Result<(), CommandError> {
    let (target, seconds) = (result.target.clone(), result.seconds);
    let started = SuiteStarted {
        suite: SUITE.to_owned(),
        target: target.clone(),
        profile: Some(result.profile.clone()),
        stores: Vec::new(),
        operations: 0,
        at: OffsetDateTime::now_utc() - time::Duration::saturating_seconds_f64(seconds),
    };
    run.record(SUITE, &Record::Suite(started))?;
    run.record(SUITE, &Record::Load(Box::new(result)))?;
    Ok(run.record(SUITE, &Record::SuiteEnded(SuiteEnded { suite: SUITE.to_owned(), target, seconds }))?)
}
