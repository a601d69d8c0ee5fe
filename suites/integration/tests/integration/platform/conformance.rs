//! Conformance: every operation gives every answer it documents, as it documents it, and no other.
//!
//! That an answer has the documented media type and schema is checked on every answer of every story; here each
//! documented status is brought about.

use std::collections::BTreeSet;

use harness::client::{Answer, Call};
use harness::contract::{Operation, Permission, Place, SlotKind};
use harness::data::Fill;
use harness::identity::Principal;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{Business, EVERYTHING, organisation_header};

use super::world;

/// Names nothing anywhere.
const ABSENT: &str = "00000000-0000-4000-8000-000000000000";
/// More than the 64 KiB that a body may have.
const TOO_MUCH: usize = 70 * 1024;
/// What no request of a client brings about by itself: a defect and a database that is away have stories of their
/// own, as have conflicts.
const ELSEWHERE: [u16; 3] = [409, 500, 503];

/// One operation, and everyone who may try it.
struct Trial<'w> {
    world: &'w World,
    acme: &'w Business<'w>,
    operation: Operation,
    fill: Fill,
    rightful: Principal,
    seen: BTreeSet<u16>,
}

impl<'w> Trial<'w> {
    async fn of(acme: &'w Business<'w>, name: &str) -> Result<Trial<'w>, Stop> {
        let world = acme.world();
        let operation = world.system.contract.get(name).cloned();
        let operation =
            operation.ok_or_else(|| Stop::fail(format!("an operation {name} in the contract")))?;
        let fill = world.data.fill(&acme.tenant, &acme.owner, &operation).await?;
        let is_theirs = operation.permission == [Permission::Platform];
        let rightful =
            if is_theirs { world.data.platform_admin()? } else { fill.rightful(&operation, &acme.owner) };
        Ok(Trial { world, acme, operation, fill, rightful, seen: BTreeSet::new() })
    }

    fn by(&self, principal: &Principal) -> Call {
        self.fill.call(&self.world.api, &self.operation, principal)
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

    /// Brings about what a request can be refused for.
    async fn refusals(&mut self) -> Result<(), Stop> {
        let rightful = self.rightful.clone();
        let places: Vec<Place> = self.operation.slots.iter().map(|slot| slot.place.clone()).collect();
        let names_organisation = places.contains(&organisation_header());
        if self.operation.needs_token() {
            self.must_be(401, self.by(&Principal::anonymous())).await?;
            let outsider = self.world.data.users().stranger("outsider")?;
            self.must_be(403, self.by(&outsider)).await?;
        }
        if names_organisation {
            self.must_be(400, self.by(&rightful).without(&organisation_header())).await?;
            let waiting = Business::before_it_opens(self.world, "waiting").await?;
            let member = waiting.owner.clone();
            self.must_be(404, self.by(&member).org(waiting.org())).await?;
        }
        if let Some(path) = places.iter().find(|place| matches!(place, Place::Path(_))) {
            self.must_be(404, self.by(&rightful).at(path, ABSENT)).await?;
            self.must_be(400, self.by(&rightful).undecodable(path)).await?;
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

    /// Brings about its successes, the one that ends what it names last.
    async fn successes(&mut self) -> Result<(), Stop> {
        let done: Vec<u16> = self.operation.statuses.iter().copied().filter(|status| *status < 300).collect();
        let (first, again) = match done[..] {
            [] => return Err(Stop::fail("a documented success")),
            [only] => (only, None),
            // The making of something that may be there already.
            [again, first, ..] => (first, Some(again)),
        };
        let call = self.by(&self.rightful);
        let call = if self.operation.name == "subscription-set" {
            call.slot(SlotKind::Status, EVERYTHING)
        } else {
            call
        };
        let answer = self.must_be(first, call.clone()).await?;
        for (kind, pointer) in &self.operation.creates {
            if matches!(kind, SlotKind::Product) {
                self.world.data.adopt(&self.acme.tenant, *kind, &answer.text_at(pointer)?)?;
            }
        }
        if let Some(again) = again {
            self.must_be(again, call).await?;
        }
        Ok(())
    }
}

#[rstest]
#[case::health("health")]
#[case::openapi("openapi")]
#[case::product_list("product-list")]
#[case::product_get("product-get")]
#[case::product_create("product-create")]
#[case::product_update("product-update")]
#[case::product_delete("product-delete")]
#[case::sale_list("sale-list")]
#[case::sale_create("sale-create")]
#[case::dashboard_get("dashboard-get")]
#[case::forecast_list("forecast-list")]
#[case::report_advanced("report-advanced")]
#[case::member_list("member-list")]
#[case::member_add("member-add")]
#[case::member_role_set("member-role-set")]
#[case::member_remove("member-remove")]
#[case::audit_list("audit-list")]
#[case::subscription_set("subscription-set")]
#[case::tenant_delete("tenant-delete")]
#[case::tenant_create("tenant-create")]
#[case::tenant_status_set("tenant-status-set")]
fn every_documented_answer_is_given(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let mut trial = Trial::of(&acme, operation).await?;
        trial.refusals().await?;
        trial.successes().await?;
        let documented: BTreeSet<u16> =
            trial.operation.statuses.iter().copied().filter(|status| !ELSEWHERE.contains(status)).collect();
        world.equal("what was brought about of what is documented", trial.seen, documented)
    });
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
