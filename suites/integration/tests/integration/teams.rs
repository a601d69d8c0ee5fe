//! Teams: who makes, sees, changes and deletes them.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::contract::SlotKind;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn whoever_creates_a_team_is_its_first_member_and_leads_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;

        let members = acme.admin("team-member-list").team(&team).items().await?;
        world.equal("members", members.len(), 1)?;
        world.equal("who", &members[0]["userId"], &json!(acme.admin.subject))?;
        world.equal("the part", &members[0]["teamRole"], &json!("lead"))
    });
}

#[rstest]
#[case::org_admin("ORG_ADMIN", 201)]
#[case::org_manager("ORG_MANAGER", 201)]
#[case::site_editor("SITE_EDITOR", 403)]
#[case::site_viewer("SITE_VIEWER", 403)]
fn who_may_create_one(#[context] context: Context, #[case] role: &str, #[case] status: u16) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let user = acme.user(role).await?;
        let body = json!({ "name": acme.tenant.text("team") });
        acme.by(&user, "team-create").json(body).gives(status).await?;
        let teams = acme.admin("team-list").items().await?.len();
        world.equal("teams", teams, usize::from(status == 201))
    });
}

#[rstest]
#[case::without_a_name(json!({ "description": "about" }), "")]
#[case::with_an_empty_name(json!({ "name": "" }), "/name")]
#[case::with_a_blank_name(json!({ "name": " " }), "/name")]
#[case::with_a_name_too_long(json!({ "name": "x".repeat(101) }), "/name")]
#[case::with_two_lines_as_name(json!({ "name": "a\nb" }), "/name")]
#[case::with_a_description_too_long(json!({ "name": "a", "description": "x".repeat(501) }), "/description")]
#[case::with_a_member_unknown(json!({ "name": "a", "memberCount": 9 }), "/memberCount")]
fn a_team_is_refused(#[context] context: Context, #[case] body: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let refused = acme.admin("team-create").json(body).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), pointer)?;
        world.equal("teams", acme.admin("team-list").items().await?.len(), 0)
    });
}

#[rstest]
fn a_list_shows_the_teams_of_one_organisation_only(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ours = acme.team().await?;
        globex.team().await?;

        world.equal("the list", acme.teams_seen_by(&acme.admin).await?, vec![ours])?;
        globex.by(&acme.admin, "team-list").gives(404).await?;
        Ok(())
    });
}

#[rstest]
fn who_only_reads_teams_sees_the_ones_they_belong_to(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;
        let [hers, other] = [acme.team().await?, acme.team().await?];
        acme.join_team(&hers, &viewer).await?;

        world.equal("her list", acme.teams_seen_by(&viewer).await?, vec![hers.clone()])?;
        acme.by(&viewer, "team-get").team(&hers).gives(200).await?;
        acme.by(&viewer, "team-get").team(&other).gives(404).await?;
        Ok(())
    });
}

#[rstest]
fn who_reads_all_teams_sees_those_of_others_too(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (reader, _) = acme.user_who_may(&["team:read", "team:read:all"]).await?;
        let mut teams = vec![acme.team().await?, acme.team().await?];

        acme.by(&reader, "team-get").team(&teams[0]).gives(200).await?;
        teams.sort();
        world.equal("the list", acme.teams_seen_by(&reader).await?, teams)
    });
}

#[rstest]
fn to_read_all_teams_is_nothing_without_reading_teams(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (odd, _) = acme.user_who_may(&["team:read:all"]).await?;
        acme.by(&odd, "team-list").gives(403).await?;
        Ok(())
    });
}

#[rstest]
fn a_change_leaves_alone_what_it_does_not_name(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let about = acme.tenant.text("about");
        let body = json!({ "name": acme.tenant.text("team"), "description": about });
        let team = acme.admin("team-create").json(body).gives(201).await?.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Team, &team)?;
        let name = acme.tenant.text("renamed");

        acme.admin("team-update").team(&team).json(json!({ "name": name })).gives(200).await?;

        let shown = acme.admin("team-get").team(&team).gives(200).await?;
        world.equal("the name", &shown.text_at("/name")?, &name)?;
        world.equal("the description", &shown.text_at("/description")?, &about)?;
        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("TEAM#{team}")).await?;
            world.equal("the name", text(&item, "name"), name.as_str())?;
            world.equal("the description", text(&item, "description"), about.as_str())
        };
        world.stored("The store says the same", stored).await
    });
}

#[rstest]
fn a_deleted_team_is_gone_for_everyone_and_kept_in_the_store(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;
        let [team, other] = [acme.team().await?, acme.team().await?];
        acme.join_team(&team, &viewer).await?;

        acme.admin("team-delete").team(&team).gives(204).await?;

        acme.admin("team-get").team(&team).gives(404).await?;
        acme.admin("team-delete").team(&team).gives(404).await?;
        acme.admin("team-member-list").team(&team).gives(404).await?;
        world.equal("the list", acme.teams_seen_by(&acme.admin).await?, vec![other])?;
        world.equal("her teams", acme.teams_of(&viewer).await?, Vec::new())?;
        let add = acme.admin("team-member-add").team(&team).json(json!({ "userId": viewer.subject }));
        add.gives(404).await?;
        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("TEAM#{team}")).await?;
            world.equal("active", item.get("active"), Some(&json!(false)))?;
            world.must(!text(&item, "deletedAt").is_empty(), format!("when it was deleted, found {item:?}"))
        };
        world.stored("The store keeps it, inactive, for what refers to it", stored).await
    });
}

#[rstest]
#[case::changing("team-update")]
#[case::deleting("team-delete")]
fn being_in_a_team_is_not_enough_for(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let editor = acme.user("SITE_EDITOR").await?;
        let team = acme.team().await?;
        acme.join_team(&team, &editor).await?;
        let before = acme.admin("team-get").team(&team).gives(200).await?.body;

        acme.by(&editor, operation).team(&team).slot(SlotKind::Text, "taken over").gives(403).await?;

        let after = acme.admin("team-get").team(&team).gives(200).await?.body;
        world.equal("the team", after, before)
    });
}
