//! PostgreSQL for the embedded targets of a run: a throwaway cluster from the machine's own binaries, one per run, or
//! a server by URL. Each embedded target gets a database and a role of its own in it.
//!
//! ```text
//! <temporary folder>/watertight-pg-XXXX/
//!   data/        the cluster, the postgres user's where we are root, whom the server refuses
//!   users/<pid>  the processes that use it
//!   log          what the server says
//! <run>/postgres/watertight-pg-XXXX.json    where it is, written before anything else: for `sweep`
//! ```
//!
//! libtest has no end that a test could use, and SIGKILL has none at all. So each cluster has a [`warden`], a shell
//! that ends it when the last of the processes that use it has gone.

mod binaries;
mod cluster;
mod lent;
mod record;
mod warden;

use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;

pub use cluster::Cluster;
pub use lent::Lent;
pub use record::sweep;

use crate::host::{self, NoRuntime};
use crate::run::{Run, RunError, SharedError};
use crate::wait::TimedOut;

/// The variable that says which PostgreSQL the embedded targets stand on.
pub const POSTGRES_VARIABLE: &str = "WATERTIGHT_POSTGRES";

/// No PostgreSQL, or it does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There is none and none can be had without asking.
    #[error(
        "no PostgreSQL: {0}; install it (Debian: apt-get install postgresql, macOS: brew install postgresql), or set {POSTGRES_VARIABLE} to the URL of a server"
    )]
    Absent(String),
    /// The variable says something else.
    #[error(
        "{POSTGRES_VARIABLE} is '{0}', expected auto, local, none, or a URL that begins with postgres:// or postgresql://"
    )]
    Choice(String),
    /// A program of the machine's failed.
    #[error("{what} failed: {said}")]
    Tool {
        /// Which, doing what.
        what: String,
        /// What it said last.
        said: String,
    },
    /// The file system said no.
    #[error("cannot {action} {path}: {source}; the cluster lies in the folder for temporary files (TMPDIR)")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server does not come up.
    #[error("PostgreSQL does not start: {0}")]
    Late(#[from] TimedOut),
    /// The server refuses.
    #[error(
        "cannot {action}: {source}; the role of {POSTGRES_VARIABLE} must be allowed to create databases and roles"
    )]
    Refused {
        /// What.
        action: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No threads.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
}

impl From<SharedError<PostgresError>> for PostgresError {
    fn from(error: SharedError<PostgresError>) -> PostgresError {
        match error {
            SharedError::Run(error) => error.into(),
            SharedError::Make(error) => error,
        }
    }
}

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// The first that works: local.
    Auto,
    /// A cluster of the run's.
    Local,
    /// None: whatever needs one is absent.
    None,
    /// A server.
    Url(String),
}

impl Choice {
    fn of(text: Option<&str>) -> Result<Choice, PostgresError> {
        match text {
            None | Some("" | "auto") => Ok(Choice::Auto),
            Some("local") => Ok(Choice::Local),
            Some("none") => Ok(Choice::None),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Choice::Url(url.to_owned()))
            }
            // A URL of another kind may hold a password.
            Some(other) => {
                let shown = other.split_once("://").map_or(other, |(scheme, _)| scheme);
                Err(PostgresError::Choice(shown.to_owned()))
            }
        }
    }
}

/// How the cluster of a run is reached, as it stands in the run's `shared/` folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared {
    cluster: cluster::Place,
    why: String,
}

/// A PostgreSQL server on which embedded targets get databases.
#[derive(Clone, Debug)]
pub struct Server {
    admin: PgConnectOptions,
    /// Which it is and why, for `Target::stores`.
    pub why: String,
    run: String,
}

impl Server {
    /// The server of a run: the one the environment names, or the run's own cluster, which the first process that asks
    /// makes for all.
    pub async fn of_run(run: &'static Run) -> Result<Server, PostgresError> {
        let asked = std::env::var(POSTGRES_VARIABLE).ok();
        match Choice::of(asked.as_deref())? {
            Choice::Url(url) => {
                let url = PgConnectOptions::from_str(&url)
                    .map_err(|source| PostgresError::Refused { action: "understand the URL", source })?;
                let why = format!(
                    "PostgreSQL: the server at {}:{} ({POSTGRES_VARIABLE} names it)",
                    url.get_host(),
                    url.get_port()
                );
                let server = Server { admin: url, why, run: run.id().to_owned() };
                server.reclaim().await?;
                Ok(server)
            }
            Choice::None => Err(PostgresError::Absent(format!("{POSTGRES_VARIABLE} is 'none'"))),
            choice @ (Choice::Auto | Choice::Local) => {
                let asked = match choice {
                    Choice::Local => format!("{POSTGRES_VARIABLE} is 'local'"),
                    _ => "no server was named".to_owned(),
                };
                let shared = of_run(run, asked).await?;
                let Shared { cluster, why } = shared;
                Ok(Server { admin: cluster.admin(), why, run: run.id().to_owned() })
            }
        }
    }

    /// A server in a cluster of one's own.
    pub fn of_cluster(cluster: &Cluster, run: &Run) -> Server {
        let why = format!("PostgreSQL: {}", cluster.version());
        Server { admin: cluster.place().admin(), why, run: run.id().to_owned() }
    }
}

/// The run's cluster: found where one is at work, otherwise made.
async fn of_run(run: &'static Run, asked: String) -> Result<Shared, PostgresError> {
    let runtime = host::handle()?;
    // The lock is the file system's, so whoever waits for it holds up a thread.
    let made = runtime.spawn_blocking(move || {
        run.shared_while(
            "postgres",
            |shared: &Shared| shared.cluster.join(run),
            || {
                runtime.block_on(async {
                    let cluster = Cluster::start(run, cluster::Kind::Throwaway).await?;
                    let why = format!(
                        "PostgreSQL: local, {}, one cluster for the run ({asked})",
                        cluster.version()
                    );
                    Ok(Shared { cluster: cluster.leave_to_its_users(), why })
                })
            },
        )
    });
    match made.await {
        Ok(shared) => Ok(shared?),
        Err(error) => Err(PostgresError::Tool { what: "the set-up".to_owned(), said: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    #[test]
    fn the_variable_is_one_of_few_words_or_a_url() {
        assert_eq!(Choice::of(None).unwrap(), Choice::Auto);
        assert_eq!(Choice::of(Some("local")).unwrap(), Choice::Local);
        assert!(matches!(Choice::of(Some("postgresql://u@h/d")).unwrap(), Choice::Url(_)));
        let error = Choice::of(Some("mysql://root:hunter2@h/d")).unwrap_err().to_string();
        assert!(error.contains("'mysql'") && !error.contains("hunter2"), "{error}");
    }
}
