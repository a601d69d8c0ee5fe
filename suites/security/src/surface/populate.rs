//! Something to list: things made in a tenant until a list of them has a second page.

use std::collections::BTreeSet;

use harness::client::Answer;
use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::data::Fill;
use harness::exchange::Class;
use harness::world::Stop;
use serde_json::Value;

use crate::arena::{Arena, Side};

/// What a list goes on by, in its query and in its answer: docs/contract.md.
pub(super) const CURSOR: &str = "cursor";
pub(super) const LIMIT: &str = "limit";
const NEXT: &str = "/nextCursor";

/// After so many things a list that still has one page is not a list of any of them.
const MOST: usize = 12;

/// Whether an operation is a list of a tenant that comes in pages.
pub(super) fn is_paged(operation: &Operation) -> bool {
    operation.effect == Effect::Read
        && operation.query.contains_key(CURSOR)
        && operation.naming_slots().any(|slot| slot.kind == SlotKind::Org)
}

/// Where the list goes on after its first item, if it does.
pub(super) fn next(body: &Value) -> Option<String> {
    body.pointer(NEXT).and_then(Value::as_str).map(str::to_owned)
}

/// Values for a list about whoever has done most: its own administrator, where it is about a user.
pub(super) async fn filled(arena: &Arena, side: &Side, list: &Operation) -> Result<Fill, Stop> {
    let mut fill = arena.fresh(side, list).await?;
    if let Some(user) = fill.values.get_mut(&SlotKind::User) {
        user.clone_from(&side.admin.subject);
    }
    Ok(fill)
}

/// Makes things until the list has a second page; the cursor to it. None if nothing makes the list longer.
pub(super) async fn until_paged(
    arena: &Arena,
    side: &Side,
    list: &Operation,
    fill: &Fill,
) -> Result<Option<String>, Stop> {
    let rightful = arena.rightful(list, side, fill);
    let makers = makers(arena.api.contract(), list);
    let mut turns = makers.iter().cycle().take(MOST.max(makers.len()));
    loop {
        let first =
            arena.call(list, &rightful, fill, Class::Control).query(LIMIT, &1).send().await?.expect(200)?;
        if let Some(cursor) = next(&first.json()) {
            return Ok(Some(cursor));
        }
        let Some(maker) = turns.next() else { return Ok(None) };
        made(arena, side, maker, list, fill).await?;
    }
}

/// Makes one more of what an operation makes, of the very things that a list is about.
async fn made(
    arena: &Arena,
    side: &Side,
    maker: &Operation,
    list: &Operation,
    fill: &Fill,
) -> Result<(), Stop> {
    let Ok(mut more) = arena.fresh(side, maker).await else { return Ok(()) };
    for slot in list.naming_slots() {
        if let (Some(place), Some(value)) = (more.values.get_mut(&slot.kind), fill.values.get(&slot.kind)) {
            place.clone_from(value);
        }
    }
    let rightful = arena.rightful(maker, side, &more);
    // Some of these cannot be done twice; what matters is what the list shows then.
    let answer = arena.call(maker, &rightful, &more, Class::Use).send().await?;
    learn(arena, side, maker, &answer);
    Ok(())
}

/// What was made gives its tenant away by its id: its words may be an echo, where an organisation's id holds them too.
fn learn(arena: &Arena, side: &Side, maker: &Operation, answer: &Answer) -> Vec<(SlotKind, String)> {
    let ids = maker.creates.iter().filter_map(|(kind, pointer)| Some((*kind, answer.text_at(pointer).ok()?)));
    let ids: Vec<(SlotKind, String)> = ids.collect();
    for (kind, id) in &ids {
        arena.system.leaks.learn(&side.tenant.key, kind.as_str(), id);
    }
    ids
}

/// One of each thing that a tenant's people can make; gives the ids, but those of people.
pub(crate) async fn one_of_each(arena: &Arena, side: &Side) -> Result<BTreeSet<String>, Stop> {
    let mut made = BTreeSet::new();
    for maker in arena.api.contract().operations().filter(|operation| makes(operation)) {
        let Ok(fill) = arena.fresh(side, maker).await else { continue };
        let rightful = arena.rightful(maker, side, &fill);
        let answer = arena.call(maker, &rightful, &fill, Class::Use).send().await?;
        let ids = learn(arena, side, maker, &answer).into_iter();
        made.extend(ids.filter(|(kind, _)| *kind != SlotKind::User).map(|(_, id)| id));
    }
    Ok(made)
}

/// The operations that may make a list longer, the likeliest first: `team-create` for `team-list`.
fn makers<'c>(contract: &'c Contract, list: &Operation) -> Vec<&'c Operation> {
    let what = list.name.trim_end_matches("-list");
    let mut makers: Vec<&Operation> = contract.operations().filter(|operation| makes(operation)).collect();
    let is_of_it = |maker: &&Operation| {
        ["-create", "-add"].iter().any(|verb| maker.name.strip_suffix(verb) == Some(what))
    };
    if makers.iter().any(is_of_it) {
        makers.retain(is_of_it);
    }
    makers
}

/// Whether a tenant's own people make something with it. What closes or changes the tenant itself would end the story.
fn makes(operation: &Operation) -> bool {
    operation.effect == Effect::Write
        && !operation.is_the_platforms()
        && !operation.allows(&Permission::Invitee)
        && !operation.allows(&Permission::Token)
        && operation.created(SlotKind::AuditExport).is_none()
        && operation.slots.iter().all(|slot| slot.kind != SlotKind::Status)
}
