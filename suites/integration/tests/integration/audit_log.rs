//! The audit log: what it tells, to whom, and that it tells of refusals too.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::data::Tenant;
use harness::identity::Principal;
use harness::world::{Stop, World};

async fn events(world: &World, tenant: &Tenant, reader: &Principal) -> Result<Vec<Value>, Stop> {
    let call = world.api.call("audit-list").as_(reader).org(&tenant.org).query("limit", &100);
    Ok(call.send().await?.expect(200)?.array_at("/items")?)
}

fn denied(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["outcome"] == "DENIED").collect()
}

#[rstest]
fn a_refusal_leaves_one_denied_event_in_the_callers_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let globex = world.data.organisations().create("globex").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let other = world.data.users().create(&globex, "other-tenant", Some("ORG_ADMIN")).await?;
        let theirs = world.data.teams().create(&globex, &other).await?;

        world.api.call("team-get").as_(&admin).org(&globex.org).team(&theirs).send().await?.expect(404)?;

        let own = events(world, &acme, &admin).await?;
        let denials = denied(&own);
        world.must(denials.len() == 1, format!("one DENIED in the caller's log, found {denials:?}"))?;
        world.must(
            denials[0]["actorId"] == json!(admin.subject),
            format!("by the caller, found {}", denials[0]),
        )?;
        let text = denials[0].to_string();
        world.must(
            !text.contains(&theirs) && !text.contains(&globex.org),
            "which does not repeat the foreign ids",
        )?;
        let foreign = events(world, &globex, &other).await?;
        world.must(denied(&foreign).is_empty(), "none in the log of the tenant that was asked for")
    });
}

#[rstest]
fn a_missing_permission_leaves_one_denied_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let viewer = world.data.users().create(&acme, "site-viewer", Some("SITE_VIEWER")).await?;

        world
            .api
            .call("team-create")
            .as_(&viewer)
            .org(&acme.org)
            .json(json!({ "name": "Ops" }))
            .send()
            .await?
            .expect(403)?;

        let all = events(world, &acme, &admin).await?;
        let denials = denied(&all);
        world.must(denials.len() == 1, format!("one DENIED, found {denials:?}"))?;
        world.must(denials[0]["actorId"] == json!(viewer.subject), "by the viewer")
    });
}

#[rstest]
fn nobody_unknown_leaves_an_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let before = events(world, &acme, &admin).await?.len();

        world.api.call("team-list").org(&acme.org).send().await?.expect(401)?;

        let after = events(world, &acme, &admin).await?.len();
        world.must(before == after, format!("{before} events as before, found {after}"))
    });
}

#[rstest]
fn a_team_leaves_its_events_once_each(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let ann = world.data.users().create(&acme, "ann", None).await?;
        let team = world.data.teams().create(&acme, &admin).await?;
        world.data.teams().add_member(&acme, &admin, &team, &ann.subject).await?;
        let update = world.api.call("team-update").as_(&admin).org(&acme.org).team(&team);
        update.json(json!({ "name": acme.text("renamed") })).send().await?.expect(200)?;
        world.api.call("team-delete").as_(&admin).org(&acme.org).team(&team).send().await?.expect(204)?;

        let all = events(world, &acme, &admin).await?;
        let mut told: Vec<String> = all
            .iter()
            .filter(|event| event["resourceId"] == json!(team))
            .map(|event| {
                format!("{} {} {}", event["eventType"], event["action"], event["outcome"]).replace('"', "")
            })
            .collect();
        told.sort();
        insta::assert_json_snapshot!("events_of_a_team", told);
        Ok(())
    });
}

#[rstest]
fn the_log_is_not_for_members_without_the_right(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let manager = world.data.users().create(&acme, "org-manager", Some("ORG_MANAGER")).await?;

        world.api.call("audit-list").as_(&manager).org(&acme.org).send().await?.expect(403)?;
        let own = world.api.call("audit-user-list").as_(&manager).org(&acme.org).user(&manager.subject);
        own.send().await?.expect(200)?;
        let of_admin = world.api.call("audit-user-list").as_(&manager).org(&acme.org).user(&admin.subject);
        of_admin.send().await?.expect(403)?;
        Ok(())
    });
}
