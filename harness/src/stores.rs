//! The stores and stand-ins a target leans on: DynamoDB (embedded or by URL) and mail.

mod archive;
mod dynamodb;
mod embedded;
mod fault;
mod mail;
pub mod postgres;

pub use archive::{Archive, ArchiveError, ArchiveMood};
pub use dynamodb::{Item, Key, StoreError, Table, key_of};
pub use embedded::{EmbeddedDynamoDb, StartError};
pub use fault::{Fault, FaultProxy, ProxyError};
pub use mail::{Mail, Mailbox};
