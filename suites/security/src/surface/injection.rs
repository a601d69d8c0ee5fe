//! Injection: ids and texts that mean something to a store, a query or a template. As an id they name nothing; as a
//! text they are a text.

use std::collections::BTreeMap;

use harness::contract::{Effect, Operation, Place, Slot, SlotKind};
use harness::exchange::Class;
use harness::record::Severity;
use harness::world::Stop;

use super::oracle::like;
use super::populate::{CURSOR, LIMIT};
use super::siege::{Due, Scene, Strike, withstand_at};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};
use crate::hop::{applies, at_home};

const QUERY: Reference = Reference { cwe: 943, owasp: "API8", asvs: "1.2.4" };

/// An id made of one's own and another tenant's.
type Id = fn(&str, &str) -> String;

const IDS: [(&str, Id); 15] = [
    ("key-separator", |own, foreign| format!("{own}#{foreign}")),
    ("key-of-store", |_, foreign| format!("ORG#{foreign}")),
    ("key-metadata", |own, _| format!("{own}#METADATA")),
    ("beginning-of-own", |own, _| own.chars().take(own.chars().count().saturating_sub(1)).collect()),
    ("beginning-of-foreign", |_, foreign| {
        foreign.chars().take(foreign.chars().count().saturating_sub(1)).collect()
    }),
    ("longer-than-own", |own, _| format!("{own}0")),
    ("star", |_, _| "*".to_owned()),
    ("percent", |_, _| "%".to_owned()),
    ("underscores", |own, _| "_".repeat(own.chars().count())),
    ("always-true", |_, _| "' OR '1'='1".to_owned()),
    ("own-and-comment", |own, _| format!("{own}' --")),
    ("union", |_, _| "' UNION SELECT NULL, NULL --".to_owned()),
    ("operator", |_, _| "{\"$ne\":null}".to_owned()),
    ("expression", |_, _| ":pk OR attribute_exists(PK)".to_owned()),
    ("search-path", |own, foreign| format!("{own}\"; SET search_path TO \"tenant_{foreign}")),
];

const TEXTS: [(&str, &str); 6] = [
    ("quote", "x'; DROP TABLE products; --"),
    ("key", "ORG#1#TEAM#1"),
    ("template", "{{7*7}}${7*7}<%= 7*7 %>"),
    ("operator", "{\"$gt\":\"\"}"),
    ("format", "%s%n%x"),
    ("markup", "<img src=x onerror=alert(1)>"),
];

/// Values of parameters that narrow a list down.
const FILTERS: [(&str, &str); 5] = [
    ("always-true", "' OR '1'='1"),
    ("operator", "{\"$ne\":null}"),
    ("star", "*"),
    ("key", "ORG#1"),
    ("expression", "x) OR (attribute_exists(PK)"),
];

pub(super) fn cases(operation: &Operation) -> Vec<Case> {
    strikes(operation).into_iter().map(|strike| strike.case).collect()
}

fn case(operation: &Operation, variant: &str, what: &str) -> Case {
    Case {
        path: format!("injection/{}/{variant}", operation.name),
        operation: operation.name.clone(),
        reference: QUERY,
        severity: Severity::Critical,
        title: format!("{} does something with {what} other than take it as it stands", operation.name),
        gain: "writes a part of what the service asks its store, whosever data that is".to_owned(),
    }
}

fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let mut strikes = Vec::new();
    if applies(operation) {
        let slots = operation.naming_slots().filter(|slot| slot.kind != SlotKind::InvitationToken);
        strikes.extend(slots.flat_map(|slot| ids(operation, slot)));
    }
    strikes.extend(filters(operation));
    strikes.extend(texts(operation));
    strikes
}

fn ids(operation: &Operation, slot: &Slot) -> Vec<Strike<'static>> {
    let may_be_empty = operation.effect == Effect::Read && at_home(&[slot]);
    let strike = |(variant, made): &(&'static str, Id)| {
        let (made, kind) = (*made, slot.kind);
        let variant = format!("{}.{variant}", slot.place.to_string().replace('/', "."));
        let case = case(operation, &variant, &format!("a {kind} that is no id"));
        let (place, absent) = (slot.place.clone(), slot.place.clone());
        let strike = Strike::new(case, Due::Refused, move |scene| {
            let id = made(value(&scene.own.values, kind)?, value(&scene.foreign.values, kind)?);
            Ok(scene.by_own().at(&place, &id))
        });
        if !may_be_empty {
            return strike;
        }
        strike.or_as(move |scene| Ok(scene.by_own().at(&absent, &like(value(&scene.foreign.values, kind)?))))
    };
    IDS.iter().map(strike).collect()
}

fn value(values: &BTreeMap<SlotKind, String>, kind: SlotKind) -> Result<&str, Stop> {
    values.get(&kind).map(String::as_str).ok_or_else(|| Stop::skip(format!("there is no {kind} to name")))
}

/// Parameters of reads, but for those that say which page.
fn filters(operation: &Operation) -> Vec<Strike<'static>> {
    if operation.effect != Effect::Read {
        return Vec::new();
    }
    let names = operation.query.keys().filter(|name| ![CURSOR, LIMIT, "offset"].contains(&name.as_str()));
    let each = names.flat_map(|name| FILTERS.map(|filter| (name.clone(), filter)));
    let strike = |(name, (variant, text)): (String, (&str, &'static str))| {
        let case = case(operation, &format!("query.{name}.{variant}"), &format!("a value of {name}"));
        Strike::new(case, Due::Unmoved, move |scene| Ok(scene.by_own().query(&name, text)))
    };
    each.map(strike).collect()
}

/// Texts of bodies. What makes tenants is left alone: each would be one.
fn texts(operation: &Operation) -> Vec<Strike<'static>> {
    if operation.created(SlotKind::Org).is_some() {
        return Vec::new();
    }
    let slots = operation.slots.iter().filter(|slot| {
        matches!(slot.kind, SlotKind::Text | SlotKind::Slug | SlotKind::Email)
            && matches!(slot.place, Place::Body(_))
    });
    let each = slots.flat_map(|slot| TEXTS.map(|text| (slot.place.clone(), text)));
    let strike = |(place, (variant, text)): (Place, (&str, &'static str))| {
        let at = place.to_string().replace('/', ".");
        let case = case(operation, &format!("{at}.{variant}"), "a text");
        Strike::new(case, Due::Harmless, move |scene| Ok(scene.rightful().at(&place, text)))
    };
    each.map(strike).collect()
}

pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let scene = Scene::set(arena, operation, Class::Injection).await?;
    withstand_at(scene, strikes(operation), outcomes).await
}
