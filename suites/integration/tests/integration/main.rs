//! The integration suite: what a multi-tenant access management API must do, over HTTP and in the store.
//!
//! Each test is the story of a user in a world of its own: own organisations, own people, own canaries. All
//! run in parallel and leave nothing behind.

mod audit_log;
mod audit_queries;
mod contract;
mod flows;
mod invitation_acceptance;
mod invitation_mail;
mod invitations;
mod isolation;
mod organisations;
mod role_assignment;
mod roles;
mod team_membership;
mod teams;
mod users;

use harness::world::World;
use rstest::Context;

/// The world of the test that a context describes.
fn world(context: &Context) -> World {
    let number = context.case.map(|case| format!("case {case}"));
    let case = context.description.or(number.as_deref());
    suites_integration::world(context.module, context.name, case)
}
