//! What the stories of the integration suite share: a world of its own for each in a system shared by the
//! process, and the building blocks they are told with.
#![warn(missing_docs)]

mod audit;
mod company;
mod world;

pub use audit::{Event, Log};
pub use company::{Company, accept, text, with_claim, with_email};
pub use world::{Gives, world};
