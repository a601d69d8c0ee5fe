//! A load run from end to end: tenants made, users driven, figures judged and recorded, tenants removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goose::GooseError;
use harness::client::Api;
use harness::data::{Data, DataError};
use harness::record::{LoadResult, Record};
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Verdict;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::conclusion::{About, conclusion};
use crate::error::LoadError;
use crate::field::{Field, Part, Trouble};
use crate::generator::Generator;
use crate::interrupt::Watch;
use crate::measured::Offered;
use crate::memory::Memory;
use crate::persona::{Cast, Persona};
use crate::profile::Profile;
use crate::shard::Piece;
use crate::threshold::Rule;
use crate::workload::{Workload, WorkloadError};
use crate::{arrivals, attack, premises, shard};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(1);
/// How often somebody who waits for the start looks whether the run is interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// Goose's switch that stops an attack is the process's, so attacks take turns. They would disturb each
/// other's figures anyway.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where a load run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Tenants and users are being made.
    Provisioning,
    /// All is ready, and the time to start has not come.
    Waiting,
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
    let plan = Plan::of(&system, profile)?;
    let parts = parts(&system, &plan)?;
    if let Some(shard) = plan.profile.shard {
        shard::is_new(system.run.folder(), &plan.profile.name, &system.target.name, shard)?;
    }
    let _turn = TURN.lock().await;
    let watch = Watch::begin();
    let api = system.api(suite.name());
    let data = Arc::new(Data::new(system.clone(), api.clone(), &format!("load/{}", profile.name)));

    let told = |phase, field: Option<&Field>| progress(Progress::of(phase, &plan.profile, field));
    told(Phase::Provisioning, None);
    let workloads: Vec<&Workload> = plan.workloads.iter().map(|(workload, _)| workload).collect();
    let ran = match premises::provision(&system, &data, &api, &plan.profile, &workloads, &watch).await {
        Ok(visitors) => {
            let field = Arc::new(Field::new(
                system.clone(),
                api.clone(),
                data.clone(),
                parts,
                visitors,
                &plan.profile,
                plan.asked(),
            ));
            if plan.profile.start_at.is_some() {
                told(Phase::Waiting, Some(&field));
            }
            let late = until(plan.profile.start_at, &watch).await;
            let ran = drive(&field, &plan, late, &watch, &told).await;
            told(Phase::CleaningUp, Some(&field));
            ran.map(|measured| (measured, field.trouble()))
        }
        Err(error) => Err(error),
    };
    let recorded = ran.and_then(|(result, trouble)| {
        suite.record(&Record::Load(Box::new(result.clone())))?;
        Ok((result, trouble))
    });
    let cleaned = data.cleanup().await;
    api.flush_coverage()?;

    let (result, trouble) = recorded?;
    conclude(&api, result, trouble, watch.interrupted(), cleaned)
}

/// A profile as it is run against one system.
#[derive(Debug)]
struct Plan {
    profile: Profile,
    rules: Vec<Rule>,
    workloads: Vec<(Workload, usize)>,
    /// What an aggressor sends, if there is one.
    aggression: Option<Workload>,
    notes: Vec<String>,
}

impl Plan {
    /// The first program of a profile that is for this system, and of its workloads those that are.
    fn of(system: &System, profile: &Profile) -> Result<Plan, WorkloadError> {
        let mut needs = Vec::new();
        for program in &profile.program {
            let workload =
                |share: &crate::ScenarioShare| Ok((Workload::named(&share.workload)?, share.weight));
            let mut workloads =
                program.scenarios.iter().map(workload).collect::<Result<Vec<_>, WorkloadError>>()?;
            needs.extend(workloads.iter().map(|(workload, _)| workload.needs().join(" and ")));
            workloads.retain(|(workload, _)| workload.fits(&system.contract));
            if !workloads.is_empty() {
                let rules: Vec<Rule> =
                    profile.thresholds.iter().chain(&program.thresholds).cloned().collect();
                let asked: Vec<&Rule> = rules.iter().collect();
                // As a whole first: a shard waits no less than the others.
                let (profile, mut notes) =
                    profile.clone().with_samples_for(&asked, &workloads, &system.contract);
                notes.extend(profile.other_rate());
                let profile = profile.part();
                let aggression = profile.aggressor.as_ref();
                let aggression =
                    aggression.map(|aggressor| Workload::named(&aggressor.workload)).transpose()?;
                return Ok(Plan { profile, rules, workloads, aggression, notes });
            }
        }
        Err(WorkloadError::NoScenario {
            profile: profile.name.clone(),
            target: system.target.name.clone(),
            needs: needs.join("; "),
        })
    }

    /// What it is, but for its figures.
    fn about(&self, system: &System) -> About {
        let scenario = |(workload, _): &(Workload, usize)| {
            let left_out = workload.left_out(&system.contract, &system.target);
            let without = if left_out.is_empty() { "" } else { " without " };
            format!("{}{without}{}", workload.name(), left_out.join(", "))
        };
        About {
            target: system.target.name.clone(),
            profile: self.profile.name.clone(),
            within: system.target.embedded && !system.target.apart,
            scenarios: self.workloads.iter().map(scenario).collect(),
            notes: self.notes.clone(),
            users: self.profile.population(),
        }
    }

    /// Whether it ends when a rule cannot hold any more. What a shard sees is a part, of which nothing follows.
    fn may_give_up(&self) -> bool {
        !self.profile.to_the_end && self.profile.shard.is_none()
    }

    /// The parts of `Server-Timing` that its rules are about.
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> = self.rules.iter().filter_map(Rule::part).map(str::to_owned).collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

/// Lets the users loose, or requests arrive. Gives what was measured until they stopped.
async fn drive(
    field: &Arc<Field>,
    plan: &Plan,
    late: Option<String>,
    watch: &Watch,
    told: &impl Fn(Phase, Option<&Field>),
) -> Result<LoadResult, LoadError> {
    let profile = &plan.profile;
    let mut generator = Generator::begin();
    let mut memory = plan.rules.iter().any(Rule::is_about_memory).then(|| Memory::of(&field.system.target));
    let mut offered = None;
    if !watch.interrupted() {
        let mut running = Box::pin(send(field, profile, watch));
        let mut tick = tokio::time::interval(PROGRESS);
        let warm_up = profile.uncounted();
        loop {
            tokio::select! {
                ended = &mut running => {
                    offered = ended.map_err(|error| LoadError::Goose(Box::new(error)))?;
                    break;
                }
                _ = tick.tick() => {
                    let warming = field.samples.so_far().elapsed < warm_up;
                    told(if warming { Phase::WarmUp } else { Phase::Measuring }, Some(field));
                    if let Some(memory) = memory.as_mut().filter(|_| !warming) {
                        memory.look().await;
                    }
                    if plan.may_give_up() && let Some(why) = field.samples.hopeless(&plan.rules) {
                        field.give_up(why);
                    }
                }
            }
        }
    }
    let began = field.samples.counted_from().unwrap_or_else(Instant::now);
    let mut measured = field.samples.measured(Instant::now());
    measured.memory_growth = memory.and_then(|memory| memory.growth());
    measured.offered = offered.map(|offered| Offered { in_time: measured.in_time, ..offered });
    let cores = generator.cores();
    let mut about = plan.about(&field.system);
    about.notes.extend(late);
    about.notes.extend(field.hopeless().map(str::to_owned));
    let Some(shard) = profile.shard else {
        return Ok(conclusion(about, &measured, cores, &plan.rules, profile.baseline.as_ref()));
    };
    // Of a part nothing is decided.
    measured.fairness = None;
    let rules = plan.rules.iter().map(ToString::to_string).collect();
    let began = OffsetDateTime::now_utc() - began.elapsed();
    let piece = Piece { shard, about: about.clone(), rules, began, cores, measured, kept: PathBuf::new() };
    piece.keep(field.system.run.folder())?;
    about.notes.push(format!("shard {shard}: what all shards came to is judged when they are merged"));
    Ok(conclusion(about, &piece.measured, cores, &[], None))
}

/// Waits for the time to start. Says so if that was over before.
async fn until(start: Option<OffsetDateTime>, watch: &Watch) -> Option<String> {
    let start = start?;
    let left = |now: OffsetDateTime| Duration::try_from(start - now).ok().filter(|left| !left.is_zero());
    let Some(first) = left(OffsetDateTime::now_utc()) else {
        let late = OffsetDateTime::now_utc() - start;
        return Some(format!("it began {:.1} s after the time it was to start", late.as_seconds_f64()));
    };
    let end = tokio::time::Instant::now() + first;
    while !watch.interrupted() && tokio::time::Instant::now() < end {
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + LOOK)).await;
    }
    None
}

/// By the closed model or the open one, as the profile says. What was to be sent is known in the open one alone.
async fn send(field: &Arc<Field>, profile: &Profile, watch: &Watch) -> Result<Option<Offered>, GooseError> {
    match profile.arrivals {
        None => attack::run(field, profile).await.map(|()| None),
        Some(arrivals) => {
            let rng = field.system.run.seed().rng(&format!("{}/arrivals", profile.purpose()));
            Ok(Some(arrivals::run(field, profile, arrivals, rng, watch).await))
        }
    }
}

impl Progress {
    fn of(phase: Phase, profile: &Profile, field: Option<&Field>) -> Progress {
        let so_far = field.map(|field| field.samples.so_far()).unwrap_or_default();
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

fn parts(system: &System, plan: &Plan) -> Result<Vec<Part>, WorkloadError> {
    let cast = Cast::of(&system.target)?;
    let tasks = |workload: &Workload, whose: &[Persona]| {
        let tasks_of = |persona: &Persona| {
            Ok((*persona, workload.tasks_of(*persona, &cast, &system.contract, &system.target)?))
        };
        whose.iter().map(tasks_of).collect::<Result<_, WorkloadError>>()
    };
    let part = |(workload, weight, whose): (&Workload, usize, &[Persona])| {
        Ok(Part {
            name: workload.name().to_owned(),
            weight,
            pace: workload.pace(plan.profile.wait_seconds, plan.profile.wait_scale),
            tasks: tasks(workload, whose)?,
        })
    };
    let everybody = Persona::of_target(&system.target);
    let workloads = plan.workloads.iter().map(|(workload, weight)| (workload, *weight, everybody));
    // Nobody draws it: it is the aggressor's, whose people administer, and stands last.
    let aggression = plan.aggression.iter().map(|workload| (workload, 0, &[Persona::Admin][..]));
    workloads.chain(aggression).map(part).collect()
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
