//! The tenant platform: schemas of tenants in one database, a chain of tenant, feature and role before each request.

mod audit;
mod conformance;
mod epic;
mod isolation;
mod lists;
mod members;
mod metrics;
mod outage;
mod plans;
mod pooling;
mod refusals;
mod roles;
mod row_security;
mod sign_in;
mod tenants;

use fixtures::platform::{Embedded, Setup};
use rstest::Context;
use suites_integration::{About, Scene, Stage};

use crate::case;

/// The world of the test that a context describes.
fn world(context: &Context) -> Scene {
    suites_integration::world(About::Platform, context.module, context.name, case(context).as_deref())
}

/// A system of its own for the test that a context describes.
fn stage(context: &Context, setup: Setup) -> Stage<Embedded> {
    suites_integration::stage(context.module, context.name, case(context).as_deref(), setup)
}
