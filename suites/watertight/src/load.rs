//! `load`: a load run, judged by thresholds.

use std::path::Path;
use std::sync::Arc;

use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Exit;
use suites_load::{Phase, Profile, Progress};

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

pub async fn load(target: Option<&Path>, profile: &str) -> Result<Exit, CommandError> {
    // Before anything is started: an unknown profile is no reason to start a target.
    Profile::named(profile)?;
    let session = Session::open(target).await?;
    let done = run(&session, profile).await;
    session.close(&done)
}

/// Runs the suite with a profile on one target after the other: side by side they would share the cores, and each
/// would be measured under the other's load.
pub async fn run(session: &Session, profile: &str) -> Result<(), CommandError> {
    let profile = Profile::named(profile)?;
    for system in session.systems().await? {
        drive(system, &profile).await?;
    }
    Ok(())
}

/// At Ctrl-C it stops and cleans up by itself.
async fn drive(system: Arc<System>, profile: &Profile) -> Result<(), CommandError> {
    let name = system.target.name.clone();
    let suite = Suite::begin("load", &system, Some(&profile.name))?;
    let bar = bar("load", None);
    let result = suites_load::run(system, &suite, profile, |progress| {
        bar.set_position(progress.requests);
        bar.set_message(shown(&progress));
    })
    .await;
    suite.leave()?;
    let result = result.inspect_err(|_| bar.finish_and_clear())?;
    let line = format!(
        "{name}: {} requests in {:.0} s, p95 {:.1} ms, {} failures, {} leaks",
        result.requests, result.seconds, result.latency.p95_ms, result.failures, result.leaks
    );
    finish(&bar, "load", &line);
    Ok(())
}

fn shown(progress: &Progress) -> String {
    match progress.phase {
        Phase::Provisioning => "making tenants".to_owned(),
        Phase::WarmUp => "warming up".to_owned(),
        Phase::Measuring => format!(
            "{:.0} of {:.0} s, p95 {:.1} ms, {} failures, {} leaks",
            progress.seconds, progress.of_seconds, progress.p95_ms, progress.failures, progress.leaks
        ),
        Phase::CleaningUp => "removing tenants".to_owned(),
    }
}
