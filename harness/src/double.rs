//! Another system like the one under test, for attacks that disturb: that take its issuer or its store away, let its
//! issuer lie, or use up what may be tried.

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

/// What is special about a double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staging {
    /// It treats its issuer's keys at this pace.
    Keys(KeyPace),
    /// What it lets be tried a limited number of times, be it tokens or invitations, may be tried so many times at once,
    /// and then once a minute.
    Tries(u32),
    /// Its store can be taken away.
    Store,
}

/// A change under way; the error says why it did not come about.
pub type Changing<'o> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'o>>;

/// Whoever takes a store away, and gives it back as it was.
pub trait Outage: Send + Sync {
    /// From now on the store does not answer.
    fn begin(&self) -> Changing<'_>;
    /// From now on it answers again.
    fn end(&self) -> Changing<'_>;
}

/// A system of one's own. It ends when this is dropped.
pub struct Double {
    /// The system, ready to be tested.
    pub system: Arc<System>,
    /// Whoever takes its store away, where that was asked for.
    pub outage: Option<Arc<dyn Outage>>,
    _kept: Box<dyn Any + Send + Sync>,
}

impl Double {
    /// A system, and what keeps it alive.
    pub fn new(system: Arc<System>, kept: impl Any + Send + Sync) -> Double {
        Double { system, outage: None, _kept: Box::new(kept) }
    }

    /// The same, with its store to be taken away.
    #[must_use]
    pub fn with_outage(self, outage: Arc<dyn Outage>) -> Double {
        Double { outage: Some(outage), ..self }
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
    /// Starts one that is special in this. A limit that the system does not have cannot be made small.
    fn start(&self, staging: Staging) -> Starting<'_>;
}
