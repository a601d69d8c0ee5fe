//! The contract itself: a route without annotations cannot be attacked, so it fails by name.

use harness::contract::{Operation, Unannotated};
use harness::record::Severity;
use harness::verdict::Verdict;

use crate::case::{Case, CaseOutcome, Reference};

const REFERENCE: Reference = Reference { cwe: 1059, owasp: "API9", asvs: "8.1.1" };

/// The case of one route that lacks annotations.
pub(crate) fn case(route: &Unannotated) -> Case {
    Case {
        path: format!("contract/{}", route.route.replace(' ', "")),
        operation: route.route.clone(),
        reference: REFERENCE,
        severity: Severity::Medium,
        title: format!("{} is served without saying what it is", route.route),
        gain: "uses a route that nobody has tested".to_owned(),
    }
}

/// The case of an operation that the target file binds.
pub(crate) fn unserved(operation: &Operation) -> Case {
    Case {
        path: format!("contract/{}", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Low,
        title: format!("{} is not served", operation.name),
        gain: "nothing: there is no such route".to_owned(),
    }
}

/// What is not there is not tested, and says so.
pub(crate) fn disabled(operation: &Operation) -> CaseOutcome {
    let Operation { method, path, .. } = operation;
    let reason = format!("the target serves no {method} {path}: it answers like a path that nobody has");
    unserved(operation).without_result(Verdict::Disabled, &reason)
}

/// Always a failure: that the case exists is the fault.
pub(crate) fn judge(target: &str, route: &Unannotated) -> CaseOutcome {
    let observed = format!("{route}; docs/contract.md has the notation");
    case(route).failed(target, "a route with all annotations of the contract", &observed, Vec::new())
}
