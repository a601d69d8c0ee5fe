//! The security suite: generated from the contract, so that an operation is attacked because it is there.
//!
//! [`plan`](Plan::of) turns a contract into groups of cases; [`run`](run::run) runs them. A group is one class
//! of attack on one operation; its cases share tenants, resources and controls. Groups that leave an arena as it was
//! take it one after the other; no others share anything, so they may run at once.
#![warn(missing_docs)]

mod administrator;
pub mod arena;
pub mod audit;
mod case;
pub mod cast;
mod contract;
mod credential;
mod double;
mod everyone;
mod feature;
pub mod golden;
mod group;
mod hop;
mod invitation;
mod jwks;
pub mod ladder;
mod matrix;
pub mod model;
mod outage;
mod plan;
mod race;
mod rank;
pub mod rehearsal;
pub mod run;
mod standing;
mod surface;
mod token;
mod tries;

pub use case::{Case, CaseOutcome, Reference};
pub use group::Group;
pub use plan::Plan;
