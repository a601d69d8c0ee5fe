//! The `watertight` command: runs the suites against a target and reports.

mod bench;
mod check_target;
mod command;
mod demo;
mod error;
mod integration;
mod load;
mod merge;
mod mutants;
mod progress;
mod rerun;
mod security;
mod session;
mod sweep;
mod third_party;

use std::process::ExitCode;

use clap::Parser as _;
use harness::host;
use harness::verdict::Exit;

use command::{Arguments, Command};
use error::CommandError;
use mutants::Extent;

fn main() -> ExitCode {
    session::end_at_interrupt();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no trouble; a wrong word is.
            let exit = if error.use_stderr() { Exit::Trouble } else { Exit::Pass };
            error.print().ok();
            return exit.into();
        }
    };
    let exit = host::handle().map_err(CommandError::from).and_then(|runtime| {
        let exit = runtime.block_on(carry_out(arguments));
        runtime.block_on(host::settled());
        exit
    });
    match exit {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Trouble.into()
        }
    }
}

async fn carry_out(arguments: Arguments) -> Result<Exit, CommandError> {
    let target = arguments.target.as_deref();
    match arguments.command {
        Command::Demo => demo::demo(target).await,
        Command::Integration { repeat } => integration::integration(target, repeat).await,
        Command::Security { full, only, accepted, max_requests, rate } => {
            let budget = (max_requests, rate);
            security::security(target, full, only.as_deref(), accepted.as_deref(), budget).await
        }
        Command::Load(asked) => load::load(target, &asked).await,
        Command::Mutants { full, idle, general, by_url, only } => {
            let extent = match (full, idle, general, by_url) {
                (true, ..) => Extent::Full,
                (_, true, ..) => Extent::Idle,
                (_, _, true, _) => Extent::General,
                (.., true) => Extent::ByUrl,
                _ => Extent::Named,
            };
            mutants::mutants(target, extent, only.as_deref()).await
        }
        Command::Sweep => sweep::sweep(target).await,
        Command::Report { merge, baseline, save_baseline, .. } if !merge.is_empty() => {
            merge::merge(&merge, baseline.as_deref(), save_baseline.as_deref())
        }
        Command::Report { run, .. } => session::report(run.as_deref()),
        Command::Rerun { finding } => rerun::rerun(target, &finding).await,
        Command::CheckTarget { rehearse } => check_target::check_target(target, rehearse).await,
        Command::ThirdParty { only } => third_party::third_party(only.as_deref()).await,
        Command::Bench { serve: true } => {
            bench::endpoint::serve().await?;
            Ok(Exit::Pass)
        }
        Command::Bench { serve: false } => bench::bench().await,
    }
}
