//! Limits: what is larger, deeper or more than there should be room for is refused, and does nothing.

use harness::contract::Operation;
use harness::exchange::Class;
use harness::record::Severity;
use harness::world::Stop;
use serde_json::{Value, json};

use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};

const REFERENCE: Reference = Reference { cwe: 770, owasp: "API4", asvs: "15.2.2" };

/// No body of any contract is so long.
const LONG_BODY: usize = 4 * 1024 * 1024;
/// No body of any contract is so deep; a parser that calls itself for every level has no stack left.
const DEPTH: usize = 5_000;
/// No header is so long.
const LONG_HEADER: usize = 1024 * 1024;
/// No request has so many.
const MANY_HEADERS: usize = 400;
/// Values that no parameter of pages has, and what each is.
const NO_SIZES: [(&str, &str); 4] =
    [("zero", "0"), ("negative", "-1"), ("a-word", "many"), ("huge", "99999999999999999999")];
/// The parameters by which lists are told their page.
const PAGING: [&str; 2] = ["limit", "offset"];

pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    strikes(operation).into_iter().map(|strike| strike.case).collect()
}

fn case(operation: &Operation, variant: &str, what: &str) -> Case {
    Case {
        path: format!("limit/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Medium,
        title: format!("{} takes {what}", operation.name),
        gain: "uses up what all tenants share with a few requests".to_owned(),
    }
}

fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let mut strikes = pages(operation);
    if operation.body.as_ref().is_some_and(Value::is_object) {
        strikes.extend(bodies(operation));
    }
    strikes.extend(headers(operation));
    strikes
}

/// Sizes of pages beyond what the document allows.
fn pages(operation: &Operation) -> Vec<Strike<'static>> {
    let mut strikes = Vec::new();
    for name in PAGING {
        let Some(most) = operation.query.get(name).and_then(|schema| schema.get("maximum")?.as_u64()) else {
            continue;
        };
        let least = operation.query[name].get("minimum").and_then(Value::as_u64).unwrap_or(1);
        let beyond =
            [("one-too-many", (most + 1).to_string()), ("a-million", 1_000_000.max(most + 1).to_string())];
        let none = NO_SIZES.into_iter().filter(|(_, size)| *size != "0" || least > 0);
        let sizes = beyond.into_iter().chain(none.map(|(variant, size)| (variant, size.to_owned())));
        for (variant, size) in sizes {
            let what = format!("a {name} of {size}, beyond what its contract allows");
            let case = case(operation, &format!("page.{name}.{variant}"), &what);
            strikes
                .push(Strike::new(case, Due::Refused, move |scene| Ok(scene.rightful().query(name, &size))));
        }
    }
    strikes
}

/// The rightful body, longer and deeper.
fn bodies(operation: &Operation) -> [Strike<'static>; 2] {
    let long = case(operation, "body.size", "a body of 4 MiB");
    let deep = case(operation, "body.depth", "a body of 5,000 levels");
    [
        Strike::new(long, Due::RefusedOrCut, |scene: &Scene<'_>| {
            let call = scene.rightful();
            // Blanks change nothing of what the body says: it is refused for its length, or not at all.
            let body = call.filled_body()?.unwrap_or_default().to_string();
            let padded = format!("{}{}", " ".repeat(LONG_BODY), body);
            // Whoever refuses before the end of the body may well close: no later request is to find that out.
            Ok(call.raw_body("application/json", &padded).header("Connection", "close"))
        }),
        Strike::new(deep, Due::Refused, |scene: &Scene<'_>| {
            let call = scene.rightful();
            let body = call.filled_body()?.unwrap_or_default().to_string();
            let inner = body.strip_suffix('}').unwrap_or("{");
            let comma = if inner == "{" { "" } else { "," };
            let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
            Ok(call.raw_body("application/json", &format!("{inner}{comma}{}:{deep}}}", json!("depth"))))
        }),
    ]
}

fn headers(operation: &Operation) -> [Strike<'static>; 2] {
    let long = case(operation, "header.size", "a header of 1 MiB");
    let many = case(operation, "header.count", "400 headers");
    [
        Strike::new(long, Due::RefusedOrCut, |scene: &Scene<'_>| {
            Ok(scene.rightful().header("X-Long", &"x".repeat(LONG_HEADER)).header("Connection", "close"))
        }),
        Strike::new(many, Due::RefusedOrCut, |scene: &Scene<'_>| {
            Ok((0..MANY_HEADERS).fold(scene.rightful(), |call, at| call.header(&format!("X-Many-{at}"), "x")))
        }),
    ]
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let scene = Scene::set(arena, operation, Class::Limit).await?;
    withstand_at(scene, strikes(operation), outcomes).await
}
