//! PostgreSQL for the embedded targets of a run: a throwaway cluster from the machine's own binaries or a container, one
//! per run, or a server by URL. Each embedded target gets a database and a role of its own in it.
//!
//! ```text
//! <the run's quarters>/pg-XXXXXXXX/    see `reaper`, which ends it
//!   data/        the cluster, the postgres user's where we are root, whom the server refuses
//!   log          what the server says
//! <the run's quarters>/initdb-XXXXXXXX/    what the clusters' data are copies of
//! ```

mod binaries;
mod cluster;
mod initdb;
mod lent;
mod server_user;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

pub use cluster::Cluster;
pub use lent::Lent;

use binaries::Binaries;

use super::choice::{Choice, NoChoice, POSTGRES};
use super::container::{Container, ContainerError, Engine, Order};
use super::made::{self, Made};
use super::shared;
use crate::host::NoRuntime;
use crate::leak::random_code;
use crate::reaper::{Quarters, ReaperError};
use crate::run::{Run, RunError, SharedError};
use crate::wait::{self, TimedOut};

/// The superuser of servers of the run's own.
const ADMIN: &str = "watertight";
/// The database there is from the beginning.
const FIRST_DATABASE: &str = "postgres";
/// The port in the container.
const PORT: u16 = 5432;
/// What a server by URL must do at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// No PostgreSQL, or it does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There is none and none can be had without asking.
    #[error(
        "no PostgreSQL: {0}; install it (Debian: apt-get install postgresql, macOS: brew install postgresql), start Docker, or set {variable} to the URL of a server", variable = POSTGRES.variable
    )]
    Absent(String),
    /// The variable says something else.
    #[error(transparent)]
    Choice(#[from] NoChoice),
    /// The container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// It would have no end.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    /// A program of the machine's failed.
    #[error(
        "{what} failed: {said}\nthe cluster lies in the folder for temporary files: if that is full, free some of it or name another one in TMPDIR; or choose another PostgreSQL in {}", POSTGRES.variable
    )]
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
    /// The server of a URL does not answer.
    #[error("{0}; {variable} names it", variable = POSTGRES.variable)]
    Silent(TimedOut),
    /// Something was made on a server that nothing names.
    #[error("set {} to the URL of the server at {server} and sweep again", POSTGRES.variable)]
    Elsewhere {
        /// Its host and port.
        server: String,
    },
    /// The server refuses.
    #[error(
        "cannot {action}: {source}; the role of {} must be allowed to create databases and roles", POSTGRES.variable
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
    /// It broke off.
    #[error("the set-up of PostgreSQL broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<SharedError<PostgresError>> for PostgresError {
    fn from(error: SharedError<PostgresError>) -> PostgresError {
        match error {
            SharedError::Run(error) => error.into(),
            SharedError::Make(error) => error,
        }
    }
}

/// What the file system refused.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PostgresError {
    let path = path.to_owned();
    move |source| PostgresError::Folder { action, path, source }
}

/// How a server of the run's own is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    host: String,
    port: u16,
    password: String,
}

impl Place {
    /// How its superuser connects.
    fn admin(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(ADMIN)
            .password(&self.password)
            .database(FIRST_DATABASE)
    }

    async fn answers(self) -> Result<(), String> {
        answers(&self.admin()).await
    }
}

/// The server of a run, as it stands in the run's `shared/` folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared {
    place: Place,
    what: What,
    why: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// A cluster in a folder of the run's quarters.
    Cluster(PathBuf),
    Container(Container),
}

impl Shared {
    /// Whether it is still there.
    fn lives(&self, quarters: &Quarters) -> bool {
        match &self.what {
            What::Cluster(folder) => folder.starts_with(quarters.folder()) && cluster::runs_in(folder),
            What::Container(container) => container.lives(quarters),
        }
    }
}

/// A PostgreSQL server on which embedded targets get databases.
#[derive(Clone, Debug)]
pub struct Server {
    admin: PgConnectOptions,
    /// Which it is and why, for `Target::stores`.
    pub why: String,
    run: &'static Run,
    /// Whether it is there after the run.
    outlives: bool,
}

impl Server {
    /// The server of a run: the one the environment names, or the run's own, which the first process that asks makes
    /// for all.
    pub async fn of_run(run: &'static Run) -> Result<Server, PostgresError> {
        Server::of(run, POSTGRES.choice()?).await
    }

    /// The run's own, also where the environment names a server that outlives it.
    pub async fn made_for(run: &'static Run) -> Result<Server, PostgresError> {
        let choice = match POSTGRES.choice()? {
            Choice::Url(_) => Choice::Auto,
            choice => choice,
        };
        Server::of(run, choice).await
    }

    /// The run's container, whatever the environment says.
    pub async fn in_container(run: &'static Run) -> Result<Server, PostgresError> {
        Server::of(run, Choice::Container).await
    }

    async fn of(run: &'static Run, choice: Choice) -> Result<Server, PostgresError> {
        let why = POSTGRES.why(&choice);
        match choice {
            Choice::Url(url) => {
                let admin = named(&url)?;
                let server = address(&admin);
                let why = format!("PostgreSQL: the server at {server} ({why})");
                let up = || answers(&admin);
                let up =
                    wait::until(&format!("the server at {server} to answer a query"), ANSWER_LIMIT, up).await;
                up.map_err(PostgresError::Silent)?;
                let here =
                    |made: &Made| matches!(made, Made::Database { server: other, .. } if *other == server);
                made::reclaim(run, here).await;
                Ok(Server { admin, why, run, outlives: true })
            }
            Choice::None => Err(PostgresError::Absent(why)),
            choice => {
                let Shared { place, why, .. } = of_run(run, choice, why).await?;
                Ok(Server { admin: place.admin(), why, run, outlives: false })
            }
        }
    }

    /// A server in a cluster of one's own.
    pub fn of_cluster(cluster: &Cluster, run: &'static Run) -> Server {
        let why = format!("PostgreSQL: {}", cluster.version());
        Server { admin: cluster.place().admin(), why, run, outlives: false }
    }

    fn address(&self) -> String {
        address(&self.admin)
    }
}

fn named(url: &str) -> Result<PgConnectOptions, PostgresError> {
    let refused = |source| PostgresError::Refused { action: "understand the URL", source };
    PgConnectOptions::from_str(url).map_err(refused)
}

/// Host and port: no secret, so it may be written down.
fn address(options: &PgConnectOptions) -> String {
    format!("{}:{}", options.get_host(), options.get_port())
}

async fn answers(admin: &PgConnectOptions) -> Result<(), String> {
    let said = |error: sqlx::Error| error.to_string();
    let mut connection = admin.connect().await.map_err(said)?;
    sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut connection).await.map_err(said)?;
    connection.close().await.map_err(said)
}

/// Removes a database that a run made on a server, with its roles, if that is the server that the environment names.
pub(super) async fn remove(server: &str, name: &str) -> Result<(), PostgresError> {
    let elsewhere = || PostgresError::Elsewhere { server: server.to_owned() };
    let Choice::Url(url) = POSTGRES.choice()? else { return Err(elsewhere()) };
    let admin = named(&url)?;
    if address(&admin) != server {
        return Err(elsewhere());
    }
    let refused = |source| PostgresError::Refused { action: "remove a database", source };
    let mut admin = admin.connect().await.map_err(refused)?;
    lent::remove(&mut admin, name).await.map_err(refused)?;
    admin.close().await.map_err(refused)
}

/// How a run gets its own server.
enum Means {
    Programs(Binaries),
    Engine(Engine),
}

impl Means {
    /// The first that works where nothing is asked for: what is there before what would have to be installed.
    async fn of(choice: &Choice) -> Result<Means, PostgresError> {
        if *choice == Choice::Container {
            return Ok(Means::Engine(Engine::at_hand(&POSTGRES).await?));
        }
        if *choice == Choice::Auto
            && Binaries::found().is_none()
            && let Ok(engine) = Engine::at_hand(&POSTGRES).await
        {
            return Ok(Means::Engine(engine));
        }
        Ok(Means::Programs(Binaries::at_hand().await?))
    }

    async fn start(self, run: &'static Run, quarters: &Quarters, why: &str) -> Result<Shared, PostgresError> {
        match self {
            Means::Programs(binaries) => {
                let cluster = Cluster::start(run, quarters, binaries, cluster::Kind::Throwaway).await?;
                let why =
                    format!("PostgreSQL: local, {}, one cluster for the run ({why})", cluster.version());
                Ok(Shared {
                    place: cluster.place().clone(),
                    what: What::Cluster(cluster.leave_to_its_users()),
                    why,
                })
            }
            Means::Engine(engine) => {
                let password = random_code(24);
                let place = |container: &Container| Place {
                    host: container.host.clone(),
                    port: container.port,
                    password: password.clone(),
                };
                let ready = |container| place(&container).answers();
                let container = Container::start(run, quarters, &engine, order(&password), ready).await?;
                let why = format!("PostgreSQL: container of {}, one for the run ({why})", container.image);
                Ok(Shared { place: place(&container), what: What::Container(container), why })
            }
        }
    }
}

/// The official image's interface, as far as we need it.
fn order(password: &str) -> Order<'static> {
    let settings = cluster::SETTINGS.iter().chain(&cluster::HASTY);
    let settings = settings.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
    Order {
        kind: &POSTGRES,
        port: PORT,
        environment: vec![
            ("POSTGRES_USER", ADMIN.to_owned()),
            ("POSTGRES_PASSWORD", password.to_owned()),
            ("POSTGRES_DB", FIRST_DATABASE.to_owned()),
            ("POSTGRES_INITDB_ARGS", "--no-sync --encoding=UTF8 --locale=C".to_owned()),
        ],
        command: ["postgres".to_owned()].into_iter().chain(settings).collect(),
    }
}

/// The run's server: found where one is at work, otherwise made.
async fn of_run(run: &'static Run, choice: Choice, why: String) -> Result<Shared, PostgresError> {
    let make = async move {
        let means = Means::of(&choice).await?;
        means.start(run, &Quarters::of(run)?, &why).await
    };
    let lives = |shared: &Shared| Quarters::of(run).is_ok_and(|quarters| shared.lives(&quarters));
    shared::of_run(run, "postgres", lives, make).await
}
