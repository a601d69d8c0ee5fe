//! Decisions kept for the wrong one: made for one caller, organisation or operation, and given to another.

use harness::contract::{Contract, Effect, Operation, Permission, SlotKind};
use harness::data::Fill;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;

use super::{is_refusal, reference};
use crate::arena::{Arena, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome};
use crate::cast::{Cast, Persona};
use crate::hop;
use crate::model::{Expected, Relation, expected};

/// What was decided just before, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Somebody else succeeded with the same request.
    OtherCaller,
    /// The same caller succeeded in another organisation.
    OtherOrganisation,
    /// The same caller succeeded with another operation.
    OtherOperation,
    /// The caller may do everything in both organisations, and names in one what is the other's.
    InTheWrongOne,
}

impl Kept {
    /// Those that apply to an operation.
    pub fn all<'c>(
        operation: &'c Operation,
        cast: &'c Cast,
        contract: &'c Contract,
    ) -> impl Iterator<Item = Kept> + 'c {
        use Kept::{InTheWrongOne, OtherCaller, OtherOperation, OtherOrganisation};
        let all = [OtherOrganisation, OtherOperation, OtherCaller, InTheWrongOne];
        all.into_iter().filter(move |kept| kept.applies(operation, cast, contract))
    }

    fn applies(self, operation: &Operation, cast: &Cast, contract: &Contract) -> bool {
        let bottom = cast.ladder.bottom();
        let refused = |persona| expected(operation, persona, Relation::Other) != Expected::Allow;
        let names_org = operation.slots.iter().any(|slot| slot.kind == SlotKind::Org);
        match self {
            // What is used up by the first success refuses for another reason.
            Kept::OtherCaller => operation.effect == Effect::Read && refused(Persona::Holder(bottom)),
            Kept::OtherOrganisation => names_org && refused(Persona::MemberOfTwo(bottom)),
            Kept::OtherOperation => {
                refused(Persona::Holder(bottom)) && allowed(contract, Persona::Holder(bottom)).is_some()
            }
            Kept::InTheWrongOne => {
                names_org && hop::applies(operation) && operation.naming_slots().count() > 1
            }
        }
    }

    fn variant(self) -> &'static str {
        match self {
            Kept::OtherCaller => "after-another-caller",
            Kept::OtherOrganisation => "after-another-organisation",
            Kept::OtherOperation => "after-another-operation",
            Kept::InTheWrongOne => "in-the-wrong-organisation",
        }
    }

    /// The case of an operation.
    pub fn case(self, operation: &Operation) -> Case {
        let name = &operation.name;
        let (title, gain) = match self {
            Kept::OtherCaller => (
                format!("{name} answers a member as it answered the administrator before"),
                format!("waits for somebody who may, and then uses {name}"),
            ),
            Kept::OtherOrganisation => (
                format!("{name} takes a caller's right in one organisation for one in another"),
                format!("makes an organisation of their own, and uses {name} in any other they belong to"),
            ),
            Kept::OtherOperation => (
                format!("{name} is open to whoever just did something they may do"),
                format!("does something harmless, and then uses {name}"),
            ),
            Kept::InTheWrongOne => (
                format!("{name} finds in one organisation what is another's, for whoever belongs to both"),
                format!("carries things from one organisation into another with {name}"),
            ),
        };
        Case {
            path: format!("standing/{name}/{}", self.variant()),
            operation: name.clone(),
            reference: match self {
                Kept::InTheWrongOne => reference(639, "API1", "8.4.1"),
                _ => reference(863, "API5", "8.2.1"),
            },
            severity: if operation.effect == Effect::Read { Severity::High } else { Severity::Critical },
            title,
            gain,
        }
    }

    /// What comes first succeeds, and what follows at once is refused and changes nothing.
    pub async fn run(self, arena: &Arena, operation: &Operation, fill: &Fill) -> Result<CaseOutcome, Stop> {
        let case = self.case(operation);
        let bottom = arena.cast.ladder.bottom();
        let (person, foreign) = match self {
            Kept::OtherCaller => {
                arena.control(operation, &arena.acme, fill).await?;
                (arena.principal(Persona::Holder(bottom)), None)
            }
            Kept::OtherOrganisation => {
                let person = arena.principal(Persona::MemberOfTwo(bottom));
                let there = arena.fresh(&arena.globex, operation).await?;
                succeed(arena, operation, &person, &there).await?;
                (person, None)
            }
            Kept::OtherOperation => {
                let person = arena.principal(Persona::Holder(bottom));
                let contract = arena.system.contract.clone();
                if let Some(other) = allowed(&contract, Persona::Holder(bottom)) {
                    let there = arena.fresh(&arena.acme, other).await?;
                    succeed(arena, other, &person, &there).await?;
                }
                (person, None)
            }
            Kept::InTheWrongOne => {
                let (users, top) = (arena.data().users(), arena.cast.ladder.top.name);
                let person = users.create(&arena.acme.tenant, "at-home-in-both", Some(top)).await?;
                let person = users.join(&arena.globex.tenant, &person, Some(top)).await?;
                (person, Some(arena.fresh(&arena.globex, operation).await?))
            }
        };
        let fills: Vec<&Fill> = std::iter::once(fill).chain(&foreign).collect();
        let writes = operation.effect != Effect::Read;
        let before = if writes { Some(arena.snapshot(operation, &fills).await?) } else { None };
        let mut call = arena.call(operation, &person, fill, Class::Standing);
        for slot in operation.naming_slots().filter(|slot| slot.kind != SlotKind::Org) {
            if let Some(value) = foreign.as_ref().and_then(|foreign| foreign.values.get(&slot.kind)) {
                call = call.at(&slot.place, value);
            }
        }
        let attacked = arena.attack(call).await?;
        let (target, status) = (&arena.system.target.name, attacked.status);
        if is_no_answer(status) {
            return Ok(case.without_result(Verdict::Error, &no_answer(status)));
        }
        if let Some(leak) = attacked.leak {
            return Ok(case.failed(target, "nothing foreign in the answer", &leak, vec![attacked.exchange]));
        }
        if !is_refusal(arena, operation, &attacked) {
            // Reading about somebody whom the organisation does not have may answer with an empty list.
            let is_empty =
                attacked.body.get("items").and_then(|items| items.as_array()).is_some_and(Vec::is_empty);
            if self == Kept::InTheWrongOne && !writes && is_empty {
                return Ok(case.passed());
            }
            let observed = format!("status {status}");
            return Ok(case.failed(target, "a refusal", &observed, vec![attacked.exchange]));
        }
        if let Some(before) = before {
            let changes = before.changes(&arena.snapshot(operation, &fills).await?);
            if !changes.is_empty() {
                let observed = format!("status {status}, but the state changed: {}", listed(&changes));
                return Ok(case.failed(target, "no change of state", &observed, vec![attacked.exchange]));
            }
        }
        Ok(case.passed())
    }
}

/// Something harmless that a persona may do in the organisation.
fn allowed(contract: &Contract, persona: Persona) -> Option<&Operation> {
    contract.operations().find(|operation| {
        let mut required = operation.slots.iter().filter(|slot| !slot.optional);
        operation.effect == Effect::Read
            && operation.permission.iter().any(|permission| matches!(permission, Permission::Named(_)))
            && required.all(|slot| slot.kind == SlotKind::Org)
            && expected(operation, persona, Relation::Other) == Expected::Allow
    })
}

async fn succeed(arena: &Arena, operation: &Operation, person: &Principal, fill: &Fill) -> Result<(), Stop> {
    let answer = arena.attack(arena.call(operation, person, fill, Class::Control)).await?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let why =
        format!("control failed: {} as {} gives status {}", operation.name, person.label, answer.status);
    Err(Stop::error(why))
}
