//! The load suite: Goose scenarios against a target, with the leak detector on every response.
//!
//! A [`Profile`] says how many users of how many tenants send which workloads for how long, and what must
//! hold of it; or at which rate requests arrive. [`run`] makes the tenants, lets Goose drive the users or requests
//! arrive, removes the tenants, and judges what it measured itself: from sending (or from when it was to be sent) to
//! the last byte, the warm-up not counted.
//!
//! A response that carries another tenant's data fails the run, whatever the thresholds say.
#![warn(missing_docs)]

mod arrivals;
mod attack;
mod baseline;
mod conclusion;
mod error;
mod evidence;
mod fairness;
mod field;
mod generator;
mod hopeless;
pub mod interrupt;
mod measured;
mod memory;
mod persona;
mod premises;
mod profile;
mod run;
mod samples;
mod shard;
mod shorten;
mod threshold;
mod timing;
mod visitor;
mod workload;

pub use arrivals::Arrivals;
pub use baseline::{Baseline, BaselineError};
pub use error::LoadError;
pub use fairness::Aggressor;
pub use generator::BOTTLENECK;
pub use profile::{Profile, ProfileError, Program, ScenarioShare};
pub use run::{Phase, Progress, run, verdict};
pub use shard::{NotAShard, Shard, ShardError, merged};
pub use threshold::{Rule, RuleError};
pub use workload::{Workload, WorkloadError};
