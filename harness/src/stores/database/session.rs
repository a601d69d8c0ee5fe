//! One connection of its own, also as another role than the harness's: what a pool cannot keep is kept here, such as a
//! lock, a setting, a transaction. Whoever looks through it sees what that role sees.

use std::fmt;

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::{Database, StoreError};

/// One connection. It closes when dropped, and what it held is free.
pub struct Session {
    connection: PgConnection,
    name: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session at {}", self.name)
    }
}

impl Database {
    /// A connection of one's own.
    pub async fn session(&self) -> Result<Session, StoreError> {
        self.connected(self.pool.connect_options().as_ref().clone()).await
    }

    /// A connection as another role, with row level security as it comes.
    pub async fn session_as(&self, role: &str, password: &str) -> Result<Session, StoreError> {
        let options = self.pool.connect_options().as_ref().clone().username(role).password(password);
        self.connected(options.options([("row_security", "on")])).await
    }

    async fn connected(&self, options: sqlx::postgres::PgConnectOptions) -> Result<Session, StoreError> {
        let connection = options.connect().await.map_err(|error| self.failed("enter", error))?;
        Ok(Session { connection, name: self.name.clone() })
    }
}

impl Session {
    fn failed(&self, error: &impl ToString) -> StoreError {
        let store = format!("the database '{}'", self.name);
        StoreError { action: "do as a session asks in", store, why: error.to_string() }
    }

    /// Runs one or more statements, and says how it went.
    pub async fn run(&mut self, script: &str) -> Result<(), StoreError> {
        let done = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await;
        done.map(drop).map_err(|error| self.failed(&error))
    }

    /// What a query finds: each row as an object.
    pub async fn rows(&mut self, query: &str) -> Result<Vec<Value>, StoreError> {
        let whole = format!("SELECT row_to_json(found)::text FROM ({query}) found");
        let query = sqlx::query_scalar(AssertSqlSafe(whole));
        let rows: Vec<String> =
            query.fetch_all(&mut self.connection).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| serde_json::from_str(row).map_err(|error| self.failed(&error))).collect()
    }
}
