//! What a run measured before, kept in a file, and the gate that a later run must pass: no worse than then by more than
//! machines differ from one run to the next.

use std::path::{Path, PathBuf};
use std::{fs, io};

use harness::record::{LoadResult, Threshold};
use serde::{Deserialize, Serialize};

/// A percentile may be so many times what it was, and so many milliseconds besides: of the fastest targets even the
/// noise of a clock is a multiple.
const SLOWER: [(f64, f64); 3] = [(1.25, 5.0), (1.25, 5.0), (1.5, 10.0)];
/// The rate may fall to this part of what it was.
const FEWER: f64 = 0.9;
/// Failures may be so many more in a hundred requests.
const MORE_FAILURES: f64 = 0.1;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Reading or writing.
    #[error("cannot use the baseline {path}: {source}; --save-baseline writes one")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is none.
    #[error("the baseline {path} is not understood: {source}; --save-baseline writes one")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// What runs measured, by profile and target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    runs: Vec<Kept>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    profile: String,
    target: String,
    seconds: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    rps: f64,
    failed_percent: f64,
}

impl Kept {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run stay far below 2^52")]
    fn of(result: &LoadResult) -> Kept {
        let passed = result.requests.saturating_sub(result.failures) as f64;
        Kept {
            profile: result.profile.clone(),
            target: result.target.clone(),
            seconds: result.seconds,
            p50_ms: result.latency.p50_ms,
            p95_ms: result.latency.p95_ms,
            p99_ms: result.latency.p99_ms,
            rps: if result.seconds > 0.0 { passed / result.seconds } else { 0.0 },
            failed_percent: 100.0 * result.failures as f64 / (result.requests.max(1) as f64),
        }
    }
}

impl Baseline {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let text = fs::read_to_string(path)
            .map_err(|source| BaselineError::File { path: path.to_owned(), source })?;
        serde_json::from_str(&text)
            .map_err(|source| BaselineError::Malformed { path: path.to_owned(), source })
    }

    /// Writes it into a file. What that file had of other profiles and targets stays.
    pub fn save(&self, path: &Path) -> Result<(), BaselineError> {
        let mut all = if path.exists() { Baseline::read(path)? } else { Baseline::default() };
        for kept in &self.runs {
            all.runs.retain(|old| (&old.profile, &old.target) != (&kept.profile, &kept.target));
            all.runs.push(kept.clone());
        }
        let malformed = |source| BaselineError::Malformed { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(&all).map_err(malformed)? + "\n";
        fs::write(path, text).map_err(|source| BaselineError::File { path: path.to_owned(), source })
    }

    /// Keeps what a run measured.
    pub fn keep(&mut self, result: &LoadResult) {
        self.runs.push(Kept::of(result));
    }

    /// Holds a run against what it was. A run of which nothing is kept passes no gate: that it is no worse was not seen.
    pub(crate) fn gate(&self, result: &LoadResult) -> Vec<Threshold> {
        let now = Kept::of(result);
        let of_same = |kept: &&Kept| (&kept.profile, &kept.target) == (&now.profile, &now.target);
        let Some(before) = self.runs.iter().find(of_same) else {
            return vec![Threshold {
                rule: "no worse than the baseline".to_owned(),
                observed: "nothing of this profile and target is kept".to_owned(),
                pass: false,
            }];
        };
        let slower = |name: &str, now: f64, before: f64, (times, more): (f64, f64)| Threshold {
            rule: format!("{name}<={times}x+{more}ms of the baseline's {before:.1} ms"),
            observed: format!("{now:.1} ms"),
            pass: now <= before * times + more,
        };
        let [p50, p95, p99] = SLOWER;
        vec![
            slower("p50", now.p50_ms, before.p50_ms, p50),
            slower("p95", now.p95_ms, before.p95_ms, p95),
            slower("p99", now.p99_ms, before.p99_ms, p99),
            Threshold {
                rule: format!("rps>={FEWER}x of the baseline's {:.1}/s", before.rps),
                observed: format!("{:.1}/s", now.rps),
                pass: now.rps >= before.rps * FEWER,
            },
            Threshold {
                rule: format!(
                    "error-rate<=+{MORE_FAILURES}% of the baseline's {:.3}%",
                    before.failed_percent
                ),
                observed: format!("{:.3}%", now.failed_percent),
                pass: now.failed_percent <= before.failed_percent + MORE_FAILURES,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use harness::record::{Heat, Latency, LoadResult};

    use super::Baseline;

    fn result(p95_ms: f64, requests: u64, failures: u64) -> LoadResult {
        LoadResult {
            target: "access".to_owned(),
            profile: "peak".to_owned(),
            scenarios: Vec::new(),
            notes: Vec::new(),
            users: 10,
            seconds: 10.0,
            requests,
            failures,
            leaks: 0,
            latency: Latency { p50_ms: 4.0, p95_ms, p99_ms: 40.0, max_ms: 100.0 },
            shares: Vec::new(),
            arrivals: None,
            fairness: None,
            endpoints: Vec::new(),
            tenants: Vec::new(),
            series: Vec::new(),
            heat: Heat::default(),
            thresholds: Vec::new(),
        }
    }

    fn failed(before: &LoadResult, now: &LoadResult) -> Vec<String> {
        let mut baseline = Baseline::default();
        baseline.keep(before);
        let gate = baseline.gate(now).into_iter().filter(|threshold| !threshold.pass);
        gate.map(|threshold| threshold.rule).collect()
    }

    #[test]
    fn what_is_slower_or_fewer_than_machines_differ_fails_by_name() {
        let before = result(20.0, 10_000, 0);
        assert_eq!(failed(&before, &result(29.0, 9_500, 5)), Vec::<String>::new());
        assert!(failed(&before, &result(60.0, 10_000, 0))[0].starts_with("p95<=1.25x"));
        assert!(failed(&before, &result(20.0, 8_000, 0))[0].starts_with("rps>=0.9x"));
        assert!(failed(&before, &result(20.0, 10_000, 50))[0].starts_with("error-rate<=+0.1%"));
    }

    #[test]
    fn a_run_of_which_nothing_is_kept_passes_no_gate() {
        let before = LoadResult { profile: "normal".to_owned(), ..result(20.0, 100, 0) };
        assert_eq!(failed(&before, &result(20.0, 100, 0)), ["no worse than the baseline"]);
    }

    #[test]
    fn a_file_keeps_what_it_had_of_others() {
        let path = std::env::temp_dir().join(format!("watertight-baseline-{}.json", std::process::id()));
        let mut first = Baseline::default();
        first.keep(&result(20.0, 100, 0));
        first.keep(&LoadResult { target: "platform".to_owned(), ..result(30.0, 100, 0) });
        first.save(&path).unwrap();
        let mut second = Baseline::default();
        second.keep(&result(25.0, 100, 0));
        second.save(&path).unwrap();
        let both = Baseline::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let kept: Vec<(&str, f64)> =
            both.runs.iter().map(|kept| (kept.target.as_str(), kept.p95_ms)).collect();
        assert_eq!(kept, [("platform", 30.0), ("access", 25.0)]);
    }
}
