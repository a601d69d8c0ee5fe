//! Conformance: every operation gives every answer it documents, as it documents it, and no other.
//!
//! That an answer has the documented media type and schema is checked on every answer of every story; here each
//! documented status is brought about.

use fixtures::Setup;
use harness::contract::{Permission, Place, SlotKind};
use harness::identity::Principal;
use harness::stores::Fault;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use suites_integration::{ABSENT, Company, Trial, annotates_each_route, has_a_case_for_each};

use crate::{faulty, stage, world};

/// What no request of a client brings about by itself: a defect; a store that fails, something that changed in the
/// meantime and too much of a thing, which have stories of their own.
const ELSEWHERE: [u16; 4] = [500, 503, 409, 429];

async fn trial<'w>(company: &Company<'w>, operation: &str) -> Result<Trial<'w>, Stop> {
    Trial::of(company.world(), &company.tenant, &company.admin, operation).await
}

/// Whoever is signed in and still may not.
async fn outsider(trial: &Trial<'_>, company: &Company<'_>) -> Result<Principal, Stop> {
    if trial.operation.allows(&Permission::Invitee) {
        return Ok(trial.world.data.users().stranger("another")?);
    }
    let newcomer = company.newcomer().await?;
    if trial.operation.allows(&Permission::SignedIn) {
        company.set_status(&newcomer, "SUSPENDED").await?.expect(200)?;
    }
    Ok(newcomer)
}

/// Brings about what a request can be refused for.
async fn refusals(trial: &mut Trial<'_>, company: &Company<'_>) -> Result<(), Stop> {
    let rightful = trial.rightful.clone();
    if trial.operation.needs_token() {
        trial.must_be(401, trial.by(&Principal::anonymous())).await?;
        let outsider = outsider(trial, company).await?;
        trial.must_be(403, trial.by(&outsider)).await?;
    }
    let places: Vec<Place> = trial.operation.slots.iter().map(|slot| slot.place.clone()).collect();
    let last = places.iter().filter(|place| matches!(place, Place::Path(_))).max_by_key(|place| {
        trial.operation.path.find(&format!("{{{}}}", place.to_string().trim_start_matches("path/")))
    });
    if let Some(last) = last {
        trial.misnamed(last).await?;
    } else if trial.operation.statuses.contains(&404) {
        trial.must_be(404, trial.by(&rightful).invitation_token(ABSENT)).await?;
    } else if trial.operation.statuses.contains(&400) {
        trial.must_be(400, trial.by(&rightful).query("limit", &0)).await?;
    }
    trial.bodies().await
}

/// Uses up the invitation that the operation needs, and tries.
async fn too_late(trial: &mut Trial<'_>, company: &Company<'_>) -> Result<(), Stop> {
    let world = trial.world;
    let fill = world.data.fill(&company.tenant, &company.admin, &trial.operation).await?;
    let token = fill.values.get(&SlotKind::InvitationToken).cloned().unwrap_or_default();
    world.api.call("invitation-decline").invitation_token(&token).send().await?.expect(204)?;
    let late = fill.rightful(&trial.operation, &company.admin);
    trial.must_be(410, fill.call(&world.api, &trial.operation, &late)).await?;
    Ok(())
}

#[rstest]
#[case::health("health")]
#[case::openapi("openapi")]
#[case::org_list("org-list")]
#[case::org_create("org-create")]
#[case::org_get("org-get")]
#[case::org_delete("org-delete")]
#[case::user_create("user-create")]
#[case::user_status_set("user-status-set")]
#[case::permission_list("permission-list")]
#[case::permission_get("permission-get")]
#[case::permission_create("permission-create")]
#[case::permission_update("permission-update")]
#[case::permission_delete("permission-delete")]
#[case::platform_role_list("platform-role-list")]
#[case::platform_role_get("platform-role-get")]
#[case::role_list("role-list")]
#[case::role_create("role-create")]
#[case::role_get("role-get")]
#[case::role_update("role-update")]
#[case::role_delete("role-delete")]
#[case::role_assignment_list("role-assignment-list")]
#[case::role_assignment_create("role-assignment-create")]
#[case::role_assignment_delete("role-assignment-delete")]
#[case::team_list("team-list")]
#[case::team_create("team-create")]
#[case::team_get("team-get")]
#[case::team_update("team-update")]
#[case::team_delete("team-delete")]
#[case::team_role_list("team-role-list")]
#[case::team_role_get("team-role-get")]
#[case::team_role_create("team-role-create")]
#[case::team_role_update("team-role-update")]
#[case::team_role_delete("team-role-delete")]
#[case::team_member_list("team-member-list")]
#[case::team_member_add("team-member-add")]
#[case::team_member_get("team-member-get")]
#[case::team_member_update("team-member-update")]
#[case::team_member_remove("team-member-remove")]
#[case::user_team_list("user-team-list")]
#[case::invitation_list("invitation-list")]
#[case::invitation_create("invitation-create")]
#[case::invitation_get("invitation-get")]
#[case::invitation_resend("invitation-resend")]
#[case::invitation_cancel("invitation-cancel")]
#[case::invitation_view("invitation-view")]
#[case::invitation_accept("invitation-accept")]
#[case::invitation_accept_by_path("invitation-accept-by-path")]
#[case::invitation_decline("invitation-decline")]
#[case::audit_list("audit-list")]
#[case::audit_user_list("audit-user-list")]
#[case::audit_resource_list("audit-resource-list")]
#[case::audit_summary("audit-summary")]
#[case::audit_export("audit-export")]
#[case::audit_export_get("audit-export-get")]
fn every_documented_answer_is_given(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| given(world, operation).await);
}

/// In a system of its own: what is seeded, and the event of it, belongs to no tenant and stays.
#[rstest]
fn every_documented_answer_is_given_to_whoever_seeds(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| given(world, "permission-seed").await);
}

async fn given(world: &World, operation: &str) -> Result<(), Stop> {
    let company = Company::found(world, "acme").await?;
    let mut trial = trial(&company, operation).await?;
    refusals(&mut trial, &company).await?;
    if trial.operation.statuses.contains(&410) {
        too_late(&mut trial, &company).await?;
    }
    let done = trial.operation.statuses.iter().copied().find(|status| *status < 300);
    let done = done.ok_or_else(|| Stop::fail("a documented success"))?;
    let answer = trial.must_be(done, trial.by(&trial.rightful)).await?;
    for (kind, pointer) in &trial.operation.creates {
        if *kind != SlotKind::Permission {
            world.data.adopt(&company.tenant, *kind, &answer.text_at(pointer)?)?;
        }
    }
    trial.has_seen_all_but(&ELSEWHERE)
}

#[rstest]
fn every_operation_of_the_contract_is_among_these(#[context] context: Context) {
    world(&context).tell(async |world| has_a_case_for_each(world, include_str!("conformance.rs")));
}

#[rstest]
fn every_route_says_what_it_is(#[context] context: Context) {
    world(&context).tell(async |world| annotates_each_route(world));
}

#[rstest]
fn every_operation_that_needs_the_store_says_when_to_come_back(#[context] context: Context) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let company = Company::found(world, "acme").await?;
        let proxy = embedded.faults.as_ref().ok_or_else(|| Stop::error("no fault proxy"))?;
        let mut asked = 0;
        for operation in
            world.system.contract.operations().filter(|operation| operation.statuses.contains(&503))
        {
            let trial = trial(&company, &operation.name).await?;
            proxy.random(1.0, &[Fault::Broken]);
            let answer = trial.by(&trial.rightful).send().await;
            proxy.calm();
            let answer = answer?.expect(503)?;
            world.must(
                !answer.header("retry-after").is_empty(),
                format!("Retry-After from {}", operation.name),
            )?;
            asked += 1;
        }
        world.must(asked > 0, "an operation that needs the store")
    });
}

#[rstest]
fn every_write_that_was_overtaken_says_so(#[context] context: Context) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let company = Company::found(world, "acme").await?;
        let proxy = embedded.faults.as_ref().ok_or_else(|| Stop::error("no fault proxy"))?;
        let mut asked = 0;
        for operation in
            world.system.contract.operations().filter(|operation| operation.statuses.contains(&409))
        {
            let trial = trial(&company, &operation.name).await?;
            proxy.random(1.0, &[Fault::Outdated]);
            let answer = trial.by(&trial.rightful).send().await;
            proxy.calm();
            let answer = answer?;
            // An invitation that changed in the meantime was used up in the meantime.
            let is_told = answer.status == 409 || (answer.status == 410 && operation.statuses.contains(&410));
            if !is_told {
                return Err(answer.unexpected("409", &answer.status.to_string()).into());
            }
            asked += 1;
        }
        world.must(asked > 0, "an operation that writes")
    });
}
