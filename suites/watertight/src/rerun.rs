//! `rerun`: the check behind a finding, once more.

use std::fs;
use std::path::{Path, PathBuf};

use harness::run::out_folder;
use harness::verdict::Exit;

use crate::error::CommandError;
use crate::security;
use crate::session::Session;

pub async fn rerun(target: Option<&Path>, finding: &str) -> Result<Exit, CommandError> {
    let Behind { check, operation, target: name } = find(finding)?;
    // A leak shows wherever the operation is called; its check names no case.
    let pattern = if check.starts_with("leak/") { format!("*/{operation}/*") } else { check };
    println!("finding {finding}: running {pattern} again on {name}");
    let name = PathBuf::from(name);
    let embedded = fixtures::file(Some(&name)).is_none();
    let session = Session::open(target.or(Some(&*name).filter(|_| embedded))).await?;
    let full = pattern.ends_with("/latency");
    let done = session.part(security::run(&session, full, Some(&pattern))).await;
    session.close(&done)
}

/// What is behind a finding.
struct Behind {
    check: String,
    operation: String,
    target: String,
}

/// What is behind a finding, from the newest run that has it.
fn find(finding: &str) -> Result<Behind, CommandError> {
    let out = out_folder();
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::File { path, source }
    };
    let mut runs: Vec<PathBuf> = fs::read_dir(&out)
        .map_err(unreadable(&out))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("meta.json").is_file() && !path.is_symlink())
        .collect();
    runs.sort();
    for run in runs.iter().rev() {
        if let Some(known) = reports::merge(run)?.findings.into_iter().find(|known| known.id == finding) {
            return Ok(Behind { check: known.check, operation: known.operation, target: known.target });
        }
    }
    Err(CommandError::Nothing(format!(
        "no run below {} has a finding '{finding}'; the report and run.json show the ids",
        out.display()
    )))
}
