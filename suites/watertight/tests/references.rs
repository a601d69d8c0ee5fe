//! What checks and weaknesses refer to is known to the reports: a finding comes with what to do about it, and a
//! requirement with its text.

use std::collections::BTreeSet;

use fixtures::weakness;
use harness::host;
use reports::{is_class, is_requirement, remedy};
use suites_security::Plan;

#[test]
fn every_weakness_of_the_catalogue_has_a_remedy() {
    let numbers: BTreeSet<u32> = weakness::catalogue().unwrap().iter().map(|weakness| weakness.cwe).collect();
    let unknown: Vec<u32> = numbers.into_iter().filter(|cwe| remedy(*cwe).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}: add them to reports/data/remedies.toml");
}

#[test]
fn every_check_refers_to_what_the_reports_know() {
    let targets = host::handle().unwrap().block_on(fixtures::all()).unwrap();
    for absent in &targets.absent {
        println!("SKIPPED: {}: {}", absent.name, absent.reason);
    }
    let mut unknown = BTreeSet::new();
    for selected in &targets.selected {
        for case in Plan::of(&selected.system).groups.into_iter().flat_map(|group| group.cases) {
            let subject = case.subject("security", &selected.system.target.name);
            if remedy(subject.cwe).is_none() {
                unknown.insert(format!("CWE-{}: add it to reports/data/remedies.toml", subject.cwe));
            }
            let requirements = subject.asvs.iter().chain([&subject.owasp]);
            for requirement in requirements.filter(|requirement| !is_requirement(requirement)) {
                unknown.insert(format!("{requirement}: add it to reports/data/requirements.toml"));
            }
            if !is_class(&case.path) {
                unknown.insert(format!("{}: add its class to reports/data/classes.toml", case.path));
            }
        }
    }
    assert_eq!(unknown, BTreeSet::new());
}
