//! Team roles: the parts that members have in teams.

use harness::client::Call;
use harness::contract::SlotKind;
use harness::identity::Principal;
use harness::stores::Table;
use harness::world::Stop;
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use suites_integration::{Company, Gives as _, text};

/// What every organisation begins with.
const BUILT_IN: [&str; 3] = ["guest", "lead", "member"];

fn on(company: &Company<'_>, who: &Principal, operation: &str, id: &str) -> Call {
    company.by(who, operation).slot(SlotKind::TeamRole, id)
}

async fn create(company: &Company<'_>, name: &str) -> Result<String, Stop> {
    let body = json!({ "name": name, "description": company.tenant.text("about") });
    let id = company.admin("team-role-create").json(body).gives(201).await?.text_at("/id")?;
    company.world().data.adopt(&company.tenant, SlotKind::TeamRole, &id)?;
    Ok(id)
}

async fn names(company: &Company<'_>) -> Result<Vec<String>, Stop> {
    let listed = company.admin("team-role-list").items().await?;
    let mut names: Vec<String> =
        listed.iter().filter_map(|part| part["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Gives a member a part in a team.
fn give(company: &Company<'_>, team: &str, user: &Principal, part: &str) -> Call {
    let body = json!({ "teamRoleId": part });
    company.admin("team-member-update").team(team).member(&user.subject).json(body)
}

async fn part_of(company: &Company<'_>, team: &str, user: &Principal) -> Result<String, Stop> {
    let member = company.admin("team-member-get").team(team).member(&user.subject).gives(200).await?;
    Ok(member.text_at("/teamRole")?)
}

#[rstest]
fn one_is_made_read_changed_and_deleted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        world.equal("at the beginning", names(&acme).await?, BUILT_IN.map(str::to_owned).to_vec())?;
        let name = acme.tenant.text("deputy");
        let id = create(&acme, &name).await?;

        let read = on(&acme, &acme.admin, "team-role-get", &id).gives(200).await?.json();
        world.equal("its name", &read["name"], &json!(name))?;
        world.equal("built in", &read["isSystem"], &json!(false))?;
        world.must(names(&acme).await?.contains(&name), "it is in the list")?;

        let other = acme.tenant.text("second");
        on(&acme, &acme.admin, "team-role-update", &id).json(json!({ "name": other })).gives(200).await?;
        let read = on(&acme, &acme.admin, "team-role-get", &id).gives(200).await?.json();
        world.equal("its new name", &read["name"], &json!(other))?;
        world.must(read["description"].is_string(), "the description stays")?;

        on(&acme, &acme.admin, "team-role-delete", &id).gives(204).await?;
        for operation in ["team-role-get", "team-role-delete"] {
            on(&acme, &acme.admin, operation, &id).gives(404).await?;
        }
        on(&acme, &acme.admin, "team-role-update", &id).json(json!({ "name": other })).gives(404).await?;
        world.equal("at the end", names(&acme).await?, BUILT_IN.map(str::to_owned).to_vec())?;
        let kept = async |table: &Table| {
            let item = acme.item(table, &format!("TEAMROLE#{id}")).await?;
            world.equal("active", item.get("active"), Some(&json!(false)))?;
            world.equal("its organisation", text(&item, "organisationId"), acme.org())
        };
        world.stored("The store keeps it as deleted", kept).await
    });
}

#[rstest]
#[case::the_lead("lead")]
#[case::a_member("member")]
#[case::a_guest("guest")]
fn a_built_in_one_is_nobodys_to_change(#[context] context: Context, #[case] name: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let id = acme.part(name).await?;
        let before = on(&acme, &acme.admin, "team-role-get", &id).gives(200).await?.json();
        world.equal("built in", &before["isSystem"], &json!(true))?;

        let rename = json!({ "name": acme.tenant.text("x") });
        on(&acme, &acme.admin, "team-role-update", &id).json(rename).gives(409).await?;
        on(&acme, &acme.admin, "team-role-update", &id)
            .json(json!({ "description": "x" }))
            .gives(409)
            .await?;
        on(&acme, &acme.admin, "team-role-delete", &id).gives(409).await?;
        world.equal(
            "afterwards",
            on(&acme, &acme.admin, "team-role-get", &id).gives(200).await?.json(),
            before,
        )
    });
}

#[rstest]
#[case::to_the_letter("lead")]
#[case::in_capitals("LEAD")]
#[case::between_blanks(" lead ")]
fn the_name_of_a_built_in_one_is_taken(#[context] context: Context, #[case] name: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let own = create(&acme, &acme.tenant.text("deputy")).await?;
        acme.admin("team-role-create").json(json!({ "name": name })).gives(409).await?;
        on(&acme, &acme.admin, "team-role-update", &own).json(json!({ "name": name })).gives(409).await?;
        world.equal("how many there are", names(&acme).await?.len(), 4)
    });
}

#[rstest]
#[case::without_a_name(json!({ "description": "x" }), "")]
#[case::with_an_empty_name(json!({ "name": "" }), "/name")]
#[case::with_a_name_too_long(json!({ "name": "x".repeat(101) }), "/name")]
#[case::with_two_lines_as_name(json!({ "name": "a\nb" }), "/name")]
#[case::with_a_description_too_long(json!({ "name": "a", "description": "x".repeat(501) }), "/description")]
#[case::that_says_it_is_built_in(json!({ "name": "a", "isSystem": true }), "/isSystem")]
fn one_is_refused(#[context] context: Context, #[case] body: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let refused = acme.admin("team-role-create").json(body).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), pointer)?;
        world.equal("how many there are", names(&acme).await?.len(), 3)
    });
}

#[rstest]
fn a_member_has_it_and_leads_nothing_by_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let bea = acme.user("SITE_VIEWER").await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let name = acme.tenant.text("leader");
        let part = create(&acme, &name).await?;

        give(&acme, &team, &ann, &part).gives(200).await?;

        world.equal("her part", &part_of(&acme, &team, &ann).await?, &name)?;
        let add = || acme.by(&ann, "team-member-add").team(&team).json(json!({ "userId": bea.subject }));
        add().gives(403).await?;
        give(&acme, &team, &ann, &acme.part("lead").await?).gives(200).await?;
        add().gives(201).await?;
        Ok(())
    });
}

#[rstest]
fn a_deleted_one_stays_with_who_has_it_and_is_given_to_nobody(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, bea) = (acme.user("SITE_VIEWER").await?, acme.user("SITE_VIEWER").await?);
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let name = acme.tenant.text("deputy");
        let part = create(&acme, &name).await?;
        give(&acme, &team, &ann, &part).gives(200).await?;

        on(&acme, &acme.admin, "team-role-delete", &part).gives(204).await?;

        world.equal("her part", &part_of(&acme, &team, &ann).await?, &name)?;
        let join = json!({ "userId": bea.subject, "teamRoleId": part });
        acme.admin("team-member-add").team(&team).json(join).gives(404).await?;
        acme.join_team(&team, &bea).await?;
        give(&acme, &team, &bea, &part).gives(404).await?;
        world.equal("the other's part", part_of(&acme, &team, &bea).await?.as_str(), "member")
    });
}

#[rstest]
fn a_member_shows_the_name_of_when_it_was_given(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let (old, new) = (acme.tenant.text("deputy"), acme.tenant.text("second"));
        let part = create(&acme, &old).await?;
        give(&acme, &team, &ann, &part).gives(200).await?;
        on(&acme, &acme.admin, "team-role-update", &part).json(json!({ "name": new })).gives(200).await?;

        world.equal("as it was given", &part_of(&acme, &team, &ann).await?, &old)?;
        give(&acme, &team, &ann, &part).gives(200).await?;
        world.equal("given again", &part_of(&acme, &team, &ann).await?, &new)
    });
}

#[rstest]
#[case::org_admin("ORG_ADMIN", 200, 201)]
#[case::org_manager("ORG_MANAGER", 200, 403)]
#[case::site_editor("SITE_EDITOR", 403, 403)]
fn who_may_read_and_who_may_write(
    #[context] context: Context,
    #[case] role: &str,
    #[case] read: u16,
    #[case] write: u16,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let user = acme.user(role).await?;
        let id = create(&acme, &acme.tenant.text("deputy")).await?;
        acme.by(&user, "team-role-list").gives(read).await?;
        on(&acme, &user, "team-role-get", &id).gives(read).await?;
        let body = || json!({ "name": acme.tenant.text("x") });
        acme.by(&user, "team-role-create").json(body()).gives(write).await?;
        let (changed, deleted) = if write == 201 { (200, 204) } else { (403, 403) };
        on(&acme, &user, "team-role-update", &id).json(body()).gives(changed).await?;
        on(&acme, &user, "team-role-delete", &id).gives(deleted).await?;
        Ok(())
    });
}

#[rstest]
fn another_organisations_is_not_there(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let name = acme.tenant.text("deputy");
        let id = create(&acme, &name).await?;
        for operation in ["team-role-get", "team-role-delete"] {
            on(&globex, &globex.admin, operation, &id).gives(404).await?;
            on(&acme, &globex.admin, operation, &id).gives(404).await?;
        }
        let rename = on(&globex, &globex.admin, "team-role-update", &id);
        rename.json(json!({ "name": globex.tenant.text("x") })).gives(404).await?;
        world.equal("their list", names(&globex).await?, BUILT_IN.map(str::to_owned).to_vec())?;
        let read = on(&acme, &acme.admin, "team-role-get", &id).gives(200).await?;
        world.equal("the name", read.text_at("/name")?, name)
    });
}

#[rstest]
fn each_change_is_on_record_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let id = create(&acme, &acme.tenant.text("deputy")).await?;
        let rename = json!({ "name": acme.tenant.text("second") });
        on(&acme, &acme.admin, "team-role-update", &id).json(rename).gives(200).await?;
        on(&acme, &acme.admin, "team-role-delete", &id).gives(204).await?;
        let told = acme.log().await?.about(&id);
        let expected = ["CREATE", "DELETE", "UPDATE"].map(|what| format!("CONFIGURATION {what} SUCCESS"));
        world.equal("events", told.what(), expected.to_vec())?;
        let kind = told.0.iter().all(|event| event.resource_type == "TEAM_ROLE");
        world.must(kind, format!("all of a team role, found {told:?}"))
    });
}
