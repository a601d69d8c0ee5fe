//! Another tenant's id spelt in other ways: encoded, in capitals, with a slash, a dot or a separator too many. What
//! one reader takes for one's own and another for the other tenant's must open nothing.
//!
//! Plain dot segments are not among them: every client resolves them before it sends anything.

use std::collections::BTreeMap;

use harness::client::Call;
use harness::contract::{Effect, Operation, Place, Slot, SlotKind};
use harness::world::Stop;

use super::{SPELT, case};
use crate::hop::at_home;
use crate::surface::oracle::like;
use crate::surface::siege::{Due, Scene, Strike};

/// What stands in the path, made of one's own id and the other tenant's.
type Spelling = fn(&str, &str) -> String;

const IN_PATH: [(&str, Spelling); 16] = [
    ("encoded", |_, foreign| encoded(foreign)),
    ("encoded-twice", |_, foreign| encoded(foreign).replace('%', "%25")),
    ("capitals", |_, foreign| foreign.to_uppercase()),
    ("trailing-slash", |_, foreign| format!("{foreign}/")),
    ("double-slash", |_, foreign| format!("/{foreign}")),
    ("encoded-slash", |_, foreign| format!("{foreign}%2F")),
    ("encoded-dots", |own, foreign| format!("{own}%2F..%2F{foreign}")),
    ("dots-encoded-twice", |own, foreign| format!("{own}%252F..%252F{foreign}")),
    ("semicolon-dots", |own, foreign| format!("{own}/..;/{foreign}")),
    ("backslash-dots", |own, foreign| format!("{own}%5C..%5C{foreign}")),
    ("extension", |_, foreign| format!("{foreign}.json")),
    ("parameter", |own, foreign| format!("{foreign};id={own}")),
    ("comma", |own, foreign| format!("{own},{foreign}")),
    ("nul", |_, foreign| format!("{foreign}%00")),
    ("line-feed", |_, foreign| format!("{foreign}%0A")),
    ("blank", |_, foreign| format!("%20{foreign}")),
];

/// What stands in a header in the place of an id.
const IN_HEADER: [(&str, Spelling); 4] = [
    ("capitals", |_, foreign| foreign.to_uppercase()),
    ("comma", |own, foreign| format!("{own},{foreign}")),
    ("comma-foreign-first", |own, foreign| format!("{foreign}, {own}")),
    ("semicolon", |own, foreign| format!("{own};{foreign}")),
];

/// Every byte as an escape.
fn encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

pub(super) fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let slots = operation.naming_slots().filter(|slot| slot.kind != SlotKind::InvitationToken);
    slots.flat_map(|slot| of_slot(operation, slot)).collect()
}

fn of_slot(operation: &Operation, slot: &Slot) -> Vec<Strike<'static>> {
    let spellings: &[(&str, Spelling)] = match slot.place {
        Place::Path(_) => &IN_PATH,
        Place::Header(_) => &IN_HEADER,
        Place::Query(_) | Place::Body(_) => &[],
    };
    // In one's own organisation a read about an id that it does not have may answer with an empty list.
    let may_be_empty = operation.effect == Effect::Read && at_home(&[slot]);
    let strike = |(id, spelling): &(&'static str, Spelling)| {
        let (spelling, kind) = (*spelling, slot.kind);
        let variant = format!("{}.{id}", slot.place.to_string().replace('/', "."));
        let title = format!("{} accepts another tenant's {kind} when it is spelt otherwise", operation.name);
        let case = case(operation, &variant, SPELT, title);
        let place = slot.place.clone();
        let spelt = move |scene: &Scene<'_>, foreign: &str| -> Result<Call, Stop> {
            let value = spelling(value(&scene.own.values, kind)?, foreign);
            let call = scene.by_own();
            Ok(match place {
                Place::Path(_) => call.verbatim(&place, &value),
                _ => call.at(&place, &value),
            })
        };
        let absent = spelt.clone();
        let strike =
            Strike::new(case, Due::Refused, move |scene| spelt(scene, value(&scene.foreign.values, kind)?));
        if !may_be_empty {
            return strike;
        }
        strike.or_as(move |scene| absent(scene, &like(value(&scene.foreign.values, kind)?)))
    };
    spellings.iter().map(strike).collect()
}

fn value(values: &BTreeMap<SlotKind, String>, kind: SlotKind) -> Result<&str, Stop> {
    values.get(&kind).map(String::as_str).ok_or_else(|| Stop::skip(format!("there is no {kind} to name")))
}

#[cfg(test)]
mod tests {
    use super::{IN_HEADER, IN_PATH};

    #[test]
    fn no_spelling_is_the_plain_id_or_another_spelling() {
        for spellings in [IN_PATH.as_slice(), IN_HEADER.as_slice()] {
            let mut spelt: Vec<String> =
                spellings.iter().map(|(_, spelling)| spelling("ours", "theirs")).collect();
            assert!(spelt.iter().all(|spelt| spelt != "theirs"));
            spelt.sort();
            spelt.dedup();
            assert_eq!(spelt.len(), spellings.len());
        }
    }
}
