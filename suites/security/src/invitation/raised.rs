//! The invitee accepts with more in the body than the token: a role, permissions, another organisation's team.

use harness::contract::Operation;
use harness::exchange::Class;
use harness::identity::Principal;
use harness::snapshot::Change;
use harness::world::Stop;
use serde_json::{Value, json};

use super::{Invited, accept, invite, judged, state};
use crate::administrator::{self, is_administrator};
use crate::arena::{Arena, listed};
use crate::case::{Case, CaseOutcome};

/// The invitee accepts, and asks in the body for more than was offered. Then they accept what was, which is the
/// control of all impostors before.
pub(super) async fn run(
    arena: &Arena,
    operation: &Operation,
    case: Case,
    invited: &Invited,
) -> Result<CaseOutcome, Stop> {
    let Invited { invitation, .. } = invited;
    let (top, team) = (top(arena).await?, foreign_team(arena).await?);
    let globex = &arena.globex.tenant;
    let more = json!({
        "roleId": top, "role": arena.cast.ladder.top.name, "roles": [arena.cast.ladder.top.name, top],
        "permissions": ["*:*"], "teamIds": [team], "orgId": globex.org, "organisationId": globex.org,
        "userId": arena.globex.admin.subject, "isAdmin": true,
    });
    let before = state(arena, operation).await?;
    let call = arena.api.call(&operation.name).as_(&invitation.invitee).invitation_token(&invitation.token);
    let mut body = call.filled_body()?.unwrap_or_else(|| json!({}));
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let call = call.raw_body("application/json", &body.to_string()).class(Class::Invitation);
    let attacked = arena.attack(call).await?;
    let (target, status) = (&arena.system.target.name, attacked.status);
    let changes = before.changes(&state(arena, operation).await?);
    if !(200..300).contains(&status) {
        let outcome = judged(arena, operation, case, attacked, &changes);
        let invitee = arena.data().invitations().accepted(&arena.acme.tenant, invitation);
        let control = accept(arena, operation, &invitee, &invitation.token).await?;
        if outcome.finding.is_none() && !(200..300).contains(&control.status) {
            return Err(control_failed(control.status));
        }
        return Ok(outcome);
    }
    let unwanted = [&top, &globex.org, &team, &arena.globex.admin.subject];
    let is_unwanted = |change: &Change| {
        let change = change.to_string();
        unwanted.iter().any(|id| !id.is_empty() && change.contains(id.as_str()))
    };
    let wrong: Vec<Change> = changes.into_iter().filter(is_unwanted).collect();
    let expected = "nothing but what was offered";
    if !wrong.is_empty() {
        let observed = format!("status {status}, and the state changed: {}", listed(&wrong));
        return Ok(case.failed(target, expected, &observed, vec![attacked.exchange]));
    }
    let invitee = arena.data().invitations().accepted(&arena.acme.tenant, invitation);
    if let Some(proof) = rises(arena, operation, &invitee).await? {
        let observed = format!("status {status}, and whoever joined may use {proof} like an administrator");
        return Ok(case.failed(target, expected, &observed, vec![attacked.exchange]));
    }
    Ok(case.passed())
}

/// What somebody who has joined may read that others who joined so may not: who has which role is in no state that one can
/// read by URL.
async fn rises(arena: &Arena, operation: &Operation, invitee: &Principal) -> Result<Option<String>, Stop> {
    let contract = arena.system.contract.clone();
    let tenant = &arena.acme.tenant;
    let Some(proof) = administrator::proof(&contract, &arena.cast) else { return Ok(None) };
    if !is_administrator(arena, proof, tenant, invitee, Class::Invitation).await? {
        return Ok(None);
    }
    let plain = invite(arena, &arena.acme.admin).await?.invitation;
    let joined = accept(arena, operation, &plain.invitee, &plain.token).await?;
    if !(200..300).contains(&joined.status) {
        return Err(control_failed(joined.status));
    }
    let plain = arena.data().invitations().accepted(tenant, &plain);
    let all_do = is_administrator(arena, proof, tenant, &plain, Class::Invitation).await?;
    Ok((!all_do).then(|| proof.name.clone()))
}

/// An invitee who asks for nothing more is refused: then a refusal says nothing.
fn control_failed(status: u16) -> Stop {
    Stop::error(format!("control failed: the invitee gets status {status}"))
}

/// The id of the highest role; empty where roles have none.
async fn top(arena: &Arena) -> Result<String, Stop> {
    if arena.system.contract.get("role-list").is_none() {
        return Ok(String::new());
    }
    let roles = arena.data().roles().by_name(&arena.acme.tenant, &arena.acme.admin).await?;
    let top = roles.get(arena.cast.ladder.top.name).cloned();
    top.ok_or_else(|| Stop::error("the organisation has no role of the highest name"))
}

/// A team of the other tenant; empty where there are none.
async fn foreign_team(arena: &Arena) -> Result<String, Stop> {
    if arena.system.contract.get("team-create").is_none() {
        return Ok(String::new());
    }
    Ok(arena.data().teams().create(&arena.globex.tenant, &arena.globex.admin).await?)
}
