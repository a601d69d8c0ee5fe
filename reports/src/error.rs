//! Why a run could not be merged or rendered.

use std::io;
use std::path::PathBuf;

use harness::run::RunError;

/// A report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder holds no run.
    #[error(
        "expected a run in {folder}, found no meta.json there: name the folder of a run, reports/out/<run>"
    )]
    NoRun {
        /// The folder that was named.
        folder: PathBuf,
    },
    /// The run's description cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the run cannot be read.
    #[error("cannot read {path}: {source}; make it readable, or remove it to report on the rest of the run")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what the suites write.
    #[error(
        "{path}:{line}: expected one {what} as JSON, found something else ({source}): the file was edited or \
         written by another version; remove the line, or run the suite again"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// `record` or `exchange`.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A report cannot be written.
    #[error("cannot {action} {path}: {source}; free the path or make the run's folder writable")]
    Write {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The page cannot be rendered.
    #[error(
        "expected the page's templates to take this run, they did not: {0:#}; please report it with the run's folder"
    )]
    Page(#[from] minijinja::Error),
    /// `junit.xml` cannot be rendered.
    #[error("expected JUnit XML to take this run, it did not: {0}; please report it with the run's folder")]
    Junit(#[from] quick_junit::SerializeError),
    /// `run.json` cannot be rendered.
    #[error("expected JSON to take this run, it did not: {0}; please report it with the run's folder")]
    Json(#[from] serde_json::Error),
}
