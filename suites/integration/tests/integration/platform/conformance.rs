//! Conformance: every operation gives every answer it documents, as it documents it, and no other.
//!
//! That an answer has the documented media type and schema is checked on every answer of every story; here each
//! documented status is brought about.

use harness::contract::{Place, SlotKind};
use harness::identity::Principal;
use harness::world::Stop;
use rstest::{Context, rstest};
use suites_integration::{
    Business, EVERYTHING, Trial, annotates_each_route, has_a_case_for_each, organisation_header,
};

use super::world;

/// What no request of a client brings about by itself: a defect and a database that is away have stories of their
/// own, as have conflicts.
const ELSEWHERE: [u16; 3] = [409, 500, 503];

/// Brings about what a request can be refused for.
async fn refusals(trial: &mut Trial<'_>) -> Result<(), Stop> {
    let rightful = trial.rightful.clone();
    let places: Vec<Place> = trial.operation.slots.iter().map(|slot| slot.place.clone()).collect();
    let names_organisation = places.contains(&organisation_header());
    if trial.operation.needs_token() {
        trial.must_be(401, trial.by(&Principal::anonymous())).await?;
        let outsider = trial.world.data.users().stranger("outsider")?;
        trial.must_be(403, trial.by(&outsider)).await?;
    }
    if names_organisation {
        trial.must_be(400, trial.by(&rightful).without(&organisation_header())).await?;
        let waiting = Business::before_it_opens(trial.world, "waiting").await?;
        let member = waiting.owner.clone();
        trial.must_be(404, trial.by(&member).org(waiting.org())).await?;
    }
    if let Some(path) = places.iter().find(|place| matches!(place, Place::Path(_))) {
        trial.misnamed(path).await?;
    }
    trial.bodies().await
}

/// Brings about its successes, the one that ends what it names last.
async fn successes(trial: &mut Trial<'_>, acme: &Business<'_>) -> Result<(), Stop> {
    let done: Vec<u16> = trial.operation.statuses.iter().copied().filter(|status| *status < 300).collect();
    let (first, again) = match done[..] {
        [] => return Err(Stop::fail("a documented success")),
        [only] => (only, None),
        // The making of something that may be there already.
        [again, first, ..] => (first, Some(again)),
    };
    let call = trial.by(&trial.rightful);
    let call = if trial.operation.name == "subscription-set" {
        call.slot(SlotKind::Status, EVERYTHING)
    } else {
        call
    };
    let answer = trial.must_be(first, call.clone()).await?;
    for (kind, pointer) in &trial.operation.creates {
        if matches!(kind, SlotKind::Product) {
            trial.world.data.adopt(&acme.tenant, *kind, &answer.text_at(pointer)?)?;
        }
    }
    if let Some(again) = again {
        trial.must_be(again, call).await?;
    }
    Ok(())
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
        let mut trial = Trial::of(world, &acme.tenant, &acme.owner, operation).await?;
        refusals(&mut trial).await?;
        successes(&mut trial, &acme).await?;
        trial.has_seen_all_but(&ELSEWHERE)
    });
}

#[rstest]
fn every_operation_of_the_contract_is_among_these(#[context] context: Context) {
    world(&context).tell(async |world| has_a_case_for_each(world, include_str!("conformance.rs")));
}

#[rstest]
fn every_route_says_what_it_is(#[context] context: Context) {
    world(&context).tell(async |world| annotates_each_route(world));
}
