//! The epic's eighteen scenarios, one test each, under their numbers: the whole chain, from the token to the row.

use harness::client::Answer;
use harness::contract::SlotKind;
use harness::identity::Credential;
use harness::stores::Database;
use harness::target::Secret;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{Business, Gives as _, organisation_header, refused, users_of};

use super::world;

/// Epic, scenario 1: a valid session with an organisation gets the tenant's context.
#[rstest]
fn scenario_01_a_valid_session_with_an_organisation_works_in_its_tenant(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let product = acme.product("anvil", 4_200).await?;

        let shown = acme.owner("product-get").slot(SlotKind::Product, &product);
        world.equal("its name", shown.gives(200).await?.text_at("/name")?.as_str(), "anvil")?;

        world
            .stored_rows("The row stands in the tenant's schema", async |_| {
                let rows = acme.rows("products").await?;
                let names: Vec<_> = rows.iter().map(|row| row["name"].clone()).collect();
                world.equal("the rows", names, vec![json!("anvil")])
            })
            .await
    });
}

async fn refused_and_nothing_stored(world: &World, acme: &Business<'_>, answer: &Answer) -> Result<(), Stop> {
    world.must(!answer.body.contains(&acme.tenant.name), "nothing of the tenant in the answer")?;
    world
        .stored_rows("Nothing was stored", async |_| {
            world.equal("products", acme.rows("products").await?.len(), 0)
        })
        .await
}

/// Epic, scenario 2: a missing `Authorization` header is 401.
#[rstest]
fn scenario_02_a_request_without_authorization_is_401(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let answer =
            world.api.call("product-create").org(acme.org()).json(json!({ "name": "x", "priceCents": 1 }));
        let answer = answer.send().await?;
        refused(&answer, 401, "unauthorized")?;
        world.equal("the challenge", answer.header("www-authenticate"), "Bearer")?;
        refused_and_nothing_stored(world, &acme, &answer).await
    });
}

/// Epic, scenario 3: an invalid session token is 401.
#[rstest]
fn scenario_03_an_invalid_session_token_is_401(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let header = acme.owner.credential.header()?.ok_or_else(|| Stop::error("the owner has no token"))?;
        let token = header.reveal();
        let broken = Credential::Verbatim(Secret::new(&token[..token.len() - 20]));
        let create = acme.owner("product-create").json(json!({ "name": "x", "priceCents": 1 }));
        let answer = create.credential(broken).send().await?;
        refused(&answer, 401, "unauthorized")?;
        world.equal("the challenge", answer.header("www-authenticate"), "Bearer error=\"invalid_token\"")?;
        refused_and_nothing_stored(world, &acme, &answer).await
    });
}

/// Epic, scenario 4: a missing `X-Organization-ID` header is 400.
#[rstest]
fn scenario_04_a_request_that_names_no_organisation_is_400(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let create = acme.owner("product-create").json(json!({ "name": "x", "priceCents": 1 }));
        let answer = create.without(&organisation_header()).send().await?;
        refused(&answer, 400, "malformed-request")?;
        refused_and_nothing_stored(world, &acme, &answer).await
    });
}

/// Epic, scenario 5: who is no member of the organisation gets 403.
#[rstest]
fn scenario_05_whoever_is_no_member_of_the_organisation_gets_403(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let nobody = world.data.users().stranger("stranger")?;
        // Who owns another organisation is as much a stranger here as who belongs to none.
        let elsewhere = Business::open(world, "globex").await?.owner;
        for stranger in [&nobody, &elsewhere] {
            let create = acme.by(stranger, "product-create").json(json!({ "name": "x", "priceCents": 1 }));
            let answer = create.send().await?;
            refused(&answer, 403, "not-a-member")?;
            refused_and_nothing_stored(world, &acme, &answer).await?;
        }
        Ok(())
    });
}

/// Epic, scenario 6: an organisation without a tenant is 404 for its members.
#[rstest]
fn scenario_06_an_organisation_without_a_tenant_is_404_for_its_members(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::before_it_opens(world, "acme").await?;
        refused(&acme.owner("product-list").send().await?, 404, "no-tenant")?;

        world.step("Once there is one, the same request is served");
        acme.opening("starter")?.gives(201).await?;
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

/// Epic, scenario 7: a suspended subscription is 403.
#[rstest]
fn scenario_07_a_suspended_subscription_is_403(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.owner("product-list").gives(200).await?;
        acme.stand(json!({ "status": "suspended" })).await?;
        let create = acme.owner("product-create").json(json!({ "name": "x", "priceCents": 1 }));
        let answer = create.send().await?;
        refused(&answer, 403, "suspended")?;
        refused_and_nothing_stored(world, &acme, &answer).await
    });
}

/// Epic, scenario 8: the first login makes the user.
#[rstest]
fn scenario_08_the_first_login_makes_the_user(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let ann = acme.member("viewer").await?;
        let users = async || -> Result<usize, Stop> { Ok(users_of(world, &ann.subject).await?.len()) };
        world.equal("before", users().await?, 0)?;
        acme.by(&ann, "product-list").gives(200).await?;
        world.equal("after", users().await?, 1)?;
        acme.by(&ann, "product-list").gives(200).await?;
        world.equal("after the second login", users().await?, 1)
    });
}

/// Epic, scenario 9: `search_path` is the tenant's schema.
#[rstest]
fn scenario_09_queries_go_to_the_schema_of_the_tenant(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        for round in 0..3 {
            acme.product(&format!("anvil {round}"), 100).await?;
            globex.product(&format!("reactor {round}"), 100).await?;
        }
        for (business, word) in [(&acme, "anvil"), (&globex, "reactor")] {
            let names = business.names_seen_by(&business.owner).await?;
            let expected: Vec<String> = (0..3).map(|round| format!("{word} {round}")).collect();
            world.equal("over HTTP", &names, &expected)?;
            let stored = async |_: &Database| {
                let rows = business.rows("products").await?;
                let mut names: Vec<String> =
                    rows.iter().filter_map(|row| row["name"].as_str()).map(str::to_owned).collect();
                names.sort();
                world.equal("in its schema", &names, &expected)
            };
            world.stored_rows("The schema holds the tenant's rows and no others", stored).await?;
        }
        Ok(())
    });
}

/// Epic, scenario 10: a professional tenant has `ai_forecasting`.
#[rstest]
fn scenario_10_a_professional_tenant_has_forecasts(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "professional").await?;
        acme.owner("forecast-list").gives(200).await?;
        let viewer = acme.member("viewer").await?;
        acme.by(&viewer, "forecast-list").gives(200).await?;
        Ok(())
    });
}

/// The refusal for want of a feature: with the address where to get it, for everyone alike.
async fn not_in_plan(world: &World, acme: &Business<'_>, operation: &str) -> Result<(), Stop> {
    for role in ["member", "admin", "owner"] {
        let who = acme.member(role).await?;
        let answer = acme.by(&who, operation).send().await?;
        refused(&answer, 403, "not-in-plan")?;
        let upgrade = answer.text_at("/upgradeUrl")?;
        world
            .must(upgrade.starts_with("https://"), format!("the address of the upgrade, found {upgrade}"))?;
    }
    Ok(())
}

/// Epic, scenario 11: a starter tenant has no `ai_forecasting` and is told where to upgrade.
#[rstest]
fn scenario_11_a_starter_tenant_is_refused_forecasts_and_told_where_to_upgrade(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        not_in_plan(world, &acme, "forecast-list").await
    });
}

/// Epic, scenario 12: a starter tenant has no `advanced_reports`.
#[rstest]
fn scenario_12_a_starter_tenant_is_refused_advanced_reports(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open_on(world, "acme", "starter").await?;
        not_in_plan(world, &acme, "report-advanced").await
    });
}

/// Epic, scenario 13: an administrator creates a product.
#[rstest]
fn scenario_13_an_administrator_creates_a_product(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let admin = acme.member("admin").await?;
        let create = acme.by(&admin, "product-create").json(json!({ "name": "anvil", "priceCents": 4_200 }));
        let made = create.gives(201).await?;
        world.equal("the price", &made.json()["priceCents"], &json!(4_200))?;
        world.equal(
            "what a viewer sees",
            acme.names_seen_by(&acme.member("viewer").await?).await?,
            vec!["anvil".to_owned()],
        )?;
        world
            .stored_rows("One row, with this id", async |_| {
                let rows = acme.rows("products").await?;
                let ids: Vec<_> = rows.iter().map(|row| row["id"].clone()).collect();
                world.equal("the rows", ids, vec![made.json()["id"].clone()])
            })
            .await
    });
}

/// Epic, scenario 14: a member who tries what is for administrators gets 403.
#[rstest]
fn scenario_14_a_member_who_tries_what_is_for_administrators_gets_403(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let member = acme.member("member").await?;
        let product = acme.product("anvil", 4_200).await?;
        let body = json!({ "name": "mine", "priceCents": 1 });
        for call in [
            acme.by(&member, "product-create").json(body.clone()),
            acme.by(&member, "product-update").slot(SlotKind::Product, &product).json(body),
            acme.by(&member, "product-delete").slot(SlotKind::Product, &product),
            acme.by(&member, "audit-list"),
            acme.by(&member, "member-remove").user(&acme.owner.subject),
        ] {
            refused(&call.send().await?, 403, "forbidden")?;
        }
        world.equal("the products", acme.names_seen_by(&member).await?, vec!["anvil".to_owned()])?;
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

/// Epic, scenario 15: a viewer who tries to write gets 403.
#[rstest]
fn scenario_15_a_viewer_who_tries_to_write_gets_403(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let viewer = acme.member("viewer").await?;
        let product = acme.product("anvil", 4_200).await?;
        refused(&acme.sell(&viewer, &product, 1).send().await?, 403, "forbidden")?;
        let create = acme.by(&viewer, "product-create").json(json!({ "name": "mine", "priceCents": 1 }));
        refused(&create.send().await?, 403, "forbidden")?;
        world.equal("sales", acme.by(&viewer, "sale-list").items().await?.len(), 0)?;
        world
            .stored_rows("Nothing was written", async |_| {
                let count = (acme.rows("products").await?.len(), acme.rows("sales").await?.len());
                world.equal("products and sales", count, (1, 0))
            })
            .await
    });
}

/// Two tenants with things of the same kinds; what the first one's people see is all its own.
async fn sees_its_own_alone(world: &World, first: &str, second: &str) -> Result<(), Stop> {
    let ours = Business::open(world, first).await?;
    let theirs = Business::open(world, second).await?;
    for business in [&ours, &theirs] {
        let product = business.product(&format!("made by {}", business.tenant.key), 100).await?;
        business.sell(&business.owner, &product, 2).gives(201).await?;
    }
    let own = format!("made by {}", ours.tenant.key);
    world.equal("products", ours.names_seen_by(&ours.owner).await?, vec![own])?;
    let sales = ours.owner("sale-list").items().await?;
    let products = ours.owner("product-list").items().await?;
    world.equal("sales", sales.len(), 1)?;
    world.equal("of what", &sales[0]["productId"], &products[0]["id"])?;
    for operation in
        ["product-list", "sale-list", "dashboard-get", "member-list", "audit-list", "report-advanced"]
    {
        let body = ours.owner(operation).gives(200).await?.body;
        for foreign in [theirs.org(), &theirs.id, &theirs.owner.subject, &theirs.tenant.key.to_string()] {
            world.must(!body.contains(foreign), format!("nothing of {second} in {operation}"))?;
        }
    }
    Ok(())
}

/// Epic, scenario 16: tenant A sees the data of tenant A alone.
#[rstest]
fn scenario_16_tenant_a_sees_its_own_data_alone(#[context] context: Context) {
    world(&context).tell(async |world| sees_its_own_alone(world, "tenant-a", "tenant-b").await);
}

/// Epic, scenario 17: tenant B sees the data of tenant B alone, though it came second.
#[rstest]
fn scenario_17_tenant_b_sees_its_own_data_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        // The other tenant is there before it, and used before it.
        let first = Business::open(world, "tenant-a").await?;
        first.product("there before", 100).await?;
        sees_its_own_alone(world, "tenant-b", "tenant-c").await?;
        world.equal(
            "what the first has",
            first.names_seen_by(&first.owner).await?,
            vec!["there before".to_owned()],
        )
    });
}

/// Epic, scenario 18: what is tenant B's is 404 for tenant A.
#[rstest]
fn scenario_18_tenant_a_gets_404_for_what_is_tenant_bs(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let foreign = globex.product("reactor", 100).await?;
        for operation in ["product-get", "product-update", "product-delete"] {
            let call = acme.owner(operation).slot(SlotKind::Product, &foreign);
            let call =
                if operation == "product-update" { call.json(json!({ "name": "mine" })) } else { call };
            refused(&call.send().await?, 404, "not-found")?;
        }
        refused(&acme.sell(&acme.owner, &foreign, 1).send().await?, 404, "not-found")?;

        world.step("To its owner it is there, as it was");
        let shown = globex.owner("product-get").slot(SlotKind::Product, &foreign).gives(200).await?;
        world.equal("the name", shown.text_at("/name")?.as_str(), "reactor")?;
        world.equal("sales", globex.owner("sale-list").items().await?.len(), 0)
    });
}
