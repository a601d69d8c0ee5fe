//! Everything that ends a command with exit code 2.

use std::io;
use std::path::PathBuf;

use fixtures::weakness::CatalogueError;
use fixtures::{EmbeddedError, SelectError};
use harness::accepted::AcceptedError;
use harness::client::HttpError;
use harness::data::DataError;
use harness::host::NoRuntime;
use harness::reaper::ReaperError;
use harness::run::RunError;
use harness::stores::postgres::PostgresError;
use harness::stores::{DynamoDbError, RemovalError};
use reports::ReportError;
use suites_load::{BaselineError, LoadError, ProfileError, ShardError};
use url::Url;

/// The harness could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No target.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The accepted findings.
    #[error(transparent)]
    Accepted(#[from] AcceptedError),
    /// The embedded target under a weakness.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The catalogue of weaknesses.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// No threads.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
    /// A load run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A load profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// What an earlier load run measured.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// Shards of a load run.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// Shards are not merged into this run.
    #[error(
        "expected in {run} a new run, or one merged of the same shards before, found {found}; name another folder in WATERTIGHT_RUN, or remove this one"
    )]
    Merged {
        /// The run.
        run: PathBuf,
        /// What it is.
        found: String,
    },
    /// A store.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// The other store.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// What a run left on this machine.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    /// What a run left on servers.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// What was created could not be removed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A service does not tell its metrics.
    #[error("expected metrics at {url}, got status {status}")]
    Metrics {
        /// Where its second listener is.
        url: Url,
        /// The status.
        status: u16,
    },
    /// A request of a measurement was not answered.
    #[error("no answer: {0}; the target went away while it was measured")]
    Unanswered(#[from] HttpError),
    /// A process could not be started or listened to.
    #[error("cannot run {what}: {source}")]
    Process {
        /// The command line.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The integration tests did not build, or ended in a way tests do not.
    #[error("{what}; the output is in {log}")]
    Tests {
        /// What happened.
        what: String,
        /// Where to read on.
        log: PathBuf,
    },
    /// A file of a run cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No folder for what is temporary.
    #[error("cannot make a temporary folder: {0}; free some space or name another folder in TMPDIR")]
    Temporary(io::Error),
    /// Ctrl-C.
    #[error("interrupted; what was created is removed, and the report shows what had been observed")]
    Interrupted,
    /// Nothing matches what was asked for.
    #[error("{0}")]
    Nothing(String),
}
