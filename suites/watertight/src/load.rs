//! `load`: a load run, judged by thresholds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness::record::LoadResult;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Exit;
use suites_load::{Baseline, LoadError, Phase, Profile, Progress, Shard};
use time::OffsetDateTime;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

/// What of a load run was asked for.
#[derive(Debug, Default)]
pub struct Asked {
    pub profile: String,
    pub duration: Option<Duration>,
    pub baseline: Option<PathBuf>,
    pub save_baseline: Option<PathBuf>,
    pub to_the_end: bool,
    pub shard: Option<Shard>,
    pub start_at: Option<OffsetDateTime>,
}

impl Asked {
    /// A profile as it stands.
    pub fn profile(name: &str) -> Asked {
        Asked { profile: name.to_owned(), ..Asked::default() }
    }

    fn resolved(&self) -> Result<Profile, CommandError> {
        let profile = Profile::named(&self.profile)?;
        let profile = match self.duration {
            Some(duration) => profile.lasting(duration),
            None => profile,
        };
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?;
        let Asked { to_the_end, shard, start_at, .. } = *self;
        Ok(Profile { baseline, to_the_end, shard, start_at, ..profile })
    }
}

pub async fn load(target: Option<&Path>, asked: &Asked) -> Result<Exit, CommandError> {
    // Before anything is started: an unknown profile is no reason to start a target.
    asked.resolved()?;
    let session = Session::open(target).await?;
    let done = run(&session, asked).await;
    session.close(&done)
}

/// Runs the suite with a profile on one target after the other: side by side they would share the cores, and each
/// would be measured under the other's load. A target that the profile has nothing for is passed over, unless it is the
/// only one.
pub async fn run(session: &Session, asked: &Asked) -> Result<(), CommandError> {
    let profile = asked.resolved()?;
    let mut measured = Baseline::default();
    let systems = session.systems().await?;
    let fits = systems.iter().map(|system| profile.is_for(&system.contract)).collect::<Result<Vec<_>, _>>();
    let mut fits = fits.map_err(LoadError::from)?;
    if !fits.contains(&true) {
        // The first one says what is missing.
        fits.fill(true);
    }
    for (system, fits) in systems.into_iter().zip(fits) {
        if fits {
            measured.keep(&drive(system, &profile).await?);
        } else {
            println!("        load  {}: the profile {} has nothing for it", system.target.name, profile.name);
        }
    }
    if let Some(path) = &asked.save_baseline {
        measured.save(path)?;
        println!("              kept as a baseline in {}", path.display());
    }
    Ok(())
}

/// At Ctrl-C it stops and cleans up by itself.
async fn drive(system: Arc<System>, profile: &Profile) -> Result<LoadResult, CommandError> {
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
    for note in &result.notes {
        println!("              {note}");
    }
    Ok(result)
}

fn shown(progress: &Progress) -> String {
    match progress.phase {
        Phase::Provisioning => "making tenants".to_owned(),
        Phase::Waiting => "waiting for the time to start".to_owned(),
        Phase::WarmUp => "warming up".to_owned(),
        Phase::Measuring => format!(
            "{:.0} of {:.0} s, p95 {:.1} ms, {} failures, {} leaks",
            progress.seconds, progress.of_seconds, progress.p95_ms, progress.failures, progress.leaks
        ),
        Phase::CleaningUp => "removing tenants".to_owned(),
    }
}
