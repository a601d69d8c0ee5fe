//! The target's PostgreSQL database, past the target: for stored-state checks, cleaning up, and states that no
//! request brings about.
//!
//! What belongs to a tenant is every row that holds one of its ids in a column the target file names as an owner,
//! and every row of its schemas. Row level security never hides a row from here: a role that it would filter gets an
//! error from PostgreSQL instead (`row_security = off`).

mod catalog;
mod removal;
mod session;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgQueryResult};
use tokio::sync::RwLock;

pub use self::session::Session;

use self::catalog::{Catalog, Relation, identifier, pattern};
use super::store::{StoreError, Things};
use crate::target::{DatabaseStore, Schemas};
use crate::wait;

/// A statement takes this many tables at most.
const TABLES_PER_STATEMENT: usize = 200;
/// How long a look at the database is tried again while schemas come and go.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// The harness's connections: the server has few, and the target needs them.
const CONNECTIONS: u32 = 3;
/// How long a connection is waited for.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);

/// For every session. The harness gives up a lock long before the server looks for deadlocks (after 1 s), so that
/// it is never the reason for which the target's own statement is ended.
const SETTINGS: [(&str, &str); 3] =
    [("row_security", "off"), ("lock_timeout", "300ms"), ("statement_timeout", "20s")];

/// All of a look happens at one moment.
const AT_ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The target's database.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    /// Looks are taken side by side, and no schema is dropped while somebody looks: each locks many tables, in an order of
    /// its own, and one would wait for the other until its lock timeout. It holds for whoever uses this connection and its
    /// clones, as all tests of a process do; what others lock is waited for as before.
    turns: Arc<RwLock<()>>,
    /// How a person reaches it: without a password.
    shown: String,
    name: String,
    owners: Vec<String>,
    volatile: Vec<String>,
    schemas: Option<Schemas>,
}

/// What a look is for.
#[derive(Clone, Copy)]
enum Sought<'a> {
    /// The schemas of these.
    Schemas { ids: &'a [&'a str] },
    /// Whatever belongs to one of these.
    Of { ids: &'a [&'a str], volatile: bool },
    /// Everything.
    Everything,
}

impl<'a> Sought<'a> {
    fn ids(self) -> &'a [&'a str] {
        match self {
            Sought::Schemas { ids } | Sought::Of { ids, .. } => ids,
            Sought::Everything => &[],
        }
    }
}

/// What one look saw.
struct Seen {
    /// The schemas that are sought.
    schemas: Vec<String>,
    /// All there are.
    all_schemas: Vec<String>,
    /// The rows that are sought.
    rows: Vec<Found>,
}

/// A row, with the table it stands in.
struct Found {
    relation: Relation,
    name: String,
    row: Value,
}

impl Database {
    /// Connects to a database. Nothing is sent yet.
    pub fn connect(store: &DatabaseStore) -> Result<Database, StoreError> {
        let options = PgConnectOptions::from_str(store.url.reveal()).map_err(|error| StoreError {
            action: "understand the URL of",
            store: "the database".to_owned(),
            why: error.to_string(),
        })?;
        let name = options.get_database().unwrap_or(options.get_username()).to_owned();
        let user = options.get_username();
        let shown = format!("postgres://{user}@{}:{}/{name}", options.get_host(), options.get_port());
        let options = options.options(SETTINGS).application_name("watertight");
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_LIMIT);
        Ok(Database {
            pool: pool.connect_lazy_with(options),
            turns: Arc::default(),
            shown,
            name,
            owners: store.owners.clone(),
            volatile: store.volatile.clone(),
            schemas: store.schemas.clone(),
        })
    }

    #[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
    fn failed(&self, action: &'static str, error: impl ToString) -> StoreError {
        StoreError { action, store: format!("the database '{}'", self.name), why: error.to_string() }
    }

    /// The command with which a person looks at it.
    pub(super) fn how_to_look(&self, org: &str) -> String {
        let tables = self.schemas.as_ref().map_or("", |schemas| &schemas.table);
        format!("psql {} -c '\\dn' -c 'TABLE {tables}' (the rows of {org})", self.shown)
    }

    /// What a query of a story finds: each row as an object. The arguments are texts, `$1` and on: compare a column of
    /// another type as `id::text = $1`.
    pub async fn rows(&self, query: &'static str, arguments: &[&str]) -> Result<Vec<Value>, StoreError> {
        let whole = format!("SELECT row_to_json(found)::text FROM ({query}) found");
        let mut query = sqlx::query_scalar(AssertSqlSafe(whole));
        for argument in arguments {
            query = query.bind(*argument);
        }
        let rows: Vec<String> =
            query.fetch_all(&self.pool).await.map_err(|error| self.failed("query", error))?;
        rows.iter().map(|row| serde_json::from_str(row).map_err(|error| self.failed("read", error))).collect()
    }

    /// All rows of a table, each as an object.
    pub async fn rows_of(&self, schema: &str, table: &str) -> Result<Vec<Value>, StoreError> {
        let (schema, table) = (identifier(schema), identifier(table));
        let whole = format!("SELECT row_to_json(found)::text FROM {schema}.{table} found");
        let query = sqlx::query_scalar(AssertSqlSafe(whole)).persistent(false);
        let rows: Vec<String> =
            query.fetch_all(&self.pool).await.map_err(|error| self.failed("query", error))?;
        rows.iter().map(|row| serde_json::from_str(row).map_err(|error| self.failed("read", error))).collect()
    }

    /// Brings about a state that no request does. Gives how many rows the statement touched; arguments as in
    /// [`rows`](Self::rows).
    pub async fn execute(&self, statement: &'static str, arguments: &[&str]) -> Result<u64, StoreError> {
        let mut query = sqlx::query(statement);
        for argument in arguments {
            query = query.bind(*argument);
        }
        let done = query.execute(&self.pool).await;
        done.as_ref().map(PgQueryResult::rows_affected).map_err(|error| self.failed("change", error))
    }

    /// The schemas of these tenants.
    pub async fn schemas_of(&self, orgs: &[&str]) -> Result<Vec<String>, StoreError> {
        Ok(self.look(Sought::Schemas { ids: orgs }).await?.schemas)
    }

    /// The state of these tenants and users: their rows and all that stands in their schemas, but for the tables that
    /// change with every request.
    pub async fn state_of(&self, ids: &[&str]) -> Result<Things, StoreError> {
        Ok(self.look(Sought::Of { ids, volatile: false }).await?.into_things())
    }

    /// Everything: the rows of every table and the schemas.
    pub async fn everything(&self) -> Result<Things, StoreError> {
        Ok(self.look(Sought::Everything).await?.into_things())
    }

    /// One look at one moment, again while tables vanish under it.
    async fn look(&self, sought: Sought<'_>) -> Result<Seen, StoreError> {
        let looked = wait::until("the database to hold still", LOOK_LIMIT, || async {
            let _turn = self.turns.read().await;
            match self.try_look(sought).await {
                Err(error) if is_moving(&error) => Err(error.to_string()),
                looked => Ok(looked),
            }
        });
        match looked.await {
            Ok(looked) => looked.map_err(|error| self.failed("read", error)),
            Err(late) => Err(self.failed("read", late)),
        }
    }

    async fn try_look(&self, sought: Sought<'_>) -> Result<Seen, sqlx::Error> {
        let mut transaction = self.pool.begin_with(AT_ONE_MOMENT).await?;
        let catalog = Catalog::read(&mut transaction, &self.owners).await?;
        let schemas = match sought {
            Sought::Everything => catalog.schemas.clone(),
            Sought::Schemas { ids } | Sought::Of { ids, .. } => {
                self.schemas_among(&mut transaction, &catalog, ids).await?
            }
        };
        let rows = self.rows_among(&mut transaction, &catalog, &schemas, sought).await?;
        transaction.commit().await?;
        Ok(Seen { schemas, all_schemas: catalog.schemas, rows })
    }

    /// The rows that are sought, of which those in these schemas are, whatever stands in them.
    async fn rows_among(
        &self,
        connection: &mut PgConnection,
        catalog: &Catalog,
        schemas: &[String],
        sought: Sought<'_>,
    ) -> Result<Vec<Found>, sqlx::Error> {
        let volatile = match sought {
            Sought::Schemas { .. } => return Ok(Vec::new()),
            Sought::Of { volatile, .. } => volatile,
            Sought::Everything => true,
        };
        let patterns: Vec<String> = sought.ids().iter().map(|id| pattern(id)).collect();
        let whole = |relation: &Relation| schemas.contains(&relation.schema);
        let tables = catalog.relations.iter().filter(|relation| volatile || !self.is_volatile(relation));
        let tables: Vec<&Relation> = tables
            .filter(|relation| whole(relation) || !(relation.owners.is_empty() || patterns.is_empty()))
            .collect();
        let mut found = Vec::new();
        for some in tables.chunks(TABLES_PER_STATEMENT) {
            let selects = some.iter().enumerate().map(|(at, relation)| {
                let condition = if whole(relation) { "$1 = $1".to_owned() } else { relation.belongs() };
                format!("SELECT {at}, row_to_json(x)::text FROM {} x WHERE {condition}", relation.quoted())
            });
            let selects = selects.collect::<Vec<_>>().join(" UNION ALL ");
            let query = sqlx::query_as(AssertSqlSafe(selects)).bind(&patterns).persistent(false);
            let rows: Vec<(i32, String)> = query.fetch_all(&mut *connection).await?;
            for (at, row) in rows {
                let relation = usize::try_from(at).ok().and_then(|at| some.get(at)).copied();
                let (Some(relation), Ok(row)) = (relation, serde_json::from_str(&row)) else { continue };
                found.push(Found { relation: relation.clone(), name: relation.name_of(&row), row });
            }
        }
        Ok(found)
    }

    fn is_volatile(&self, relation: &Relation) -> bool {
        self.volatile.iter().any(|name| *name == relation.table || *name == relation.to_string())
    }

    /// The schemas, of those there are, that belong to one of these.
    async fn schemas_among(
        &self,
        connection: &mut PgConnection,
        catalog: &Catalog,
        ids: &[&str],
    ) -> Result<Vec<String>, sqlx::Error> {
        let Some(schemas) = &self.schemas else { return Ok(Vec::new()) };
        // Before the first start of the target there is no such table, and no tenant.
        let Some(table) = catalog.relations.iter().find(|relation| relation.to_string() == schemas.table)
        else {
            return Ok(Vec::new());
        };
        let (table, owner) = (table.quoted(), identifier(&schemas.owner));
        let query = format!("SELECT row_to_json(x)::text FROM {table} x WHERE x.{owner}::text LIKE ANY($1)");
        let patterns: Vec<String> = ids.iter().map(|id| pattern(id)).collect();
        let query = sqlx::query_scalar(AssertSqlSafe(query)).bind(&patterns).persistent(false);
        let rows: Vec<String> = query.fetch_all(&mut *connection).await?;
        let rows = rows.iter().filter_map(|row| serde_json::from_str::<Value>(row).ok());
        let named: Vec<String> = rows.map(|row| plain(&schemas.name_of(&row))).collect();
        Ok(catalog.schemas.iter().filter(|schema| named.contains(&plain(schema))).cloned().collect())
    }
}

impl Seen {
    fn into_things(self) -> Things {
        let schemas = self.schemas.into_iter().map(|schema| (format!("schema {schema}"), Value::Null));
        schemas.chain(self.rows.into_iter().map(|found| (found.name, found.row))).collect()
    }
}

/// A schema's name without its dashes and underscores: a UUID is written with and without them.
fn plain(schema: &str) -> String {
    schema.replace(['-', '_'], "")
}

/// Whether an error says that a table, schema or lock was somebody else's at that moment.
fn is_moving(error: &sqlx::Error) -> bool {
    // undefined_table, invalid_schema_name, undefined_column, lock_not_available, deadlock_detected,
    // serialization_failure, and internal_error: "could not open relation", "cache lookup failed".
    const MOVING: [&str; 7] = ["42P01", "3F000", "42703", "55P03", "40P01", "40001", "XX000"];
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| MOVING.contains(&code.as_ref()))
}
