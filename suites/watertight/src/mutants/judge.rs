//! What a weakness is judged by: a service with it, the checks named beforehand, and the same checks on the service
//! without it, which must let all of them pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fixtures::weakness::{self, Takes, Weakness};
use fixtures::{Lodging, TARGET_VARIABLE};
use harness::pattern::matches;
use harness::record::WeaknessResult;
use harness::run::Run;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::Verdict;
use indicatif::ProgressBar;
use suites_security::run::Quest;
use suites_security::{CaseOutcome, Plan};

use super::Extent;
use crate::error::CommandError;
use crate::integration::{Named, Tests};
use crate::session::{Session, programs};

/// The id of the run against the service without a weakness.
const CLEAN: &str = "none";
pub(super) const SECURITY: &str = "security";
const INTEGRATION: &str = "integration";

/// What weaknesses are judged by.
pub(super) struct Judge<'s> {
    session: &'s Session,
    extent: Extent,
    /// How services are started.
    lodging: Lodging,
    /// The integration tests, and all their names.
    tests: Option<(Tests, Vec<Named>)>,
    /// Those that no weakness has failed yet.
    idle: Mutex<BTreeSet<Named>>,
}

/// What checks came to on one service, each as `SUITE:PATH`.
#[derive(Debug, Default)]
struct Seen {
    caught: BTreeSet<String>,
    passed: BTreeSet<String>,
    /// What observed nothing, and why.
    blind: BTreeMap<String, String>,
}

impl Seen {
    fn learn(&mut self, suite: &str, path: &str, verdict: Verdict, reason: Option<&str>, is_found: bool) {
        let check = format!("{suite}:{path}");
        if is_found {
            self.caught.insert(check);
        } else if verdict == Verdict::Pass {
            self.passed.insert(check);
        } else {
            self.blind.insert(check, reason.unwrap_or(verdict.as_str()).to_owned());
        }
    }

    fn extend(&mut self, other: Seen) {
        self.caught.extend(other.caught);
        self.passed.extend(other.passed);
        self.blind.extend(other.blind);
    }

    /// Why nothing is known by a pattern that no check of a verdict matches.
    fn blindness(&self, pattern: &str) -> Option<String> {
        let is_seen = |seen: &BTreeSet<String>| seen.iter().any(|check| matches(pattern, check));
        if is_seen(&self.caught) || is_seen(&self.passed) {
            return None;
        }
        let blind = self.blind.iter().find(|(check, _)| matches(pattern, check));
        Some(blind.map_or_else(
            || format!("{pattern}: there is no such check"),
            |(check, reason)| format!("{check} observed nothing: {reason}"),
        ))
    }
}

/// The checks of a suite that pass on the clean service, as `SUITE:PATH`, and those that observe nothing there.
#[derive(Debug)]
pub(super) struct Sound(Seen);

/// The named checks of the security suite, each until it is known whether it catches.
struct Patterns {
    open: Mutex<BTreeSet<String>>,
    seen: Mutex<Seen>,
}

impl Patterns {
    fn of<'p>(patterns: impl Iterator<Item = &'p str>) -> Arc<Patterns> {
        let open = Mutex::new(patterns.map(str::to_owned).collect());
        Arc::new(Patterns { open, seen: Mutex::default() })
    }

    fn seen(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Quest for Patterns {
    fn seeks(&self, path: &str) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().any(|pattern| matches(pattern, path))
    }

    fn learns(&self, outcome: &CaseOutcome) {
        let path = &outcome.case.path;
        if outcome.finding.is_some() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|pattern| !matches(pattern, path));
        }
        learn(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner), outcome, false);
    }
}

/// On a weak service a check raises what it found, on the clean one also what it could not observe.
fn learn(seen: &mut Seen, outcome: &CaseOutcome, clean: bool) {
    let verdict = outcome.outcome.verdict;
    let is_found = outcome.finding.is_some() || (clean && verdict >= Verdict::Fail);
    seen.learn(SECURITY, &outcome.case.path, verdict, outcome.outcome.reason.as_deref(), is_found);
}

impl<'s> Judge<'s> {
    pub(super) async fn of(session: &'s Session, extent: Extent) -> Result<Judge<'s>, CommandError> {
        let lodging = match extent {
            Extent::ByUrl => Lodging { apart: Some(programs()?), by_url: true, ..Lodging::default() },
            _ => Lodging::default(),
        };
        let mut judge = Judge { session, extent, lodging, tests: None, idle: Mutex::default() };
        // The integration suite tells stories that people wrote; some have a weakness in mind.
        if !judge.is_by_any_check()
            && let Some(tests) = Tests::build(session.run.folder()).await?
        {
            let all = tests.list().await?;
            judge.idle = Mutex::new(all.iter().cloned().collect());
            judge.tests = Some((tests, all));
        }
        Ok(judge)
    }

    /// A run folder of its own for one service: what is found there is no finding of this run. What a run has once for
    /// all its processes is this run's.
    fn apart(&self, target: &str, id: &str) -> Result<(&'static Run, PathBuf), CommandError> {
        let folder = self.session.run.folder().join("weak").join(target).join(id.replace('/', "."));
        // Systems hold on to their run for the life of the process; there are as many as there are weaknesses.
        let run: &'static Run = Box::leak(Box::new(self.session.run.beside(&folder)?));
        Ok((run, folder))
    }

    /// Runs on the service without a weakness whatever is going to be run on those with one.
    pub(super) async fn clean(
        &self,
        target: &str,
        weaknesses: &[&Weakness],
    ) -> Result<(WeaknessResult, Sound), CommandError> {
        let start = Instant::now();
        let (run, folder) = self.apart(target, CLEAN)?;
        let selected = fixtures::start(run, target, None, &self.lodging).await?;
        let system = &selected.system;
        let expected =
            |suite: &str, check: &str| weaknesses.iter().any(|weakness| weakness.expects(suite, check));
        let whole = Plan::of(system);
        let (plan, everything) = match self.extent {
            Extent::Full | Extent::Idle | Extent::ByUrl => (whole, true),
            Extent::General => (whole.general(), false),
            Extent::Named => (whole.only(|path| expected(SECURITY, path)), false),
        };
        let mut seen = attack(system, &plan, true).await?;
        let wanted = |test: &Named| everything || expected(INTEGRATION, &test.recorded);
        seen.extend(self.tell(target, None, &folder, wanted).await?);
        run.forget_shared();
        let result = WeaknessResult {
            target: target.to_owned(),
            id: CLEAN.to_owned(),
            family: None,
            gain: "nothing: the service is as it should be".to_owned(),
            cwe: 0,
            expected: Vec::new(),
            caught_by: seen.caught.iter().cloned().collect(),
            killed: seen.caught.is_empty(),
            by_general: false,
            blind: Vec::new(),
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok((result, Sound(seen)))
    }

    /// Judges one weakness.
    pub(super) async fn weak(
        &self,
        target: &str,
        weakness: &Weakness,
        sound: &Sound,
    ) -> Result<WeaknessResult, CommandError> {
        let start = Instant::now();
        let (run, folder) = self.apart(target, &weakness.id)?;
        let selected = fixtures::start(run, target, Some(weakness), &self.lodging).await?;
        let system = &selected.system;
        let whole = Plan::of(system);
        let general = whole.clone().general();
        let is_expected = |check: &String| weakness.expected.iter().any(|pattern| matches(pattern, check));
        let by_general = |check: &String| {
            check
                .strip_prefix(SECURITY)
                .and_then(|check| check.strip_prefix(':'))
                .is_some_and(|path| general.has(path))
        };
        let kills = |check: &String| self.is_by_any_check() || is_expected(check);
        let mut seen = match self.extent {
            Extent::Full => attack(system, &whole, false).await?,
            Extent::General => search(system, &general, ["*"].into_iter()).await?,
            Extent::Named | Extent::Idle | Extent::ByUrl => {
                let named = whole.clone().only(|path| weakness.expects(SECURITY, path));
                search(system, &named, weakness.expected_in(SECURITY)).await?
            }
        };
        let is_killed = |seen: &Seen| seen.caught.iter().any(kills);
        if self.extent == Extent::ByUrl && weakness.takes.is_none() && !is_killed(&seen) {
            seen.extend(search(system, &whole, ["*"].into_iter()).await?);
        }
        let everything = self.extent == Extent::Full;
        let wanted = |test: &Named, is_killed: bool| {
            everything
                || (!is_killed && weakness.expects(INTEGRATION, &test.recorded))
                || (self.extent == Extent::Idle && self.is_idle(test))
        };
        let known = is_killed(&seen);
        seen.extend(self.tell(target, Some(weakness), &folder, |test| wanted(test, known)).await?);
        let mut blind = Vec::new();
        if self.extent == Extent::ByUrl && weakness.takes.is_some() {
            // What is said to be out of reach must be that: none of the checks named for it can look.
            let observes = |pattern: &&str| seen.blindness(&format!("{SECURITY}:{pattern}")).is_none();
            blind.extend(weakness.expected_in(SECURITY).find(observes).map(|pattern| {
                format!("{SECURITY}:{pattern} looks at it by URL too: take `takes` out of the catalogue")
            }));
        }
        if !self.is_by_any_check() {
            // What does not pass on the clean service has nothing to say of a weak one.
            let at_hand = || weakness.expected.iter().filter(|pattern| self.has_suite_of(pattern));
            blind.extend(at_hand().filter_map(|pattern| sound.0.blindness(pattern)));
            if at_hand().next().is_none() {
                blind.push("the integration tests are built from the workspace, and this is none".to_owned());
            }
            if blind.is_empty() && !is_killed(&seen) {
                blind.extend(at_hand().filter_map(|pattern| seen.blindness(pattern)));
            }
        }
        if matches!(self.extent, Extent::Named | Extent::Idle) && blind.is_empty() && !is_killed(&seen) {
            // What else would have caught it says where the named checks look away.
            seen.extend(attack(system, &whole, false).await?);
            let others = |test: &Named| !weakness.expects(INTEGRATION, &test.recorded);
            seen.extend(self.tell(target, Some(weakness), &folder, others).await?);
        }
        self.stirred(&seen);
        run.forget_shared();
        let killed = blind.is_empty() && is_killed(&seen);
        if killed {
            // Evidence of a weakness that is noticed is of no use to anybody, and there is much of it.
            fs::remove_dir_all(&folder).ok();
        }
        Ok(WeaknessResult {
            target: target.to_owned(),
            id: weakness.id.clone(),
            family: weakness.family.map(str::to_owned),
            gain: weakness.gain.clone(),
            cwe: weakness.cwe,
            expected: weakness.expected.clone(),
            killed,
            by_general: seen.caught.iter().any(|check| kills(check) && by_general(check)),
            blind,
            caught_by: seen.caught.into_iter().collect(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Whether a catch counts by whichever check of the security suite it is.
    fn is_by_any_check(&self) -> bool {
        matches!(self.extent, Extent::General | Extent::ByUrl)
    }

    /// Who has to catch a weakness.
    pub(super) fn by_whom(&self) -> &'static str {
        match self.extent {
            Extent::General => "by general checks",
            Extent::ByUrl => "by URL alone",
            Extent::Named | Extent::Idle | Extent::Full => "by the checks named beforehand",
        }
    }

    /// What was not at hand without which the weakness is not noticed, where that is why it was not.
    pub(super) fn lacked(&self, weakness: &Weakness, result: &WeaknessResult) -> Option<Takes> {
        let is_so = self.extent == Extent::ByUrl && !result.killed && result.blind.is_empty();
        weakness.takes.filter(|_| is_so)
    }

    /// Outside of the workspace there are no integration tests to run.
    fn has_suite_of(&self, pattern: &str) -> bool {
        self.tests.is_some() || !pattern.starts_with(INTEGRATION)
    }

    fn is_idle(&self, test: &Named) -> bool {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).contains(test)
    }

    /// Tests that failed under a weakness are not idle.
    fn stirred(&self, seen: &Seen) {
        let failed = |test: &Named| seen.caught.contains(&format!("{INTEGRATION}:{}", test.recorded));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|test| !failed(test));
    }

    /// Where idle tests are looked for: takes those off that a whole family fails, three runs in place of one for each
    /// operation.
    pub(super) async fn stir(&self, target: &str, bar: &ProgressBar) -> Result<(), CommandError> {
        if self.extent != Extent::Idle {
            return Ok(());
        }
        for family in weakness::whole_families().filter(|family| family.target() == target) {
            bar.set_message(family.id.clone());
            let (_, folder) = self.apart(target, &family.id)?;
            let seen = self.tell(target, Some(&family), &folder, |test| self.is_idle(test)).await?;
            self.stirred(&seen);
        }
        Ok(())
    }

    /// Says which integration tests no weakness failed, where that was asked.
    pub(super) fn tell_idle(&self) {
        let (Extent::Idle | Extent::Full, Some((_, all))) = (self.extent, &self.tests) else { return };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{:>12}  {} of {} integration tests fail under no weakness", "idle", idle.len(), all.len());
        for test in idle.iter() {
            println!("{:>12}  {}", "idle", test.recorded);
        }
    }

    /// What the wanted integration tests come to under a weakness, or on the clean service.
    async fn tell(
        &self,
        target: &str,
        weakness: Option<&Weakness>,
        folder: &Path,
        wanted: impl Fn(&Named) -> bool,
    ) -> Result<Seen, CommandError> {
        let Some((tests, all)) = &self.tests else { return Ok(Seen::default()) };
        let names: Vec<&str> =
            all.iter().filter(|test| wanted(test)).map(|test| test.libtest.as_str()).collect();
        if names.is_empty() {
            return Ok(Seen::default());
        }
        let mut command = tests.command(folder, weakness.map(|weakness| weakness.id.as_str()));
        command.env(TARGET_VARIABLE, target).arg("--exact").args(names);
        tests.watch(command, folder, |_| {}).await?;
        told(folder, target, weakness.is_none())
    }
}

/// Runs a plan on a system to its end.
async fn attack(system: &Arc<System>, plan: &Plan, clean: bool) -> Result<Seen, CommandError> {
    let suite = Arc::new(Suite::begin(SECURITY, system, None)?);
    let summary = suites_security::run::run(system, &suite, plan, |_| {}).await?;
    suite.leave()?;
    let mut seen = Seen::default();
    for outcome in &summary.outcomes {
        learn(&mut seen, outcome, clean);
    }
    if clean {
        let uncovered = summary.uncovered.iter();
        seen.caught
            .extend(uncovered.map(|gap| format!("{SECURITY}:coverage/{}/{}", gap.operation, gap.principal)));
    }
    Ok(seen)
}

/// Runs a plan on a weak system, for each pattern until a check of it has caught the weakness.
async fn search(
    system: &Arc<System>,
    plan: &Plan,
    patterns: impl Iterator<Item = &str>,
) -> Result<Seen, CommandError> {
    let suite = Arc::new(Suite::begin(SECURITY, system, None)?);
    let patterns = Patterns::of(patterns);
    suites_security::run::search(system, &suite, plan, &patterns).await?;
    suite.leave()?;
    Ok(patterns.seen())
}

/// What the integration tests of a run folder came to on a target.
fn told(folder: &Path, target: &str, clean: bool) -> Result<Seen, CommandError> {
    let report = reports::merge(folder)?;
    let here = |suite: &reports::Suite| suite.suite == INTEGRATION && suite.target == target;
    let mut seen = Seen::default();
    for test in report.suites.into_iter().filter(here).flat_map(|suite| suite.tests) {
        let is_found = test.verdict == Verdict::Fail || (clean && test.verdict == Verdict::Error);
        seen.learn(INTEGRATION, &test.test, test.verdict, test.reason.as_deref(), is_found);
    }
    Ok(seen)
}
