//! Another system like the one under test, for attacks that disturb: that take its issuer away, or let it lie.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::system::System;

/// How long a target keeps its issuer's keys, and how often it looks for one it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPace {
    /// Fetched keys are good for this long.
    pub kept: Duration,
    /// An unknown key causes a fetch at most this often.
    pub unknown_every: Duration,
}

/// A system of one's own. It ends when this is dropped.
pub struct Double {
    /// The system, ready to be tested.
    pub system: Arc<System>,
    _kept: Box<dyn Any + Send + Sync>,
}

impl Double {
    /// A system, and what keeps it alive.
    pub fn new(system: Arc<System>, kept: impl Any + Send + Sync) -> Double {
        Double { system, _kept: Box::new(kept) }
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Double").field("target", &self.system.target.name).finish_non_exhaustive()
    }
}

/// A start under way; the error says why there is no double.
pub type Starting<'d> = Pin<Box<dyn Future<Output = Result<Double, String>> + Send + 'd>>;

/// Whoever starts systems like one under test, its mistakes included.
pub trait Doubles: fmt::Debug + Send + Sync {
    /// Starts one that treats its issuer's keys at this pace.
    fn start(&self, pace: KeyPace) -> Starting<'_>;
}
