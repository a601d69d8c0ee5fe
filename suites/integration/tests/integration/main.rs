//! The integration suite: what a multi-tenant access management API must do, over HTTP and in the store.
//!
//! Each test is the story of a user in a world of its own: own organisations, own people, own canaries. All
//! run in parallel and leave nothing behind.

mod any_target;
mod audit_archive;
mod audit_export;
mod audit_log;
mod audit_queries;
mod authorizer;
mod authorizer_events;
mod authorizer_outages;
mod conformance;
mod flows;
mod invitation_acceptance;
mod invitation_mail;
mod invitations;
mod isolation;
mod limits;
mod listener;
mod model;
mod organisations;
mod pagination;
mod permission_store;
mod platform;
mod races;
mod resilience;
mod role_assignment;
mod roles;
mod team_membership;
mod team_roles;
mod teams;
mod users;

use fixtures::{Embedded, Setup};
use rstest::Context;
use suites_integration::{About, Scene, Stage};

/// The world of the test that a context describes.
fn world(context: &Context) -> Scene {
    suites_integration::world(About::Access, context.module, context.name, case(context).as_deref())
}

/// A system of its own for the test that a context describes.
fn stage(context: &Context, setup: Setup) -> Stage<Embedded> {
    suites_integration::stage(context.module, context.name, case(context).as_deref(), setup)
}

/// A fault proxy between the service and its store.
fn faulty() -> Setup {
    Setup { faults: true, ..Setup::default() }
}

/// The case of a test that is told for several.
fn case(context: &Context) -> Option<String> {
    context.description.map(str::to_owned).or_else(|| context.case.map(|case| format!("case {case}")))
}
