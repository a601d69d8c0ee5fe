//! The integration suite: what a multi-tenant access management API must do, over HTTP and in the store.
//!
//! Each test is the story of a user in a world of its own: own organisations, own people, own canaries. All
//! run in parallel and leave nothing behind.

mod audit;
mod contract;
mod invitation_flow;
mod invitations;
mod model;
mod races;
mod roles;
mod teams;

use harness::world::World;
use rstest::Context;

/// The world of the test that a context describes.
fn world(context: &Context) -> World {
    suites_integration::world(context.module, context.name)
}
