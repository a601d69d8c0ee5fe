//! A load run from end to end: tenants made, users driven, figures judged and recorded, tenants removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::client::Api;
use harness::data::{Data, DataError};
use harness::record::{LoadResult, Record};
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Verdict;
use tokio::sync::Mutex;

use crate::attack::{Attack, Part, Trouble};
use crate::error::LoadError;
use crate::interrupt::Watch;
use crate::measured::Measured;
use crate::persona::{Cast, Persona};
use crate::profile::Profile;
use crate::visitor;
use crate::workload::{Workload, WorkloadError};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(1);

/// Goose's switch that stops an attack is the process's, so attacks take turns. They would disturb each
/// other's figures anyway.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where a load run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Tenants and users are being made.
    Provisioning,
    /// Users start, and what they send does not count yet.
    WarmUp,
    /// It counts.
    Measuring,
    /// Tenants and users are being removed.
    CleaningUp,
}

/// How far a load run is. Told at every change of phase and once a second.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// Seconds since the first user started.
    pub seconds: f64,
    /// Seconds from the first user's start to the end.
    pub of_seconds: f64,
    /// Requests counted so far.
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
    /// Leaks so far, the warm-up's included.
    pub leaks: u64,
    /// 95th percentile so far, milliseconds; 0 without answers.
    pub p95_ms: f64,
}

/// What a load result is worth. A leak fails it whatever the thresholds say; without a single request
/// nothing was observed.
pub fn verdict(result: &LoadResult) -> Verdict {
    if result.leaks > 0 {
        return Verdict::Fail;
    }
    if result.requests == 0 {
        return Verdict::Error;
    }
    if result.thresholds.iter().all(|threshold| threshold.pass) { Verdict::Pass } else { Verdict::Fail }
}

/// Runs a profile against a system, on the current tokio runtime. The result, also a partial one, is in the
/// suite's records when this returns; what it is worth, [`verdict`] says.
pub async fn run(
    system: Arc<System>,
    suite: &Suite,
    profile: &Profile,
    progress: impl Fn(Progress),
) -> Result<LoadResult, LoadError> {
    profile.check()?;
    let workloads = workloads(&system, profile)?;
    let parts = parts(&system, &workloads, profile)?;
    let _turn = TURN.lock().await;
    let watch = Watch::begin();
    let api = system.api(suite.name());
    let data = Arc::new(Data::new(system.clone(), api.clone(), &format!("load/{}", profile.name)));

    let told = |phase, attack: Option<&Attack>| progress(Progress::of(phase, profile, attack));
    told(Phase::Provisioning, None);
    let ran = match visitor::provision(&system, &data, &api, profile, &watch).await {
        Ok(visitors) => {
            let attack = Arc::new(Attack::new(api.clone(), data.clone(), parts, visitors, profile));
            let ran = drive(&attack, profile, &watch, &told).await;
            told(Phase::CleaningUp, Some(&attack));
            ran.map(|ended| (attack.samples.measured(ended), attack.trouble()))
        }
        Err(error) => Err(error),
    };
    let recorded = ran.and_then(|(measured, trouble)| {
        let result = result(&system, &workloads, profile, &measured);
        suite.record(&Record::Load(Box::new(result.clone())))?;
        Ok((result, trouble))
    });
    let cleaned = data.cleanup().await;
    api.flush_coverage()?;

    let (result, trouble) = recorded?;
    conclude(&api, result, trouble, watch.interrupted(), cleaned)
}

/// Lets the users loose. Gives the moment they stopped.
async fn drive(
    attack: &Arc<Attack>,
    profile: &Profile,
    watch: &Watch,
    told: &impl Fn(Phase, Option<&Attack>),
) -> Result<Instant, LoadError> {
    if watch.interrupted() {
        return Ok(Instant::now());
    }
    let mut running = Box::pin(attack.run(profile));
    let mut tick = tokio::time::interval(PROGRESS);
    let warm_up = profile.uncounted();
    loop {
        tokio::select! {
            ended = &mut running => {
                ended.map_err(|error| LoadError::Goose(Box::new(error)))?;
                return Ok(Instant::now());
            }
            _ = tick.tick() => {
                let warming = attack.samples.so_far().elapsed < warm_up;
                told(if warming { Phase::WarmUp } else { Phase::Measuring }, Some(attack));
            }
        }
    }
}

impl Progress {
    fn of(phase: Phase, profile: &Profile, attack: Option<&Attack>) -> Progress {
        let so_far = attack.map(|attack| attack.samples.so_far()).unwrap_or_default();
        Progress {
            phase,
            seconds: so_far.elapsed.as_secs_f64(),
            of_seconds: profile.length().as_secs_f64(),
            requests: so_far.requests,
            failures: so_far.failures,
            leaks: so_far.leaks,
            p95_ms: so_far.p95_ms,
        }
    }
}

/// The workloads of a profile that are for this system, with their shares.
fn workloads(system: &System, profile: &Profile) -> Result<Vec<(Workload, usize)>, WorkloadError> {
    let workload = |share: &crate::ScenarioShare| Ok((Workload::named(&share.workload)?, share.weight));
    let mut all = profile.scenarios.iter().map(workload).collect::<Result<Vec<_>, WorkloadError>>()?;
    let needs: Vec<String> = all.iter().map(|(workload, _)| workload.needs().join(" and ")).collect();
    all.retain(|(workload, _)| workload.fits(&system.contract));
    if all.is_empty() {
        return Err(WorkloadError::NoScenario {
            profile: profile.name.clone(),
            target: system.target.name.clone(),
            needs: needs.join("; "),
        });
    }
    Ok(all)
}

fn parts(
    system: &System,
    workloads: &[(Workload, usize)],
    profile: &Profile,
) -> Result<Vec<Part>, WorkloadError> {
    let cast = Cast::of(&system.target)?;
    let tasks = |workload: &Workload| {
        let tasks_of = |persona: Persona| {
            Ok((persona, workload.tasks_of(persona, &cast, &system.contract, &system.target)?))
        };
        Persona::ALL.into_iter().map(tasks_of).collect::<Result<_, WorkloadError>>()
    };
    let part = |(workload, weight): &(Workload, usize)| {
        Ok(Part {
            name: workload.name().to_owned(),
            weight: *weight,
            waits: workload.waits(profile.wait_scale),
            tasks: tasks(workload)?,
        })
    };
    workloads.iter().map(part).collect()
}

fn result(
    system: &System,
    workloads: &[(Workload, usize)],
    profile: &Profile,
    measured: &Measured,
) -> LoadResult {
    let scenario = |(workload, _): &(Workload, usize)| {
        let left_out = workload.left_out(&system.contract, &system.target);
        let without = if left_out.is_empty() { "" } else { " without " };
        format!("{}{without}{}", workload.name(), left_out.join(", "))
    };
    LoadResult {
        target: system.target.name.clone(),
        profile: profile.name.clone(),
        scenarios: workloads.iter().map(scenario).collect(),
        users: profile.users,
        seconds: measured.seconds,
        requests: measured.all.requests,
        failures: measured.all.failures,
        leaks: measured.all.leaks,
        latency: measured.all.latency(),
        endpoints: measured.endpoints(),
        series: measured.ticks.clone(),
        thresholds: profile.thresholds.iter().map(|rule| rule.judge(measured)).collect(),
    }
}

/// What a run with this result ends as.
fn conclude(
    api: &Api,
    result: LoadResult,
    trouble: Option<Trouble>,
    interrupted: bool,
    cleaned: Result<(), DataError>,
) -> Result<LoadResult, LoadError> {
    let left = |error: &DataError| {
        format!("; its tenants could not be removed ({error}): `watertight sweep` removes them")
    };
    let cleanup = cleaned.as_ref().err().map(left).unwrap_or_default();
    let partial = Box::new(result);
    match (trouble, cleaned) {
        (Some(Trouble::Gone(why)), _) => {
            let (target, url) = (api.target().name.clone(), api.target().base_url.to_string());
            Err(LoadError::Gone { target, url, why, cleanup, partial })
        }
        (Some(trouble), _) => Err(LoadError::Stopped { why: trouble.to_string(), cleanup, partial }),
        (None, _) if interrupted => Err(LoadError::Interrupted { cleanup, partial }),
        (None, Err(source)) => Err(LoadError::Left { source: Box::new(source), result: partial }),
        (None, Ok(())) => Ok(*partial),
    }
}
