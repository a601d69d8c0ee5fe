//! Asking the audit log: by time, type, user and resource, and in figures.

use std::collections::BTreeMap;

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn a_type_is_found_by_its_name(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let log = acme.log().await?;

        for event_type in [
            "AUTHORIZATION",
            "PERMISSION_CHANGE",
            "USER_MANAGEMENT",
            "TEAM_MEMBERSHIP",
            "ROLE_CHANGE",
            "INVITATION",
            "CONFIGURATION",
        ] {
            world.step(event_type);
            let found = acme.log_of(acme.admin("audit-list").query("event_type", event_type)).await?;
            let expected = log.only(|event| event.event_type == event_type);
            world.must(!expected.0.is_empty(), "the scene has events of the type")?;
            world.equal("the events", found, expected)?;
        }
        Ok(())
    });
}

/// The twelve names of the performance suite: what each stands for, and how often the scene has it. Permissions
/// are the platform's, and sessions the identity provider's: this log has neither.
const ALIASES: [(&str, &str, usize); 12] = [
    ("PERMISSION_CREATED", "CONFIGURATION CREATE PERMISSION", 0),
    ("PERMISSION_UPDATED", "CONFIGURATION UPDATE PERMISSION", 0),
    ("PERMISSION_DELETED", "CONFIGURATION DELETE PERMISSION", 0),
    ("TEAM_CREATED", "CONFIGURATION CREATE TEAM", 1),
    ("TEAM_UPDATED", "CONFIGURATION UPDATE TEAM", 1),
    ("TEAM_MEMBER_ADDED", "TEAM_MEMBERSHIP ADD_MEMBER TEAM", 1),
    ("ROLE_CREATED", "ROLE_CHANGE CREATE ROLE", 1),
    ("ROLE_UPDATED", "ROLE_CHANGE UPDATE ROLE", 1),
    ("INVITATION_SENT", "INVITATION CREATE INVITATION", 1),
    ("INVITATION_ACCEPTED", "INVITATION ACCEPT INVITATION", 1),
    ("USER_LOGIN", "USER_MANAGEMENT LOGIN USER", 0),
    ("USER_LOGOUT", "USER_MANAGEMENT LOGOUT USER", 0),
];

#[rstest]
fn an_alias_of_the_performance_suite_is_understood(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let log = acme.log().await?;

        for (alias, stands_for, times) in ALIASES {
            world.step(alias);
            let found = acme.log_of(acme.admin("audit-list").query("event_type", alias)).await?;
            let is_it = |event: &suites_integration::Event| {
                format!("{} {} {}", event.event_type, event.action, event.resource_type) == stands_for
            };
            world.equal("how often", found.0.len(), times)?;
            world.equal("the events", found, log.only(is_it))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::an_unknown_type("event_type", "TEAM_PAINTED")]
#[case::a_type_in_small_letters("event_type", "invitation")]
#[case::no_date("start_date", "yesterday")]
#[case::no_moment("end_date", "2026-13-40T00:00:00Z")]
#[case::a_beginning_after_the_end("start_date", "2999-01-01")]
#[case::more_than_a_year("start_date", "2020-01-01")]
fn it_cannot_be_asked_with(#[context] context: Context, #[case] name: &str, #[case] value: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.admin("audit-list").query(name, value).gives(400).await?;
        acme.admin("audit-summary").query(name, value).gives(400).await?;
        Ok(())
    });
}

#[rstest]
fn a_span_of_time_includes_both_its_ends(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let all = acme.log().await?;
        let middle = all.0[all.0.len() / 2].timestamp.as_str();
        let list = || acme.admin("audit-list");

        let since = acme.log_of(list().query("start_date", middle)).await?;
        world.equal("from a moment on", since, all.only(|event| event.timestamp.as_str() >= middle))?;
        let until = acme.log_of(list().query("end_date", middle)).await?;
        world.equal("up to a moment", until, all.only(|event| event.timestamp.as_str() <= middle))?;
        let at = acme.log_of(list().query("start_date", middle).query("end_date", middle)).await?;
        world.equal("that moment alone", at, all.only(|event| event.timestamp == middle))
    });
}

#[rstest]
fn a_day_is_meant_whole(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let all = acme.log().await?;
        let [first, last] =
            [all.0.last(), all.0.first()].map(|event| event.map_or("", |e| &e.timestamp[..10]));
        let list = || acme.admin("audit-list");

        let whole = acme.log_of(list().query("start_date", first).query("end_date", last)).await?;
        world.equal("today", whole, all)?;
        let before = list().query("start_date", "2025-12-31").query("end_date", "2026-01-01");
        world.equal("before the organisation began", acme.log_of(before).await?.0.len(), 0)
    });
}

#[rstest]
fn what_one_user_did_is_found_by_their_id(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        acme.be_busy().await?;
        let team = world.data.teams().create(&acme.tenant, &manager).await?;
        acme.by(&manager, "team-delete").team(&team).gives(204).await?;
        acme.by(&manager, "role-create").json(json!({})).gives(403).await?;

        let found = acme.log_of(acme.admin("audit-user-list").user(&manager.subject)).await?;
        world.equal("what she did", found.0.len(), 3)?;
        world.equal("the events", found, acme.log().await?.only(|event| event.actor_id == manager.subject))
    });
}

#[rstest]
#[case::team("team", "TEAM")]
#[case::role("role", "ROLE")]
#[case::invitation("invitation", "INVITATION")]
fn what_happened_to_one_thing_is_found_by_its_id(
    #[context] context: Context,
    #[case] kind: &str,
    #[case] word: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let all = acme.log().await?;
        let thing = all.0.iter().find(|event| event.resource_type == word && event.outcome == "SUCCESS");
        let id = thing.map(|event| event.resource_id.clone()).unwrap_or_default();

        let list = acme.admin("audit-resource-list");
        let found = acme.log_of(resource(list, kind, &id)).await?;
        world.must(!found.0.is_empty(), "something happened to it")?;
        world.equal("the events", found, all.about(&id))?;
        resource(acme.admin("audit-resource-list"), "boat", &id).gives(404).await?;
        Ok(())
    });
}

fn resource(call: harness::client::Call, kind: &str, id: &str) -> harness::client::Call {
    let place = |name: &str| harness::contract::Place::Path(name.to_owned());
    call.at(&place("resourceType"), kind).at(&place("resourceId"), id)
}

#[rstest]
fn the_summary_agrees_with_the_list(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let all = acme.log().await?;

        let summary = acme.admin("audit-summary").gives(200).await?.json();
        world.equal("in all", &summary["total"], &json!(all.0.len()))?;
        let mut types: BTreeMap<&str, u64> = BTreeMap::new();
        let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
        for event in &all.0 {
            *types.entry(&event.event_type).or_default() += 1;
            *outcomes.entry(&event.outcome).or_default() += 1;
        }
        world.equal("by type", &summary["byEventType"], &json!(types))?;
        world.equal("by outcome", &summary["byOutcome"], &json!(outcomes))?;

        let teams = acme.admin("audit-summary").query("event_type", "TEAM_CREATED").gives(200).await?;
        world.equal("teams created", &teams.json()["total"], &json!(1))
    });
}

#[rstest]
fn each_organisation_has_its_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        globex.be_busy().await?;

        for list in ["audit-list", "audit-summary"] {
            globex.by(&acme.admin, list).gives(404).await?;
        }
        acme.admin("audit-user-list").user(&globex.admin.subject).gives(404).await?;
        let log = acme.log().await?;
        let foreign = log.only(|event| event.actor_id == globex.admin.subject);
        world.equal("events of the other's administrator", foreign.what(), Vec::new())
    });
}

#[rstest]
fn an_event_is_stored_under_day_user_type_and_resource(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let told = acme.log().await?.about(&team);
        world.equal("the event", told.what(), vec!["CONFIGURATION CREATE SUCCESS".to_owned()])?;

        let (org, event) = (acme.org(), &told.0[0]);
        let stored = async |table: &Table| {
            let day = format!("ORG#{org}#DATE#{}", &event.timestamp[..10]);
            let items = table.query(&day, &format!("EVENT#{}", event.timestamp)).await?;
            world.equal("items of that moment", items.len(), 1)?;
            let keys = ["GSI1PK", "GSI2PK", "GSI3PK"].map(|name| text(&items[0], name));
            let expected = [
                format!("ORG#{org}#USER#{}", acme.admin.subject),
                format!("ORG#{org}#TYPE#CONFIGURATION"),
                format!("ORG#{org}#RESOURCE#TEAM#{team}"),
            ];
            world.equal("its keys", keys, expected.each_ref().map(String::as_str))
        };
        world.stored("The store holds it under each of them, within the organisation", stored).await
    });
}
