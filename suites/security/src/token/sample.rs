//! Which forgeries an operation is tried with. Reads get every one. Of the writes whose handlers are of one shape, the
//! first by name does: what reads the token is the same code for all of them. Each of the others gets one forgery of
//! every kind, and which one follows from its name, so that they share out the rest between them.

use std::collections::BTreeSet;

use harness::contract::{Contract, Effect, Operation, Permission, Place};
use harness::identity::forge::{Forgery, Known};

/// What the handler of an operation has to do before it acts: who may, and where it has to look for what is named.
fn shape(operation: &Operation) -> String {
    let who = |permission: &Permission| match permission {
        Permission::Named(_) => "role".to_owned(),
        other => other.to_string(),
    };
    let place = |place: &Place| match place {
        Place::Path(_) => "path",
        Place::Query(_) => "query",
        Place::Header(_) => "header",
        Place::Body(_) => "body",
    };
    let who: BTreeSet<String> = operation.permission.iter().map(who).collect();
    let places: BTreeSet<&str> = operation.naming_slots().map(|slot| place(&slot.place)).collect();
    let (effect, visibility) = (operation.effect, operation.visibility);
    let reads_body = operation.body.is_some();
    format!("{effect:?} {visibility:?} {who:?} {places:?} {reads_body} {}", operation.feature.is_some())
}

/// The writes that do not get every forgery, by name.
pub(crate) fn spared(contract: &Contract) -> BTreeSet<&str> {
    let mut shapes = BTreeSet::new();
    let writes = contract.operations().filter(|operation| operation.effect != Effect::Read);
    let known = writes.filter(|operation| operation.needs_token() && !shapes.insert(shape(operation)));
    known.map(|operation| operation.name.as_str()).collect()
}

/// One forgery of each kind.
pub(super) fn one_of_each_kind(forgeries: Vec<&'static Forgery>, operation: &str) -> Vec<&'static Forgery> {
    let mut kinds: Vec<(Known, Vec<&'static Forgery>)> = Vec::new();
    for forgery in forgeries {
        match kinds.iter_mut().find(|(known, _)| *known == forgery.known) {
            Some((_, alike)) => alike.push(forgery),
            None => kinds.push((forgery.known, vec![forgery])),
        }
    }
    let turn = turn(&[operation]);
    kinds.into_iter().filter_map(|(_, alike)| alike.get(turn % alike.len()).copied()).collect()
}

/// A number that words always come to (FNV-1a): whose turn it is does not depend on what else there is.
pub(super) fn turn(words: &[&str]) -> usize {
    let bytes = words.iter().flat_map(|word| word.bytes());
    bytes.fold(2_166_136_261_usize, |turn, byte| {
        (turn ^ usize::from(byte)).wrapping_mul(16_777_619) & 0xffff_ffff
    }) >> 4
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use harness::contract::Contract;
    use harness::identity::forge::Forgery;
    use harness::target::TokenStyle;
    use serde_json::{Map, Value, json};

    use super::{one_of_each_kind, spared};

    #[test]
    fn of_writes_of_one_shape_the_first_gets_every_forgery_and_reads_do() {
        let operation = |name: &str, effect: &str, slot: &str| {
            let path = format!("/{name}/{{id}}");
            let document = json!({ "operationId": name, "x-permission": ["team:write"], "x-effect": effect,
                "x-visibility": "hidden", "x-slot": { "path/id": slot }, "responses": {} });
            (path, json!({ "post": document }))
        };
        let paths: Map<String, Value> = Map::from_iter([
            operation("b-update", "write", "team"),
            operation("a-update", "write", "role"),
            operation("a-delete", "consume", "role"),
            operation("a-get", "read", "role"),
            operation("b-get", "read", "team"),
        ]);
        let contract = Contract::from_openapi(&json!({ "openapi": "3.1.0", "paths": paths })).unwrap();
        assert_eq!(spared(&contract), BTreeSet::from(["b-update"]));
    }

    #[test]
    fn every_kind_is_among_them_and_names_take_turns() {
        let all: Vec<&Forgery> = Forgery::of_style(TokenStyle::Cognito).collect();
        let of = |name: &str| one_of_each_kind(all.clone(), name);
        let kinds = |forgeries: &[&Forgery]| {
            forgeries.iter().map(|forgery| format!("{:?}", forgery.known)).collect::<BTreeSet<_>>()
        };
        assert_eq!(kinds(&of("team-create")), kinds(&all));
        assert_eq!(of("team-create").len(), kinds(&all).len());
        let names = (0..60).map(|at| format!("thing-{at}-create"));
        let tried: BTreeSet<&str> = names.flat_map(|name| of(&name)).map(|forgery| forgery.id).collect();
        assert!(tried.len() > all.len() * 4 / 5, "{} of {}", tried.len(), all.len());
    }
}
