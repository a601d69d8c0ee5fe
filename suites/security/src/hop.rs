//! Tenant hops: the rightful request of one tenant's administrator with any non-empty subset of its slots
//! swapped for another tenant's values.

use harness::contract::{Effect, Operation, Permission, Slot, SlotKind, Visibility};
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::record::Severity;
use harness::target::Refusal;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::Value;
use uuid::Uuid;

use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::standing::is_refusal;
use crate::surface::siege::Scene;

const REFERENCE: Reference = Reference { cwe: 639, owasp: "API1", asvs: "8.2.2, 8.4.1" };

/// Subsets of more slots than this would be more requests than anyone waits for; five slots are 31 hops.
pub(crate) const MOST_SLOTS: usize = 5;

/// Whether the class applies: something is named, and naming it is not itself the authority.
pub(crate) fn applies(operation: &Operation) -> bool {
    operation.naming_slots().next().is_some()
        && !operation.allows(&Permission::Token)
        && !operation.allows(&Permission::Public)
        && !operation.allows(&Permission::SignedIn)
}

/// The non-empty subsets of the naming slots, smallest first. Of the slots after [`MOST_SLOTS`], each alone.
fn subsets(operation: &Operation) -> Vec<Vec<&Slot>> {
    let mut slots: Vec<&Slot> = operation.naming_slots().collect();
    let rest = slots.split_off(slots.len().min(MOST_SLOTS));
    let mut subsets: Vec<Vec<&Slot>> = (1..1_u32 << slots.len())
        .map(|mask| {
            slots.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, slot)| *slot).collect()
        })
        .collect();
    subsets.extend(rest.into_iter().map(|slot| vec![slot]));
    subsets.sort_by_key(Vec::len);
    subsets
}

/// How many subsets are left out by the bound.
pub(crate) fn left_out(operation: &Operation) -> usize {
    if !applies(operation) {
        return 0;
    }
    let slots = u32::try_from(operation.naming_slots().count()).unwrap_or(u32::MAX);
    2_usize.saturating_pow(slots) - 1 - subsets(operation).len()
}

/// The cases of an operation: one for each subset.
pub(crate) fn cases(operation: &Operation) -> Vec<Case> {
    subsets(operation).into_iter().map(|swapped| case(operation, &swapped)).collect()
}

fn case(operation: &Operation, swapped: &[&Slot]) -> Case {
    let places: Vec<String> = swapped.iter().map(|slot| slot.place.to_string().replace('/', ".")).collect();
    Case {
        path: format!("hop/{}/{}", operation.name, places.join("+")),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: if operation.effect == Effect::Read { Severity::High } else { Severity::Critical },
        title: format!("{} accepts another tenant's {}", operation.name, kinds(swapped)),
        gain: match operation.effect {
            Effect::Read => format!("reads another tenant's data with {}", operation.name),
            Effect::Write | Effect::Consume => {
                format!("changes another tenant's data with {}", operation.name)
            }
        },
    }
}

/// Runs the hops of one operation: attack, state check, and in the end the rightful success of both tenants
/// on the very resources that were attacked.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let mut own = arena.fresh(&arena.acme, operation).await?;
    let mut foreign = arena.fresh(&arena.globex, operation).await?;
    let mut before = arena.state(operation, &[&own, &foreign]).await?;
    for swapped in subsets(operation) {
        let case = case(operation, &swapped);
        if is_no_hop(&swapped, [&own, &foreign]) {
            // The same for all tenants: naming it is no hop.
            let reason = format!("both tenants have the same {}", kinds(&swapped));
            outcomes.push(case.without_result(Verdict::Skip, &reason));
            continue;
        }
        let attacker = attacker(arena, operation, &own);
        let attacked = hopped(arena, operation, &attacker, [&own, &foreign], &swapped).await?;
        let (status, exchange) = (attacked.status, attacked.exchange.clone());
        let mut outcome = judge(arena, operation, case, &attacker, &own, &swapped, attacked).await?;
        if let Some(known) = &before {
            let after = match arena.snapshot(operation, &[&own, &foreign]).await {
                Ok(after) => after,
                Err(stop) => {
                    // What the attack wrote may be why the state cannot be read any more: what it found stands.
                    outcomes.extend(outcome.finding.is_some().then_some(outcome));
                    return Err(stop);
                }
            };
            let changes = known.changes(&after);
            if !changes.is_empty() {
                let observed = format!("status {status}, and the state changed: {}", listed(&changes));
                let expected = "refused, and no change of state";
                outcome = outcome.case.failed(&arena.system.target.name, expected, &observed, vec![exchange]);
                // What was attacked may be used up: the next hop needs its own.
                own = arena.fresh(&arena.acme, operation).await?;
                foreign = arena.fresh(&arena.globex, operation).await?;
                before = arena.state(operation, &[&own, &foreign]).await?;
            }
        }
        outcomes.push(outcome);
    }
    arena.control(operation, &arena.globex, &foreign).await?;
    arena.control(operation, &arena.acme, &own).await?;
    Ok(())
}

/// Whether naming these things is no hop: they are the same for all tenants.
fn is_no_hop(swapped: &[&Slot], [own, foreign]: [&Fill; 2]) -> bool {
    swapped.iter().all(|slot| own.values.get(&slot.kind) == foreign.values.get(&slot.kind))
}

/// Sends the request with some slots swapped for another tenant's values.
async fn hopped(
    arena: &Arena,
    operation: &Operation,
    attacker: &Principal,
    [own, foreign]: [&Fill; 2],
    swapped: &[&Slot],
) -> Result<Attacked, Stop> {
    let call = swapped.iter().fold(arena.call(operation, attacker, own, Class::Hop), |call, slot| {
        foreign.values.get(&slot.kind).into_iter().fold(call, |call, value| call.at(&slot.place, value))
    });
    arena.attack(call).await
}

/// The answer about ids that nobody has, and whether its body is like this one.
async fn as_absent(
    arena: &Arena,
    operation: &Operation,
    attacker: &Principal,
    own: &Fill,
    swapped: &[&Slot],
    body: &Value,
) -> Result<(Exchange, bool), Stop> {
    let call = swapped.iter().fold(arena.call(operation, attacker, own, Class::Hop), |call, slot| {
        call.at(&slot.place, &Uuid::new_v4().to_string())
    });
    let absent = arena.attack(call).await?;
    let is_alike = without_ids(&absent.body) == without_ids(body);
    Ok((absent.exchange, is_alike))
}

/// The case of everything swapped at once.
pub(crate) fn case_of_all(operation: &Operation) -> Case {
    case(operation, &operation.naming_slots().collect::<Vec<_>>())
}

/// The hops of somebody who is no administrator: with everything swapped, and with everything but the organisation.
/// They may be refused for whichever reason comes first.
pub(crate) async fn by(scene: &Scene<'_>, attacker: &Principal, case: Case) -> Result<CaseOutcome, Stop> {
    let Scene { arena, operation, own, foreign, .. } = scene;
    let target = &arena.system.target;
    let all: Vec<&Slot> = operation.naming_slots().collect();
    let inside = all.iter().copied().filter(|slot| slot.kind != SlotKind::Org).collect::<Vec<_>>();
    let mut hops = vec![all];
    if hops[0] != inside {
        hops.push(inside);
    }
    hops.retain(|swapped| !is_no_hop(swapped, [own, foreign]));
    if hops.is_empty() {
        return Ok(case.without_result(Verdict::Skip, "both tenants have the same"));
    }
    for swapped in hops {
        let attacked = hopped(arena, operation, attacker, [own, foreign], &swapped).await?;
        if is_refusal(arena, operation, &attacked) {
            continue;
        }
        let (status, mut exchanges) = (attacked.status, vec![attacked.exchange]);
        if let Some(leak) = attacked.leak {
            return Ok(case.failed(&target.name, "nothing foreign in the answer", &leak, exchanges));
        }
        if is_no_answer(status) {
            return Ok(case.without_result(Verdict::Error, &no_answer(status)));
        }
        if operation.effect == Effect::Read && at_home(&swapped) && (200..300).contains(&status) {
            let (absent, is_alike) =
                as_absent(arena, operation, attacker, own, &swapped, &attacked.body).await?;
            if absent.status == Some(status) && is_alike {
                continue;
            }
            exchanges.push(absent);
        }
        let observed = format!("status {status} for another tenant's {}", kinds(&swapped));
        return Ok(case.failed(&target.name, "a refusal", &observed, exchanges));
    }
    Ok(case.passed())
}

/// The administrator of the own tenant; for what only an invitee may do, the own tenant's invitee, and for what ends
/// an organisation the administrator of the one made for that.
pub(crate) fn attacker(arena: &Arena, operation: &Operation, own: &Fill) -> Principal {
    if operation.allows(&Permission::Invitee) || own.ending().is_some() {
        return arena.rightful(operation, &arena.acme, own);
    }
    arena.acme.admin.clone()
}

/// The verdict on the answer alone.
async fn judge(
    arena: &Arena,
    operation: &Operation,
    case: Case,
    attacker: &Principal,
    own: &Fill,
    swapped: &[&Slot],
    attacked: Attacked,
) -> Result<CaseOutcome, Stop> {
    let target = &arena.system.target;
    let status = attacked.status;
    let due = due(operation, swapped);
    let denied = target.denials.refuses(operation, status, due.refusals());
    let mut exchanges = vec![attacked.exchange];
    if let Some(leak) = attacked.leak {
        return Ok(case.failed(&target.name, "nothing foreign in the answer", &leak, exchanges));
    }
    if denied {
        return Ok(case.passed());
    }
    if is_no_answer(status) {
        return Ok(case.without_result(Verdict::Error, &no_answer(status)));
    }
    // Reading in one's own organisation about an id it does not have may answer with an empty list. Then the
    // answer for the foreign id must be the answer for an id that nobody has. In a foreign organisation there
    // is no such excuse.
    if operation.effect == Effect::Read && at_home(swapped) && (200..300).contains(&status) {
        let (absent, is_alike) = as_absent(arena, operation, attacker, own, swapped, &attacked.body).await?;
        if absent.status == Some(status) && is_alike {
            return Ok(case.passed());
        }
        exchanges.push(absent);
    }
    let observed = format!("status {status} for another tenant's {}", kinds(swapped));
    Ok(case.failed(&target.name, due.as_str(), &observed, exchanges))
}

/// Which refusals are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Hidden,
    Forbidden,
    Either,
}

impl Due {
    fn as_str(self) -> &'static str {
        match self {
            Due::Hidden => "404, as if it were absent",
            Due::Forbidden => "403, whether or not the organisation exists",
            Due::Either => "403 or 404",
        }
    }

    fn refusals(self) -> &'static [Refusal] {
        match self {
            Due::Hidden => &[Refusal::Hidden],
            Due::Forbidden => &[Refusal::Forbidden],
            Due::Either => &[Refusal::Forbidden, Refusal::Hidden],
        }
    }
}

/// What a request must be refused with that names another tenant's things in these slots.
fn due(operation: &Operation, swapped: &[&Slot]) -> Due {
    // Who holds an invitation knows that it is there.
    if operation.allows(&Permission::Invitee) {
        return Due::Either;
    }
    match operation.visibility {
        Visibility::Public => Due::Either,
        Visibility::Hidden => Due::Hidden,
        // At the gate the stranger is refused; past it, foreign ids look absent.
        Visibility::Guarded if at_home(swapped) => Due::Hidden,
        Visibility::Guarded => Due::Forbidden,
    }
}

/// Whether the organisation is still the attacker's own.
pub(crate) fn at_home(swapped: &[&Slot]) -> bool {
    swapped.iter().all(|slot| slot.kind != SlotKind::Org)
}

fn kinds(swapped: &[&Slot]) -> String {
    swapped.iter().map(|slot| slot.kind.as_str()).collect::<Vec<_>>().join(" and ")
}

/// A body with its ids, which echo the request, made alike.
pub(crate) fn without_ids(value: &Value) -> Value {
    match value {
        Value::String(text) if Uuid::parse_str(text).is_ok() => Value::String("<id>".to_owned()),
        Value::Array(items) => Value::Array(items.iter().map(without_ids).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), without_ids(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use harness::contract::{Contract, Operation};
    use serde_json::json;

    use super::{Due, cases, due, subsets};

    /// An operation that names its organisation in a header and a product in its path.
    fn behind_a_header(visibility: &str) -> Operation {
        let document = json!({ "openapi": "3.1.0", "paths": { "/api/products/{id}": { "get": {
            "operationId": "product-get", "x-permission": ["product:read"], "x-effect": "read",
            "x-visibility": visibility,
            "x-slot": { "header/X-Organization-ID": "org", "path/id": "product" },
            "responses": {},
        } } } });
        Contract::from_openapi(&document).unwrap().get("product-get").unwrap().clone()
    }

    #[test]
    fn a_header_and_a_path_are_swapped_each_alone_and_both() {
        let paths: Vec<String> =
            cases(&behind_a_header("guarded")).into_iter().map(|case| case.path).collect();
        let expected = [
            "hop/product-get/header.X-Organization-ID",
            "hop/product-get/path.id",
            "hop/product-get/header.X-Organization-ID+path.id",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_guarded_organisation_is_closed_and_what_is_foreign_inside_ones_own_is_absent() {
        let guarded = behind_a_header("guarded");
        let dues: Vec<Due> = subsets(&guarded).iter().map(|swapped| due(&guarded, swapped)).collect();
        assert_eq!(dues, [Due::Forbidden, Due::Hidden, Due::Forbidden]);
        let secret = behind_a_header("hidden");
        assert!(subsets(&secret).iter().all(|swapped| due(&secret, swapped) == Due::Hidden));
    }
}
