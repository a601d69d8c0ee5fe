//! The operation by another way: verbs that nobody documented, headers that say what verb or path is meant, headers
//! that say who is calling, and paths of other versions.

use harness::contract::{Contract, Effect, Operation};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::world::Stop;
use http::Method;

use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};

const VERB: Reference = Reference { cwe: 650, owasp: "API5", asvs: "4.1.4, 8.2.1" };
const DETOUR: Reference = Reference { cwe: 288, owasp: "API5", asvs: "8.3.1" };
const TRUSTED: Reference = Reference { cwe: 290, owasp: "API2", asvs: "4.1.3, 8.3.1" };
const OLD: Reference = Reference { cwe: 1059, owasp: "API9", asvs: "8.2.1" };

/// HEAD is GET without a body, OPTIONS tells what there is: both may well be answered.
const VERBS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
/// Headers by which frameworks let a request say which verb is meant.
const OVERRIDES: [&str; 3] = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
/// Headers by which proxies say which path was asked for.
const PATHS: [&str; 3] = ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri"];
/// Headers by which proxies say who is calling, and from where.
const CALLERS: [&str; 6] = [
    "X-Forwarded-User",
    "X-User-Id",
    "X-Remote-User",
    "X-Authenticated-User",
    "X-Auth-Request-User",
    "Remote-User",
];
const ADDRESSES: [&str; 5] = ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "Forwarded"];

pub(super) fn cases(contract: &Contract, operation: &Operation) -> Vec<Case> {
    strikes(contract, operation).into_iter().map(|strike| strike.case).collect()
}

fn case(operation: &Operation, variant: &str, reference: Reference, how: &str) -> Case {
    Case {
        path: format!("function/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference,
        severity: Severity::Critical,
        title: format!("{} is reached {how}", operation.name),
        gain: format!("uses {} past whoever guards its own verb and path", operation.name),
    }
}

fn strikes(contract: &Contract, operation: &Operation) -> Vec<Strike<'static>> {
    let mut strikes = verbs(contract, operation);
    if operation.effect != Effect::Read {
        strikes.extend(overrides(operation));
    }
    if operation.needs_token() {
        strikes.extend(detours(contract, operation));
        strikes.push(trusted(operation));
        strikes.extend(versions(operation));
    }
    strikes
}

/// Verbs that the contract does not have for this path.
fn verbs(contract: &Contract, operation: &Operation) -> Vec<Strike<'static>> {
    let of_path = contract.operations().filter(|other| same_path(other.route(), operation.route()));
    let documented: Vec<&Method> = of_path.map(|other| &other.method).collect();
    let undocumented = VERBS.into_iter().filter(|verb| !documented.contains(&verb));
    let strike = |verb: Method| {
        let how = format!("by {verb}, which its contract does not have");
        let case = case(operation, &format!("verb.{verb}"), VERB, &how);
        Strike::new(case, Due::Refused, move |scene| Ok(scene.rightful().method(verb.clone())))
    };
    undocumented.map(strike).collect()
}

/// Whether a request to the one may be a request to the other.
fn same_path(one: &str, other: &str) -> bool {
    let is_name = |segment: &str| segment.starts_with('{');
    one.split('/').count() == other.split('/').count()
        && one
            .split('/')
            .zip(other.split('/'))
            .all(|(one, other)| one == other || is_name(one) || is_name(other))
}

/// A harmless verb, and a header or parameter that says which one is meant.
fn overrides(operation: &Operation) -> [Strike<'static>; 2] {
    let verb = operation.method.clone();
    let by_header = case(operation, "override.header", VERB, "by GET and a header that names its verb");
    let by_query = case(operation, "override.query", VERB, "by GET and a parameter that names its verb");
    let named = verb.to_string();
    [
        Strike::new(by_header, Due::Unmoved, move |scene| {
            let call = scene.rightful().method(Method::GET);
            Ok(OVERRIDES.iter().fold(call, |call, name| call.header(name, verb.as_str())))
        }),
        Strike::new(by_query, Due::Unmoved, move |scene| {
            Ok(scene.rightful().method(Method::GET).query("_method", &named))
        }),
    ]
}

/// A path that is open to everybody, and a header that names this one; and the other way round.
fn detours(contract: &Contract, operation: &Operation) -> Vec<Strike<'static>> {
    let open = contract.operations().find(|other| {
        other.allows(&harness::contract::Permission::Public) && other.slots.is_empty() && !other.needs_token()
    });
    let Some(open) = open.map(|open| open.path.clone()) else { return Vec::new() };
    let to = case(
        operation,
        "detour.to",
        DETOUR,
        "without a token, by an open path and a header that names its own",
    );
    let from = case(operation, "detour.from", DETOUR, "without a token, by a header that names an open path");
    let public = open.clone();
    vec![
        Strike::new(to, Due::Unmoved, move |scene| {
            let call = scene.by(&Principal::anonymous());
            let own = call.filled_path()?;
            let call = call.template(&public);
            Ok(PATHS.iter().fold(call, |call, name| call.header(name, &own)))
        }),
        Strike::new(from, Due::Unauthenticated, move |scene| {
            let call = scene.by(&Principal::anonymous());
            Ok(PATHS.iter().fold(call, |call, name| call.header(name, &open)))
        }),
    ]
}

/// Headers that a proxy would set, from a client without a token.
fn trusted(operation: &Operation) -> Strike<'static> {
    let case = case(
        operation,
        "trusted-headers",
        TRUSTED,
        "without a token, by headers that only a proxy should set",
    );
    Strike::new(case, Due::Unauthenticated, |scene: &Scene<'_>| {
        let rightful = scene.arena.rightful(scene.operation, &scene.arena.acme, &scene.own);
        let call = CALLERS
            .iter()
            .fold(scene.by(&Principal::anonymous()), |call, name| call.header(name, &rightful.subject));
        Ok(ADDRESSES.iter().fold(call, |call, name| call.header(name, "127.0.0.1")))
    })
}

/// The same path in versions that the contract does not have.
fn versions(operation: &Operation) -> Vec<Strike<'static>> {
    let strike = |(version, template): (&str, String)| {
        let how = format!("by the path of another version ({version})");
        let case = case(operation, &format!("version.{version}"), OLD, &how);
        Strike::new(case, Due::Refused, move |scene| Ok(scene.on_foreign().template(&template)))
    };
    other_versions(&operation.path).into_iter().map(strike).collect()
}

fn other_versions(path: &str) -> Vec<(&'static str, String)> {
    let bare = path.trim_start_matches('/');
    let (first, rest) = bare.split_once('/').unwrap_or((bare, ""));
    let number = first.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    let mut versions = vec![("internal", format!("/internal{path}")), ("beta", format!("/beta/{bare}"))];
    if let Some(number) = number {
        versions.push(("older", format!("/v{}/{rest}", number.saturating_sub(1))));
        versions.push(("newer", format!("/v{}/{rest}", number + 1)));
        versions.push(("none", format!("/{rest}")));
    } else {
        versions.push(("older", format!("/{first}/v0/{rest}")));
        versions.push(("newer", format!("/{first}/v1/{rest}")));
    }
    versions
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let scene = Scene::set(arena, operation, Class::Function).await?;
    withstand_at(scene, strikes(arena.api.contract(), operation), outcomes).await
}

#[cfg(test)]
mod tests {
    use super::{other_versions, same_path};

    #[test]
    fn other_versions_of_a_path_are_other_paths() {
        let paths = |path: &str| other_versions(path).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        assert_eq!(
            paths("/v1/orgs/{orgId}"),
            [
                "/internal/v1/orgs/{orgId}",
                "/beta/v1/orgs/{orgId}",
                "/v0/orgs/{orgId}",
                "/v2/orgs/{orgId}",
                "/orgs/{orgId}"
            ]
        );
        assert_eq!(paths("/api/sales")[2..], ["/api/v0/sales", "/api/v1/sales"]);
    }

    #[test]
    fn a_word_and_a_name_may_be_one_path() {
        assert!(same_path("/v1/invitations/{token}/accept", "/v1/invitations/{id}/accept"));
        assert!(same_path("/v1/invitations/accept", "/v1/invitations/{token}"));
        assert!(!same_path("/v1/orgs", "/v1/orgs/{orgId}"));
    }
}
