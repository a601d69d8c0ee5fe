//! What of a target was attacked: counted from requests that were sent, never from what was meant to be.

use std::collections::{BTreeMap, BTreeSet};

use harness::record::Cell;

use crate::knowledge::class_of;
use crate::report::{Counts, RunReport, Suite};

/// What the security suite sent to one target, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The target's name.
    pub target: String,
    /// Operations of the contract.
    pub operations: usize,
    /// Operations that were attacked at least once.
    pub attacked: usize,
    /// Who attacked.
    pub principals: BTreeSet<String>,
    /// Distinct (operation, principal, class) sent, of attacks.
    pub cells: usize,
    /// Requests sent, attacks and what goes with them.
    pub requests: u64,
    /// (operation, principal, class) that the contract demands and nobody sent.
    pub uncovered: usize,
    /// By class, in the order of their names.
    pub classes: Vec<ClassScope>,
}

/// One class of attack on one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassScope {
    /// Its name.
    pub class: String,
    /// Operations it was tried on.
    pub operations: usize,
    /// Principals who tried it.
    pub principals: usize,
    /// Distinct (operation, principal) sent.
    pub cells: usize,
    /// Requests sent.
    pub requests: u64,
    /// What its checks came to.
    pub counts: Counts,
}

/// The scope of every run of the security suite.
pub(crate) fn scopes(report: &RunReport) -> Vec<Scope> {
    let suites = report.suites.iter().filter(|suite| suite.suite == "security");
    suites.map(|suite| scope(report, suite)).collect()
}

/// The scope of one.
pub(crate) fn scope(report: &RunReport, suite: &Suite) -> Scope {
    let sent: Vec<&Cell> = report
        .coverage
        .iter()
        .filter(|cell| cell.requests > 0 && cell.suite == suite.suite && cell.target == suite.target)
        .collect();
    let attacks: Vec<&Cell> = sent.iter().copied().filter(|cell| cell.class.is_attack()).collect();
    let mut classes: BTreeMap<&str, ClassScope> = BTreeMap::new();
    for test in &suite.tests {
        classes.entry(class_of(&test.test)).or_default().counts.add(test.verdict);
    }
    for class in attacks.iter().map(|cell| cell.class).collect::<BTreeSet<_>>() {
        let cells = || attacks.iter().filter(|cell| cell.class == class);
        let scope = classes.entry(class.as_str()).or_default();
        scope.operations = cells().map(|cell| &cell.operation).collect::<BTreeSet<_>>().len();
        scope.principals = cells().map(|cell| &cell.principal).collect::<BTreeSet<_>>().len();
        scope.cells = cells().map(|cell| (&cell.operation, &cell.principal)).collect::<BTreeSet<_>>().len();
        scope.requests = cells().map(|cell| cell.requests).sum();
    }
    let distinct = attacks.iter().map(|cell| (&cell.operation, &cell.principal, cell.class));
    Scope {
        target: suite.target.clone(),
        operations: suite.operations,
        attacked: attacks.iter().map(|cell| &cell.operation).collect::<BTreeSet<_>>().len(),
        principals: attacks.iter().map(|cell| cell.principal.clone()).collect(),
        cells: distinct.collect::<BTreeSet<_>>().len(),
        requests: sent.iter().map(|cell| cell.requests).sum(),
        uncovered: report.uncovered.iter().filter(|gap| gap.target == suite.target).count(),
        classes: classes
            .into_iter()
            .map(|(class, scope)| ClassScope { class: class.to_owned(), ..scope })
            .collect(),
    }
}
