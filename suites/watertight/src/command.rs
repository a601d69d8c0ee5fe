//! The words of the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Proves that a multi-tenant API keeps its tenants apart.
///
/// Exit codes: 0 everything asked was observed and is as it must be; 1 findings, failed checks or failed
/// thresholds; 2 the harness could not do its job.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// Target file, or the name of one embedded reference system; without it all of these are started and tested.
    #[arg(long, global = true, env = fixtures::TARGET_VARIABLE, value_name = "FILE")]
    pub target: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The three suites, one after the other, and a report to look at; of the security suite a slice.
    Demo,
    /// The integration suite.
    Integration {
        /// So many times, each in an order of its own drawn from the run's seed; the first that is not green ends it.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        repeat: Option<u32>,
    },
    /// The security suite, generated from the target's contract.
    Security {
        /// Also what takes long: whether answers about other tenants' ids take another time.
        #[arg(long)]
        full: bool,
        /// Only the checks that match, `*` stands for any part of a path: `hop/team-*`.
        #[arg(long, value_name = "PATTERN")]
        only: Option<String>,
        /// Findings that are known and do not fail the run, in place of those that the target file names:
        /// docs/reports.md.
        #[arg(long, value_name = "FILE")]
        accepted: Option<PathBuf>,
    },
    /// A load run, judged by thresholds.
    Load {
        /// The profile.
        #[arg(long, default_value = "demo")]
        profile: String,
    },
    /// Runs the suites against every seeded weakness: the kill matrix.
    Mutants {
        /// Runs every check against every weakness, not only those named beforehand.
        #[arg(long)]
        full: bool,
        /// Also runs the integration tests that no weakness has failed yet, and lists those that none does.
        #[arg(long, conflicts_with = "full")]
        idle: bool,
        /// Runs nothing but the checks that were written with no weakness in mind: which weaknesses do they kill alone?
        #[arg(long, conflicts_with_all = ["full", "idle"])]
        general: bool,
        /// Only the weaknesses that match, `*` stands for any part of an id; several with commas between.
        #[arg(long, value_name = "PATTERN")]
        only: Option<String>,
    },
    /// Removes whatever interrupted runs left on the targets.
    Sweep,
    /// Renders a run's report again.
    Report {
        /// The run's folder; default the latest.
        run: Option<PathBuf>,
    },
    /// Runs exactly the check behind a finding again, and says whether it still occurs.
    Rerun {
        /// The finding's id, as the report shows it.
        finding: String,
    },
    /// Reads a target file, connects, and says what could be tested.
    CheckTarget,
    /// Speed of the harness itself, and of the integration suite.
    Bench,
}
