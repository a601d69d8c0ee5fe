//! Who administers an organisation, told by what they may read.

use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::data::Tenant;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::world::Stop;

use crate::arena::Arena;
use crate::cast::{Cast, Persona};
use crate::model::{Expected, Relation, expected};

/// Something to read that only an administrator may.
pub(crate) fn proof<'c>(contract: &'c Contract, cast: &Cast) -> Option<&'c Operation> {
    contract.operations().find(|operation| proves(operation, cast))
}

/// Whether somebody may read it.
pub(crate) async fn is_administrator(
    arena: &Arena,
    proof: &Operation,
    tenant: &Tenant,
    who: &Principal,
    class: Class,
) -> Result<bool, Stop> {
    let answer = arena.api.call(&proof.name).as_(who).org(&tenant.org).class(class).send().await?;
    Ok((200..300).contains(&answer.status))
}

/// Whether reading this shows that somebody is administrator.
fn proves(operation: &Operation, cast: &Cast) -> bool {
    let mut required = operation.slots.iter().filter(|slot| !slot.optional);
    let may = |persona| expected(operation, persona, Relation::Other) == Expected::Allow;
    operation.effect == Effect::Read
        && operation.feature.is_none()
        && operation.permission.iter().all(|permission| matches!(permission, Permission::Named(_)))
        && required.all(|slot| slot.kind == SlotKind::Org)
        && may(Persona::Holder(cast.ladder.top))
        && !may(Persona::Holder(cast.ladder.bottom()))
}
