//! What the stories of the integration suite share: a world of its own for each in a system shared by the
//! process, or a stage of its own for those that disturb, and the building blocks they are told with.
#![warn(missing_docs)]

mod audit;
mod business;
mod company;
mod gateway;
pub mod history;
mod listener;
mod seen;
mod stage;
mod tenancy;
mod trial;
mod world;

pub use audit::{Event, Log};
pub use business::{Business, EVERYTHING, Entry, organisation_header, refused, users_of};
pub use company::{Company, accept, text, with_claim, with_email};
pub use gateway::{CallerContext, Ruling, ruling};
pub use listener::{counted, health, internal, tells_of_its_keys};
pub use seen::seen;
pub use stage::{Stage, Stands, jwks, many_bytes, stage, too_many_bytes};
pub use tenancy::Tenancy;
pub use trial::{ABSENT, Trial, annotates_each_route, has_a_case_for_each};
pub use world::{About, Gives, Scene, world};
