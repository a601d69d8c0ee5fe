//! Removing what belongs to tenants and users: their schemas whole, then their rows, in whatever order the foreign
//! keys allow; and looking whether it is gone.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;

use super::catalog::{Relation, identifier, pattern};
use super::{Database, LOOK_LIMIT, Seen, Sought, StoreError, is_moving};
use crate::wait;

/// A row that others refer to stays until they are gone (`foreign_key_violation`).
const REFERRED_TO: &str = "23503";

impl Database {
    /// Removes whatever belongs to one of these tenants or users, and looks again. Gives the names of what is left.
    pub async fn remove(&self, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sought = Sought::Of { ids, volatile: true };
        let Seen { schemas, rows, .. } = self.look(sought).await?;
        for schema in &schemas {
            self.drop_schema(schema).await?;
        }
        let mut tables: Vec<Relation> = Vec::new();
        for found in rows {
            if !schemas.contains(&found.relation.schema) && !tables.contains(&found.relation) {
                tables.push(found.relation);
            }
        }
        let patterns: Vec<String> = ids.iter().map(|id| pattern(id)).collect();
        self.empty(tables, &patterns).await?;
        let now = self.look(sought).await?;
        let undropped =
            schemas.into_iter().filter(|schema| now.all_schemas.contains(schema)).chain(now.schemas);
        let mut left: BTreeSet<String> = undropped.map(|schema| format!("schema {schema}")).collect();
        left.extend(now.rows.into_iter().map(|found| found.name));
        Ok(left.into_iter().collect())
    }

    /// Deletes from every table what belongs. A table whose rows others refer to comes again when they are gone.
    async fn empty(&self, mut tables: Vec<Relation>, patterns: &[String]) -> Result<(), StoreError> {
        while !tables.is_empty() {
            let count = tables.len();
            let mut referred_to = Vec::new();
            let mut last = None;
            for table in tables {
                let statement = format!("DELETE FROM {} x WHERE {}", table.quoted(), table.belongs());
                let deleted = self.again(|| async {
                    let query = sqlx::query(AssertSqlSafe(statement.clone())).persistent(false);
                    query.bind(patterns).execute(&self.pool).await.map(drop)
                });
                match deleted.await? {
                    Err(error) if code(&error).as_deref() == Some(REFERRED_TO) => {
                        referred_to.push(table);
                        last = Some(error);
                    }
                    done => done.map_err(|error| self.failed("clean", error))?,
                }
            }
            if let Some(error) = last.filter(|_| referred_to.len() == count) {
                return Err(self.failed("clean", error));
            }
            tables = referred_to;
        }
        Ok(())
    }

    async fn drop_schema(&self, schema: &str) -> Result<(), StoreError> {
        let statement = format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(schema));
        let dropped = self.again(|| async {
            // For one attempt, so that looks go on while somebody else's lock is waited for.
            let _turn = self.turns.write().await;
            let query = sqlx::query(AssertSqlSafe(statement.clone())).persistent(false);
            query.execute(&self.pool).await.map(drop)
        });
        dropped.await?.map_err(|error| self.failed("clean", error))
    }

    /// A statement, again while somebody else holds what it needs; a table that has gone meanwhile needs none.
    async fn again<A>(&self, statement: impl Fn() -> A) -> Result<Result<(), sqlx::Error>, StoreError>
    where
        A: Future<Output = Result<(), sqlx::Error>>,
    {
        let done = wait::until("a lock", LOOK_LIMIT, || async {
            match statement().await {
                Err(error) if matches!(code(&error).as_deref(), Some("42P01" | "3F000")) => Ok(Ok(())),
                Err(error) if is_moving(&error) => Err(error.to_string()),
                done => Ok(done),
            }
        });
        done.await.map_err(|late| self.failed("clean", late))
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
