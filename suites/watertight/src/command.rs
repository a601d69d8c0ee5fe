//! The words of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use suites_load::Shard;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
        /// So many requests to each target at the most; what is not reached is an error, by name.
        #[arg(long, value_name = "NUMBER")]
        max_requests: Option<u64>,
        /// So many requests a second to each target at the most.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        rate: Option<u32>,
    },
    /// A load run, judged by thresholds.
    Load(Load),
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
        /// Runs the security suite alone on services that are processes of their own, reached by nothing but their URL:
        /// which weaknesses does only the store show?
        #[arg(long, conflicts_with_all = ["full", "idle", "general"])]
        by_url: bool,
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
        /// Makes one run of the shards of a load run: their folders, or a folder of such.
        #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "run")]
        merge: Vec<PathBuf>,
        /// Holds the merged run against what a file keeps of an earlier one.
        #[arg(long, value_name = "FILE", requires = "merge")]
        baseline: Option<PathBuf>,
        /// Keeps what the merged run measured in a file, for later ones.
        #[arg(long, value_name = "FILE", requires = "merge")]
        save_baseline: Option<PathBuf>,
    },
    /// Runs exactly the check behind a finding again, and says whether it still occurs.
    Rerun {
        /// The finding's id, as the report shows it.
        finding: String,
    },
    /// Reads a target file, connects, and says what would be tested, what not, and why.
    CheckTarget {
        /// Also sends every operation once as its rightful caller, in organisations made for it.
        #[arg(long)]
        rehearse: bool,
    },
    /// Systems nobody here wrote, in versions with published holes and in one without (needs Node and npm).
    ThirdParty {
        /// Only this version.
        #[arg(long, value_name = "VERSION")]
        only: Option<String>,
    },
    /// Speed of the harness itself, of the load generator, and of the integration suite.
    Bench {
        /// Serves what the load generator is measured on, until its input is closed.
        #[arg(long, hide = true)]
        serve: bool,
    },
}

/// What of a load run is asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct Load {
    /// The profile; `all` for one after the other.
    #[arg(long, default_value = "demo")]
    pub profile: String,
    /// Measures for so long, in the place of the profile's time: `30s`, `10m`, `1h`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// Offers so many requests a second, in the place of the rate of a profile that has one. Held against nothing.
    #[arg(long, value_name = "NUMBER", value_parser = rate, conflicts_with_all = ["baseline", "save_baseline", "shard"])]
    pub rate: Option<f64>,
    /// Holds the run against what a file keeps of an earlier one: no slower, no fewer, no more failures.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Keeps what the run measures in a file, for later ones.
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// Runs to its end also when a threshold cannot hold any more.
    #[arg(long)]
    pub to_the_end: bool,
    /// Starts embedded targets as processes of their own, so that the generator and they are not one.
    #[arg(long)]
    pub apart: bool,
    /// Runs one of N parts, counted from 0, and judges nothing: `report --merge` does that with all of them.
    #[arg(long, value_name = "I/N", conflicts_with_all = ["baseline", "save_baseline"])]
    pub shard: Option<Shard>,
    /// The first user starts then, in RFC 3339, so that shards start together: `2026-01-31T06:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<OffsetDateTime>,
}

/// A time as people write it.
fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let unit = units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let seconds = unit.and_then(|(count, seconds)| count.parse::<u64>().ok()?.checked_mul(seconds));
    match seconds {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a whole number of seconds, minutes or hours, as in 30s, 10m or 1h".to_owned()),
    }
}

/// Requests a second.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "expected a number of requests a second above 0, as in 800 or 0.5".to_owned())
}

/// A moment as machines write it.
fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "expected a time in RFC 3339, as in 2026-01-31T06:00:00Z".to_owned())
}

#[cfg(test)]
mod deployed;
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::{Arguments, Command, Load, rate, time};

    #[test]
    fn a_time_has_a_unit() {
        let times = ["30s", "10m", "1h"].map(|text| time(text).unwrap().as_secs());
        assert_eq!(times, [30, 600, 3600]);
        for wrong in ["30", "0s", "s", "-1s", "1.5h", "1d", ""] {
            assert!(time(wrong).unwrap_err().contains("30s"), "{wrong}");
        }
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn a_rate_is_above_zero_and_stands_alone() {
        assert_eq!((rate("800"), rate("0.5")), (Ok(800.0), Ok(0.5)));
        for wrong in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(rate(wrong).unwrap_err().contains("above 0"), "{wrong}");
        }
        let load = |words: &[&str]| Arguments::try_parse_from(["watertight", "load"].iter().chain(words));
        assert!(load(&["--rate", "800"]).is_ok());
        for beside in [["--baseline", "x"], ["--save-baseline", "x"], ["--shard", "0/3"]] {
            assert!(load(&[&["--rate", "800"], &beside[..]].concat()).is_err(), "{beside:?}");
        }
    }

    #[test]
    fn a_shard_says_which_of_how_many_and_is_held_against_nothing() {
        let load = |words: &[&str]| {
            Arguments::try_parse_from(["watertight", "load"].iter().chain(words)).map(|words| words.command)
        };
        let Ok(Command::Load(Load { shard: Some(shard), start_at: Some(at), .. })) =
            load(&["--shard", "2/3", "--start-at", "2026-01-31T06:00:00Z"])
        else {
            panic!("a shard is understood");
        };
        assert_eq!((shard.to_string().as_str(), at.unix_timestamp()), ("2/3", 1_769_839_200));
        for wrong in [["--shard", "3/3"], ["--start-at", "06:00"]] {
            let error = load(&wrong).unwrap_err().to_string();
            assert!(error.contains("0/3") || error.contains("2026-01-31T06:00:00Z"), "{error}");
        }
        assert!(load(&["--shard", "0/3", "--baseline", "baseline.json"]).is_err());
    }
}
