//! Writes every report of a run into the run's folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ReportError;
use crate::merge::merge;
use crate::report::RunReport;
use crate::{csv, junit, page, run_json, sarif, slack, summary};

/// A run with its reports written.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The merged run.
    pub report: RunReport,
    /// `run.json`, for scripts.
    pub json: PathBuf,
    /// `index.html`, for people.
    pub page: PathBuf,
    /// `summary.md`, for a pipeline's job page.
    pub summary: PathBuf,
    /// `junit.xml`, for a pipeline's test tab.
    pub junit: PathBuf,
    /// `findings.sarif`, for code scanning.
    pub sarif: PathBuf,
    /// `slack.json`, for a pipeline to post where somebody reads it.
    pub slack: PathBuf,
    /// `load_stats.csv`, `load_failures.csv` and `load_history.csv`, for spreadsheets, where there was load.
    pub sheets: Vec<PathBuf>,
}

/// Merges a run and writes its reports. Each replaces the one before whole: a reader never sees half a file.
pub fn render_all(folder: &Path) -> Result<Rendered, ReportError> {
    let report = merge(folder)?;
    let json = serde_json::to_string_pretty(&run_json(&report))? + "\n";
    let sarif = serde_json::to_string_pretty(&sarif(&report))? + "\n";
    let slack = slack::message(&report, slack::pipeline().as_deref());
    Ok(Rendered {
        json: replace(folder, "run.json", &json)?,
        page: replace(folder, "index.html", &page(&report)?)?,
        summary: replace(folder, "summary.md", &summary(&report))?,
        junit: replace(folder, "junit.xml", &junit(&report)?)?,
        sarif: replace(folder, "findings.sarif", &sarif)?,
        slack: replace(folder, "slack.json", &(slack.to_string() + "\n"))?,
        sheets: csv::sheets(&report)
            .iter()
            .map(|(name, text)| replace(folder, name, text))
            .collect::<Result<_, _>>()?,
        report,
    })
}

/// Written aside and renamed.
fn replace(folder: &Path, name: &str, text: &str) -> Result<PathBuf, ReportError> {
    let path = folder.join(name);
    let aside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Write { action, path, source }
    };
    fs::write(&aside, text).map_err(failed("write", &aside))?;
    if let Err(error) = fs::rename(&aside, &path) {
        fs::remove_file(&aside).ok();
        return Err(failed("replace", &path)(error));
    }
    Ok(path)
}
