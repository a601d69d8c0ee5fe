//! What the stories of the integration suite share: a world of its own for each in a system shared by the
//! process, or a stage of its own for those that disturb, and the building blocks they are told with.
#![warn(missing_docs)]

mod audit;
mod company;
mod gateway;
pub mod history;
mod stage;
mod world;

pub use audit::{Event, Log};
pub use company::{Company, accept, text, with_claim, with_email};
pub use gateway::{CallerContext, Ruling, ruling};
pub use stage::{Stage, stage};
pub use world::{Gives, world};
