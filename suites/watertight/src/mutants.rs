//! `mutants`: the suites against every seeded weakness of every embedded target. A survivor is a hole in the suites,
//! an alarm on the clean service a false one.

mod judge;

use std::path::Path;
use std::time::Instant;

use fixtures::weakness::{self, Weakness};
use futures::{StreamExt as _, stream};
use harness::pattern::matches;
use harness::record::{Record, WeaknessResult};
use harness::suite::{Outcome, Suite};
use harness::verdict::{Exit, Verdict};

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;
use judge::Judge;

/// Weaknesses judged at once: the checks of one wait more than they work, for clocks, processes and databases.
const SIDE_BY_SIDE: usize = 3;
/// Of the checks that caught a weakness so many are told; the report has all.
const TOLD: usize = 3;

/// How much is run against a weakness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The checks named beforehand, each until it is known whether it catches, and everything if none does.
    Named,
    /// Also every integration test that no weakness has failed yet: what is left at the end proves nothing.
    Idle,
    /// Nothing but the checks that were written with no weakness in mind, until one of them catches it.
    General,
    /// The security suite alone, on services that are processes of their own and reached by nothing but their URL: the
    /// checks named beforehand, and everything if none of them catches. A catch by any check counts.
    ByUrl,
    /// Everything.
    Full,
}

pub async fn mutants(
    target: Option<&Path>,
    extent: Extent,
    only: Option<&str>,
) -> Result<Exit, CommandError> {
    let mut weaknesses = weakness::catalogue()?;
    if let Some(patterns) = only {
        weaknesses
            .retain(|weakness| patterns.split(',').any(|pattern| matches(pattern.trim(), &weakness.id)));
    }
    if extent == Extent::ByUrl {
        // Who is named beforehand for the others are stories of the integration suite.
        weaknesses.retain(|weakness| weakness.expected_in(judge::SECURITY).next().is_some());
    }
    if weaknesses.is_empty() {
        return Err(CommandError::Nothing(format!("no weakness matches '{}'", only.unwrap_or_default())));
    }
    // Weaknesses are seeded in what is embedded, whatever file is at hand.
    let session = Session::open(target.filter(|word| fixtures::file(Some(word)).is_none())).await?;
    // Of a part of the weaknesses nobody expects that every test fails under one.
    let all = only.is_none() && target.is_none();
    let done = session.part(run(&session, &weaknesses, extent, all)).await;
    session.close(&done)
}

async fn run(
    session: &Session,
    weaknesses: &[Weakness],
    extent: Extent,
    all: bool,
) -> Result<(), CommandError> {
    let judge = Judge::of(session, extent).await?;
    let mut by_general = Vec::new();
    for system in session.systems().await? {
        let here = |weakness: &&Weakness| weakness.target() == system.target.name;
        let weaknesses: Vec<&Weakness> = weaknesses.iter().filter(here).collect();
        if !weaknesses.is_empty() {
            let suite = Suite::begin("mutants", &system, None)?;
            let results = of_target(&suite, &judge, &weaknesses).await?;
            suite.leave()?;
            by_general.extend(results);
        }
    }
    by_general.retain(|result| result.family.is_none());
    let named = by_general.len();
    by_general.retain(|result| result.by_general && result.killed);
    if named > 0 {
        let ids: Vec<&str> = by_general.iter().map(|result| result.id.as_str()).collect();
        println!(
            "{:>12}  {} of {named} named weaknesses are killed by general checks alone: {}",
            "general",
            ids.len(),
            ids.join(", ")
        );
    }
    if all {
        judge.tell_idle();
    }
    Ok(())
}

/// The weaknesses of one target, after the service without one.
async fn of_target(
    suite: &Suite,
    judge: &Judge<'_>,
    weaknesses: &[&Weakness],
) -> Result<Vec<WeaknessResult>, CommandError> {
    let target = suite.target();
    let bar = bar("mutants", Some(weaknesses.len() as u64 + 1));
    bar.set_message("the clean service");
    let (clean, sound) = judge.clean(target, weaknesses).await?;
    let alarms = clean.caught_by.len();
    for alarm in &clean.caught_by {
        bar.suspend(|| println!("{:>12}  {alarm}", "false alarm"));
    }
    let seconds = clean.seconds;
    suite.record(&Record::Weakness(clean))?;
    bar.inc(1);
    judge.stir(target, &bar).await?;
    let judged = weaknesses.iter().map(async |weakness| {
        let start = Instant::now();
        (weakness, start, judge.weak(target, weakness, &sound).await)
    });
    let mut judged = stream::iter(judged).buffer_unordered(SIDE_BY_SIDE);
    let mut results = Vec::new();
    while let Some((weakness, start, result)) = judged.next().await {
        let result = result?;
        if let Some(takes) = judge.lacked(weakness, &result) {
            let reason = takes.reason();
            bar.suspend(|| println!("{:>12}  {}: {reason}", "skipped", result.id));
            suite.ended(&result.id, start, &Outcome::because(Verdict::Skip, reason))?;
            bar.inc(1);
            continue;
        }
        bar.suspend(|| tell(&result));
        suite.record(&Record::Weakness(result.clone()))?;
        bar.set_message(result.id.clone());
        bar.inc(1);
        results.push(result);
    }
    let killed = results.iter().filter(|result| result.killed).count();
    let line = format!(
        "{target}: {killed} of {} weaknesses killed {}, {alarms} alarms on the clean service ({seconds:.0} s)",
        results.len(),
        judge.by_whom()
    );
    finish(&bar, "mutants", &line);
    Ok(results)
}

/// One line for each named weakness and for whatever was not killed.
fn tell(result: &WeaknessResult) {
    let WeaknessResult { id, killed, by_general, blind, caught_by, .. } = result;
    if *killed && result.family.is_some() {
        return;
    }
    let word = match (killed, blind.is_empty()) {
        (true, _) => "killed",
        (false, true) => "survived",
        (false, false) => "not judged",
    };
    let mut by = caught_by.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = caught_by.len().checked_sub(TOLD).filter(|more| *more > 0) {
        by = format!("{by} and {more} more");
    }
    let by = if by.is_empty() { "nothing".to_owned() } else { by };
    let general = if *by_general { "; general checks suffice" } else { "" };
    println!("{word:>12}  {id}: caught by {by}{general} ({:.1} s)", result.seconds);
    for reason in blind {
        println!("{:>12}  {reason}", "");
    }
}
