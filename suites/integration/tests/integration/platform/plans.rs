//! Plans and standing: what a tenant may use follows them from the very next request on, and nothing else.

use rstest::{Context, rstest};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::world;
use harness::stores::Database;
use harness::world::{Stop, World};
use suites_integration::{ABSENT, Business, EVERYTHING, Gives as _, refused};

const FORECASTS: &str = "forecast-list";
const REPORT: &str = "report-advanced";

/// From now on by so long, as it is written in a body.
fn from_now(seconds: i64) -> Result<String, Stop> {
    let at = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    at.format(&Rfc3339).map_err(|error| Stop::error(error.to_string()))
}

/// Whether the tenant has a feature, as its owner finds out.
async fn has(acme: &Business<'_>, operation: &str) -> Result<bool, Stop> {
    let answer = acme.owner(operation).send().await?;
    if answer.status == 200 {
        return Ok(true);
    }
    refused(&answer, 403, "not-in-plan")?;
    Ok(false)
}

#[rstest]
#[case::starter("starter", false, false)]
#[case::professional("professional", true, false)]
#[case::enterprise("enterprise", true, true)]
fn a_plan_has_its_features(
    #[context] context: Context,
    #[case] tier: &str,
    #[case] forecasts: bool,
    #[case] report: bool,
) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", tier).await?;
        world.equal(
            "forecasts and report",
            (has(&acme, FORECASTS).await?, has(&acme, REPORT).await?),
            (forecasts, report),
        )?;
        // What every plan has.
        for operation in ["product-list", "sale-list", "dashboard-get", "member-list", "audit-list"] {
            acme.owner(operation).gives(200).await?;
        }
        Ok(())
    });
}

#[rstest]
fn a_change_of_plan_counts_from_the_next_request(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        let neighbour = Business::open_on(world, "globex", "starter").await?;
        for (tier, forecasts, report) in [
            ("professional", true, false),
            ("enterprise", true, true),
            ("professional", true, false),
            ("starter", false, false),
            ("enterprise", true, true),
            ("starter", false, false),
        ] {
            world.step(&format!("To {tier}"));
            acme.subscribe(tier).await?;
            let found = (has(&acme, FORECASTS).await?, has(&acme, REPORT).await?);
            world.equal("forecasts and report", found, (forecasts, report))?;
            world.equal("the neighbour's", has(&neighbour, FORECASTS).await?, false)?;
        }
        Ok(())
    });
}

#[rstest]
fn a_suspended_tenant_is_closed_to_all_from_the_next_request_until_it_is_active(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let neighbour = Business::open(world, "globex").await?;
        let people = [acme.member("viewer").await?, acme.member("admin").await?, acme.owner.clone()];
        for _ in 0..2 {
            for who in &people {
                acme.by(who, "product-list").gives(200).await?;
            }
            acme.stand(json!({ "status": "suspended" })).await?;
            for who in &people {
                refused(&acme.by(who, "product-list").send().await?, 403, "suspended")?;
            }
            for operation in ["dashboard-get", FORECASTS, "member-list", "audit-list", "tenant-delete"] {
                refused(&acme.owner(operation).send().await?, 403, "suspended")?;
            }
            neighbour.owner("product-list").gives(200).await?;
            acme.stand(json!({ "status": "active" })).await?;
        }
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_suspended_tenant_cannot_pay_its_way_out_by_itself(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        acme.stand(json!({ "status": "suspended" })).await?;
        let subscribe = acme.owner("subscription-set").json(json!({ "tier": EVERYTHING }));
        refused(&subscribe.send().await?, 403, "suspended")?;
        acme.stand(json!({ "status": "active" })).await?;
        world.equal("forecasts", has(&acme, FORECASTS).await?, false)
    });
}

#[rstest]
fn a_trial_is_open_until_its_end_and_closed_after_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.stand(json!({ "status": "trial", "trialEndsAt": from_now(3_600)? })).await?;
        acme.owner("product-list").gives(200).await?;

        world.step("Its time runs out");
        world.data.tenants().end_trial(&acme.tenant).await?;
        for operation in ["product-list", FORECASTS, "audit-list"] {
            refused(&acme.owner(operation).send().await?, 403, "trial-over")?;
        }

        world.step("The platform gives it more time, or makes it a customer");
        acme.stand(json!({ "status": "trial", "trialEndsAt": from_now(60)? })).await?;
        acme.owner("product-list").gives(200).await?;
        world.data.tenants().end_trial(&acme.tenant).await?;
        acme.stand(json!({ "status": "active" })).await?;
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_trial_without_an_end_lasts_a_fortnight(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let told = acme.stand(json!({ "status": "trial" })).await?.text_at("/trialEndsAt")?;
        let end = OffsetDateTime::parse(&told, &Rfc3339).map_err(|error| Stop::fail(error.to_string()))?;
        let off = (end - OffsetDateTime::now_utc() - Duration::days(14)).abs();
        world.must(off < Duration::minutes(5), format!("an end in a fortnight, found {told}"))?;
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_trial_ends_by_itself(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.stand(json!({ "status": "trial", "trialEndsAt": from_now(2)? })).await?;
        acme.owner("product-list").gives(200).await?;
        harness::wait::until("the end of the trial", std::time::Duration::from_secs(5), || async {
            let answer = acme.owner("product-list").send().await.map_err(|error| error.to_string())?;
            refused(&answer, 403, "trial-over").map_err(|stop| stop.reason)
        })
        .await?;
        Ok(())
    });
}

#[rstest]
fn what_is_stored_beside_the_plan_takes_away_and_never_adds(#[context] context: Context) {
    world(&context).tell(async |world| {
        for (what, tier, features, expected) in [
            (
                "An added feature",
                "starter",
                json!({ "ai_forecasting": true, "advanced_reports": true }),
                (false, false),
            ),
            ("One more than the plan", "professional", json!({ "advanced_reports": true }), (true, false)),
            ("One less than the plan", "professional", json!({ "ai_forecasting": false }), (false, false)),
            ("One of two less", "enterprise", json!({ "advanced_reports": false }), (true, false)),
            ("A feature that is none", "starter", json!({ "everything": true, "*": true }), (false, false)),
            ("Nothing", "enterprise", json!({}), (true, true)),
        ] {
            world.step(what);
            let acme = Business::open_on(world, "acme", tier).await?;
            world.data.tenants().set_features(&acme.tenant, &features).await?;
            let found = (has(&acme, FORECASTS).await?, has(&acme, REPORT).await?);
            world.equal("forecasts and report", found, expected)?;
        }
        Ok(())
    });
}

#[rstest]
fn nothing_that_a_client_sends_opens_a_feature(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        for (what, header, value) in [
            ("A header", "X-Features", "ai_forecasting,advanced_reports"),
            ("A feature header", "X-Feature-Ai-Forecasting", "true"),
            ("A plan", "X-Plan", "enterprise"),
            ("A tier", "X-Subscription-Tier", "enterprise"),
            ("A tenant", "X-Tenant-ID", ABSENT),
        ] {
            world.step(what);
            for operation in [FORECASTS, REPORT] {
                for query in [None, Some(("features", "ai_forecasting")), Some(("tier", "enterprise"))] {
                    let call = acme.owner(operation);
                    let call = query.into_iter().fold(call, |call, (name, value)| call.query(name, value));
                    let answer = call.header(header, value).send().await?;
                    world.equal(operation, answer.status, 403)?;
                }
            }
        }
        Ok(())
    });
}

/// The plan is asked for by the body of the owner's own request, and must be one there is.
#[rstest]
fn a_plan_that_is_none_is_refused_and_changes_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "professional").await?;
        for (what, body) in [
            ("Unheard of", json!({ "tier": "platinum" })),
            ("Another case", json!({ "tier": "Enterprise" })),
            ("Empty", json!({ "tier": "" })),
            ("No text", json!({ "tier": 3 })),
            ("None", json!({})),
            ("With features", json!({ "tier": "starter", "features": { "ai_forecasting": true } })),
            ("With a status", json!({ "tier": "starter", "status": "active" })),
        ] {
            world.step(what);
            refused(&acme.owner("subscription-set").json(body).send().await?, 422, "unprocessable")?;
            world.equal("forecasts", has(&acme, FORECASTS).await?, true)?;
            world.equal("report", has(&acme, REPORT).await?, false)?;
        }
        Ok(())
    });
}

#[rstest]
fn a_standing_that_is_none_is_refused_and_changes_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for (what, body) in [
            ("Unheard of", json!({ "status": "past_due" })),
            ("Another case", json!({ "status": "Active" })),
            ("A trial that ends at no time", json!({ "status": "trial", "trialEndsAt": "tomorrow" })),
            ("None", json!({})),
        ] {
            world.step(what);
            let answer = acme.platform("tenant-status-set")?.json(body).send().await?;
            refused(&answer, 422, "unprocessable")?;
            acme.owner("product-list").gives(200).await?;
        }
        Ok(())
    });
}

async fn subscription(world: &World, acme: &Business<'_>) -> Result<Vec<Value>, Stop> {
    let query = "SELECT tier, status FROM public.tenants WHERE org_id = $1";
    Ok(world.database()?.rows(query, &[acme.org()]).await?)
}

#[rstest]
fn only_an_owner_changes_the_plan(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        let body = json!({ "tier": EVERYTHING });
        for role in ["viewer", "member", "admin"] {
            let who = acme.member(role).await?;
            let answer = acme.by(&who, "subscription-set").json(body.clone()).send().await?;
            refused(&answer, 403, "forbidden")?;
        }
        let stored = async |_: &Database| {
            let expected = vec![json!({ "tier": "starter", "status": "active" })];
            world.equal("what is stored", subscription(world, &acme).await?, expected)
        };
        world.stored_rows("The plan is what it was", stored).await?;
        acme.subscribe(EVERYTHING).await?;
        let stored = async |_: &Database| {
            let expected = vec![json!({ "tier": EVERYTHING, "status": "active" })];
            world.equal("what is stored", subscription(world, &acme).await?, expected)
        };
        world.stored_rows("The plan is the owner's choice", stored).await
    });
}
