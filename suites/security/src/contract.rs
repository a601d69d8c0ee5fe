//! The contract itself: a route without annotations cannot be attacked, so it fails by name.

use harness::contract::Unannotated;
use harness::record::Severity;

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

/// Always a failure: that the case exists is the fault.
pub(crate) fn judge(target: &str, route: &Unannotated) -> CaseOutcome {
    let observed = format!("{route}; docs/contract.md has the notation");
    case(route).failed(target, "a route with all annotations of the contract", &observed, Vec::new())
}
