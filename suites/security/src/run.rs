//! Running a plan: groups side by side, every case recorded.

use std::sync::Arc;
use std::time::Instant;

use harness::record::{Measured, Record, Uncovered};
use harness::run::RunError;
use harness::suite::{Outcome, Suite};
use harness::system::System;
use harness::verdict::Verdict;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::CaseOutcome;
use crate::group::Group;
use crate::plan::Plan;

/// Bundles of groups under way at once. The target, its store and the harness share the cores; more only queue.
const SIDE_BY_SIDE: usize = 8;

/// What a plan came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Every case with its outcome.
    pub outcomes: Vec<CaseOutcome>,
    /// What the plan demanded and no request covered.
    pub uncovered: Vec<Uncovered>,
}

impl Summary {
    /// How many cases ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.outcome.verdict == verdict).count()
    }
}

/// Runs a plan. `on_case` is told of every case as it ends, for progress.
pub async fn run(
    system: &Arc<System>,
    suite: &Arc<Suite>,
    plan: &Plan,
    on_case: impl Fn(&CaseOutcome) + Send + Sync,
) -> Result<Summary, RunError> {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut tasks = JoinSet::new();
    for bundle in plan.bundles() {
        let (system, suite, places) = (system.clone(), suite.clone(), places.clone());
        tasks.spawn(async move {
            // The semaphore is never closed, so a place is always given.
            let _place = places.acquire_owned().await.ok();
            recorded(&bundle, &system, &suite).await
        });
    }
    let mut summary = Summary::default();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(outcomes) => {
                for outcome in outcomes? {
                    on_case(&outcome);
                    summary.outcomes.push(outcome);
                }
            }
            // A group that panicked started its cases and never ended them, which the records show as errors.
            Err(error) => eprintln!("a group of attacks ended by itself: {error}"),
        }
    }
    summary.outcomes.sort_by(|one, other| one.case.path.cmp(&other.case.path));
    measure(suite, &summary.outcomes)?;
    // What was skipped for want of a capability says so itself.
    let skipped = |path: &str| {
        let verdict = summary.outcomes.iter().find(|outcome| outcome.case.path == path);
        verdict.is_some_and(|outcome| outcome.outcome.verdict <= Verdict::Skip)
    };
    summary.uncovered = uncovered(system, &plan.clone().only(|path| !skipped(path)));
    for uncovered in &summary.uncovered {
        suite.record(&Record::Uncovered(uncovered.clone()))?;
        // Nothing was observed there, so the run has not passed, whatever the cases say.
        let test =
            format!("coverage/{}/{}/{}", uncovered.operation, uncovered.principal, uncovered.class.as_str());
        let reason = "the contract demands it, and no such request was sent";
        suite.started(&test)?;
        suite.ended(&test, Instant::now(), &Outcome::because(Verdict::Error, reason))?;
    }
    Ok(summary)
}

/// Somebody who looks for findings, and for each kind of them only until there is one.
pub trait Quest: Send + Sync + 'static {
    /// Whether a check is worth running, as far as is known by now.
    fn seeks(&self, path: &str) -> bool;
    /// Tells what came of a check.
    fn learns(&self, outcome: &CaseOutcome);
}

/// Runs what somebody seeks of a plan, and nothing that is sought no more by the time it is due.
pub async fn search(
    system: &Arc<System>,
    suite: &Arc<Suite>,
    plan: &Plan,
    quest: &Arc<impl Quest>,
) -> Result<(), RunError> {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut tasks = JoinSet::new();
    for mut bundle in plan.bundles() {
        let (system, suite, places, quest) = (system.clone(), suite.clone(), places.clone(), quest.clone());
        tasks.spawn(async move {
            let _place = places.acquire_owned().await.ok();
            bundle.retain(|group| group.cases.iter().any(|case| quest.seeks(&case.path)));
            for outcome in recorded(&bundle, &system, &suite).await? {
                quest.learns(&outcome);
            }
            Ok::<_, RunError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(searched) => searched?,
            Err(error) => eprintln!("a group of attacks ended by itself: {error}"),
        }
    }
    Ok(())
}

/// How long rights outlived their end, over all operations: from the answer to the request that ended them, or from
/// the next request on, to the first refusal.
fn measure(suite: &Suite, outcomes: &[CaseOutcome]) -> Result<(), RunError> {
    let outlived = outcomes.iter().filter_map(|outcome| outcome.outlived);
    let values: Vec<f64> = outlived.map(|outlived| outlived.as_secs_f64() * 1e3).collect();
    let name = "until a right that was taken away is refused";
    match Measured::of(suite.name(), suite.target(), name, "ms", &values) {
        Some(measured) => suite.record(&Record::Measured(measured)),
        None => Ok(()),
    }
}

/// Runs the groups of a bundle one after the other, and writes what came of them.
pub async fn recorded(
    bundle: &[Group],
    system: &Arc<System>,
    suite: &Suite,
) -> Result<Vec<CaseOutcome>, RunError> {
    for case in bundle.iter().flat_map(|group| &group.cases) {
        suite.started(&case.path)?;
        suite.record(&Record::Subject(case.subject(suite.name(), suite.target())))?;
    }
    let (mut all, mut ground) = (Vec::new(), None);
    for (at, group) in bundle.iter().enumerate() {
        let start = Instant::now();
        let outcomes = group.run(system, suite, &mut ground, at + 1 < bundle.len()).await;
        for outcome in &outcomes {
            suite.ended(&outcome.case.path, start, &outcome.outcome)?;
            if let Some(finding) = &outcome.finding {
                suite.record(&Record::Finding(finding.clone()))?;
            }
        }
        all.extend(outcomes);
    }
    Ok(all)
}

fn uncovered(system: &System, plan: &Plan) -> Vec<Uncovered> {
    let demanded = plan.demanded().into_iter();
    let missing = demanded.filter(|(operation, principal, class)| {
        if principal.is_empty() {
            system.coverage.sent(operation, *class) == 0
        } else {
            !system.coverage.covers(operation, principal, *class)
        }
    });
    missing
        .map(|(operation, principal, class)| Uncovered {
            target: system.target.name.clone(),
            operation,
            principal: if principal.is_empty() { "any".to_owned() } else { principal },
            class,
        })
        .collect()
}
