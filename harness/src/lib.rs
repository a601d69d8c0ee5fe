//! What every suite of Watertight shares.
//!
//! A suite talks to a [`target`](crate) through the client, which records every exchange, counts what was
//! sent, and lets no response with another tenant's data pass. See ARCHITECTURE.md for the whole house.
#![warn(missing_docs)]

pub mod exchange;
pub mod leak;
pub mod record;
pub mod run;
pub mod seed;
pub mod verdict;
pub mod wait;
