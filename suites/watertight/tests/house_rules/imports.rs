//! Imports flow one way: which package of the workspace may name which.

use toml::{Table, Value};

use super::Breach;

/// Every package but the services (which may name none): its folder, its name, and what it may depend on. `*`
/// stands for all.
const FLOW: [(&str, &str, &[&str]); 7] = [
    ("harness", "harness", &[]),
    ("reports", "reports", &["harness"]),
    ("fixtures", "fixtures", &["harness", "access-service", "platform-service"]),
    ("suites/integration", "suites-integration", &["harness", "fixtures"]),
    ("suites/security", "suites-security", &["harness", "fixtures"]),
    ("suites/load", "suites-load", &["harness", "fixtures"]),
    ("suites/watertight", "watertight", &["*"]),
];

/// The reference systems. They share no types with the harness: a mistake in a serializer must not cancel
/// itself out.
const SERVICES: [&str; 2] = ["access-service", "platform-service"];

/// The tables of a manifest that name dependencies.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Whether the flow knows a package.
pub fn is_placed(package: &str) -> bool {
    SERVICES.contains(&package) || FLOW.iter().any(|(_, name, _)| *name == package)
}

/// The dependencies of a manifest that go against the flow.
pub fn breaches(path: &str, text: &str) -> Vec<Breach> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Breach::at(0, format!("is no TOML: {error}"))],
    };
    let folder = path.trim_end_matches("Cargo.toml").trim_end_matches('/');
    let allowed: &[&str] =
        FLOW.iter().find(|(known, ..)| *known == folder).map_or(&[], |(_, _, allowed)| allowed);
    let against =
        |package: &str| is_placed(package) && !allowed.contains(&"*") && !allowed.contains(&package);
    let instead =
        if allowed.is_empty() { "no other package of the workspace".to_owned() } else { allowed.join(", ") };
    dependencies(&manifest)
        .into_iter()
        .filter(|(_, package)| against(package))
        .map(|(key, package)| {
            let what = format!("imports flow one way: {folder} may depend on {instead}, not on {package}");
            Breach::at(line_of(text, &key), what)
        })
        .collect()
}

/// Every dependency of a manifest: the key, and the package it names.
fn dependencies(manifest: &Table) -> Vec<(String, String)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let places = platforms.filter_map(|(_, platform)| platform.as_table()).chain([manifest]);
    places
        .flat_map(|place| TABLES.iter().filter_map(|table| place.get(*table)?.as_table()))
        .flatten()
        .map(|(key, value)| {
            let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
            (key.clone(), package.to_owned())
        })
        .collect()
}

/// Where a manifest names a dependency.
fn line_of(text: &str, key: &str) -> usize {
    let names = |line: &str| {
        let header = line.trim_start().trim_start_matches('[').trim_end().trim_end_matches(']');
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            || header.ends_with(&format!("dependencies.{key}"))
    };
    text.lines().position(names).map_or(0, |at| at + 1)
}
