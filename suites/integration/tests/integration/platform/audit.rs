//! The audit log: one event per change, in its transaction, and one per denial; none lost, none twice, whoever asks.

use futures::future::join_all;
use harness::client::Call;
use harness::contract::SlotKind;
use harness::identity::Principal;
use harness::leak::random_code;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{ABSENT, Business, Gives as _, refused};

use super::{Setup, stage, world};

/// A call of an operation that succeeds, on things made for it.
async fn ready(world: &World, acme: &Business<'_>, operation: &str) -> Result<Call, Stop> {
    let product = acme.product("anvil", 100).await?;
    let ann = acme.member("member").await?;
    let call = acme.owner(operation).slot(SlotKind::Product, &product).user(&ann.subject);
    let named = json!({ "name": "anvil of iron", "priceCents": 200 });
    Ok(match operation {
        "product-create" | "product-update" => call.json(named),
        "sale-create" => acme.sell(&acme.owner, &product, 1),
        "member-add" => {
            let newcomer = world.data.users().stranger("newcomer")?;
            world.data.adopt(&acme.tenant, SlotKind::User, &newcomer.subject)?;
            call.json(json!({ "userId": newcomer.subject, "email": newcomer.email, "role": "viewer" }))
        }
        "member-role-set" => call.json(json!({ "role": "admin" })),
        "subscription-set" => call.json(json!({ "tier": "professional" })),
        "tenant-status-set" => acme.platform(operation)?.json(json!({ "status": "active" })),
        _ => call,
    })
}

#[rstest]
#[case::product_create("product-create")]
#[case::product_update("product-update")]
#[case::product_delete("product-delete")]
#[case::sale_create("sale-create")]
#[case::member_add("member-add")]
#[case::member_role_set("member-role-set")]
#[case::member_remove("member-remove")]
#[case::subscription_set("subscription-set")]
#[case::tenant_status_set("tenant-status-set")]
fn a_change_leaves_one_event(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let call = ready(world, &acme, operation).await?;
        let before = acme.log().await?;

        let answer = call.send().await?;
        world.must(answer.status < 300, format!("done, found {} {}", answer.status, answer.body))?;

        let log = acme.log().await?;
        world.equal("the events", acme.log_since(&before).await?, vec![format!("{operation} SUCCESS")])?;
        let event = log.first().ok_or_else(|| Stop::fail("an event"))?;
        let platform = world.data.platform_admin()?;
        let actor = if operation == "tenant-status-set" { &platform.subject } else { &acme.owner.subject };
        world.equal("who did it", &event.actor, actor)?;
        world.equal("in which request", &event.request_id, &answer.exchange.id)?;
        world.must(event.resource.is_some(), "what it was done to")
    });
}

#[rstest]
fn a_new_tenants_log_begins_with_its_making(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::before_it_opens(world, "acme").await?;
        acme.opening("starter")?.gives(201).await?;
        let log: Vec<String> = acme.log().await?.iter().map(suites_integration::Entry::what).collect();
        world.equal("the log", log, vec!["tenant-create SUCCESS".to_owned()])
    });
}

#[rstest]
fn reading_leaves_no_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let before = acme.log().await?;
        for operation in [
            "product-list",
            "sale-list",
            "dashboard-get",
            "forecast-list",
            "report-advanced",
            "member-list",
            "audit-list",
        ] {
            world.step(operation);
            for _ in 0..3 {
                acme.owner(operation).gives(200).await?;
            }
            world.equal("the events", acme.log_since(&before).await?, Vec::<String>::new())?;
        }
        Ok(())
    });
}

/// What a request is denied for once it is known whose tenant it is about.
#[derive(Clone, Copy, Debug)]
enum Denial {
    Role,
    Feature,
    Suspended,
    TrialOver,
    Absent,
    Foreign,
    OwnersOnly,
}

#[rstest]
#[case::the_role(Denial::Role, "product-create DENIED role")]
#[case::the_feature(Denial::Feature, "forecast-list DENIED feature")]
#[case::the_standing(Denial::Suspended, "product-list DENIED suspended")]
#[case::the_trial(Denial::TrialOver, "product-list DENIED trial-over")]
#[case::a_thing_that_is_not_there(Denial::Absent, "product-get DENIED absent")]
#[case::a_thing_that_is_anothers(Denial::Foreign, "product-get DENIED absent")]
#[case::an_owner(Denial::OwnersOnly, "member-remove DENIED role")]
fn a_denial_leaves_one_event_because_of(
    #[context] context: Context,
    #[case] denial: Denial,
    #[case] expected: &str,
) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        let viewer = acme.member("viewer").await?;
        let admin = acme.member("admin").await?;
        let globex = Business::open(world, "globex").await?;
        let foreign = globex.product("reactor", 1).await?;
        match denial {
            Denial::Suspended => drop(acme.stand(json!({ "status": "suspended" })).await?),
            Denial::TrialOver => {
                acme.stand(json!({ "status": "trial" })).await?;
                world.data.tenants().end_trial(&acme.tenant).await?;
            }
            _ => {}
        }
        let stored = async || acme.entries().await;
        let before = stored().await?;
        let theirs = globex.log().await?;

        let call = match denial {
            Denial::Role => acme.by(&viewer, "product-create").json(json!({ "name": "x", "priceCents": 1 })),
            Denial::Feature => acme.owner("forecast-list"),
            Denial::Suspended | Denial::TrialOver => acme.owner("product-list"),
            Denial::Absent => acme.owner("product-get").slot(SlotKind::Product, ABSENT),
            Denial::Foreign => acme.owner("product-get").slot(SlotKind::Product, &foreign),
            Denial::OwnersOnly => acme.by(&admin, "member-remove").user(&acme.owner.subject),
        };
        let answer = call.send().await?;
        world.must([403, 404].contains(&answer.status), format!("denied, found {}", answer.status))?;

        let after = stored().await?;
        world.equal("events more", after.len(), before.len() + 1)?;
        let event = after.last().ok_or_else(|| Stop::fail("an event"))?;
        world.equal("the event", event.what().as_str(), expected)?;
        world.equal("of which request", &event.request_id, &answer.exchange.id)?;
        world.must(event.resource.is_none(), "what was asked for is not confirmed, nor kept")?;
        world.equal("the other's log", globex.log().await?, theirs)
    });
}

#[rstest]
fn what_is_refused_before_the_tenant_is_known_leaves_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        let before = acme.log().await?;
        refused(&acme.by(&Principal::anonymous(), "product-list").send().await?, 401, "unauthorized")?;
        refused(&acme.by(&stranger, "product-list").send().await?, 403, "not-a-member")?;
        let nameless = acme.owner("product-list").without(&suites_integration::organisation_header());
        refused(&nameless.send().await?, 400, "malformed-request")?;
        world.equal("the events", acme.log_since(&before).await?, Vec::<String>::new())
    });
}

#[rstest]
fn what_fails_for_no_want_of_rights_leaves_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let before = acme.log().await?;
        for (what, status, call) in [
            ("A body", 422, acme.owner("product-create").json(json!({ "name": "" }))),
            ("A conflict", 409, acme.owner("member-remove").user(&acme.owner.subject)),
            ("A page", 400, acme.owner("product-list").query("limit", &0)),
        ] {
            world.step(what);
            call.gives(status).await?;
            world.equal("the events", acme.log_since(&before).await?, Vec::<String>::new())?;
        }
        Ok(())
    });
}

#[rstest]
fn of_many_changes_and_denials_at_once_each_has_its_event_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        const EACH: usize = 15;
        let acme = Business::open(world, "acme").await?;
        let viewer = acme.member("viewer").await?;
        let product = acme.product("anvil", 1).await?;
        // The first request of all makes the user.
        acme.by(&viewer, "product-list").gives(200).await?;
        let before = acme.log().await?;

        let calls = (0..EACH).flat_map(|_| {
            let create = json!({ "name": format!("thing {}", random_code(8)), "priceCents": 1 });
            [
                acme.owner("product-create").json(create.clone()),
                acme.sell(&acme.owner, &product, 1),
                acme.by(&viewer, "product-create").json(create),
                acme.owner("product-get").slot(SlotKind::Product, ABSENT),
            ]
        });
        let mut sent = Vec::new();
        for answer in join_all(calls.map(Call::send)).await {
            let answer = answer?;
            world.must(
                [201, 403, 404].contains(&answer.status),
                format!("an answer, found {}", answer.status),
            )?;
            sent.push(answer.exchange.id.clone());
        }

        let log = acme.log().await?;
        let mut told: Vec<String> =
            log[..log.len() - before.len()].iter().map(|entry| entry.request_id.clone()).collect();
        told.sort();
        sent.sort();
        world.equal("requests with an event, each once", told, sent)
    });
}

/// In a system of its own: from the application's role the right to write to the log is taken away.
#[rstest]
fn a_change_that_cannot_be_recorded_is_not_made(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Business::open(world, "acme").await?;
        let product = acme.product("anvil", 100).await?;
        let viewer = acme.member("viewer").await?;
        let before = (acme.rows("products").await?, acme.rows("audit").await?.len());
        world.data.tenants().close_log(&acme.tenant).await?;

        let named = json!({ "name": "secretly", "priceCents": 1 });
        for call in [
            acme.owner("product-create").json(named.clone()),
            acme.owner("product-update").slot(SlotKind::Product, &product).json(named.clone()),
            acme.owner("product-delete").slot(SlotKind::Product, &product),
            acme.sell(&acme.owner, &product, 1),
            acme.owner("subscription-set").json(json!({ "tier": "starter" })),
            acme.owner("member-remove").user(&viewer.subject),
            acme.by(&viewer, "product-create").json(named),
        ] {
            let answer = call.send().await?;
            refused(&answer, 500, "internal")?;
            for internal in ["permission denied", "audit", "relation", "postgres"] {
                world.must(!answer.body.contains(internal), format!("no {internal} in {}", answer.body))?;
            }
        }
        let after = (acme.rows("products").await?, acme.rows("audit").await?.len());
        world.equal("products and events", after, before)?;
        world.equal("sales", acme.rows("sales").await?.len(), 0)?;
        acme.by(&viewer, "forecast-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::a_viewer("viewer", false)]
#[case::a_member("member", false)]
#[case::an_admin("admin", true)]
#[case::an_owner("owner", true)]
fn the_log_is_read_by(#[context] context: Context, #[case] role: &str, #[case] may: bool) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = acme.member(role).await?;
        let answer = acme.by(&who, "audit-list").send().await?;
        if may {
            let items = answer.expect(200)?.array_at("/items")?;
            return world.must(!items.is_empty(), "events to read");
        }
        refused(&answer, 403, "forbidden")
    });
}
