//! The stores and stand-ins a target leans on: DynamoDB (embedded or by URL), PostgreSQL (a cluster of the run's or
//! by URL), mail and archive.

mod archive;
mod database;
mod dynamodb;
mod embedded;
mod fault;
mod mail;
pub mod postgres;
mod store;

pub use archive::{Archive, ArchiveError, ArchiveMood};
pub use database::Database;
pub use dynamodb::{Item, Key, Table, key_of};
pub use embedded::{EmbeddedDynamoDb, StartError};
pub use fault::{Fault, FaultProxy, ProxyError};
pub use mail::{Mail, Mailbox};
pub use store::{Store, StoreError, Things};
