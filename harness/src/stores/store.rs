//! The store behind a target, whatever it is: whose is what in it, what changed, what is left, and its removal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Database, Table};
use crate::target;

/// The store did not answer as asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {store}: {why}; check [store] in the target file")]
pub struct StoreError {
    pub(super) action: &'static str,
    pub(super) store: String,
    pub(super) why: String,
}

/// What a store holds, by name: items by their primary key, rows by table and primary key, and schemas.
pub type Things = BTreeMap<String, Value>;

/// The store behind a target, past the target.
#[derive(Clone, Debug)]
pub enum Store {
    /// One DynamoDB table.
    DynamoDb(Table),
    /// A PostgreSQL database with its schemas.
    Postgres(Database),
}

impl Store {
    /// Connects to a store. Nothing is sent yet.
    pub fn connect(store: &target::Store) -> Result<Store, StoreError> {
        Ok(match store {
            target::Store::DynamoDb(table) => Store::DynamoDb(Table::connect(table)),
            target::Store::Postgres(database) => Store::Postgres(Database::connect(database)?),
        })
    }

    /// The DynamoDB table, where it is one.
    pub fn table(&self) -> Option<&Table> {
        match self {
            Store::DynamoDb(table) => Some(table),
            Store::Postgres(_) => None,
        }
    }

    /// The PostgreSQL database, where it is one.
    pub fn database(&self) -> Option<&Database> {
        match self {
            Store::DynamoDb(_) => None,
            Store::Postgres(database) => Some(database),
        }
    }

    /// The state of these tenants and users, and of whatever else holds one of these strings where the target file
    /// says that owners stand: all of it, but for what changes with every request.
    pub async fn state_of(&self, ids: &[&str]) -> Result<Things, StoreError> {
        Ok(match self {
            Store::DynamoDb(table) => super::dynamodb::things(table.state_of(ids).await?),
            Store::Postgres(database) => database.state_of(ids).await?,
        })
    }

    /// Everything the store holds.
    pub async fn everything(&self) -> Result<Things, StoreError> {
        Ok(match self {
            Store::DynamoDb(table) => super::dynamodb::things(table.scan().await?),
            Store::Postgres(database) => database.everything().await?,
        })
    }

    /// Everything that holds one of these strings anywhere. Reads the whole store.
    pub async fn mentioning(&self, strings: &[&str]) -> Result<Things, StoreError> {
        let mut things = self.everything().await?;
        things.retain(|name, value| {
            let text = value.to_string();
            strings.iter().any(|string| text.contains(string) || name.contains(string))
        });
        Ok(things)
    }

    /// Removes whatever belongs to one of these tenants or users, audit entries and counters included, and looks
    /// again. Gives the names of what is left.
    pub async fn remove(&self, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        match self {
            Store::DynamoDb(table) => {
                table.delete(&table.keys_of(ids).await?).await?;
                Ok(table.keys_of(ids).await?.iter().map(ToString::to_string).collect())
            }
            Store::Postgres(database) => database.remove(ids).await,
        }
    }

    /// The command with which a person looks at what is kept.
    pub fn how_to_look(&self, org: &str) -> String {
        match self {
            Store::DynamoDb(table) => table.how_to_look(),
            Store::Postgres(database) => database.how_to_look(org),
        }
    }
}
