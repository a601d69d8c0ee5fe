//! What the service counts, for the dashboards and the six alerts: on the second listener, by tenant.

use harness::client::Http;
use harness::contract::SlotKind;
use harness::metrics::Counted;
use harness::world::Stop;
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{Business, Gives as _, counted, health, internal, tells_of_its_keys};

use super::{Setup, stage, world};

#[rstest]
fn requests_are_counted_by_tenant_method_route_and_status(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let viewer = acme.member("viewer").await?;
        let products = ("route", "/api/products");
        let count = async |tenant: &str, method: &str, status: &str| {
            let labels = [("tenant_id", tenant), ("method", method), products, ("status", status)];
            Ok::<_, Stop>(counted(world).await?.of("tenant_requests_total", &labels))
        };
        for _ in 0..3 {
            acme.owner("product-list").gives(200).await?;
        }
        acme.product("anvil", 1).await?;
        let create = || acme.by(&viewer, "product-create").json(json!({ "name": "x", "priceCents": 1 }));
        create().gives(403).await?;
        create().gives(403).await?;
        globex.owner("product-list").gives(200).await?;

        world.equal("lists of acme", count(&acme.id, "GET", "200").await?, 3.0)?;
        world.equal("products made by acme", count(&acme.id, "POST", "201").await?, 1.0)?;
        world.equal("denials at acme", count(&acme.id, "POST", "403").await?, 2.0)?;
        world.equal("lists of globex", count(&globex.id, "GET", "200").await?, 1.0)?;
        world.equal("products made by globex", count(&globex.id, "POST", "201").await?, 0.0)
    });
}

#[rstest]
fn a_route_is_counted_under_its_template(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let product = acme.product("anvil", 1).await?;
        acme.owner("product-get").slot(SlotKind::Product, &product).gives(200).await?;
        let counted = counted(world).await?;
        let labels = [("tenant_id", acme.id.as_str()), ("route", "/api/products/{id}"), ("status", "200")];
        world.equal("requests for one product", counted.of("tenant_requests_total", &labels), 1.0)?;
        let routes = counted.values("tenant_requests_total", "route");
        let is_bounded =
            routes.iter().all(|route| !route.contains(&product) && !route.contains("watertight"));
        world.must(is_bounded, "no id in a route")
    });
}

#[rstest]
fn the_chain_is_measured_in_buckets_that_show_its_targets(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Business::open(world, "acme").await?;
        let before = counted(world).await?;
        for _ in 0..5 {
            acme.owner("forecast-list").gives(200).await?;
        }
        let after = counted(world).await?;
        for part in ["tenant", "feature", "rbac"] {
            let of = |counted: &Counted| {
                counted.of("middleware_latency_seconds_count", &[("middleware_name", part)])
            };
            world.equal(part, of(&after) - of(&before), 5.0)?;
        }
        let mut bounds: Vec<f64> = after
            .values("middleware_latency_seconds_bucket", "le")
            .iter()
            .filter_map(|bound| bound.parse().ok())
            .collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        world.equal("the first bucket, 50 microseconds", bounds.first().copied(), Some(0.000_05))?;
        for target in [0.001, 0.01] {
            let is_there = bounds.iter().any(|bound| (bound - target).abs() < 1e-9);
            world.must(is_there, format!("a bucket that ends at {target}, found {bounds:?}"))?;
        }

        world.step("A part that is not reached is not measured");
        acme.by(&world.data.users().stranger("stranger")?, "forecast-list").gives(403).await?;
        let last = counted(world).await?;
        for (part, more) in [("tenant", 1.0), ("feature", 0.0), ("rbac", 0.0)] {
            let of = |counted: &Counted| {
                counted.of("middleware_latency_seconds_count", &[("middleware_name", part)])
            };
            world.equal(part, of(&last) - of(&after), more)?;
        }
        Ok(())
    });
}

#[rstest]
fn queries_are_counted_by_tenant_and_table(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let before = counted(world).await?;
        acme.owner("product-list").gives(200).await?;
        acme.owner("sale-list").gives(200).await?;
        let after = counted(world).await?;
        let more = |business: &Business<'_>, table: &str| {
            let labels = [("tenant_id", business.id.as_str()), ("table_name", table)];
            let of = |counted: &Counted| counted.of("tenant_schema_queries_total", &labels);
            of(&after) - of(&before)
        };
        world.equal("products of acme", more(&acme, "products"), 1.0)?;
        world.equal("sales of acme", more(&acme, "sales"), 1.0)?;
        world.equal("products of globex", more(&globex, "products"), 0.0)
    });
}

#[rstest]
fn new_tenants_and_changes_of_plan_are_counted(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let created = async || Ok::<_, Stop>(counted(world).await?.of("tenants_created_total", &[]));
        world.equal("tenants made at first", created().await?, 0.0)?;
        let acme = Business::open_on(world, "acme", "starter").await?;
        world.equal("tenants made", created().await?, 1.0)?;
        acme.opening("starter")?.gives(200).await?;
        world.equal("tenants made by asking again", created().await?, 1.0)?;

        for tier in ["professional", "enterprise", "enterprise", "starter"] {
            acme.subscribe(tier).await?;
        }
        let counted = counted(world).await?;
        let of = |direction: &str| counted.of("subscription_changes_total", &[("direction", direction)]);
        world.equal("upgrades and downgrades", (of("upgrade"), of("downgrade")), (2.0, 1.0))
    });
}

#[rstest]
fn what_the_alerts_need_is_there(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.owner("product-list").gives(200).await?;
        let counted = counted(world).await?;
        for (what, name) in [
            ("the share of errors", "tenant_requests_total"),
            ("the 95th percentile", "request_duration_seconds_bucket"),
            ("processor time", "process_cpu_seconds_total"),
            ("memory", "process_resident_memory_bytes"),
            ("the pool", "database_pool_connections"),
        ] {
            world.must(counted.has(name, &[]), format!("{what}: {name}"))?;
        }
        for name in ["tenants_created_total", "process_cpu_seconds_total", "process_resident_memory_bytes"] {
            world.must(counted.of(name, &[]) > 0.0, format!("more than nothing in {name}"))?;
        }
        let most = counted.of("database_pool_connections", &[("state", "max")]);
        let used = counted.of("database_pool_connections", &[("state", "in_use")]);
        world.must(used <= most && most >= 1.0, format!("{used} connections of {most} in use"))
    });
}

#[rstest]
fn metrics_hold_no_name_of_anybody_and_no_secret(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.product(&acme.tenant.text("anvil"), 1).await?;
        let (status, text) = internal(world, "/metrics").await?;
        world.equal("the status", status, 200)?;
        world.must(text.contains(&acme.id), "the tenant is counted by its id")?;
        let token = acme.owner.credential.header()?;
        let token = token.as_ref().map_or("Bearer", |token| token.reveal());
        let email = acme.owner.email.as_str();
        for hidden in
            [acme.org(), &acme.owner.subject, email, &acme.tenant.key.to_string(), token, "postgres://"]
        {
            world.must(!text.contains(hidden), format!("no {hidden} in the metrics"))?;
        }
        Ok(())
    });
}

/// Nobody but this machine is told: the public listener has no such route.
#[rstest]
fn the_public_listener_has_no_metrics(#[context] context: Context) {
    world(&context).tell(async |world| {
        let base = world.system.target.base_url.clone();
        let documented =
            world.system.contract.operations().any(|operation| operation.path.contains("metrics"));
        world.must(!documented, "no route to metrics in the document")?;
        let http = Http::of(&world.system.target)?;
        for path in ["/metrics", "/api/metrics", "/health"] {
            let url = base.join(path).map_err(|error| Stop::error(error.to_string()))?;
            let answer = http.get(&url).await.map_err(|error| Stop::error(error.to_string()))?;
            world.equal(path, answer.status, 404)?;
        }
        Ok(())
    });
}

#[rstest]
fn health_in_detail_says_that_the_database_answers(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (status, detail) = health(world).await?;
        world.equal(
            "health",
            (status, &detail["status"], &detail["store"]),
            (200, &json!("ok"), &json!(true)),
        )
    });
}

#[rstest]
fn the_issuers_keys_are_told_by_age_and_by_fetches(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = world.data.platform_admin()?;
        tells_of_its_keys(world, "jwks_fetches_total", async || {
            world.api.call("product-list").as_(&platform).org("org_watertight").gives(403).await.map(drop)
        })
        .await
    });
}
