//! The golden authorization table of access-service is what the model makes of its contract.

use std::fs;
use std::path::Path;

use harness::host;
use suites_security::model;

/// Annotations and table must change together: a service that loosens an annotation along with its code is
/// noticed here, and a person decides.
#[test]
fn the_golden_table_of_access_service_is_what_its_contract_says() {
    let runtime = host::handle().unwrap();
    let selected = runtime.block_on(fixtures::under(fixtures::SecurityPolicy::default())).unwrap();
    let made = model::table(selected.system.contract.operations());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected/authz-access-service.txt");
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
