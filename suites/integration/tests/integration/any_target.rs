//! Stories of any target: they know the operation vocabulary of the contract, and of answers nothing but the ids in them.
//! What a target does not serve is skipped by name.

mod invitations;
mod isolation;
mod members;
mod roles;
mod teams;

use rstest::Context;
use suites_integration::{About, Scene};

use crate::case;

/// The world of the test that a context describes.
fn world(context: &Context) -> Scene {
    scene(About::AnyOrAccess, context)
}

/// The same, where of the embedded targets it is the platform that has what the story is about.
fn world_of_roles(context: &Context) -> Scene {
    scene(About::AnyOrPlatform, context)
}

fn scene(about: About, context: &Context) -> Scene {
    suites_integration::world(about, context.module, context.name, case(context).as_deref())
}
