//! Properties: members of a body that are not the caller's to write, and members of an answer that nobody documented
//! or that hold a secret.

use harness::contract::{Nonconformity, Operation, Place, Schemas};
use harness::data::Fill;
use harness::exchange::Class;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::{Map, Value, json};

use super::internals::internals;
use super::populate::{filled, is_paged, until_paged};
use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};

const WRITTEN: Reference = Reference { cwe: 915, owasp: "API3", asvs: "15.3.3" };
const SHOWN: Reference = Reference { cwe: 213, owasp: "API3", asvs: "15.3.1" };
const SECRET: Reference = Reference { cwe: 200, owasp: "API3", asvs: "15.3.1" };
const TWICE: Reference = Reference { cwe: 436, owasp: "API3", asvs: "15.3.3" };

/// Names by which services keep what is not the caller's to write. They go in one request; what the answers of the
/// operation have besides what its body has goes each in one of its own.
const CLASSICS: [&str; 19] = [
    "orgId",
    "organizationId",
    "organisationId",
    "tenantId",
    "ownerId",
    "userId",
    "role",
    "roles",
    "permissions",
    "isAdmin",
    "isSystem",
    "active",
    "status",
    "createdAt",
    "createdBy",
    "memberCount",
    "tier",
    "emailVerified",
    "features",
];
/// What a body may carry for an interpreter's sake.
const PROTOTYPE: &str = "__proto__";
/// Words that stand in no state by accident.
const MARK: &str = "overposted-4711";
const NUMBER: i64 = 471_147;
/// When nothing happened.
const MOMENT: &str = "2001-02-03T04:05:06Z";

/// Members whose name ends so hold secrets. Compared without case, `_` and `-`.
const SECRETS: [&str; 7] =
    ["token", "password", "secret", "apikey", "privatekey", "passwordhash", "tokenhash"];

pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    let written = writings(operation).into_iter().map(|writing| written(operation, &writing.variant));
    let twice = strikes(operation).into_iter().map(|strike| strike.case);
    written.chain(twice).chain(readings(operation)).collect()
}

fn case(operation: &Operation, variant: &str, reference: Reference, title: String, gain: &str) -> Case {
    Case {
        path: format!("property/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference,
        severity: Severity::High,
        title,
        gain: gain.to_owned(),
    }
}

fn written(operation: &Operation, variant: &str) -> Case {
    let title = format!("{} lets its caller {}", operation.name, variant.replace('.', " "));
    let gain = "writes what only the service may: whose something is, what it counts, who may use it";
    case(operation, variant, WRITTEN, title, gain)
}

fn readings(operation: &Operation) -> Vec<Case> {
    if operation.answered.is_empty() {
        return Vec::new();
    }
    let name = &operation.name;
    vec![
        case(
            operation,
            "excess",
            SHOWN,
            format!("{name} shows what its contract does not have"),
            "reads internals",
        ),
        case(
            operation,
            "secrets",
            SECRET,
            format!("{name} shows a secret"),
            "uses a token or password that is another's",
        ),
    ]
}

/// Something written that must not be.
#[derive(Clone, Debug)]
struct Writing {
    variant: String,
    /// The object of the body that it goes into.
    at: Vec<String>,
    members: Members,
}

#[derive(Clone, Debug)]
enum Members {
    /// These, by the schema of each.
    Named(Schemas),
    /// Whatever the rightful answer names of the caller's own and the object does not, where no document says what
    /// answers have.
    Answered,
}

/// What is written that must not be: into the body, and into every object in it.
fn writings(operation: &Operation) -> Vec<Writing> {
    let mut writings = Vec::new();
    for (at, object) in operation.body.iter().flat_map(objects) {
        let is_top = at.is_empty();
        let is_asked =
            |name: &str| object.contains_key(name) || (is_top && operation.asked.contains_key(name));
        let variant = |what: &str| {
            let path = at.iter().map(String::as_str).chain([what]).collect::<Vec<_>>().join(".");
            format!("write.{path}")
        };
        let mut write = |what: &str, members| {
            writings.push(Writing { variant: variant(what), at: at.clone(), members });
        };
        let answered = operation.answered.iter().filter(|(name, _)| is_top && !is_asked(name));
        for (name, schema) in answered {
            write(name, Members::Named(Schemas::from([(name.clone(), schema.clone())])));
        }
        if operation.answered.is_empty() {
            write("answered", Members::Answered);
        }
        let is_tried = |name: &str| is_top && operation.answered.contains_key(name);
        let rest = CLASSICS.iter().filter(|name| !is_asked(name) && !is_tried(name));
        write("classics", Members::Named(rest.map(|name| ((*name).to_owned(), Value::Null)).collect()));
        write(PROTOTYPE, Members::Named(Schemas::from([(PROTOTYPE.to_owned(), Value::Null)])));
    }
    writings
}

/// The objects of a body or an answer and the ways to them: itself, and those in its members.
fn objects(value: &Value) -> Vec<(Vec<String>, &Map<String, Value>)> {
    let Value::Object(members) = value else { return Vec::new() };
    let mut found = vec![(Vec::new(), members)];
    for (name, member) in members {
        found.extend(objects(member).into_iter().map(|(mut at, object)| {
            at.insert(0, name.clone());
            (at, object)
        }));
    }
    found
}

/// A naming member of the body twice, once with another tenant's id: two readers may believe two of them.
fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let orders = ["own-first", "foreign-first"];
    let members = operation.naming_slots().filter_map(|slot| match &slot.place {
        Place::Body(pointer) if pointer.len() == 1 => Some((pointer[0].clone(), slot.kind)),
        _ => None,
    });
    let variants = members.flat_map(|member| orders.map(|order| (member.clone(), order)));
    let strike = |((name, kind), order): ((String, _), &'static str)| {
        let title = format!("{} takes {name} twice, once another tenant's", operation.name);
        let gain = "gets another tenant's past whoever reads the first";
        let case = case(operation, &format!("twice.{name}.{order}"), TWICE, title, gain);
        Strike::new(case, Due::Harmless, move |scene| {
            let foreign = scene.foreign.values.get(&kind).cloned().unwrap_or_default();
            let call = scene.rightful();
            let body = call.filled_body()?.unwrap_or_default().to_string();
            let second = format!("{}:{}", json!(name), json!(foreign));
            let inner = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
            let text = match order {
                "own-first" => format!("{{{inner},{second}}}"),
                _ => format!("{{{second},{inner}}}"),
            };
            Ok(call.raw_body("application/json", &text))
        })
    };
    variants.map(strike).collect()
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let mut scene = Scene::set(arena, operation, Class::Property).await?;
    let writings = writings(operation);
    if !writings.is_empty() {
        write(&mut scene, writings, outcomes).await?;
    }
    if !operation.answered.is_empty() {
        read(&mut scene, outcomes).await?;
    }
    withstand_at(scene, strikes(operation), outcomes).await
}

/// Sends each writing in the rightful request.
async fn write(
    scene: &mut Scene<'_>,
    writings: Vec<Writing>,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let (arena, operation) = (scene.arena, scene.operation);
    let target = &arena.system.target.name;
    let expected = "a refusal, or no effect";
    // What comes without the addition: what it says is the service's own doing.
    let usual = arena.fresh(&arena.acme, operation).await?;
    let usual = arena.control(operation, &arena.acme, &usual).await?.json();
    let mut before = arena.snapshot(operation, &[&scene.own, &scene.foreign]).await?;
    let mut refused = Vec::new();
    for Writing { variant, at, members } in writings {
        let case = written(operation, &variant);
        let call = scene.rightful();
        let mut body = call.filled_body()?.unwrap_or_default();
        let object = at.iter().try_fold(&mut body, |value, name| value.get_mut(name));
        let Some(object) = object.and_then(Value::as_object_mut) else {
            outcomes.push(case.without_result(Verdict::Skip, "what it would go into was left out"));
            continue;
        };
        let added = match &members {
            Members::Named(schemas) => addition(scene, schemas, &usual),
            Members::Answered => exchanged(scene, object, &usual),
        };
        if added.is_empty() {
            outcomes
                .push(case.without_result(Verdict::Skip, "the answer names nothing that the body does not"));
            continue;
        }
        object.extend(added.clone());
        let attacked = arena.attack(call.json(body)).await?;
        let (status, exchange) = (attacked.status, attacked.exchange.clone());
        if is_no_answer(status) && attacked.leak.is_none() {
            outcomes.push(case.without_result(Verdict::Error, &no_answer(status)));
            continue;
        }
        if let Some(observed) = fault(&attacked, &added, &usual) {
            outcomes.push(case.failed(target, expected, &observed, vec![exchange]));
        } else if (400..500).contains(&status) {
            refused.push(case);
            continue;
        } else {
            let after = arena.snapshot(operation, &[&scene.own, &scene.foreign]).await?;
            outcomes.push(match after.holds(MARK).filter(|_| before.holds(MARK).is_none()) {
                Some(thing) => {
                    let observed = format!("status {status}, and {thing} holds what was sent");
                    case.failed(target, expected, &observed, vec![exchange])
                }
                None => case.passed(),
            });
        }
        // The request was done: the next one needs its own.
        renew(scene).await?;
        before = arena.snapshot(operation, &[&scene.own, &scene.foreign]).await?;
    }
    let changes = before.changes(&arena.snapshot(operation, &[&scene.own, &scene.foreign]).await?);
    outcomes.extend(refused.into_iter().map(|case| {
        if changes.is_empty() {
            return case.passed();
        }
        let observed = format!("refused, but the state changed: {}", listed(&changes));
        case.failed(target, expected, &observed, Vec::new())
    }));
    Ok(())
}

async fn renew(scene: &mut Scene<'_>) -> Result<(), Stop> {
    let (arena, operation) = (scene.arena, scene.operation);
    let own: Fill = arena.fresh(&arena.acme, operation).await?;
    scene.own = own;
    Ok(())
}

/// What is wrong with the answer to a request with an addition. What the usual answer says anyway was not taken over.
fn fault(attacked: &Attacked, added: &Map<String, Value>, usual: &Value) -> Option<String> {
    let status = attacked.status;
    if let Some(leak) = &attacked.leak {
        return Some(leak.clone());
    }
    if let Some(words) = attacked.exchange.response_body.as_deref().and_then(internals) {
        return Some(format!("status {status}, and the answer tells of internals: '{words}'"));
    }
    if status >= 500 {
        return Some(format!("status {status}"));
    }
    let says = |answer: &Value, name: &str, value: &Value| {
        objects(answer).iter().any(|(_, object)| object.get(name) == Some(value))
    };
    let is_taken = |name: &str, value: &Value| says(&attacked.body, name, value) && !says(usual, name, value);
    let taken = added.iter().find(|(name, value)| (200..300).contains(&status) && is_taken(name, value));
    taken.map(|(name, value)| format!("status {status}, and {name} is {value}, as it was sent"))
}

/// Values that the service would not choose by itself.
fn addition(scene: &Scene<'_>, members: &Schemas, usual: &Value) -> Map<String, Value> {
    let foreign = &scene.arena.globex.tenant.org;
    let value = |name: &str, schema: &Value| -> Value {
        let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
        let plain = name.to_lowercase();
        match kind {
            _ if name == PROTOTYPE => json!({ "isAdmin": true, "role": MARK }),
            _ if plain.starts_with("org") || plain.starts_with("tenant") => json!(foreign),
            Some("integer" | "number") => json!(NUMBER),
            Some("boolean") => json!(!usual.get(name).and_then(Value::as_bool).unwrap_or(false)),
            Some("array") => json!([MARK]),
            Some("object") => json!({ MARK: true }),
            _ if plain.ends_with("at") => json!(MOMENT),
            None if plain.starts_with("is") || plain.ends_with("verified") => json!(true),
            None if plain.ends_with("count") => json!(NUMBER),
            _ => json!(MARK),
        }
    };
    members.iter().map(|(name, schema)| (name.clone(), value(name, schema))).collect()
}

/// What the rightful answer names of the caller's own and an object of the body does not, with the other tenant's in its
/// place. Of the rest nobody knows whether it is the caller's to write.
fn exchanged(scene: &Scene<'_>, object: &Map<String, Value>, usual: &Value) -> Map<String, Value> {
    let (arena, operation) = (scene.arena, scene.operation);
    let rightful = arena.rightful(operation, &arena.acme, &scene.own);
    let theirs = arena.rightful(operation, &arena.globex, &scene.foreign);
    let pairs = [(&arena.acme.tenant.org, &arena.globex.tenant.org), (&rightful.subject, &theirs.subject)];
    let named = scene.own.values.iter().filter(|(kind, _)| kind.names());
    let named = named.filter_map(|(kind, own)| Some((own, scene.foreign.values.get(kind)?)));
    let pairs: Vec<(&String, &String)> = pairs.into_iter().chain(named).collect();
    let other = |value: &Value| {
        let (_, foreign) = pairs.iter().find(|(own, foreign)| value == *own && own != foreign)?;
        Some(json!(foreign))
    };
    let answered = objects(usual).into_iter().flat_map(|(_, members)| members);
    let lacked = answered.filter(|(name, _)| !object.contains_key(*name));
    lacked.filter_map(|(name, value)| Some((name.clone(), other(value)?))).collect()
}

/// Looks at what the rightful caller is answered.
async fn read(scene: &mut Scene<'_>, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    let (arena, operation) = (scene.arena, scene.operation);
    if is_paged(operation) {
        // An empty list has no members to look at.
        scene.own = filled(arena, &arena.acme, operation).await?;
        until_paged(arena, &arena.acme, operation, &scene.own).await?;
    }
    let answer = scene.rightful().send().await?;
    if !(200..300).contains(&answer.status) {
        let unexpected = answer.unexpected("2xx, as the rightful caller", &answer.status.to_string());
        return Err(Stop::error(unexpected.to_string()));
    }
    let system = &arena.system;
    let media_type = Some(answer.header("content-type")).filter(|media_type| !media_type.is_empty());
    let held = system.conformance.check(&operation.name, answer.status, media_type, &answer.body);
    let excess = match held {
        Err(Nonconformity::Body { faults, .. }) => {
            let of_members = faults.into_iter().filter(|fault| fault.contains("dditional properties"));
            Some(of_members.collect::<Vec<_>>().join("; ")).filter(|faults| !faults.is_empty())
        }
        _ => None,
    };
    let secret = secret_in(&answer.json(), "");
    let found = [(excess, "the members of the contract and no others"), (secret, "no secrets")];
    for (case, (found, expected)) in readings(operation).into_iter().zip(found) {
        outcomes.push(match found {
            Some(observed) => {
                case.failed(&system.target.name, expected, &observed, vec![answer.exchange.clone()])
            }
            None => case.passed(),
        });
    }
    renew(scene).await
}

/// Where an answer holds a secret, if it does.
fn secret_in(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let plain = plain.to_ascii_lowercase();
            let here = format!("{at}/{name}");
            let is_text = member.as_str().is_some_and(|text| !text.is_empty());
            if is_text && SECRETS.iter().any(|secret| plain.ends_with(secret)) {
                return Some(format!("a value at {here}"));
            }
            secret_in(member, &here)
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at_item, item)| secret_in(item, &format!("{at}/{at_item}")))
        }
        Value::String(text) => {
            let is_token = text.starts_with("eyJ") && text.split('.').count() == 3;
            (is_token || text.contains("PRIVATE KEY-----")).then(|| format!("a token or key at {at}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{objects, secret_in};

    #[test]
    fn members_go_into_every_object_of_a_body() {
        let body = json!({ "document": { "title": "t", "look": { "colour": "red" } }, "tags": ["a"] });
        let ways: Vec<String> = objects(&body).into_iter().map(|(at, _)| at.join("/")).collect();
        assert_eq!(ways, ["", "document", "document/look"]);
        assert!(objects(&json!([{ "a": 1 }])).is_empty());
    }

    #[test]
    fn a_secret_is_found_at_any_depth_and_a_cursor_is_none() {
        assert_eq!(secret_in(&json!({ "items": [{ "name": "n" }], "nextCursor": "abc" }), ""), None);
        let listed = json!({ "items": [{ "invitationToken": "abc" }] });
        assert_eq!(secret_in(&listed, "").as_deref(), Some("a value at /items/0/invitationToken"));
        assert!(secret_in(&json!(["eyJhbGciOi.eyJzdWIi.c2ln"]), "").is_some());
        assert_eq!(secret_in(&json!({ "token": null }), ""), None);
    }
}
