//! The stores and stand-ins a target leans on: DynamoDB (embedded, in a container, by URL), PostgreSQL (a cluster of
//! the run's, in a container, by URL), mail and archive.

mod archive;
mod choice;
mod container;
mod database;
mod dynamodb;
mod embedded;
mod fault;
mod made;
mod mail;
pub mod postgres;
mod shared;
mod store;
mod tables;

pub use archive::{Archive, ArchiveError, ArchiveMood};
pub use choice::NoChoice;
pub use container::ContainerError;
pub use database::{Database, Session};
pub use dynamodb::{Item, Key, Table, key_of};
pub use embedded::{EmbeddedDynamoDb, StartError};
pub use fault::{Fault, FaultProxy, ProxyError};
pub use made::{RemovalError, sweep};
pub use mail::{Mail, Mailbox};
pub use postgres::{Cluster, PostgresError, Server};
pub use store::{Store, StoreError, Things};
pub use tables::{DynamoDb, DynamoDbError};
