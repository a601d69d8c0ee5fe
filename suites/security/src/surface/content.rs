//! Content: what browsers go by. Bodies that are not what they say, other origins, headers of answers; and errors,
//! which tell nothing of internals.

use std::collections::BTreeMap;

use harness::client::Call;
use harness::contract::{Effect, Operation, Place};
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use http::Method;
use serde_json::Value;

use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::{Arena, is_no_answer, no_answer};
use crate::case::{Case, CaseOutcome, Reference};

const FORM: Reference = Reference { cwe: 352, owasp: "API8", asvs: "3.5.2" };
const ORIGIN: Reference = Reference { cwe: 942, owasp: "API8", asvs: "3.4.2" };
const HEADERS: Reference = Reference { cwe: 693, owasp: "API8", asvs: "3.4.4, 14.3.2" };
const ERRORS: Reference = Reference { cwe: 209, owasp: "API8", asvs: "16.5.1" };

/// Media types that a form of another site, or a careless reader, may give to a body of JSON.
const MEDIA: [(&str, &str); 6] = [
    ("plain", "text/plain"),
    ("form", "application/x-www-form-urlencoded"),
    ("multipart", "multipart/form-data; boundary=x"),
    ("xml", "application/xml"),
    ("two-types", "text/plain, application/json"),
    ("none", ""),
];

const EVIL: &str = "https://evil.invalid";
/// Origins that must not read answers, and how each is named.
const ORIGINS: [(&str, &str); 2] = [("origin", EVIL), ("null", "null")];

pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    let asked = looks(operation).into_iter().map(|look| look.case);
    strikes(operation).into_iter().map(|strike| strike.case).chain(asked).collect()
}

fn case(operation: &Operation, variant: &str, reference: Reference, title: &str, gain: &str) -> Case {
    Case {
        path: format!("content/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference,
        severity: if reference == HEADERS { Severity::Low } else { Severity::Medium },
        title: format!("{} {title}", operation.name),
        gain: gain.to_owned(),
    }
}

fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let mut strikes = Vec::new();
    let has_body = operation.body.as_ref().is_some_and(Value::is_object);
    if has_body {
        let forms = MEDIA.map(|(variant, media_type)| {
            let title = format!(
                "reads a body of JSON that says it is {}",
                if media_type.is_empty() { "nothing" } else { media_type }
            );
            let gain = "posts a form of another site in the name of whoever visits it";
            let case = case(operation, &format!("media.{variant}"), FORM, &title, gain);
            Strike::new(case, Due::Refused, move |scene| {
                let call = scene.rightful();
                let body = call.filled_body()?.unwrap_or_default().to_string();
                Ok(call.raw_body(media_type, &body))
            })
        });
        strikes.extend(forms);
        let broken =
            [("errors.broken", "{\"name\":"), ("errors.type", "[1,2]"), ("errors.no-text", "\"\\ud800\"")];
        strikes.extend(broken.map(|(variant, body)| {
            Strike::new(error(operation, variant), Due::Refused, move |scene| {
                Ok(scene.rightful().raw_body("application/json", body))
            })
        }));
    }
    let in_path = operation.slots.iter().find(|slot| matches!(slot.place, Place::Path(_)));
    if let Some(place) = in_path.map(|slot| slot.place.clone()) {
        let case = error(operation, "errors.path");
        strikes.push(Strike::new(case, Due::Refused, move |scene| Ok(scene.rightful().undecodable(&place))));
    }
    if operation.effect == Effect::Read {
        let case = error(operation, "errors.query");
        strikes.push(Strike::new(case, Due::Unmoved, |scene: &Scene<'_>| {
            Ok(["limit", "cursor", "offset"]
                .iter()
                .fold(scene.rightful(), |call, name| call.query(name, "\0'")))
        }));
    }
    strikes
}

fn error(operation: &Operation, variant: &str) -> Case {
    let gain = "learns what the service is made of, and where it breaks";
    case(operation, variant, ERRORS, "fails, or tells of internals, when a request is malformed", gain)
}

/// One request, and what must hold of the headers of its answer.
struct Look {
    case: Case,
    call: fn(&Scene<'_>) -> Call,
    fault: fn(&Operation, &Exchange) -> Option<String>,
    expected: &'static str,
}

fn looks(operation: &Operation) -> Vec<Look> {
    let gain = "reads answers from a page of one's own, as whoever visits it";
    let expected = "no leave for an origin that nobody knows";
    let cors = |variant: &str, call: fn(&Scene<'_>) -> Call| Look {
        case: case(
            operation,
            &format!("cors.{variant}"),
            ORIGIN,
            "lets a foreign origin read its answers",
            gain,
        ),
        call,
        fault: |_, exchange| let_in(&exchange.response_headers),
        expected,
    };
    let headers = |variant: &str, call: fn(&Scene<'_>) -> Call| Look {
        case: case(
            operation,
            &format!("headers.{variant}"),
            HEADERS,
            "answers without the headers that browsers need",
            "has an answer kept, or taken for something else",
        ),
        call,
        fault: lacking,
        expected: "nosniff, no-store where a token is needed, a media type, no version of the server",
    };
    vec![
        cors(ORIGINS[0].0, |scene| unharmful(scene).header("Origin", ORIGINS[0].1)),
        cors(ORIGINS[1].0, |scene| unharmful(scene).header("Origin", ORIGINS[1].1)),
        cors("preflight", |scene| {
            let call = scene.by(&Principal::anonymous()).method(Method::OPTIONS).header("Origin", EVIL);
            let call = call.header("Access-Control-Request-Method", scene.operation.method.as_str());
            call.header("Access-Control-Request-Headers", "authorization, content-type")
        }),
        headers("answer", unharmful),
        headers("refusal", |scene| scene.by(&Principal::anonymous()).method(Method::PATCH)),
    ]
}

/// A request that changes nothing: the rightful read, a write without a token, or by a verb that it does not have.
fn unharmful(scene: &Scene<'_>) -> Call {
    let nobody = scene.by(&Principal::anonymous());
    match scene.operation.effect {
        Effect::Read => scene.rightful(),
        _ if scene.operation.needs_token() => nobody,
        _ => nobody.method(Method::PATCH),
    }
}

/// Whether an answer lets an origin in that nobody knows.
fn let_in(headers: &BTreeMap<String, String>) -> Option<String> {
    let origin = headers.get("access-control-allow-origin")?;
    let credentials = headers.get("access-control-allow-credentials").is_some_and(|value| value == "true");
    let is_named = origin == EVIL || origin == "null";
    (is_named || origin == "*" && credentials).then(|| {
        format!(
            "access-control-allow-origin is '{origin}', {} credentials",
            if credentials { "with" } else { "without" }
        )
    })
}

/// What an answer's headers lack, or tell too much of.
fn lacking(operation: &Operation, exchange: &Exchange) -> Option<String> {
    let header = |name: &str| {
        exchange.response_headers.get(name).map(|value| value.to_lowercase()).unwrap_or_default()
    };
    if header("x-content-type-options") != "nosniff" {
        return Some("x-content-type-options is not nosniff".to_owned());
    }
    if operation.needs_token() && !header("cache-control").contains("no-store") {
        return Some("cache-control lacks no-store".to_owned());
    }
    if exchange.response_body.is_some() && header("content-type").is_empty() {
        return Some("the body has no media type".to_owned());
    }
    if exchange.url.starts_with("https://") && header("strict-transport-security").is_empty() {
        return Some("strict-transport-security is absent".to_owned());
    }
    let tells =
        ["server", "x-powered-by"].into_iter().find(|name| header(name).chars().any(|c| c.is_ascii_digit()));
    tells.map(|name| format!("{name} tells the version: '{}'", header(name)))
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let scene = Scene::set(arena, operation, Class::Content).await?;
    let target = &arena.system.target.name;
    for Look { case, call, fault, expected } in looks(operation) {
        let attacked = arena.attack(call(&scene)).await?;
        let exchange = attacked.exchange;
        outcomes.push(if let Some(leak) = attacked.leak {
            case.failed(target, "nothing foreign in the answer", &leak, vec![exchange])
        } else if is_no_answer(attacked.status) {
            case.without_result(Verdict::Error, &no_answer(attacked.status))
        } else {
            match fault(operation, &exchange) {
                Some(observed) => case.failed(target, expected, &observed, vec![exchange]),
                None => case.passed(),
            }
        });
    }
    withstand_at(scene, strikes(operation), outcomes).await
}

#[cfg(test)]
mod tests {
    use super::let_in;

    #[test]
    fn only_an_unknown_origin_or_everybody_with_credentials_is_let_in() {
        let headers = |origin: &str, credentials: &str| {
            let named =
                [("access-control-allow-origin", origin), ("access-control-allow-credentials", credentials)];
            let_in(&named.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        assert!(headers("https://evil.invalid", "true").is_some());
        assert!(headers("*", "true").is_some());
        assert!(headers("*", "false").is_none());
        assert!(headers("https://ours.example", "true").is_none());
    }
}
