//! `load`: a load run, judged by thresholds.

use std::path::Path;

use harness::suite::Suite;
use harness::verdict::Exit;
use suites_load::{Phase, Profile, Progress};

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

pub async fn load(target: Option<&Path>, profile: &str) -> Result<Exit, CommandError> {
    // Before anything is started: an unknown profile is no reason to start a target.
    Profile::named(profile)?;
    let session = Session::open(target).await?;
    session.part(run(&session, profile)).await?;
    session.close()
}

/// Runs the suite with a profile.
pub async fn run(session: &Session, profile: &str) -> Result<(), CommandError> {
    let profile = Profile::named(profile)?;
    let suite = Suite::begin("load", session.system(), Some(&profile.name))?;
    let bar = bar("load", None);
    let result = suites_load::run(session.system().clone(), &suite, &profile, |progress| {
        bar.set_position(progress.requests);
        bar.set_message(shown(&progress));
    })
    .await?;
    suite.leave()?;
    let rate = if result.seconds > 0.0 { result.requests as f64 / result.seconds } else { 0.0 };
    let line = format!(
        "{} requests, {rate:.0} a second, p95 {:.1} ms, {} failures, {} leaks",
        result.requests, result.latency.p95_ms, result.failures, result.leaks
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
