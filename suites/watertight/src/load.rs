//! `load`: a load run, judged by thresholds.

use std::path::Path;
use std::sync::Arc;

use fixtures::{Lodging, Rate};
use harness::record::LoadResult;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Exit;
use suites_load::{Aggressor, Baseline, LoadError, Phase, Profile, Progress};

use crate::command::Load;
use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::{self, Session};

/// The quota of so many seconds may be used at once.
const AT_ONCE: f64 = 5.0;

impl Load {
    /// A profile as it stands.
    pub fn profile(name: &str) -> Load {
        Load { profile: name.to_owned(), ..Load::default() }
    }

    fn resolved(&self) -> Result<Vec<Profile>, CommandError> {
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?;
        let Load { to_the_end, shard, start_at, .. } = *self;
        let asked = Profile::asked(&self.profile)?;
        for (is_asked, with, remedy) in [
            (self.rate.is_some(), "--rate", ": offer a rate to each by itself"),
            (
                shard.is_some() || start_at.is_some(),
                "--shard and --start-at",
                " one after the other: run the shards of each by itself",
            ),
        ] {
            if is_asked && asked.len() > 1 {
                return Err(CommandError::Nothing(format!(
                    "expected one profile with {with}, got '{}', which is {} of them{remedy}",
                    self.profile,
                    asked.len()
                )));
            }
        }
        let profile = |profile: Profile| {
            let profile = match self.duration {
                Some(duration) => profile.lasting(duration),
                None => profile,
            };
            let profile = match self.rate {
                Some(rate) => profile.offering(rate).map_err(LoadError::from)?,
                None => profile,
            };
            Ok(Profile { baseline: baseline.clone(), to_the_end, shard, start_at, ..profile })
        };
        asked.into_iter().map(profile).collect()
    }

    /// How embedded targets are started for a profile.
    fn lodging(&self, profile: &Profile) -> Result<Lodging, CommandError> {
        let apart = if self.apart { Some(session::programs()?) } else { None };
        Ok(Lodging { apart, invitations: profile.aggressor.as_ref().map(quota), ..Lodging::default() })
    }
}

/// An aggressor's quota, as the target is told of it: so much in the long run, and the quota of some seconds at once.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that people write into a file"
)]
fn quota(aggressor: &Aggressor) -> Rate {
    let whole = |number: f64| number.ceil().max(1.0) as u32;
    Rate { per_minute: whole(aggressor.quota * 60.0), burst: whole(aggressor.quota * AT_ONCE) }
}

pub async fn load(target: Option<&Path>, asked: &Load) -> Result<Exit, CommandError> {
    // Before anything is started: an unknown profile is no reason to start a target.
    let profiles = asked.resolved()?;
    let first = profiles.first().map(|profile| asked.lodging(profile)).transpose()?;
    let session = Session::open_in(target, first.unwrap_or_default()).await?;
    let done = run(&session, asked).await;
    session.close(&done)
}

/// Runs the suite with each profile that is asked for, on embedded targets of its own: what one left behind is no load of
/// the next. A profile that does not come to its end stands in no other's way.
pub async fn run(session: &Session, asked: &Load) -> Result<(), CommandError> {
    let profiles = asked.resolved()?;
    let mut measured = Baseline::default();
    let mut done = Ok(());
    for (number, profile) in profiles.iter().enumerate() {
        if number > 0 {
            session.renew(asked.lodging(profile)?).await;
        }
        let ran = on_each(session, profile, profiles.len() > 1, &mut measured).await;
        if let Err(error) = ran {
            let interrupted = matches!(error, CommandError::Load(LoadError::Interrupted { .. }));
            if done.is_ok() {
                done = Err(error);
            } else {
                eprintln!("error: {error}");
            }
            if interrupted {
                return done;
            }
        }
    }
    if let (Some(path), Ok(())) = (&asked.save_baseline, &done) {
        measured.save(path)?;
        println!("              kept as a baseline in {}", path.display());
    }
    done
}

/// Runs a profile on one target after the other: side by side they would share the cores, and each would be measured
/// under the other's load. A target that the profile has nothing for is passed over, unless nothing else was asked for.
async fn on_each(
    session: &Session,
    profile: &Profile,
    one_of_many: bool,
    measured: &mut Baseline,
) -> Result<(), CommandError> {
    let systems = session.systems().await?;
    let fits = systems.iter().map(|system| profile.is_for(&system.contract)).collect::<Result<Vec<_>, _>>();
    let mut fits = fits.map_err(LoadError::from)?;
    if !fits.contains(&true) && !one_of_many {
        // The first one says what is missing.
        fits.fill(true);
    }
    for (system, fits) in systems.into_iter().zip(fits) {
        if fits {
            measured.keep(&drive(system, profile).await?);
        } else {
            println!("        load  {}: the profile {} has nothing for it", system.target.name, profile.name);
        }
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
        "{name} {}: {} requests in {:.0} s, p95 {:.1} ms, {} failures, {} leaks",
        result.profile, result.requests, result.seconds, result.latency.p95_ms, result.failures, result.leaks
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
