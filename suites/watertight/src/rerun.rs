//! `rerun`: exactly the check behind a finding, once more, and whether it still occurs.

use std::fs;
use std::path::{Path, PathBuf};

use harness::record::Finding;
use harness::run::out_folder;
use harness::verdict::{Exit, Verdict};

use crate::error::CommandError;
use crate::security::{self, Scope};
use crate::session::Session;

/// Exit code 1 where it still occurs, 0 where it does not, 2 where nobody can say.
pub async fn rerun(target: Option<&Path>, finding: &str) -> Result<Exit, CommandError> {
    let known = find(finding)?;
    let name = PathBuf::from(&known.target);
    let asked = match (target, fixtures::file(Some(&name))) {
        (Some(target), _) => target,
        (None, None) => &*name,
        (None, Some(_)) => {
            return Err(CommandError::Nothing(format!(
                "the finding {finding} is about the target '{}'; name its file: --target FILE",
                known.target
            )));
        }
    };
    // A leak shows wherever the operation is called; its check names no case.
    let leak = known.check.starts_with("leak/").then(|| format!("*/{}/*", known.operation));
    let scope = leak.as_deref().map_or(Scope::Check(&known.check), Scope::Only);
    let full = known.check.ends_with("/latency");
    println!("finding {finding}: {}", known.title);
    println!("running {} again on {}", leak.as_ref().unwrap_or(&known.check), known.target);
    let session = Session::open(Some(asked)).await?;
    if session.systems().await?.iter().all(|system| system.target.name != known.target) {
        session.discard();
        return Err(CommandError::Nothing(format!(
            "the finding {finding} is about the target '{}', which {} is not",
            known.target,
            asked.display()
        )));
    }
    let folder = session.run.folder();
    // What is accepted is asked after like everything else.
    let done = session.part(security::run(&session, scope, full, Some(&[]))).await;
    let exit = session.close(&done)?;
    println!("finding {finding}: {}", said(&known, folder)?);
    Ok(exit)
}

/// What the run in a folder says of a finding.
fn said(known: &Finding, folder: &Path) -> Result<&'static str, CommandError> {
    let report = reports::merge(folder)?;
    if report.findings.iter().any(|found| found.id == known.id) {
        return Ok("it still occurs");
    }
    let mut tests = report.suites.iter().flat_map(|suite| &suite.tests).peekable();
    let observed = tests.peek().is_some() && tests.all(|test| test.verdict <= Verdict::Pass);
    // A check of the group that was skipped has seen nothing either.
    let passed = report.counts().pass > 0;
    Ok(if observed && passed {
        "it no longer occurs"
    } else {
        "nobody can say: the check could not be observed"
    })
}

/// A finding, from the newest run that has it.
fn find(finding: &str) -> Result<Finding, CommandError> {
    let out = out_folder();
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::File { path, source }
    };
    let entries = fs::read_dir(&out).map_err(unreadable(&out))?;
    let mut runs: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    runs.retain(|path| path.join("meta.json").is_file() && !path.is_symlink());
    runs.sort();
    for run in runs.iter().rev() {
        let report = reports::merge(run)?;
        let accepted = report.accepted.into_iter().filter_map(|entry| entry.finding);
        if let Some(known) = report.findings.into_iter().chain(accepted).find(|known| known.id == finding) {
            return Ok(known);
        }
    }
    Err(CommandError::Nothing(format!(
        "no run below {} has a finding '{finding}'; the report and run.json show the ids",
        out.display()
    )))
}
