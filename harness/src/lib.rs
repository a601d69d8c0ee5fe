//! What every suite of Watertight shares.
//!
//! A suite talks to a [`target`](crate) through the client, which records every exchange, counts what was
//! sent, and lets no response with another tenant's data pass. See ARCHITECTURE.md for the whole house.
#![warn(missing_docs)]

pub mod accepted;
pub mod client;
pub mod contract;
pub mod data;
pub mod double;
pub mod events;
pub mod exchange;
pub mod host;
pub mod identity;
pub mod leak;
pub mod leftovers;
pub mod metrics;
pub mod pattern;
pub mod reaper;
pub mod record;
pub mod run;
pub mod seed;
pub mod snapshot;
pub mod stores;
pub mod suite;
pub mod system;
pub mod target;
pub mod verdict;
pub mod wait;
pub mod world;
