//! Reads the records of one process, which may hold several suites and one suite against several targets.

use std::collections::BTreeMap;

use harness::record::{Ended, Record, Started};
use harness::verdict::Verdict;
use time::OffsetDateTime;

use crate::merge::fold::{Fold, Key};
use crate::report::Weakness;

/// Where a process stands in its own story.
#[derive(Default)]
struct Process {
    /// The suites that began and did not end, each with its start and its longest test so far.
    open: BTreeMap<Key, (OffsetDateTime, f64)>,
    /// The latest of each suite and target: the records that name both belong to it.
    by_name: BTreeMap<(String, String), Key>,
    /// The latest of each target: the records that name no suite belong to it.
    by_target: BTreeMap<String, Key>,
    /// The tests that began and did not end.
    running: BTreeMap<Started, Key>,
}

impl Process {
    /// Where a test belongs. A suite that never said that it began has no profile.
    fn suite(&self, suite: &str, target: &str) -> Key {
        let name = (suite.to_owned(), target.to_owned());
        self.by_name.get(&name).cloned().unwrap_or((name.0, name.1, None))
    }

    /// Where a record belongs that names its target alone.
    fn latest(&self, target: &str, otherwise: &str) -> Key {
        let unknown = || (otherwise.to_owned(), target.to_owned(), None);
        self.by_target.get(target).cloned().unwrap_or_else(unknown)
    }

    /// A suite was seen at work for at least so many seconds.
    fn worked(&mut self, key: &Key, seconds: f64) {
        if let Some((_, longest)) = self.open.get_mut(key) {
            *longest = longest.max(seconds);
        }
    }
}

/// Adds the records of one process to the sums.
pub(super) fn read_into(fold: &mut Fold, records: Vec<Record>) {
    let mut process = Process::default();
    for record in records {
        match record {
            Record::Suite(started) => {
                let key = (started.suite.clone(), started.target.clone(), started.profile.clone());
                process.by_name.insert((key.0.clone(), key.1.clone()), key.clone());
                process.by_target.insert(key.1.clone(), key.clone());
                // The same suite again in the same process is the same stretch of work.
                if !process.open.contains_key(&key) {
                    process.open.insert(key.clone(), (started.at, 0.0));
                    fold.begin(&key, started);
                }
            }
            Record::Started(started) => {
                let key = process.suite(&started.suite, &started.target);
                process.running.insert(started, key);
            }
            Record::Ended(ended) => {
                let Ended { suite, target, test, .. } = &ended;
                let started = Started { suite: suite.clone(), target: target.clone(), test: test.clone() };
                let running = process.running.remove(&started);
                let key = running.unwrap_or_else(|| process.suite(suite, target));
                process.worked(&key, ended.seconds);
                fold.attempt(&key, ended);
            }
            Record::Part(part) => {
                let key = process.suite(&part.suite, &part.target);
                fold.suites.entry(key).or_default().part = Some(part.what);
            }
            Record::Subject(subject) => {
                let key = process.suite(&subject.suite, &subject.target);
                let subjects = &mut fold.suites.entry(key).or_default().subjects;
                subjects.insert(subject.test.clone(), subject);
            }
            Record::Accepted(accepted) => {
                let place = [accepted.target.clone(), accepted.finding.clone()];
                fold.accepted.insert(place, accepted);
            }
            Record::Measured(measured) => {
                let key = [measured.suite.clone(), measured.target.clone(), measured.name.clone()];
                fold.measured.insert(key, measured);
            }
            Record::Finding(finding) => {
                fold.findings.insert([finding.target.clone(), finding.id.clone()], finding);
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
                let key = process.latest(&result.target, "load");
                process.worked(&key, result.seconds);
                fold.load(&key.0, *result);
            }
            Record::Weakness(result) => {
                let key = process.latest(&result.target, "mutants");
                let suite = key.0.clone();
                fold.suites.entry(key).or_default();
                let place = [result.target.clone(), result.id.clone()];
                fold.weaknesses.insert(place, Weakness { suite, result });
            }
            Record::Absent(absent) => {
                fold.absent.insert(absent);
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
    for (Started { suite, target, test }, key) in process.running {
        let reason = Some("started, never ended".to_owned());
        let verdict = Verdict::Error;
        let ended = Ended { suite, target, test, verdict, reason, seconds: 0.0, steps: Vec::new() };
        fold.attempt(&key, ended);
    }
    for (key, (at, longest)) in process.open {
        fold.end(&key, at, longest, false);
    }
}
