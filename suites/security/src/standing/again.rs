//! An id used again: whoever was deleted or removed and comes under the same id, and the organisation that is made anew
//! under the id of one that was deleted, begin with nothing of what there was.

use std::collections::BTreeSet;

use harness::client::Call;
use harness::contract::{Contract, Effect, Operation, SlotKind};
use harness::data::Tenant;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::Value;

use super::loss::Loss;
use super::{is_refusal, reference};
use crate::administrator;
use crate::arena::{Arena, Side};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::Cast;
use crate::surface::populate;

const REFERENCE: Reference = reference(672, "API1", "8.2.2, 8.4.1");
/// Makes the tenant of an organisation whose id somebody else chose.
const MAKES_TENANT: &str = "tenant-create";
const ENDS_TENANT: &str = "tenant-delete";

/// Whose id is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// A member's.
    Member,
    /// An organisation's.
    Organisation,
}

impl Again {
    /// What an operation makes under an id that the caller chose, and that can be ended before.
    pub fn of(operation: &Operation, cast: &Cast, contract: &Contract) -> Option<Again> {
        let chooses = |kind| operation.slots.iter().any(|slot| slot.kind == kind && operation.chooses(slot));
        let has = |name| contract.get(name).is_some();
        let ends_member = has("user-status-set") || has("member-remove");
        if operation.name == MAKES_TENANT && chooses(SlotKind::Org) && has(ENDS_TENANT) {
            Some(Again::Organisation)
        } else if chooses(SlotKind::User) && ends_member && administrator::proof(contract, cast).is_some() {
            Some(Again::Member)
        } else {
            None
        }
    }

    pub fn case(self, operation: &Operation) -> Case {
        let (title, gain) = match self {
            Again::Member => (
                "gives whoever comes under the id of somebody deleted what that one had",
                "comes back after being deleted or removed, and is what they were",
            ),
            Again::Organisation => (
                "gives an organisation that is made anew what was deleted under its id",
                "reads what another deleted, by coming under their id",
            ),
        };
        Case {
            path: format!("standing/{}/id-used-again", operation.name),
            operation: operation.name.clone(),
            reference: REFERENCE,
            severity: Severity::High,
            title: format!("{} {title}", operation.name),
            gain: gain.to_owned(),
        }
    }

    pub async fn run(self, arena: &Arena, operation: &Operation) -> Result<CaseOutcome, Stop> {
        match self {
            Again::Member => member(arena, operation, self.case(operation)).await,
            Again::Organisation => organisation(arena, operation, self.case(operation)).await,
        }
    }
}

/// An administrator is deleted or removed, and made a member again, of the least that there is.
async fn member(arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
    let contract = arena.system.contract.clone();
    let missing = || Stop::skip("the contract has nothing to read that only an administrator may");
    let proof = administrator::proof(&contract, &arena.cast).ok_or_else(missing)?;
    let loss = if contract.get("user-status-set").is_some() { Loss::Deleted } else { Loss::Removed };
    let person = loss.person(arena).await?;
    let fill = arena.fresh(&arena.acme, proof).await?;
    let first = arena.attack(arena.call(proof, &person, &fill, Class::Control)).await?;
    if !(200..300).contains(&first.status) {
        let why = format!("control failed: an administrator gets status {}", first.status);
        return Ok(case.without_result(Verdict::Error, &why));
    }
    loss.bring_about(arena, &person).await?;
    let gone = arena.attack(arena.call(proof, &person, &fill, Class::Standing)).await?;
    if !is_refusal(arena, proof, &gone) {
        let why = format!("whoever was deleted gets status {}: that is another finding", gone.status);
        return Ok(case.without_result(Verdict::Error, &why));
    }
    // An id that is never given again cannot be used again: a refusal is as good as a beginning with nothing.
    let joined = arena.attack(joining(arena, operation, &person).await?).await?;
    let again = arena.attack(arena.call(proof, &person, &fill, Class::Standing)).await?;
    if is_refusal(arena, proof, &again) {
        return Ok(case.passed());
    }
    let how = if joined.status < 300 { "joined again" } else { "was refused to join again" };
    let observed =
        format!("status {} of {} for somebody who was deleted and {how}", again.status, proof.name);
    let expected = "a refusal: an administrator's right went with the administrator";
    Ok(case.failed(&arena.system.target.name, expected, &observed, vec![first.exchange, again.exchange]))
}

/// The request that makes somebody a member again, of the least that there is.
async fn joining(arena: &Arena, operation: &Operation, person: &Principal) -> Result<Call, Stop> {
    let fill = arena.fresh(&arena.acme, operation).await?;
    let who = arena.rightful(operation, &arena.acme, &fill);
    let call = arena.call(operation, &who, &fill, Class::Standing).slot(SlotKind::Email, &person.email);
    Ok(operation.slots.iter().fold(call, |call, slot| match slot.kind {
        SlotKind::User => call.at(&slot.place, &person.subject),
        SlotKind::PlatformRole if slot.optional => call.without(&slot.place),
        SlotKind::PlatformRole => call.at(&slot.place, arena.cast.ladder.bottom().name),
        _ => call,
    }))
}

/// A tenant with something of everything is deleted, and made again for the same organisation.
async fn organisation(arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
    let (data, contract) = (arena.data(), arena.system.contract.clone());
    let tenant = data.organisations().create("before").await?;
    let admin = data.users().create(&tenant, "owner-before", Some(arena.cast.ladder.top.name)).await?;
    let old = Side { tenant, admin };
    let made = populate::one_of_each(arena, &old).await?;
    let reads: Vec<&Operation> = contract.operations().filter(|operation| reads_tenant(operation)).collect();
    if found(arena, &old, &reads, &made).await?.is_none() {
        return Ok(case.without_result(
            Verdict::Error,
            "nothing of what was made can be read, so its end shows nothing",
        ));
    }
    let end = arena.api.call(ENDS_TENANT).as_(&old.admin).org(&old.tenant.org).class(Class::Control);
    let answer = end.send().await?;
    if answer.status >= 300 {
        let why = answer.unexpected("2xx, for the end of a tenant", &answer.status.to_string());
        return Err(Stop::error(why.to_string()));
    }
    let fill = arena.fresh(&arena.acme, operation).await?;
    let who = arena.rightful(operation, &arena.acme, &fill);
    let mut make = arena.call(operation, &who, &fill, Class::Standing);
    for slot in operation.slots.iter().filter(|slot| slot.kind == SlotKind::Org) {
        make = make.at(&slot.place, &old.tenant.org);
    }
    if let Some(plan) = &arena.system.target.vocabulary.plan {
        make = make.slot(SlotKind::Status, plan);
    }
    make.send().await?.expect(201)?;
    let tenant = Tenant { name: "after".to_owned(), record: None, ..old.tenant.clone() };
    // Whoever belonged to the organisation still does: memberships are the identity provider's.
    let new = Side { tenant, admin: old.admin.clone() };
    for read in &reads {
        let fill = arena.fresh(&new, read).await?;
        arena.control(read, &new, &fill).await?;
    }
    let Some(seen) = found(arena, &new, &reads, &made).await? else { return Ok(case.passed()) };
    let (observed, exchange) = seen;
    Ok(case.failed(&arena.system.target.name, "nothing of what was deleted", &observed, vec![exchange]))
}

/// What a tenant's people read without naming anything but the organisation.
fn reads_tenant(operation: &Operation) -> bool {
    let mut named = operation.naming_slots();
    operation.effect == Effect::Read
        && operation.needs_token()
        && !operation.is_the_platforms()
        && named.next().is_some_and(|slot| slot.kind == SlotKind::Org)
        && named.next().is_none()
}

/// Where one of these ids is read.
async fn found(
    arena: &Arena,
    side: &Side,
    reads: &[&Operation],
    ids: &BTreeSet<String>,
) -> Result<Option<(String, harness::exchange::Exchange)>, Stop> {
    for read in reads {
        let fill = arena.fresh(side, read).await?;
        let answer = arena.attack(arena.call(read, &side.admin, &fill, Class::Standing)).await?;
        let text = if answer.body == Value::Null { String::new() } else { answer.body.to_string() };
        if let Some(id) = ids.iter().find(|id| text.contains(id.as_str())) {
            return Ok(Some((format!("{} shows {id}", read.name), answer.exchange)));
        }
    }
    Ok(None)
}
