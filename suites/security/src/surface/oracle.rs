//! Existence oracles: in every place that names something, another tenant's id and an id that nobody has must be
//! answered alike, in status, headers, body and length. Whether they also take alike is asked in full runs only.

mod answers;
mod latency;

use harness::contract::{Effect, Operation, Slot, SlotKind, Visibility};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use uuid::Uuid;

use super::siege::Scene;
use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::hop::{self, attacker};
use answers::difference;

const REFERENCE: Reference = Reference { cwe: 204, owasp: "API3", asvs: "8.2.2" };

/// A difference counts that shows so often in a row: an accident does not come back.
const ROUNDS: usize = 3;

/// The places in which an id can be probed: none where existence is no secret. Whoever holds an invitation's token knows
/// that there is one.
pub(crate) fn places(operation: &Operation) -> impl Iterator<Item = &Slot> {
    let named = operation.naming_slots().filter(|slot| slot.kind != SlotKind::InvitationToken);
    named.filter(|_| hop::applies(operation) && operation.visibility != Visibility::Public)
}

pub(super) fn cases(operation: &Operation, full: bool) -> Vec<Case> {
    let told = places(operation).map(|slot| case(operation, slot));
    let timed = places(operation).filter(|_| full).map(|slot| latency::case(operation, slot));
    told.chain(timed).collect()
}

/// The end of a path that names a place.
fn variant(slot: &Slot) -> String {
    slot.place.to_string().replace('/', ".")
}

fn case(operation: &Operation, slot: &Slot) -> Case {
    Case {
        path: format!("oracle/{}/{}", operation.name, variant(slot)),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Medium,
        title: format!("{} tells whether another tenant's {} exists", operation.name, slot.kind),
        gain: format!(
            "tries ids and learns which other tenants, and which {}s of theirs, there are",
            slot.kind
        ),
    }
}

/// Runs the comparisons of one operation, each place for itself.
pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    full: bool,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let mut scene = Scene::set(arena, operation, Class::Oracle).await?;
    let writes = operation.effect != Effect::Read;
    // What is asked about is not the attacker's, so nothing may change.
    let before = arena.state(operation, &[&scene.own, &scene.foreign]).await?;
    for slot in places(operation) {
        let by = attacker(arena, operation, &scene.own);
        let outcome = compared(&scene, slot, &by, case(operation, slot)).await?;
        if outcome.finding.is_some() && writes {
            scene = Scene::set(arena, operation, Class::Oracle).await?;
        }
        outcomes.push(outcome);
    }
    if let Some(before) = before
        && outcomes.iter().all(|outcome| outcome.finding.is_none())
    {
        let changes = before.changes(&arena.snapshot(operation, &[&scene.own, &scene.foreign]).await?);
        if !changes.is_empty() {
            let reason = format!("the answers are alike, but the state changed: {}", listed(&changes));
            return Err(Stop::error(reason));
        }
    }
    for slot in places(operation).filter(|_| full) {
        outcomes.push(latency::measured(&scene, slot).await?);
    }
    arena.control(operation, &arena.globex, &scene.foreign).await?;
    arena.control(operation, &arena.acme, &scene.own).await?;
    Ok(())
}

/// Which of the two is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Foreign,
    Absent,
}

/// One question, and the id it was about.
async fn asked(
    scene: &Scene<'_>,
    slot: &Slot,
    by: &Principal,
    about: About,
) -> Result<(Attacked, String), Stop> {
    let foreign = foreign(scene, slot)?;
    let id = if about == About::Foreign { foreign.to_owned() } else { like(foreign) };
    Ok((asked_about(scene, slot, by, &id).await?, id))
}

/// What the other tenant has in a place.
fn foreign<'s>(scene: &'s Scene<'_>, slot: &Slot) -> Result<&'s str, Stop> {
    let nothing = || Stop::skip(format!("there is no {} to ask about", slot.kind));
    scene.foreign.values.get(&slot.kind).map(String::as_str).ok_or_else(nothing)
}

async fn asked_about(scene: &Scene<'_>, slot: &Slot, by: &Principal, id: &str) -> Result<Attacked, Stop> {
    scene.arena.attack(scene.by(by).at(&slot.place, id)).await
}

/// Why there is nothing to be told in a place: both tenants have the same there, or nothing.
fn no_difference(scene: &Scene<'_>, slot: &Slot) -> Option<String> {
    let is_same = scene.own.values.get(&slot.kind) == scene.foreign.values.get(&slot.kind);
    is_same.then(|| format!("both tenants have the same {}", slot.kind))
}

/// The case of asking in every place.
pub(crate) fn case_of_all(operation: &Operation) -> Case {
    let kinds: Vec<&str> = places(operation).map(|slot| slot.kind.as_str()).collect();
    let kinds = kinds.join(" or ");
    Case {
        path: format!("oracle/{}", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Medium,
        title: format!("{} tells whether another tenant's {kinds} exists", operation.name),
        gain: format!("tries ids and learns which other tenants, and which {kinds} of theirs, there are"),
    }
}

/// Asks as somebody in every place; the first that tells is the outcome.
pub(crate) async fn by(scene: &Scene<'_>, principal: &Principal, case: Case) -> Result<CaseOutcome, Stop> {
    let mut alike = None;
    let mut last = case.clone().without_result(Verdict::Skip, "there is no place to ask in");
    for slot in places(scene.operation) {
        let outcome = compared(scene, slot, principal, case.clone()).await?;
        match outcome.outcome.verdict {
            Verdict::Pass => alike = Some(outcome),
            Verdict::Skip => last = outcome,
            _ => return Ok(outcome),
        }
    }
    Ok(alike.unwrap_or(last))
}

async fn compared(scene: &Scene<'_>, slot: &Slot, by: &Principal, case: Case) -> Result<CaseOutcome, Stop> {
    let target = &scene.arena.system.target.name;
    if let Some(reason) = no_difference(scene, slot) {
        return Ok(case.without_result(Verdict::Skip, &reason));
    }
    let mut seen = None;
    for round in 0..ROUNDS {
        // Now one, now the other goes first: what only the first of two has is no difference between them.
        let (foreign, absent) = if round % 2 == 0 {
            let foreign = asked(scene, slot, by, About::Foreign).await?;
            (foreign, asked(scene, slot, by, About::Absent).await?)
        } else {
            let absent = asked(scene, slot, by, About::Absent).await?;
            (asked(scene, slot, by, About::Foreign).await?, absent)
        };
        let exchanges = || vec![foreign.0.exchange.clone(), absent.0.exchange.clone()];
        if let Some(leak) = &foreign.0.leak {
            return Ok(case.failed(target, "nothing foreign in the answer", leak, exchanges()));
        }
        if let Some(status) =
            [&foreign, &absent].map(|asked| asked.0.status).into_iter().find(|s| is_no_answer(*s))
        {
            return Ok(case.without_result(Verdict::Error, &no_answer(status)));
        }
        match difference(&foreign, &absent) {
            None => return Ok(case.passed()),
            Some(difference) => seen = Some((difference, exchanges())),
        }
    }
    let (difference, exchanges) = seen.unwrap_or_default();
    let expected = "the same answer for another tenant's id as for one that nobody has";
    Ok(case.failed(target, expected, &difference, exchanges))
}

/// An id of the same form that nobody has.
pub(in crate::surface) fn like(id: &str) -> String {
    if Uuid::parse_str(id).is_ok() {
        return Uuid::new_v4().to_string();
    }
    // Up to the last underscore stands what kind of id it is.
    let (prefix, rest) = id.rsplit_once('_').map_or(("", id), |(prefix, rest)| (prefix, rest));
    let mut random = std::iter::repeat_with(Uuid::new_v4).flat_map(Uuid::into_bytes);
    let mut pick = |first: u8, of: u8| char::from(first + random.next().unwrap_or_default() % of);
    let other = rest.chars().map(|character| match character {
        '0'..='9' => pick(b'0', 10),
        'a'..='z' => pick(b'a', 26),
        'A'..='Z' => pick(b'A', 26),
        other => other,
    });
    let other: String = other.collect();
    if prefix.is_empty() { other } else { format!("{prefix}_{other}") }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn an_id_that_nobody_has_is_of_the_same_form() {
        for id in ["org_wtc7abc", "5f0c0f0e-3f59-4a0a-9a53-5d5c2b1f6a3e", "TEAM-12"] {
            let other = like(id);
            assert_ne!(other, id);
            assert_eq!(other.len(), id.len());
        }
        assert!(like("org_wtc7abc").starts_with("org_"));
    }
}
