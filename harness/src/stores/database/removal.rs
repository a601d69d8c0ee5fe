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
        self.drop_schemas(&schemas).await?;
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

    /// All at once: with every schema that goes, PostgreSQL forgets the plans of every connection.
    async fn drop_schemas(&self, schemas: &[String]) -> Result<(), StoreError> {
        if schemas.is_empty() {
            return Ok(());
        }
        let names = schemas.iter().map(|schema| identifier(schema)).collect::<Vec<_>>().join(", ");
        let _turn = self.turns.write().await;
        let dropped = self.change(format!("DROP SCHEMA IF EXISTS {names} CASCADE"), None).await?;
        dropped.map_err(|error| self.failed("clean", error))
    }

    /// Deletes from every table what belongs. A table whose rows others refer to comes again when they are gone.
    async fn empty(&self, mut tables: Vec<Relation>, patterns: &[String]) -> Result<(), StoreError> {
        while !tables.is_empty() {
            let count = tables.len();
            let mut referred_to = Vec::new();
            let mut last = None;
            for table in tables {
                let statement = format!("DELETE FROM {} x WHERE {}", table.quoted(), table.belongs());
                match self.change(statement, Some(patterns)).await? {
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

    /// One statement, again while somebody else holds what it needs; a table that has gone meanwhile needs none.
    async fn change(
        &self,
        statement: String,
        patterns: Option<&[String]>,
    ) -> Result<Result<(), sqlx::Error>, StoreError> {
        let changed = wait::until("a lock", LOOK_LIMIT, || async {
            let mut query = sqlx::query(AssertSqlSafe(statement.clone())).persistent(false);
            if let Some(patterns) = patterns {
                query = query.bind(patterns);
            }
            match query.execute(&self.pool).await {
                Err(error) if matches!(code(&error).as_deref(), Some("42P01" | "3F000")) => Ok(Ok(())),
                Err(error) if is_moving(&error) => Err(error.to_string()),
                done => Ok(done.map(drop)),
            }
        });
        changed.await.map_err(|late| self.failed("clean", late))
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
