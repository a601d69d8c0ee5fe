//! Between two tenants that are alike to the last number: rows, counts, dashboards, lists and logs are each one's own,
//! and what is somebody else's looks exactly like what does not exist.

use std::collections::BTreeSet;

use rstest::{Context, rstest};
use serde_json::{Value, json};

use super::world;
use harness::client::Call;
use harness::contract::SlotKind;
use harness::world::{Stop, World};
use suites_integration::{ABSENT, Business, Gives as _, refused, seen};

/// Two tenants of one name with products of the same names and prices; the first has sold more.
async fn twins(world: &World) -> Result<(Business<'_>, Business<'_>), Stop> {
    let one = Business::open(world, "acme").await?;
    let other = Business::open(world, "acme").await?;
    for (business, sold) in [(&one, 3), (&other, 5)] {
        for name in ["anvil", "magnet", "rocket"] {
            business.product(name, 1_000).await?;
        }
        let anvil =
            business.owner("product-list").items().await?[0]["id"].as_str().unwrap_or_default().to_owned();
        for _ in 0..sold {
            business.sell(&business.owner, &anvil, 2).gives(201).await?;
        }
    }
    Ok((one, other))
}

fn ids(items: &[Value]) -> BTreeSet<String> {
    items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned).collect()
}

#[rstest]
#[case::products("product-list", 3, 3)]
#[case::sales("sale-list", 3, 5)]
fn of_two_alike_each_lists_its_own_rows(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] first: usize,
    #[case] second: usize,
) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        let ours = one.owner(operation).query("limit", &100).items().await?;
        let theirs = other.owner(operation).query("limit", &100).items().await?;
        world.equal("how many", (ours.len(), theirs.len()), (first, second))?;
        world.must(ids(&ours).is_disjoint(&ids(&theirs)), "no row in both lists")
    });
}

#[rstest]
fn of_two_alike_each_counts_its_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        for (business, sold) in [(&one, 3), (&other, 5)] {
            let told = business.dashboard().await?;
            let counts = (&told["products"], &told["sales"], &told["revenueCents"]);
            world.equal("the dashboard", counts, (&json!(3), &json!(sold), &json!(sold * 2 * 1_000)))?;
        }

        world.step("What one sells changes its own figures alone");
        let before = other.dashboard().await?;
        let product = one.product("comet", 7).await?;
        one.sell(&one.owner, &product, 1).gives(201).await?;
        world.equal("the other's", other.dashboard().await?, before)?;
        world.equal("its own", &one.dashboard().await?["sales"], &json!(4))
    });
}

#[rstest]
#[case::reading_it("product-get")]
#[case::changing_it("product-update")]
#[case::deleting_it("product-delete")]
#[case::selling_it("sale-create")]
fn a_foreign_product_looks_absent(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        let foreign = other.product("reactor", 1).await?;
        let before = (other.dashboard().await?, other.rows("products").await?);
        let call = |product: &str| -> Call {
            let call = one.owner(operation).slot(SlotKind::Product, product);
            match operation {
                "product-update" => call.json(json!({ "name": "mine", "priceCents": 1 })),
                "sale-create" => call.json(json!({ "productId": product, "quantity": 1 })),
                _ => call,
            }
        };

        let of_the_other = call(&foreign).send().await?;
        let of_nobody = call(ABSENT).send().await?;

        refused(&of_nobody, 404, "not-found")?;
        world.equal("the answer for the foreign", seen(&of_the_other), seen(&of_nobody))?;
        world.equal("what is the other's", (other.dashboard().await?, other.rows("products").await?), before)
    });
}

#[rstest]
fn an_id_that_can_be_none_looks_absent_too(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.product("anvil", 1).await?;
        let absent = acme.owner("product-get").slot(SlotKind::Product, ABSENT).send().await?;
        for (what, id) in [
            ("No uuid", "42"),
            ("A name", "anvil"),
            ("Upper case", "0000000A-0000-4000-8000-00000000000A"),
            ("A quote", "' OR '1'='1"),
            ("A schema", "tenant_x.products"),
        ] {
            world.step(what);
            let answer = acme.owner("product-get").slot(SlotKind::Product, id).send().await?;
            world.equal("the answer", seen(&answer), seen(&absent))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::members("member-list", "userId")]
#[case::the_log("audit-list", "actor")]
fn a_list_of_people_names_its_own_alone(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] member: &str,
) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        let both = other.join(&one.member("admin").await?, "member").await?;
        for (business, foreign) in [(&one, &other), (&other, &one)] {
            business
                .owner("product-create")
                .json(json!({ "name": "more", "priceCents": 1 }))
                .gives(201)
                .await?;
            let items = business.owner(operation).query("limit", &100).items().await?;
            let people: BTreeSet<&str> = items.iter().filter_map(|item| item[member].as_str()).collect();
            world.must(people.contains(business.owner.subject.as_str()), "its owner is among them")?;
            world.must(!people.contains(foreign.owner.subject.as_str()), "the other's owner is not")?;
        }

        world.step("Whoever is in both does not make one of two");
        world.equal("as member", one.by(&both, "member-list").items().await?.len(), 2)?;
        world.equal("in the other", other.by(&both, "member-list").items().await?.len(), 2)?;
        refused(&other.by(&both, "audit-list").send().await?, 403, "forbidden")
    });
}

#[rstest]
fn rights_in_one_tenant_are_none_in_another(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        let both = other.join(&one.owner, "viewer").await?;
        let create = |business: &Business<'_>| {
            business.by(&both, "product-create").json(json!({ "name": "mine", "priceCents": 1 }))
        };
        create(&one).gives(201).await?;
        refused(&create(&other).send().await?, 403, "forbidden")?;
        refused(&other.by(&both, "tenant-delete").send().await?, 403, "forbidden")?;

        world.step("Nor are those of the plan");
        one.subscribe("starter").await?;
        refused(&one.by(&both, "forecast-list").send().await?, 403, "not-in-plan")?;
        other.by(&both, "forecast-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn forecasts_and_reports_are_of_ones_own_products(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        for business in [&one, &other] {
            let own = ids(&business.owner("product-list").items().await?);
            let forecasts = business.owner("forecast-list").query("limit", &100).items().await?;
            world.must(!forecasts.is_empty(), "a forecast to look at")?;
            let all_own = |items: &[Value]| {
                items.iter().all(|item| item["productId"].as_str().is_some_and(|id| own.contains(id)))
            };
            world.must(all_own(&forecasts), format!("of its own products, found {forecasts:?}"))?;
            let report = business.owner("report-advanced").gives(200).await?.array_at("/products")?;
            world.must(!report.is_empty() && all_own(&report), format!("of its own, found {report:?}"))?;
        }
        Ok(())
    });
}

#[rstest]
fn what_one_deletes_is_there_for_the_other(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (one, other) = twins(world).await?;
        let before = other.owner("product-list").items().await?;
        for product in ids(&one.owner("product-list").items().await?) {
            one.owner("product-delete").slot(SlotKind::Product, &product).gives(204).await?;
        }
        world.equal("its own", one.owner("product-list").items().await?.len(), 0)?;
        world.equal("the other's", other.owner("product-list").items().await?, before.clone())?;

        world.step("Also when the whole tenant goes");
        one.owner("tenant-delete").gives(204).await?;
        refused(&one.owner("product-list").send().await?, 404, "no-tenant")?;
        world.equal("the other's", other.owner("product-list").items().await?, before)
    });
}
