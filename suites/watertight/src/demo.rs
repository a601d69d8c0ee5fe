//! `demo`: the main job, all three suites against every target.

use std::path::Path;

use harness::verdict::Exit;

use crate::command::Load;
use crate::error::CommandError;
use crate::security::Scope;
use crate::session::Session;
use crate::{integration, load, security};

/// The load profile of the demo.
const PROFILE: &str = "demo";

/// Of each class but the role matrix, the demo runs one group in so many.
const SLICE: usize = 6;

pub async fn demo(target: Option<&Path>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let done = all(&session).await;
    session.close(&done)
}

async fn all(session: &Session) -> Result<(), CommandError> {
    session.part(integration::run(session, None)).await?;
    session.part(security::run(session, Scope::Slice(SLICE), false, None)).await?;
    load::run(session, &Load::profile(PROFILE)).await
}
