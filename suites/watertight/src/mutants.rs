//! `mutants`: the suites against every seeded weakness of every embedded target. A survivor is a hole in the suites,
//! an alarm on the clean service a false one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fixtures::TARGET_VARIABLE;
use fixtures::weakness::{self, Weakness, matches};
use harness::record::{Record, WeaknessResult};
use harness::run::Run;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::{Exit, Verdict};
use suites_security::Plan;

use crate::error::CommandError;
use crate::integration::{Named, Tests};
use crate::progress::{bar, finish};
use crate::session::Session;

/// The id of the run against the service without a weakness.
const CLEAN: &str = "none";

/// How much is run against a weakness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The checks named beforehand, and everything if they do not catch it.
    Named,
    /// Also every integration test that no weakness has failed yet: what is left at the end proves nothing.
    Idle,
    /// Everything.
    Full,
}

pub async fn mutants(
    target: Option<&Path>,
    extent: Extent,
    only: Option<&str>,
) -> Result<Exit, CommandError> {
    let mut weaknesses = weakness::catalogue()?;
    if let Some(pattern) = only {
        weaknesses.retain(|weakness| matches(pattern, &weakness.id));
    }
    if weaknesses.is_empty() {
        return Err(CommandError::Nothing(format!("no weakness matches '{}'", only.unwrap_or_default())));
    }
    // Weaknesses are seeded in what is embedded, whatever file is at hand.
    let session = Session::open(target.filter(|word| fixtures::file(Some(word)).is_none())).await?;
    let done = session.part(run(&session, &weaknesses, extent)).await;
    session.close(&done)
}

async fn run(session: &Session, weaknesses: &[Weakness], extent: Extent) -> Result<(), CommandError> {
    let tests = Tests::build(session.run.folder()).await?;
    let mut judge = Judge { session, extent, idle: BTreeSet::new(), tests: None };
    if let Some(tests) = tests {
        let all = tests.list().await?;
        judge.idle = all.iter().cloned().collect();
        judge.tests = Some((tests, all));
    }
    for system in session.systems().await? {
        let here = |weakness: &&Weakness| weakness.target() == system.target.name;
        let weaknesses: Vec<&Weakness> = weaknesses.iter().filter(here).collect();
        if !weaknesses.is_empty() {
            of_target(&system, &mut judge, &weaknesses).await?;
        }
    }
    if extent != Extent::Named
        && let Some((_, all)) = &judge.tests
    {
        println!(
            "{:>12}  {} of {} integration tests fail under no weakness",
            "idle",
            judge.idle.len(),
            all.len()
        );
        for test in &judge.idle {
            println!("{:>12}  {}", "idle", test.recorded);
        }
    }
    Ok(())
}

/// The weaknesses of one target, after the service without one.
async fn of_target(
    system: &System,
    judge: &mut Judge<'_>,
    weaknesses: &[&Weakness],
) -> Result<(), CommandError> {
    let target = &system.target.name;
    let suite = Suite::begin("mutants", system, None)?;
    let bar = bar("mutants", Some(weaknesses.len() as u64 + 1));
    let (mut killed, mut survivors) = (0, Vec::new());

    bar.set_message("the clean service");
    let clean = judge.judged(target, None).await?;
    let alarms = clean.caught_by.len();
    suite.record(&Record::Weakness(clean))?;
    bar.inc(1);
    if judge.extent == Extent::Idle {
        for family in weakness::whole_families().filter(|family| family.target() == target) {
            bar.set_message(family.id.clone());
            judge.stir(target, &family).await?;
        }
    }
    for weakness in weaknesses {
        bar.set_message(weakness.id.clone());
        let result = judge.judged(target, Some(weakness)).await?;
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
        "{target}: {killed} of {} weaknesses killed by the checks named beforehand, {alarms} alarms on the clean service",
        weaknesses.len()
    );
    finish(&bar, "mutants", &line);
    for survivor in survivors {
        println!("{:>12}  {survivor}", "survived");
    }
    Ok(())
}

fn scratch_folder(session: &Session, target: &str, id: &str) -> std::path::PathBuf {
    session.run.folder().join("weak").join(target).join(id.replace('/', "."))
}

/// What weaknesses are judged by.
struct Judge<'s> {
    session: &'s Session,
    extent: Extent,
    /// The integration tests, and all their names.
    tests: Option<(Tests, Vec<Named>)>,
    /// Those that no weakness has failed yet.
    idle: BTreeSet<Named>,
}

impl Judge<'_> {
    /// Runs the checks against one weakness, or against the clean service, in a run folder of their own: what
    /// they find there is no finding of this run.
    async fn judged(
        &mut self,
        target: &str,
        weakness: Option<&Weakness>,
    ) -> Result<WeaknessResult, CommandError> {
        let start = Instant::now();
        let id = weakness.map_or(CLEAN, |weakness| weakness.id.as_str());
        let folder = scratch_folder(self.session, target, id);
        let expects =
            |suite: &str, check: &str| weakness.is_some_and(|weakness| weakness.expects(suite, check));
        let killed = |caught: &BTreeSet<String>| {
            caught
                .iter()
                .filter_map(|check| check.split_once(':'))
                .any(|(suite, check)| expects(suite, check))
        };

        // Systems hold on to their run for the life of the process; there are as many as there are weaknesses.
        let run: &'static Run = Box::leak(Box::new(Run::at(&folder)?));
        let selected = fixtures::start(run, target, weakness).await?;
        let system = &selected.system;
        let whole = Plan::of(system);
        let named = whole.clone().only(|path| expects("security", path));
        let mut caught_by = BTreeSet::new();
        let everything = weakness.is_none() || self.extent == Extent::Full;
        let wanted = |test: &Named, idle: &BTreeSet<Named>| {
            everything
                || expects("integration", &test.recorded)
                || (self.extent == Extent::Idle && idle.contains(test))
        };
        let plan = if everything { &whole } else { &named };
        caught_by.extend(failed(system, plan, weakness.is_none()).await?);
        caught_by.extend(self.fail(target, weakness, &folder, |test| wanted(test, &self.idle)).await?);
        if !everything && !killed(&caught_by) {
            // What else would have caught it says where the named checks look away.
            caught_by.extend(failed(system, &whole, false).await?);
            caught_by.extend(self.fail(target, weakness, &folder, |test| !wanted(test, &self.idle)).await?);
        }
        if weakness.is_some() {
            self.idle.retain(|test| !caught_by.contains(&format!("integration:{}", test.recorded)));
        }
        run.forget_shared();
        let is_killed = if weakness.is_some() { killed(&caught_by) } else { caught_by.is_empty() };
        Ok(WeaknessResult {
            target: target.to_owned(),
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

    /// Takes the integration tests that a whole family fails off the idle ones: three runs in place of one for
    /// each operation.
    async fn stir(&mut self, target: &str, family: &Weakness) -> Result<(), CommandError> {
        let folder = scratch_folder(self.session, target, &family.id);
        Run::at(&folder)?;
        let caught = self.fail(target, Some(family), &folder, |test| self.idle.contains(test)).await?;
        self.idle.retain(|test| !caught.contains(&format!("integration:{}", test.recorded)));
        Ok(())
    }

    /// Which of the wanted integration tests fail under a weakness.
    async fn fail(
        &self,
        target: &str,
        weakness: Option<&Weakness>,
        folder: &Path,
        wanted: impl Fn(&Named) -> bool,
    ) -> Result<Vec<String>, CommandError> {
        let Some((tests, all)) = &self.tests else { return Ok(Vec::new()) };
        let names: Vec<&str> =
            all.iter().filter(|test| wanted(test)).map(|test| test.libtest.as_str()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = tests.command(folder, weakness.map(|weakness| weakness.id.as_str()));
        command.env(TARGET_VARIABLE, target).arg("--exact").args(names);
        tests.watch(command, folder, |_| {}).await?;
        let failed = failed_tests(folder, target, weakness.is_none())?;
        Ok(failed.into_iter().map(|test| format!("integration:{test}")).collect())
    }
}

/// The checks of a plan that raise something on a system: on a weak one what they found, on the clean one
/// also what they could not observe.
async fn failed(system: &Arc<System>, plan: &Plan, clean: bool) -> Result<Vec<String>, CommandError> {
    let suite = Arc::new(Suite::begin("security", system, None)?);
    let summary = suites_security::run::run(system, &suite, plan, |_| {}).await?;
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

/// The integration tests that failed on a target in a run folder.
fn failed_tests(folder: &Path, target: &str, clean: bool) -> Result<BTreeSet<String>, CommandError> {
    let failed = |verdict: Verdict| verdict == Verdict::Fail || (clean && verdict == Verdict::Error);
    let report = reports::merge(folder)?;
    let integration =
        report.suites.into_iter().filter(|suite| suite.suite == "integration" && suite.target == target);
    let tests = integration.flat_map(|suite| suite.tests).filter(|test| failed(test.verdict));
    Ok(tests.map(|test| test.test).collect())
}
