//! One foreign id in a list of one's own: refused whole, whichever stands first.

use harness::contract::{Operation, Place, SlotKind};
use harness::world::Stop;
use serde_json::{Value, json};

use super::{ANOTHER, case};
use crate::surface::siege::{Due, Scene, Strike};

/// The places of a body that hold a list of ids: where the list stands, and of what.
fn lists(operation: &Operation) -> impl Iterator<Item = (String, SlotKind)> {
    operation.naming_slots().filter_map(|slot| {
        let Place::Body(pointer) = &slot.place else { return None };
        let list = pointer.strip_suffix(&["*".to_owned()])?;
        Some((format!("/{}", list.join("/")), slot.kind))
    })
}

pub(super) fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let orders = ["own-first", "foreign-first"];
    let variants = lists(operation).flat_map(|list| orders.map(|order| (list.clone(), order)));
    let strike = |((list, kind), order): ((String, SlotKind), &'static str)| {
        let variant = format!("body{}.among-own.{order}", list.replace('/', "."));
        let title = format!("{} takes another tenant's {kind} among one's own", operation.name);
        let case = case(operation, &variant, ANOTHER, title);
        Strike::new(case, Due::Refused, move |scene| {
            let body = mixed(scene, &list, kind, order == "own-first")?;
            Ok(scene.by_own().json(body))
        })
    };
    variants.map(strike).collect()
}

/// The rightful body with both tenants' ids in a list.
fn mixed(scene: &Scene<'_>, list: &str, kind: SlotKind, own_first: bool) -> Result<Value, Stop> {
    let id = |values: &std::collections::BTreeMap<SlotKind, String>| values.get(&kind).cloned();
    let (own, foreign) = (id(&scene.own.values), id(&scene.foreign.values));
    let mut body = scene.by_own().filled_body()?.unwrap_or_default();
    let place =
        body.pointer_mut(list).ok_or_else(|| Stop::error(format!("the example has no list at {list}")))?;
    *place = if own_first { json!([own, foreign]) } else { json!([foreign, own]) };
    Ok(body)
}
