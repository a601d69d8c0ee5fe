//! The golden authorization tables are what the model makes of the contracts they stand for.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic: its panic is the report")]

use std::fs;
use std::path::Path;

use harness::contract::Contract;
use harness::host;
use serde_json::{Map, Value, json};
use suites_security::audit::Due;
use suites_security::cast::Cast;
use suites_security::golden::Golden;
use suites_security::model;

/// Annotations and table must change together: a service that loosens an annotation along with its code is
/// noticed here, and a person decides.
#[test]
fn the_golden_table_of_an_embedded_target_is_what_its_contract_says() {
    let targets = host::handle().unwrap().block_on(fixtures::targets(None)).unwrap();
    for selected in &targets.selected {
        let system = &selected.system;
        let title = system.document.pointer("/info/title").and_then(Value::as_str).unwrap();
        compare(title, &system.contract);
        let strays = Due::of_title(title).unwrap().strays(&system.contract);
        assert!(strays.is_empty(), "{title}: {}", strays.join("; "));
    }
}

/// platform-service as it is specified: what the model makes of that is what people wrote down.
#[test]
fn the_golden_table_of_platform_service_is_what_its_specification_says() {
    let route = |(name, permission): &(&str, &[&str])| {
        let visibility = match *permission {
            ["public" | "platform:manage"] => "public",
            _ => "guarded",
        };
        let mut operation = json!({
            "operationId": name, "x-permission": permission, "x-effect": "read", "x-visibility": visibility,
            "x-slot": {}, "responses": {},
        });
        if *name == "member-add" {
            operation["x-slot"] = json!({ "body/userId": "user", "body/role": "platform-role" });
            operation["x-creates"] = json!({ "user": "/userId" });
        }
        (format!("/{name}"), json!({ "get": operation }))
    };
    let paths: Map<String, Value> = PLATFORM.iter().map(route).collect();
    let contract = Contract::from_openapi(&json!({ "openapi": "3.1.0", "paths": paths })).unwrap();
    compare("platform-service", &contract);
}

/// What each operation of platform-service needs.
const PLATFORM: [(&str, &[&str]); 21] = [
    ("health", &["public"]),
    ("openapi", &["public"]),
    ("product-list", &["product:read"]),
    ("product-get", &["product:read"]),
    ("product-create", &["product:create"]),
    ("product-update", &["product:update"]),
    ("product-delete", &["product:delete"]),
    ("sale-list", &["sale:read"]),
    ("sale-create", &["sale:create"]),
    ("dashboard-get", &["dashboard:read"]),
    ("forecast-list", &["forecast:read"]),
    ("report-advanced", &["report:read"]),
    ("member-list", &["member:read"]),
    ("member-add", &["member:add", "platform:manage"]),
    ("member-role-set", &["member:update"]),
    ("member-remove", &["member:remove", "platform:manage"]),
    ("audit-list", &["audit:read"]),
    ("subscription-set", &["tenant:update"]),
    ("tenant-delete", &["tenant:delete"]),
    ("tenant-create", &["platform:manage"]),
    ("tenant-status-set", &["platform:manage"]),
];

fn compare(title: &str, contract: &Contract) {
    let strays = Golden::of_title(title).unwrap().strays(contract);
    assert!(strays.is_empty(), "{title}: {}", strays.join("; "));
    let made = model::table(&Cast::new(title, contract), contract.operations());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("expected/authz-{title}.txt"));
    let golden = fs::read_to_string(&path).unwrap();
    let golden: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    if made.lines().collect::<Vec<_>>() != golden {
        let new = path.with_extension("txt.new");
        fs::write(&new, &made).unwrap();
        panic!(
            "the contract and {} disagree; compare it with {} and keep what is right",
            path.display(),
            new.display()
        );
    }
}
