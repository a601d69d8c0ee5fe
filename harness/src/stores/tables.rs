//! DynamoDB for the embedded targets of a run: in this process, a container of the run's, or an endpoint by URL. Each
//! embedded target gets a table of its own.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::delete_table::DeleteTableError;

use super::choice::{Choice, DYNAMODB, NoChoice};
use super::container::{Container, ContainerError, Engine, Order};
use super::made::{self, Entry, Made};
use super::{EmbeddedDynamoDb, StartError, shared};
use crate::host::{self, NoRuntime};
use crate::leak::random_code;
use crate::reaper::{Quarters, ReaperError};
use crate::run::{Run, RunError, SharedError};
use crate::wait::{self, TimedOut};

/// What an endpoint by URL must do at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// One request.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The port in the container.
const PORT: u16 = 8000;
/// Where the tables of embedded targets are.
const REGION: &str = "af-south-1";
/// For endpoints that check none, and no other is used: letters, as DynamoDB Local asks for.
const DUMMY: &str = "watertight";
/// The table's name where nobody else has one.
const ALONE: &str = "access-management";
/// What the names of tables on endpoints of others begin with.
const PREFIX: &str = "watertight-";

/// No DynamoDB, or it does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The variable.
    #[error(transparent)]
    Choice(#[from] NoChoice),
    /// None was asked for.
    #[error("no DynamoDB: {} is 'none'", DYNAMODB.variable)]
    Absent,
    /// The embedded one.
    #[error(transparent)]
    Embedded(#[from] StartError),
    /// The container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The endpoint.
    #[error("{0}; is that a DynamoDB, and does it check no credentials? {variable} names it", variable = DYNAMODB.variable)]
    Late(#[from] TimedOut),
    /// A table stays.
    #[error("cannot remove the table '{name}' from {server}: {said}")]
    Table {
        /// The endpoint.
        server: String,
        /// The table.
        name: String,
        /// What it said.
        said: String,
    },
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No end.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    /// No threads.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
    /// The set-up broke off.
    #[error("the set-up of DynamoDB broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<SharedError<DynamoDbError>> for DynamoDbError {
    fn from(error: SharedError<DynamoDbError>) -> DynamoDbError {
        match error {
            SharedError::Run(error) => error.into(),
            SharedError::Make(error) => error,
        }
    }
}

/// A DynamoDB on which one embedded target has its table. An embedded one ends with this.
#[derive(Debug)]
pub struct DynamoDb {
    url: String,
    /// The target's table; the service makes it.
    table: String,
    /// Which it is and why, for `Target::stores`.
    pub why: String,
    _embedded: Option<EmbeddedDynamoDb>,
    _lent: Option<Lent>,
}

/// A table on an endpoint that outlives the target.
#[derive(Debug)]
struct Lent {
    made: (String, String),
    entry: Option<Entry>,
}

impl DynamoDb {
    /// For one target of a run, where the environment says: one of its own in this process, or a table of its own in
    /// the run's container or on an endpoint.
    pub async fn of_run(run: &'static Run) -> Result<DynamoDb, DynamoDbError> {
        DynamoDb::of(run, DYNAMODB.choice()?).await
    }

    /// A table in the run's container, whatever the environment says.
    pub async fn in_container(run: &'static Run) -> Result<DynamoDb, DynamoDbError> {
        DynamoDb::of(run, Choice::Container).await
    }

    async fn of(run: &'static Run, choice: Choice) -> Result<DynamoDb, DynamoDbError> {
        let why = DYNAMODB.why(&choice);
        let own = |url: String| (url, format!("{PREFIX}{:.40}-{}", run.id(), random_code(8)));
        match choice {
            Choice::None => Err(DynamoDbError::Absent),
            Choice::Auto | Choice::Own => {
                let embedded = EmbeddedDynamoDb::start().await?;
                Ok(DynamoDb {
                    url: embedded.url(),
                    table: ALONE.to_owned(),
                    why: format!("DynamoDB: embedded, in memory ({why})"),
                    _embedded: Some(embedded),
                    _lent: None,
                })
            }
            Choice::Container => {
                let container = of_run(run).await?;
                let why = format!("DynamoDB: container of {}, one for the run ({why})", container.image);
                let (url, table) = own(url(&container));
                let lent = Lent { made: (url.clone(), table.clone()), entry: None };
                Ok(DynamoDb { url, table, why, _embedded: None, _lent: Some(lent) })
            }
            Choice::Url(named) => {
                let (url, table) = own(named);
                wait::until(&format!("{url} to answer a query"), ANSWER_LIMIT, || answers(&url)).await?;
                made::reclaim(run, |made| matches!(made, Made::Table { server, .. } if *server == url)).await;
                let entry = Entry::of(run, Made::Table { server: url.clone(), name: table.clone() })?;
                let lent = Lent { made: (url.clone(), table.clone()), entry: Some(entry) };
                let why = format!("DynamoDB: the endpoint at {url} ({why})");
                Ok(DynamoDb { url, table, why, _embedded: None, _lent: Some(lent) })
            }
        }
    }

    /// The endpoint URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the target's table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The region it is in.
    pub fn region(&self) -> &'static str {
        REGION
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let ((url, table), entry) = (self.made.clone(), self.entry.take());
        // What fails here goes with the container, or stands in the record.
        host::afterwards(async move {
            if remove(&url, &table).await.is_ok()
                && let Some(entry) = entry
            {
                entry.strike();
            }
        });
    }
}

fn url(container: &Container) -> String {
    format!("http://{}:{}", container.host, container.port)
}

/// The run's container: found where one is at work, otherwise made.
async fn of_run(run: &'static Run) -> Result<Container, DynamoDbError> {
    let make = async {
        let engine = Engine::at_hand(&DYNAMODB).await?;
        let quarters = Quarters::of(run)?;
        let order = Order { kind: &DYNAMODB, port: PORT, environment: Vec::new(), command: Vec::new() };
        let ready = |container| async move { answers(&url(&container)).await };
        Ok(Container::start(run, &quarters, &engine, order, ready).await?)
    };
    let lives = |container: &Container| Quarters::of(run).is_ok_and(|quarters| container.lives(&quarters));
    shared::of_run(run, "dynamodb", lives, make).await
}

fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(Credentials::new(DUMMY, DUMMY, None, None, "dummies"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(REQUEST_LIMIT).build())
        .build();
    Client::from_conf(config)
}

async fn answers(url: &str) -> Result<(), String> {
    let answer = client(url).list_tables().limit(1).send().await;
    answer.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
}

/// Removes a table that a run made; one that is not there is no trouble.
pub(super) async fn remove(server: &str, name: &str) -> Result<(), DynamoDbError> {
    let answer = client(server).delete_table().table_name(name).send().await;
    let absent = |error: &SdkError<DeleteTableError>| {
        error.as_service_error().is_some_and(DeleteTableError::is_resource_not_found_exception)
    };
    match answer {
        Err(error) if !absent(&error) => {
            let said = DisplayErrorContext(error).to_string();
            Err(DynamoDbError::Table { server: server.to_owned(), name: name.to_owned(), said })
        }
        _ => Ok(()),
    }
}
