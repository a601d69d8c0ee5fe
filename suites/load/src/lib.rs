//! The load suite: Goose scenarios against a target, with the leak detector on every response.
//!
//! A [`Profile`] says how many users of how many tenants send which workloads for how long, and what must
//! hold of it. [`run`] makes the tenants, lets Goose drive the users, removes the tenants, and judges what it
//! measured itself: from sending to the last byte, the warm-up not counted.
//!
//! A response that carries another tenant's data fails the run, whatever the thresholds say.
#![warn(missing_docs)]

mod attack;
mod error;
mod evidence;
pub mod interrupt;
mod measured;
mod persona;
mod profile;
mod run;
mod samples;
mod threshold;
mod visitor;
mod workload;

pub use error::LoadError;
pub use profile::{Profile, ProfileError, ScenarioShare};
pub use run::{Phase, Progress, run, verdict};
pub use threshold::{Rule, RuleError};
pub use workload::{Workload, WorkloadError};
