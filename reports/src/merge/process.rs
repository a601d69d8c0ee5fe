//! Reads the records of one process, in which a test knows its suite but not its target.

use std::collections::BTreeMap;

use harness::record::{Ended, Record};
use harness::verdict::Verdict;
use time::OffsetDateTime;

use crate::merge::fold::{Fold, Key};
use crate::report::Weakness;

/// The target of a test whose process never said which.
const UNKNOWN: &str = "unknown";

/// Where a process stands in its own story.
#[derive(Default)]
struct Process {
    /// The suites that began and did not end, each with its start and its longest test so far.
    open: BTreeMap<Key, (OffsetDateTime, f64)>,
    /// The latest suite of each name: what follows belongs to it.
    by_name: BTreeMap<String, Key>,
    /// The latest suite.
    latest: Option<Key>,
    /// The tests that began and did not end.
    running: BTreeMap<(String, String), Key>,
}

impl Process {
    fn suite(&self, name: &str) -> Key {
        let unknown = || (name.to_owned(), UNKNOWN.to_owned(), None);
        self.by_name.get(name).cloned().unwrap_or_else(unknown)
    }

    /// Suite and target of a record that names neither.
    fn latest(&self, otherwise: &str) -> Key {
        let unknown = || (otherwise.to_owned(), UNKNOWN.to_owned(), None);
        self.latest.clone().unwrap_or_else(unknown)
    }
}

/// Adds the records of one process to the sums.
pub(super) fn read_into(fold: &mut Fold, records: Vec<Record>) {
    let mut process = Process::default();
    for record in records {
        match record {
            Record::Suite(started) => {
                let key = (started.suite.clone(), started.target.clone(), started.profile.clone());
                process.by_name.insert(key.0.clone(), key.clone());
                process.latest = Some(key.clone());
                // The same suite again in the same process is the same stretch of work.
                if !process.open.contains_key(&key) {
                    process.open.insert(key.clone(), (started.at, 0.0));
                    fold.begin(&key, started);
                }
            }
            Record::Started(started) => {
                let key = process.suite(&started.suite);
                process.running.insert((started.suite, started.test), key);
            }
            Record::Ended(ended) => {
                let running = process.running.remove(&(ended.suite.clone(), ended.test.clone()));
                let key = running.unwrap_or_else(|| process.suite(&ended.suite));
                if let Some((_, longest)) = process.open.get_mut(&key) {
                    *longest = longest.max(ended.seconds);
                }
                fold.attempt(&key, ended);
            }
            Record::Finding(finding) => {
                fold.findings.insert(finding.id.clone(), finding);
            }
            Record::Coverage(cell) => fold.cover(cell),
            Record::Matrix(cell) => {
                let key = [cell.target.clone(), cell.operation.clone(), cell.principal.clone()];
                fold.matrix.insert(key, cell);
            }
            Record::Uncovered(gap) => {
                fold.uncovered.insert(gap);
            }
            Record::Load(result) => {
                let (suite, ..) = process.latest("load");
                if let Some((_, longest)) = process.latest.as_ref().and_then(|key| process.open.get_mut(key))
                {
                    *longest = longest.max(result.seconds);
                }
                fold.load(&suite, *result);
            }
            Record::Weakness(result) => {
                let (suite, target, profile) = process.latest("mutants");
                let key = [target.clone(), result.id.clone()];
                fold.suites.entry((suite.clone(), target.clone(), profile)).or_default();
                fold.weaknesses.insert(key, Weakness { suite, target, result });
            }
            Record::SuiteEnded(ended) => {
                let mut open = process.open.keys();
                let key = open.find(|key| key.0 == ended.suite && key.1 == ended.target).cloned();
                if let Some(key) = key
                    && let Some((at, _)) = process.open.remove(&key)
                {
                    fold.end(&key, at, ended.seconds, true);
                }
            }
        }
    }
    for ((suite, test), key) in process.running {
        let reason = Some("started, never ended".to_owned());
        let ended = Ended { suite, test, verdict: Verdict::Error, reason, seconds: 0.0, steps: Vec::new() };
        fold.attempt(&key, ended);
    }
    for (key, (at, longest)) in process.open {
        fold.end(&key, at, longest, false);
    }
}
