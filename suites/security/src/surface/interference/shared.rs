//! Shared caches: what was answered to one caller is nobody else's a moment later, by the same URL or on a condition.

use harness::client::Call;
use harness::contract::Operation;
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::record::Severity;
use harness::world::Stop;

use crate::arena::{Arena, Attacked};
use crate::case::{Case, CaseOutcome, Reference};

const REFERENCE: Reference = Reference { cwe: 524, owasp: "API1", asvs: "14.2.2, 8.4.1" };

/// By which a client says that what somebody keeps is good enough.
const KEPT_WILL_DO: [(&str, &str); 2] =
    [("Cache-Control", "only-if-cached, max-stale=3600"), ("Pragma", "x-cache")];

pub(super) fn case(operation: &Operation) -> Case {
    Case {
        path: format!("interference/{}/kept-for-another", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::High,
        title: format!("{} answers one caller with what it answered another", operation.name),
        gain: "asks just after somebody who may, and reads what they read".to_owned(),
    }
}

/// A header of an answer, by its name in any case.
fn header<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e str> {
    let mut headers = exchange.response_headers.iter();
    headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Whether a shared cache may give others what was answered: it must not where the request had `Authorization`, unless
/// the answer permits it (RFC 9111 3.5); of any other credential it knows nothing.
fn may_be_shared(exchange: &Exchange, keeps: &str) -> bool {
    let is_said = |words: &[&str]| words.iter().any(|word| keeps.contains(word));
    let is_authorized =
        exchange.request_headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
    if is_said(&["no-store", "private"]) {
        return false;
    }
    !is_authorized || is_said(&["public", "s-maxage", "must-revalidate"])
}

/// One tenant reads; then others ask for the very same, and the other tenant for its own by what may be the same URL.
pub(super) async fn run(arena: &Arena, operation: &Operation) -> Result<CaseOutcome, Stop> {
    let (case, target) = (case(operation), &arena.system.target.name);
    let own = arena.fresh(&arena.acme, operation).await?;
    let foreign = arena.fresh(&arena.globex, operation).await?;
    let first = arena.control(operation, &arena.acme, &own).await?;
    let keeps = header(&first.exchange, "cache-control").unwrap_or_default().to_lowercase();
    if operation.needs_token() && may_be_shared(&first.exchange, &keeps) {
        let expected = "Cache-Control: no-store, or private";
        let observed = format!("Cache-Control: '{keeps}', so that a shared cache may keep it for others");
        return Ok(case.failed(target, expected, &observed, vec![first.exchange]));
    }
    let tag = header(&first.exchange, "etag").unwrap_or("*").to_owned();
    let asks = |call: Call| {
        let call = call.header("If-None-Match", &tag);
        KEPT_WILL_DO.iter().fold(call, |call, (name, value)| call.header(name, value))
    };
    for who in [&arena.globex.admin, &Principal::anonymous()] {
        for conditional in [false, true] {
            let call = arena.call(operation, who, &own, Class::Interference);
            let attacked = arena.attack(if conditional { asks(call) } else { call }).await?;
            let Attacked { status, exchange, leak, .. } = attacked;
            if leak.is_some() || (200..400).contains(&status) {
                let observed = leak.unwrap_or_else(|| format!("status {status} for {}", who.label));
                return Ok(case.failed(target, "a refusal", &observed, vec![first.exchange, exchange]));
            }
        }
    }
    let theirs = arena.rightful(operation, &arena.globex, &foreign);
    let call = arena.call(operation, &theirs, &foreign, Class::Interference);
    let attacked = arena.attack(call).await?;
    if let Some(leak) = attacked.leak {
        return Ok(case.failed(target, "the caller's own", &leak, vec![first.exchange, attacked.exchange]));
    }
    if !(200..300).contains(&attacked.status) {
        let observed = format!("status {} for the other tenant's own", attacked.status);
        return Ok(case.failed(
            target,
            "the caller's own",
            &observed,
            vec![first.exchange, attacked.exchange],
        ));
    }
    Ok(case.passed())
}
