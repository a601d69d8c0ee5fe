//! Conformance: every operation gives every answer it documents, as it documents it, and no other.
//!
//! That an answer has the documented media type and schema is checked on every answer of every story; here each
//! documented status is brought about.

use std::collections::BTreeSet;

use fixtures::Setup;
use harness::client::{Answer, Call};
use harness::contract::{Operation, Permission, Place, SlotKind};
use harness::data::Fill;
use harness::identity::Principal;
use harness::stores::Fault;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::Company;

use crate::{faulty, stage, world};

/// Names nothing anywhere.
const ABSENT: &str = "00000000-0000-4000-8000-000000000000";
/// More than the 64 KiB that a body may have.
const TOO_MUCH: usize = 70 * 1024;
/// What no request of a client brings about by itself: a defect; a store that fails, something that changed in the
/// meantime and too much of a thing, which have stories of their own.
const ELSEWHERE: [u16; 4] = [500, 503, 409, 429];

/// One operation, and everyone who may try it.
struct Trial<'w> {
    world: &'w World,
    company: &'w Company<'w>,
    operation: Operation,
    fill: Fill,
    rightful: Principal,
    seen: BTreeSet<u16>,
}

impl<'w> Trial<'w> {
    async fn of(company: &'w Company<'w>, name: &str) -> Result<Trial<'w>, Stop> {
        let world = company.world();
        let operation = world.system.contract.get(name).cloned();
        let operation =
            operation.ok_or_else(|| Stop::fail(format!("an operation {name} in the contract")))?;
        let fill = world.data.fill(&company.tenant, &company.admin, &operation).await?;
        let rightful = if operation.allows(&Permission::Platform) {
            world.data.platform_admin()?
        } else {
            fill.rightful(&operation, &company.admin)
        };
        Ok(Trial { world, company, operation, fill, rightful, seen: BTreeSet::new() })
    }

    fn by(&self, principal: &Principal) -> Call {
        self.fill.call(&self.world.api, &self.operation, principal)
    }

    fn is_open(&self) -> bool {
        !self.operation.needs_token()
    }

    async fn must_be(&mut self, status: u16, call: Call) -> Result<Answer, Stop> {
        let answer = call.send().await?.expect(status)?;
        self.seen.insert(status);
        if status >= 400 {
            let problem = answer.json();
            let is_it = problem["status"] == json!(status)
                && problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:"));
            self.world.must(is_it, format!("a problem document of status {status}, got {}", answer.body))?;
        }
        Ok(answer)
    }

    /// Whoever is signed in and still may not.
    async fn outsider(&self) -> Result<Principal, Stop> {
        if self.operation.allows(&Permission::Invitee) {
            return Ok(self.world.data.users().stranger("another")?);
        }
        let newcomer = self.company.newcomer().await?;
        if self.operation.allows(&Permission::SignedIn) {
            self.company.set_status(&newcomer, "SUSPENDED").await?.expect(200)?;
        }
        Ok(newcomer)
    }

    /// Brings about what a request can be refused for.
    async fn refusals(&mut self) -> Result<(), Stop> {
        let rightful = self.rightful.clone();
        if !self.is_open() {
            self.must_be(401, self.by(&Principal::anonymous())).await?;
            let outsider = self.outsider().await?;
            self.must_be(403, self.by(&outsider)).await?;
        }
        let places: Vec<Place> = self.operation.slots.iter().map(|slot| slot.place.clone()).collect();
        let last = places.iter().filter(|place| matches!(place, Place::Path(_))).max_by_key(|place| {
            self.operation.path.find(&format!("{{{}}}", place.to_string().trim_start_matches("path/")))
        });
        if let Some(last) = last {
            self.must_be(404, self.by(&rightful).at(last, ABSENT)).await?;
            self.must_be(400, self.by(&rightful).undecodable(last)).await?;
        } else if self.operation.statuses.contains(&404) {
            self.must_be(404, self.by(&rightful).invitation_token(ABSENT)).await?;
        } else if self.operation.statuses.contains(&400) {
            self.must_be(400, self.by(&rightful).query("limit", &0)).await?;
        }
        if self.operation.body.is_some() {
            let much = json!({ "name": "x".repeat(TOO_MUCH) }).to_string();
            self.must_be(413, self.by(&rightful).raw_body("application/json", &much)).await?;
            self.must_be(415, self.by(&rightful).raw_body("text/plain", "{}")).await?;
            self.must_be(422, self.by(&rightful).raw_body("application/json", r#"{"nonsense":true}"#))
                .await?;
        }
        Ok(())
    }

    /// Uses up the invitation that the operation needs, and tries.
    async fn too_late(&mut self) -> Result<(), Stop> {
        let fill = self.world.data.fill(&self.company.tenant, &self.company.admin, &self.operation).await?;
        let token = fill.values.get(&SlotKind::InvitationToken).cloned().unwrap_or_default();
        self.world.api.call("invitation-decline").invitation_token(&token).send().await?.expect(204)?;
        let late = fill.rightful(&self.operation, &self.company.admin);
        self.must_be(410, fill.call(&self.world.api, &self.operation, &late)).await?;
        Ok(())
    }
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
    let mut trial = Trial::of(&company, operation).await?;
    trial.refusals().await?;
    if trial.operation.statuses.contains(&410) {
        trial.too_late().await?;
    }
    let done = trial.operation.statuses.iter().copied().find(|status| *status < 300);
    let done = done.ok_or_else(|| Stop::fail("a documented success"))?;
    let answer = trial.must_be(done, trial.by(&trial.rightful)).await?;
    for (kind, pointer) in &trial.operation.creates {
        if *kind != SlotKind::Permission {
            world.data.adopt(&company.tenant, *kind, &answer.text_at(pointer)?)?;
        }
    }
    let documented: BTreeSet<u16> =
        trial.operation.statuses.iter().copied().filter(|status| !ELSEWHERE.contains(status)).collect();
    world.equal("what was brought about of what is documented", trial.seen, documented)
}

#[rstest]
fn every_operation_of_the_contract_is_among_these(#[context] context: Context) {
    world(&context).tell(async |world| {
        let told = include_str!("conformance.rs");
        let missing: Vec<&str> = world
            .system
            .contract
            .operations()
            .map(|operation| operation.name.as_str())
            .filter(|name| !told.contains(&format!("\"{name}\")")))
            .collect();
        world.must(missing.is_empty(), format!("a case for each operation, missing {missing:?}"))
    });
}

#[rstest]
fn every_route_says_what_it_is(#[context] context: Context) {
    world(&context).tell(async |world| {
        let lacking: Vec<String> =
            world.system.contract.unannotated.iter().map(ToString::to_string).collect();
        world.must(lacking.is_empty(), format!("annotations on every route: {}", lacking.join("; ")))
    });
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
            let trial = Trial::of(&company, &operation.name).await?;
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
            let trial = Trial::of(&company, &operation.name).await?;
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
