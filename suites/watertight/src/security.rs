//! `security`: the security suite.

use std::path::Path;
use std::sync::Arc;

use fixtures::weakness::matches;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::{Exit, Verdict};
use suites_security::Plan;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

pub async fn security(target: Option<&Path>, full: bool, only: Option<&str>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let done = session.part(run(&session, full, only)).await;
    session.close(&done)
}

/// Runs the suite on every target, or the part of it that matches a pattern.
pub async fn run(session: &Session, full: bool, only: Option<&str>) -> Result<(), CommandError> {
    let systems = session.systems().await?;
    let plan = |system: &System| {
        let plan = if full { Plan::full(system) } else { Plan::of(system) };
        match only {
            Some(pattern) => plan.only(|path| matches(pattern, path)),
            None => plan,
        }
    };
    let plans: Vec<(Arc<System>, Plan)> =
        systems.iter().map(|system| (system.clone(), plan(system))).collect();
    if let Some(pattern) = only
        && plans.iter().all(|(_, plan)| plan.groups.is_empty())
    {
        let what = format!(
            "no check of the security suite matches '{pattern}'; paths are class/operation/variant, as in hop/team-get/*"
        );
        return Err(CommandError::Nothing(what));
    }
    // A part may well be of one system alone.
    for (system, plan) in plans.iter().filter(|(_, plan)| only.is_none() || !plan.groups.is_empty()) {
        attack(system, plan).await?;
    }
    Ok(())
}

async fn attack(system: &Arc<System>, plan: &Plan) -> Result<(), CommandError> {
    println!("{:>12}  {}: {}", "plan", system.target.name, Plan::bounds(system));
    let suite = Arc::new(Suite::begin("security", system, None)?);
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
