//! The security suite as tests: each case on each target is one, and `cargo test -p suites-security hop/team-get`
//! runs some.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use fixtures::Targets;
use harness::host;
use harness::record::{Absent, Accepted, Record};
use harness::run::Run;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::{Exit, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use suites_security::{Group, Plan, run};
use time::OffsetDateTime;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match suite(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Trouble.into()
        }
    }
}

fn suite(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Targets { selected, absent } = host::handle()?.block_on(fixtures::all())?;
    for fixtures::Absent { name: target, reason } in absent {
        eprintln!("target {target} is skipped: {reason}");
        Run::current()?.record("security", &Record::Absent(Absent { target, reason }))?;
    }
    let part = part(arguments);
    let (mut suites, mut all) = (Vec::new(), Vec::new());
    for selected in &selected {
        let system = &selected.system;
        let suite = Arc::new(Suite::begin("security", system, None)?);
        for entry in &system.target.accepted {
            suite.record(&Record::Accepted(Accepted { whole: part.is_none(), ..entry.clone() }))?;
        }
        if let Some(part) = &part {
            suite.record(&suite.part(part))?;
        }
        let plan = Plan::of(system);
        // Whoever asks for some waits for no others in the same arena.
        let bundles = match &part {
            Some(_) => plan.groups.into_iter().map(|group| vec![group]).collect(),
            None => plan.bundles(),
        };
        all.extend(bundles.into_iter().flat_map(|bundle| trials(bundle, system, &suite)));
        suites.push(suite);
    }
    let conclusion = libtest_mimic::run(arguments, all);
    for suite in suites {
        suite.leave()?;
    }
    Ok(conclusion.exit_code())
}

/// The part of the suite that is asked for.
fn part(arguments: &Arguments) -> Option<String> {
    let skipped = arguments.skip.iter().map(|pattern| format!("all but {pattern}"));
    let words: Vec<String> = arguments.filter.iter().cloned().chain(skipped).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The cases of a bundle of groups as tests. It runs once, when the first of them is asked for.
fn trials(bundle: Vec<Group>, system: &Arc<System>, suite: &Arc<Suite>) -> Vec<Trial> {
    type Results = Result<BTreeMap<String, Result<(), String>>, String>;
    let bundle = Arc::new(bundle);
    let results: Arc<OnceLock<Results>> = Arc::default();
    let paths: Vec<String> =
        bundle.iter().flat_map(|group| &group.cases).map(|case| case.path.clone()).collect();
    let kind = &system.target.name;
    let trial = |path: String| {
        let (bundle, system, suite, results) =
            (bundle.clone(), system.clone(), suite.clone(), results.clone());
        Trial::test(path.clone(), move || {
            let results = results.get_or_init(|| {
                let runtime = host::handle().map_err(|error| error.to_string())?;
                let outcomes = runtime.block_on(run::recorded(&bundle, &system, &suite));
                let outcomes = outcomes.map_err(|error| error.to_string())?;
                Ok(outcomes
                    .into_iter()
                    .map(|outcome| {
                        let accepted = outcome.finding.as_ref().is_some_and(|finding| {
                            let today = OffsetDateTime::now_utc().date();
                            let listed = system.target.accepted.iter();
                            listed
                                .filter(|entry| entry.until >= today)
                                .any(|entry| entry.finding == finding.id)
                        });
                        let failed = outcome.outcome.verdict >= Verdict::Fail && !accepted;
                        let reason = outcome.outcome.reason.unwrap_or_default();
                        (outcome.case.path, if failed { Err(reason) } else { Ok(()) })
                    })
                    .collect())
            });
            let results = results.as_ref().map_err(Failed::from)?;
            let result = results.get(&path).ok_or("the case was not run: a fault of the suite")?;
            result.clone().map_err(Failed::from)
        })
        .with_kind(kind)
    };
    paths.into_iter().map(trial).collect()
}
