//! Another system in the sample run, whose operations are partly called like those of the first.

use harness::exchange::Class;
use harness::record::{Finding, LoadResult, Record, Severity};
use harness::run::Run;
use harness::verdict::Verdict;

use super::{begin, begin_profile, cell, end, finding, load, matrix, test, uncovered, weakness};

/// Roles of another system.
const PRINCIPALS: [&str; 5] = ["anonymous", "owner", "member", "viewer", "other-tenant"];

/// Some of them are operations of both systems.
const OPERATIONS: [&str; 6] = ["audit-list", "health", "member-add", "openapi", "product-get", "sale-create"];

/// Another system, in the same run.
pub fn platform(run: &Run) {
    let target = "platform";
    begin(run, "security", target, 140);
    for operation in OPERATIONS {
        for principal in PRINCIPALS {
            cell(run, target, operation, principal, Class::Matrix, 1);
            let open = matches!(operation, "health" | "openapi");
            let expected = match principal {
                _ if open => "allow",
                "anonymous" => "unauthenticated",
                "owner" | "member" => "allow",
                "viewer" if operation.ends_with("-get") => "allow",
                _ => "forbidden",
            };
            let observed =
                if (operation, principal) == ("audit-list", "viewer") { "allow" } else { expected };
            matrix(run, target, operation, principal, expected, observed);
        }
        cell(run, target, operation, "owner", Class::Hop, 3);
        test(run, "security", target, &format!("matrix/{operation}/roles"), Verdict::Pass, None);
    }
    uncovered(run, target, "sale-create", "viewer", Class::Matrix);
    let found = Finding {
        target: target.to_owned(),
        operation: "audit-list".to_owned(),
        check: "matrix/audit-list/viewer".to_owned(),
        gain: "A viewer reads who did what in the organisation.".to_owned(),
        expected: "forbidden".to_owned(),
        observed: "allow".to_owned(),
        ..finding(run, "platform.matrix.audit-list.viewer", Severity::High, "A viewer reads the audit log")
    };
    test(run, "security", target, &found.check, Verdict::Fail, Some("expected forbidden, observed allow"));
    run.record("security", &Record::Finding(found)).unwrap();
    end(run, "security", target, 12.6);
    begin_profile(run, "load", target, Some("peak"), 160);
    let measured = LoadResult { target: target.to_owned(), ..load(0, 88.2) };
    run.record("load", &Record::Load(Box::new(measured))).unwrap();
    end(run, "load", target, 131.0);
    begin(run, "mutants", target, 300);
    run.record("mutants", &Record::Weakness(weakness(target, "none", None, true))).unwrap();
    for id in ["search-path-kept", "plan-cached", "skip-audit/audit-list"] {
        run.record("mutants", &Record::Weakness(weakness(target, id, None, id != "plan-cached"))).unwrap();
    }
    end(run, "mutants", target, 21.0);
}
