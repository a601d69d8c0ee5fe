//! Cursors: a list goes on only for whom, where and how its cursor was given out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::contract::{Contract, Operation};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::json;

use super::populate::{CURSOR, LIMIT, filled, is_paged, next, until_paged};
use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};

const FORGED: Reference = Reference { cwe: 565, owasp: "API1", asvs: "8.2.2" };
const FOREIGN: Reference = Reference { cwe: 639, owasp: "API1", asvs: "8.2.2" };
const STALE: Reference = Reference { cwe: 613, owasp: "API5", asvs: "8.3.2" };

/// Cursors that nobody gave out, and what each is.
const FORGERIES: [(&str, &str); 7] = [
    ("edited-beginning", "a cursor whose beginning was changed"),
    ("edited-middle", "a cursor whose middle was changed"),
    ("edited-start-key", "a cursor rewritten to begin in another tenant"),
    ("truncated", "half a cursor"),
    ("extended", "a cursor with something added"),
    ("made-up-offset", "a number for a cursor"),
    ("made-up-key", "a key of the store for a cursor"),
];
/// Cursors that were given out for something else, and what each is.
const STRAYS: [(&str, &str); 3] = [
    ("other-tenant", "a cursor of another tenant's list"),
    ("member-of-both", "a member of two tenants' cursor of the other one"),
    ("other-list", "a cursor of another list"),
];
const GONE: (&str, &str) = ("standing-gone", "a cursor of somebody who has no standing any more");

pub(super) fn cases(contract: &Contract, operation: &Operation) -> Vec<Case> {
    if !is_paged(operation) {
        return Vec::new();
    }
    let has_others = others(contract, operation).next().is_some();
    let all = FORGERIES.into_iter().chain(STRAYS).chain([GONE]);
    all.filter(|(id, _)| *id != "other-list" || has_others).map(|variant| case(operation, variant)).collect()
}

fn others<'c>(contract: &'c Contract, operation: &Operation) -> impl Iterator<Item = &'c Operation> {
    let name = operation.name.clone();
    contract.operations().filter(move |other| other.name != name && is_paged(other))
}

fn case(operation: &Operation, (id, what): (&str, &str)) -> Case {
    let (reference, severity) = if id == GONE.0 {
        (STALE, Severity::High)
    } else if STRAYS.iter().any(|(stray, _)| *stray == id) {
        (FOREIGN, Severity::High)
    } else {
        (FORGED, Severity::Medium)
    };
    Case {
        path: format!("cursor/{}/{id}", operation.name),
        operation: operation.name.clone(),
        reference,
        severity,
        title: format!("{} goes on by {what}", operation.name),
        gain: "chooses where a list begins, and so whose".to_owned(),
    }
}

/// Gets a cursor from each who could misuse one, then uses it as it must not be used.
pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let own = filled(arena, &arena.acme, operation).await?;
    let foreign = filled(arena, &arena.globex, operation).await?;
    let unpaged =
        || Stop::skip(format!("nothing that {} lists could be made, so it has one page", operation.name));
    let cursor = until_paged(arena, &arena.acme, operation, &own).await?.ok_or_else(unpaged)?;
    let stray = until_paged(arena, &arena.globex, operation, &foreign).await?.ok_or_else(unpaged)?;
    let scene = Scene { arena, operation, class: Class::Cursor, own, foreign };

    // The rightful owner goes on: otherwise every refusal below would mean nothing.
    let on = scene.rightful().class(Class::Control).query(LIMIT, &1).query(CURSOR, &cursor).send().await?;
    on.expect(200)?;

    let mut strikes = Vec::new();
    for forgery in FORGERIES {
        let forged = forged(forgery.0, &cursor, &scene);
        strikes.push(strike(operation, forgery, None, forged));
    }
    strikes.push(strike(operation, STRAYS[0], None, stray));

    let both = arena.colleague(&arena.acme, Some(&arena.globex)).await?;
    let theirs = page_of(&scene, &both, Some(&arena.globex.tenant.org)).await?;
    strikes.push(strike(operation, STRAYS[1], Some(both), theirs));

    match of_another_list(&scene).await? {
        Some(cursor) => strikes.push(strike(operation, STRAYS[2], None, cursor)),
        None if others(arena.api.contract(), operation).next().is_some() => {
            let case = case(operation, STRAYS[2]);
            outcomes.push(case.without_result(Verdict::Skip, "no other list has a second page"));
        }
        None => {}
    }

    let gone = arena.colleague(&arena.acme, None).await?;
    let theirs = page_of(&scene, &gone, None).await?;
    arena.expel(&arena.acme, &gone).await?;
    strikes.push(strike(operation, GONE, Some(gone), theirs));
    withstand_at(scene, strikes, outcomes).await
}

/// A strike with a cursor, by the tenant's administrator or by somebody else.
fn strike<'a>(
    operation: &Operation,
    variant: (&str, &str),
    by: Option<Principal>,
    cursor: String,
) -> Strike<'a> {
    Strike::new(case(operation, variant), Due::Refused, move |scene| {
        let call = by.as_ref().map_or_else(|| scene.by_own(), |principal| scene.by(principal));
        Ok(call.query(LIMIT, &1).query(CURSOR, &cursor))
    })
}

/// The cursor that somebody is given after the first item, in the other tenant if it is named.
async fn page_of(scene: &Scene<'_>, principal: &Principal, org: Option<&String>) -> Result<String, Stop> {
    let fill = if org.is_some() { &scene.foreign } else { &scene.own };
    let call = scene.arena.call(scene.operation, principal, fill, Class::Control).query(LIMIT, &1);
    let answer = call.send().await?.expect(200)?;
    next(&answer.json())
        .ok_or_else(|| Stop::error("another administrator is shown a shorter list".to_owned()))
}

/// A cursor of one of the tenant's other lists.
async fn of_another_list(scene: &Scene<'_>) -> Result<Option<String>, Stop> {
    let (arena, side) = (scene.arena, &scene.arena.acme);
    for other in others(arena.api.contract(), scene.operation) {
        let fill = filled(arena, side, other).await?;
        let call = arena.call(other, &arena.rightful(other, side, &fill), &fill, Class::Control);
        let answer = call.query(LIMIT, &1).send().await?;
        if let Some(cursor) = next(&answer.json()) {
            return Ok(Some(cursor));
        }
    }
    Ok(None)
}

fn forged(id: &str, cursor: &str, scene: &Scene<'_>) -> String {
    let (own, foreign) = (&scene.arena.acme.tenant.org, &scene.arena.globex.tenant.org);
    match id {
        "edited-beginning" => edited(cursor, 1),
        "edited-middle" => edited(cursor, cursor.len() / 2),
        "edited-start-key" => rewritten(cursor, own, foreign),
        "truncated" => cursor.chars().take(cursor.len() / 2).collect(),
        "extended" => format!("{cursor}AAAA"),
        "made-up-offset" => "1".to_owned(),
        _ => {
            let key = json!({ "PK": format!("ORG#{foreign}"), "SK": "", "org": foreign, "offset": 0 });
            URL_SAFE_NO_PAD.encode(key.to_string())
        }
    }
}

/// The cursor with another character at a place.
fn edited(cursor: &str, at: usize) -> String {
    let other = |character: char| if character == 'A' { 'B' } else { 'A' };
    let characters = cursor.chars().enumerate();
    characters.map(|(place, character)| if place == at { other(character) } else { character }).collect()
}

/// What the cursor says with the one organisation in the place of the other; where it names none, something else.
fn rewritten(cursor: &str, own: &str, foreign: &str) -> String {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(cursor) else { return edited(cursor, 0) };
    let found = bytes.windows(own.len()).position(|window| window == own.as_bytes());
    let mut bytes = bytes;
    match found {
        Some(at) => drop(bytes.splice(at..at + own.len(), foreign.bytes())),
        None => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{edited, rewritten};

    #[test]
    fn an_edited_cursor_is_another_and_a_rewritten_one_names_the_other_tenant() {
        assert_eq!(edited("BAC", 1), "BBC");
        let cursor = URL_SAFE_NO_PAD.encode(r#"{"PK":"ORG#acme"}tag"#);
        let bytes = URL_SAFE_NO_PAD.decode(rewritten(&cursor, "acme", "globex")).unwrap();
        assert_eq!(bytes, br#"{"PK":"ORG#globex"}tag"#);
        assert_ne!(rewritten(&cursor, "nobody", "globex"), cursor);
    }
}
