//! The last administrator: two of them take each other's right at the same moment, round after round, and once the one
//! who is left takes their own; an organisation that has nobody left who may do everything is locked out of itself.

use harness::client::Call;
use harness::contract::{Contract, Operation, SlotKind};
use harness::data::Tenant;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::json;
use tokio::task::JoinSet;

use crate::administrator::{self, is_administrator};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};

/// So many organisations are tried: a check that is not made with the change is passed by both in most of them.
const ROUNDS: usize = 12;

/// How an administrator's right is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// The role, by another administrator.
    Unassign,
    /// The role becomes the least there is.
    Demote,
    /// The membership.
    Remove,
    /// The account is suspended, by the platform.
    Suspend,
}

impl Taking {
    /// How an operation takes it, if it does.
    pub fn of(operation: &Operation, contract: &Contract) -> Option<Taking> {
        let taking = match operation.name.as_str() {
            "role-assignment-delete" => Taking::Unassign,
            "member-role-set" => Taking::Demote,
            "member-remove" => Taking::Remove,
            "user-status-set" => Taking::Suspend,
            _ => return None,
        };
        contract.get(&operation.name).map(|_| taking)
    }
}

/// The case of an operation.
pub(super) fn case(operation: &Operation) -> Case {
    Case {
        path: format!("race/{}/last-administrator", operation.name),
        operation: operation.name.clone(),
        reference: Reference { cwe: 367, owasp: "API6", asvs: "15.4.2" },
        severity: Severity::High,
        title: format!("two administrators who use {} on each other at once leave none", operation.name),
        gain: "locks an organisation out of itself".to_owned(),
    }
}

/// Runs the rounds, until one ends without an administrator.
pub(super) async fn run(arena: &Arena, operation: &Operation, taking: Taking) -> Result<CaseOutcome, Stop> {
    let case = case(operation);
    let contract = arena.system.contract.clone();
    let Some(proof) = administrator::proof(&contract, &arena.cast) else {
        let why = "the contract has nothing to read that only an administrator may";
        return Ok(case.without_result(Verdict::Skip, why));
    };
    let mut taken = 0;
    for round in 1..=ROUNDS {
        let tenant = arena.data().organisations().create("of-two").await?;
        let (users, top) = (arena.data().users(), arena.cast.ladder.top.name);
        let one = users.create(&tenant, "one-of-two", Some(top)).await?;
        let other = users.create(&tenant, "the-other", Some(top)).await?;
        // Both are made before either is sent: whoever loses first asks nothing more.
        let calls = [
            call(arena, operation, taking, &tenant, &one, &other).await?,
            call(arena, operation, taking, &tenant, &other, &one).await?,
        ];
        let mut tasks = JoinSet::new();
        for call in calls {
            tasks.spawn(call.send());
        }
        let mut evidence = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let answer =
                done.map_err(|error| Stop::error(format!("a request ended by itself: {error}")))??;
            taken += usize::from((200..300).contains(&answer.status));
            evidence.push(answer.exchange);
        }
        if round == 1 {
            // Whoever is left takes their own right: the last one of all.
            for admin in [&one, &other] {
                if is_administrator(arena, proof, &tenant, admin, Class::Race).await? {
                    let answer = call(arena, operation, taking, &tenant, admin, admin).await?.send().await?;
                    evidence.push(answer.exchange);
                }
            }
        }
        let mut left = 0;
        for admin in [&one, &other] {
            left += usize::from(is_administrator(arena, proof, &tenant, admin, Class::Race).await?);
        }
        if left == 0 {
            let observed = format!("none is left, in round {round} of {ROUNDS}");
            let target = &arena.system.target.name;
            return Ok(case.failed(target, "one administrator is left", &observed, evidence));
        }
    }
    if taken == 0 {
        return Ok(case.without_result(Verdict::Error, "nobody's right was taken: there was no race"));
    }
    Ok(case.passed())
}

async fn call(
    arena: &Arena,
    operation: &Operation,
    taking: Taking,
    tenant: &Tenant,
    who: &Principal,
    whom: &Principal,
) -> Result<Call, Stop> {
    let call = arena.api.call(&operation.name).class(Class::Race).org(&tenant.org).user(&whom.subject);
    Ok(match taking {
        Taking::Unassign => {
            let roles = arena.data().roles().by_name(tenant, who).await?;
            let role = roles.get(arena.cast.ladder.top.name).cloned().unwrap_or_default();
            call.as_(who).role(&role)
        }
        Taking::Demote => call.as_(who).slot(SlotKind::PlatformRole, arena.cast.ladder.bottom().name),
        Taking::Remove => call.as_(who),
        Taking::Suspend => call.as_(&arena.data().platform_admin()?).json(json!({ "status": "SUSPENDED" })),
    })
}
