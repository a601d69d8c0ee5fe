//! `mutants`: the suites against every seeded weakness. A survivor is a hole in the suites, an alarm on the
//! clean service a false one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fixtures::weakness::{self, Weakness, matches};
use fixtures::{Embedded, SecurityPolicy};
use harness::record::{Record, WeaknessResult};
use harness::run::Run;
use harness::suite::Suite;
use harness::verdict::{Exit, Verdict};
use suites_security::Plan;

use crate::error::CommandError;
use crate::integration::Tests;
use crate::progress::{bar, finish};
use crate::session::Session;

/// The id of the run against the service without a weakness.
const CLEAN: &str = "none";

pub async fn mutants(full: bool, only: Option<&str>) -> Result<Exit, CommandError> {
    let mut weaknesses = weakness::catalogue()?;
    if let Some(pattern) = only {
        weaknesses.retain(|weakness| matches(pattern, &weakness.id));
    }
    if weaknesses.is_empty() {
        return Err(CommandError::Nothing(format!("no weakness matches '{}'", only.unwrap_or_default())));
    }
    let session = Session::open(None).await?;
    let done = session.part(run(&session, &weaknesses, full, only.is_none())).await;
    session.close(&done)
}

async fn run(
    session: &Session,
    weaknesses: &[Weakness],
    full: bool,
    whole: bool,
) -> Result<(), CommandError> {
    let tests = Tests::build(session.run.folder()).await?;
    let suite = Suite::begin("mutants", &*session.system().await?, None)?;
    let bar = bar("mutants", Some(weaknesses.len() as u64 + 1));
    let mut failing = BTreeSet::new();
    let (mut killed, mut survivors) = (0, Vec::new());

    bar.set_message("the clean service");
    let clean = judged(session, None, tests.as_ref(), true).await?;
    let alarms = clean.caught_by.len();
    suite.record(&Record::Weakness(clean))?;
    bar.inc(1);
    for weakness in weaknesses {
        bar.set_message(weakness.id.clone());
        let result = judged(session, Some(weakness), tests.as_ref(), full).await?;
        failing.extend(
            result.caught_by.iter().filter_map(|check| check.strip_prefix("integration:")).map(str::to_owned),
        );
        if result.killed {
            killed += 1;
        } else {
            survivors.push(result.id.clone());
        }
        suite.record(&Record::Weakness(result))?;
        bar.inc(1);
    }
    suite.leave()?;
    let line = format!(
        "{killed} of {} weaknesses killed by the checks named beforehand, {alarms} alarms on the clean service",
        weaknesses.len()
    );
    finish(&bar, "mutants", &line);
    for survivor in survivors {
        println!("{:>12}  {survivor}", "survived");
    }
    if whole && tests.is_some() {
        for test in names(&scratch_folder(session, CLEAN))?.difference(&failing) {
            println!("{:>12}  {test} (no weakness fails it)", "idle");
        }
    }
    Ok(())
}

fn scratch_folder(session: &Session, id: &str) -> std::path::PathBuf {
    session.run.folder().join("weak").join(id.replace('/', "."))
}

/// Runs the checks against one weakness, or against the clean service, in a run folder of their own: what
/// they find there is no finding of this run.
async fn judged(
    session: &Session,
    weakness: Option<&Weakness>,
    tests: Option<&Tests>,
    all: bool,
) -> Result<WeaknessResult, CommandError> {
    let start = Instant::now();
    let id = weakness.map_or(CLEAN, |weakness| weakness.id.as_str());
    let folder = scratch_folder(session, id);
    let policy = weakness.map_or_else(SecurityPolicy::default, |weakness| weakness.policy.clone());
    let mut caught_by = BTreeSet::new();
    let expects = |suite: &str, check: &str| weakness.is_some_and(|weakness| weakness.expects(suite, check));

    // Systems hold on to their run for the life of the process; there are as many as there are weaknesses.
    let run: &'static Run = Box::leak(Box::new(Run::at(&folder)?));
    let embedded = Embedded::start(run, policy).await?;
    let whole = Plan::of(&embedded.system.contract);
    let named = whole.clone().only(|path| expects("security", path));
    caught_by.extend(failed(&embedded, &named, weakness.is_none()).await?);
    if let Some(tests) = tests {
        let command = tests.command(&folder, weakness.map(|_| id));
        tests.watch(command, &folder, |_| {}).await?;
        caught_by.extend(
            failed_tests(&folder, weakness.is_none())?.into_iter().map(|test| format!("integration:{test}")),
        );
    }
    let killed = |caught: &BTreeSet<String>| {
        caught.iter().filter_map(|check| check.split_once(':')).any(|(suite, check)| expects(suite, check))
    };
    if all || !killed(&caught_by) {
        caught_by.extend(failed(&embedded, &whole, weakness.is_none()).await?);
    }
    run.forget_shared();
    let is_killed = if weakness.is_some() { killed(&caught_by) } else { caught_by.is_empty() };
    Ok(WeaknessResult {
        id: id.to_owned(),
        family: weakness.and_then(|weakness| weakness.family).map(str::to_owned),
        gain: weakness.map_or_else(
            || "nothing: the service is as it should be".to_owned(),
            |weakness| weakness.gain.clone(),
        ),
        cwe: weakness.map_or(0, |weakness| weakness.cwe),
        expected: weakness.map(|weakness| weakness.expected.clone()).unwrap_or_default(),
        caught_by: caught_by.into_iter().collect(),
        killed: is_killed,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The checks of a plan that raise something on a system: on a weak one what they found, on the clean one
/// also what they could not observe.
async fn failed(embedded: &Embedded, plan: &Plan, clean: bool) -> Result<Vec<String>, CommandError> {
    let suite = Arc::new(Suite::begin("security", &embedded.system, None)?);
    let summary = suites_security::run::run(&embedded.system, &suite, plan, |_| {}).await?;
    suite.leave()?;
    let raised = summary
        .outcomes
        .iter()
        .filter(|outcome| outcome.finding.is_some() || (clean && outcome.outcome.verdict >= Verdict::Fail));
    let mut raised: Vec<String> = raised.map(|outcome| format!("security:{}", outcome.case.path)).collect();
    if clean {
        let uncovered = summary.uncovered.iter();
        raised.extend(uncovered.map(|gap| format!("security:coverage/{}/{}", gap.operation, gap.principal)));
    }
    Ok(raised)
}

/// The integration tests that failed in a run folder.
fn failed_tests(folder: &Path, clean: bool) -> Result<BTreeSet<String>, CommandError> {
    tests_with(folder, |verdict| verdict == Verdict::Fail || (clean && verdict == Verdict::Error))
}

/// All integration tests in a run folder.
fn names(folder: &Path) -> Result<BTreeSet<String>, CommandError> {
    tests_with(folder, |_| true)
}

fn tests_with(folder: &Path, keep: impl Fn(Verdict) -> bool) -> Result<BTreeSet<String>, CommandError> {
    let report = reports::merge(folder)?;
    let integration = report.suites.into_iter().filter(|suite| suite.suite == "integration");
    let tests = integration.flat_map(|suite| suite.tests).filter(|test| keep(test.verdict));
    Ok(tests.map(|test| test.test).collect())
}
