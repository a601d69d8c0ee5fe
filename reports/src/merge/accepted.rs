//! Accepted findings: which still occur, which are no more, which nobody looked for.

use harness::record::{Accepted, Finding};
use harness::verdict::Verdict;
use time::Date;

use crate::merge::fold::{Fold, SuiteFold};
use crate::report::{Acceptance, Standing, Test};

const SUITE: &str = "security";

/// Takes the accepted findings out of those that fail the run, and fails it for entries that have nothing left to
/// accept. `today` is the day of the run: the same run says the same whenever it is read.
pub(super) fn settle(fold: &mut Fold, today: Date) -> Vec<Acceptance> {
    let entries = std::mem::take(&mut fold.accepted);
    entries.into_values().map(|entry| settled(fold, entry, today)).collect()
}

fn settled(fold: &mut Fold, entry: Accepted, today: Date) -> Acceptance {
    let place = [entry.target.clone(), entry.finding.clone()];
    if fold.findings.contains_key(&place) {
        if entry.until < today {
            return Acceptance { entry, standing: Standing::Expired, finding: None };
        }
        let finding = fold.findings.remove(&place);
        for suite in suites(fold, &entry) {
            let accepted = suite.tests.values_mut().filter(|test| is_of(test, &entry));
            for test in accepted.filter(|test| test.verdict == Verdict::Fail) {
                test.verdict = Verdict::Skip;
                test.reason =
                    Some(format!("accepted by {} until {}: {}", entry.by, entry.until, entry.reason));
            }
        }
        return Acceptance { entry, standing: Standing::Occurs, finding };
    }
    let mut standing = Standing::Untried;
    for suite in suites(fold, &entry) {
        let tried = suite.tests.values().find(|test| is_of(test, &entry)).map(|test| test.verdict);
        let gone = match tried {
            Some(verdict) => verdict == Verdict::Pass,
            // No check of that path is left, or it is one that only shows when it occurs.
            None => entry.whole && suite.unfinished == 0,
        };
        if gone {
            standing = Standing::Gone;
            let path = format!("accepted/{}", entry.finding);
            let reason = format!("it no longer occurs: take its entry out of {}", entry.file);
            suite.tests.insert(path.clone(), Test::of_list(path, reason));
        }
    }
    Acceptance { entry, standing, finding: None }
}

fn suites<'f>(fold: &'f mut Fold, entry: &Accepted) -> impl Iterator<Item = &'f mut SuiteFold> {
    let target = entry.target.clone();
    let here = fold.suites.iter_mut().filter(move |(key, _)| key.0 == SUITE && key.1 == target);
    here.map(|(_, suite)| suite)
}

fn is_of(test: &Test, entry: &Accepted) -> bool {
    Finding::id_of(&entry.target, &test.test) == entry.finding
}
