//! `security`: the security suite.

use std::path::Path;
use std::sync::Arc;

use fixtures::EMBEDDED;
use harness::accepted;
use harness::pattern::matches;
use harness::record::{Accepted, Record};
use harness::suite::Suite;
use harness::system::System;
use harness::target::Target;
use harness::verdict::{Exit, Verdict};
use suites_security::Plan;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

/// How much of the suite is run.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All of it.
    All,
    /// The groups with a check that matches a pattern.
    Only(&'a str),
    /// One check.
    Check(&'a str),
    /// The matrix, and every so manieth group of each other class.
    Slice(usize),
}

impl Scope<'_> {
    fn of(self, plan: Plan) -> Plan {
        match self {
            Scope::All => plan,
            Scope::Only(pattern) => plan.only(|path| matches(pattern, path)),
            Scope::Check(path) => plan.alone(path),
            Scope::Slice(nth) => plan.slice(nth),
        }
    }
}

pub async fn security(
    target: Option<&Path>,
    full: bool,
    only: Option<&str>,
    accepted: Option<&Path>,
    (max_requests, rate): (Option<u64>, Option<u32>),
) -> Result<Exit, CommandError> {
    // Before anything is sent: a list that cannot be used is known at once.
    let accepted = accepted.map(|file| listed(file, target)).transpose()?;
    let session = Session::open(target).await?;
    for system in session.systems().await? {
        system.budget.limit(max_requests, rate);
    }
    let scope = only.map_or(Scope::All, Scope::Only);
    let done = session.part(run(&session, scope, full, accepted.as_deref())).await;
    session.close(&done)
}

/// The accepted findings of a file, which may be about whatever can be asked for.
fn listed(file: &Path, target: Option<&Path>) -> Result<Vec<Accepted>, CommandError> {
    let deployment =
        fixtures::file(target).map(Target::read).transpose().map_err(fixtures::SelectError::from)?;
    let names: Vec<&str> = match &deployment {
        Some(target) => vec![&target.name],
        None => EMBEDDED.to_vec(),
    };
    Ok(accepted::read(file, &names)?)
}

/// Runs the suite on every target, or a part of it; `full` also what takes long. `accepted` are the findings that do
/// not fail the run, in place of those that a target file names.
pub async fn run(
    session: &Session,
    scope: Scope<'_>,
    full: bool,
    accepted: Option<&[Accepted]>,
) -> Result<(), CommandError> {
    let systems = session.systems().await?;
    let plan = |system: &Arc<System>| {
        let whole = if full { Plan::full(system) } else { Plan::of(system) };
        must_waive_something(system, &whole)?;
        Ok((system.clone(), scope.of(whole)))
    };
    let plans = systems.iter().map(plan).collect::<Result<Vec<(Arc<System>, Plan)>, CommandError>>()?;
    if plans.iter().all(|(_, plan)| plan.groups.is_empty()) {
        match scope {
            Scope::All | Scope::Slice(_) => {}
            Scope::Only(sought) | Scope::Check(sought) => {
                let what = format!(
                    "no check of the security suite matches '{sought}'; paths are class/operation/variant, as in hop/team-get/*"
                );
                return Err(CommandError::Nothing(what));
            }
        }
    }
    let whole = matches!(scope, Scope::All);
    // A part may well be of one system alone.
    for (system, plan) in plans.iter().filter(|(_, plan)| whole || !plan.groups.is_empty()) {
        let accepted = accepted.unwrap_or(&system.target.accepted);
        let here = accepted.iter().filter(|entry| entry.target == system.target.name);
        let here = here.map(|entry| Accepted { whole, ..entry.clone() });
        attack(system, plan, scope, here.collect()).await?;
    }
    Ok(())
}

/// A waiver that no check is about waives something else than whoever wrote it thinks.
pub fn must_waive_something(system: &System, plan: &Plan) -> Result<(), CommandError> {
    let Some(waiver) = plan.idle_waivers(system).into_iter().next() else { return Ok(()) };
    Err(CommandError::Nothing(format!(
        "{} waives '{}', which no check of the security suite matches; take it out, or see the paths in the report",
        system.target.file_name(),
        waiver.checks
    )))
}

async fn attack(
    system: &Arc<System>,
    plan: &Plan,
    scope: Scope<'_>,
    accepted: Vec<Accepted>,
) -> Result<(), CommandError> {
    for bound in plan.bounds(system) {
        println!("{:>12}  {}: {bound}", "plan", system.target.name);
    }
    let suite = Arc::new(Suite::begin("security", system, None)?);
    match scope {
        Scope::All => {}
        Scope::Only(part) | Scope::Check(part) => suite.record(&suite.part(part))?,
        Scope::Slice(nth) => {
            let part = format!("the role matrix whole, and 1 in {nth} of the groups of every other class");
            println!("{:>12}  a slice: {part}; `watertight security` runs all", "");
            suite.record(&suite.part(&part))?;
        }
    }
    for entry in accepted {
        suite.record(&Record::Accepted(entry))?;
    }
    let bar = bar("security", Some(plan.cases() as u64));
    let summary = suites_security::run::run(system, &suite, plan, |outcome| {
        bar.inc(1);
        if outcome.finding.is_some() {
            bar.set_message(format!("finding: {}", outcome.case.path));
        }
    })
    .await?;
    suite.leave()?;
    let findings = summary.count(Verdict::Fail);
    let errors = summary.count(Verdict::Error);
    let line = format!(
        "{}: {} checks on {} operations, {findings} findings, {errors} errors",
        system.target.name,
        plan.cases(),
        system.contract.len()
    );
    finish(&bar, "security", &line);
    Ok(())
}
