//! Exports: what a tenant is given in a file is what it could have read, and nothing of anybody else.

use std::collections::BTreeSet;

use harness::contract::{Effect, Operation, SlotKind};
use harness::exchange::Class;
use harness::leak::Entitlement;
use harness::record::Severity;
use harness::target::Capability;
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::Value;

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome, Reference};
use crate::surface::populate::one_of_each;

const REFERENCE: Reference = Reference { cwe: 668, owasp: "API1", asvs: "8.2.2, 8.4.1" };
/// Lists what is exported.
const LIST: &str = "audit-list";

/// Whether an operation reads an export.
pub(super) fn applies(operation: &Operation) -> bool {
    let reads = operation.effect == Effect::Read;
    reads && operation.naming_slots().any(|slot| slot.kind == SlotKind::AuditExport)
}

pub(super) fn case(operation: &Operation) -> Case {
    Case {
        path: format!("interference/{}/exported-rows", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::High,
        title: format!("{} leads to something else than its tenant may read", operation.name),
        gain: "reads what other tenants did in an export of one's own".to_owned(),
    }
}

/// Both tenants do what they can; one exports: the file holds every event that its list had before, none that its list
/// has not now, and nothing of the other's.
pub(super) async fn run(arena: &Arena, operation: &Operation) -> Result<CaseOutcome, Stop> {
    let (case, target) = (case(operation), &arena.system.target.name);
    let Some(archive) = arena.system.stand_ins.archive.as_ref() else {
        let why = format!("the target has no capability '{}'", Capability::Archive);
        return Ok(case.without_result(Verdict::Skip, &why));
    };
    one_of_each(arena, &arena.globex).await?;
    one_of_each(arena, &arena.acme).await?;
    let (tenant, admin) = (&arena.acme.tenant, &arena.acme.admin);
    let before = listed(arena).await?;
    let export = arena.data().exports().create(tenant, admin).await?;
    let get =
        arena.api.call(&operation.name).as_(admin).org(&tenant.org).slot(SlotKind::AuditExport, &export);
    let done = arena.attack(get.class(Class::Interference)).await?;
    let text = |name: &str| done.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let object = archive.object(text("key")).map_err(|error| Stop::error(error.to_string()))?;
    let Some(object) = object.filter(|object| !object.is_empty()) else {
        let why = format!("the export is {}, and there is nothing in it", text("status"));
        return Ok(case.without_result(Verdict::Error, &why));
    };
    let entitlement = Entitlement::of(&tenant.key);
    if let Some(leak) = arena.system.leaks.scan(&entitlement, || "", [("exported object", object.as_str())]) {
        return Ok(case.failed(
            target,
            "nothing foreign in the export",
            &leak.to_string(),
            vec![done.exchange],
        ));
    }
    let ids = object.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ids: BTreeSet<String> = ids.filter_map(|event| Some(event.get("id")?.as_str()?.to_owned())).collect();
    let after = listed(arena).await?;
    let count = done.body.get("events").and_then(Value::as_u64).unwrap_or_default();
    let (missing, strange) = (before.difference(&ids).count(), ids.difference(&after).count());
    if missing > 0 || strange > 0 || count != ids.len() as u64 {
        let observed = format!(
            "{} events that say they are {count}, {missing} of the list's missing, {strange} not in the list",
            ids.len()
        );
        return Ok(case.failed(target, "the events of the list", &observed, vec![done.exchange]));
    }
    Ok(case.passed())
}

/// The ids of all events in the list, page by page.
async fn listed(arena: &Arena) -> Result<BTreeSet<String>, Stop> {
    let (mut ids, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let call =
            arena.api.call(LIST).as_(&arena.acme.admin).org(&arena.acme.tenant.org).query("limit", &100);
        let call = cursor.iter().fold(call, |call, cursor| call.query("cursor", cursor));
        let page = call.class(Class::Control).send().await?.expect(200)?.json();
        let items = page.get("items").and_then(Value::as_array).into_iter().flatten();
        ids.extend(items.filter_map(|event| Some(event.get("id")?.as_str()?.to_owned())));
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}
