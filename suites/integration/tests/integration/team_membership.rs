//! Who is in a team: coming, going, parts, and the lead who may see to it.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::client::Call;
use harness::identity::Principal;
use harness::stores::Table;
use harness::world::Stop;
use suites_integration::{Company, Gives as _, text};

fn add(acme: &Company<'_>, adder: &Principal, team: &str, user: &Principal) -> Call {
    acme.by(adder, "team-member-add").team(team).json(json!({ "userId": user.subject }))
}

fn remove(acme: &Company<'_>, remover: &Principal, team: &str, user: &Principal) -> Call {
    acme.by(remover, "team-member-remove").team(team).member(&user.subject)
}

fn give_part(acme: &Company<'_>, giver: &Principal, team: &str, user: &Principal, part: &str) -> Call {
    let body = json!({ "teamRoleId": part });
    acme.by(giver, "team-member-update").team(team).member(&user.subject).json(body)
}

#[rstest]
fn members_are_counted_as_they_come_and_go(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let team = acme.team().await?;

        world.equal("at first", acme.member_count(&team).await?, 1)?;
        add(&acme, &acme.admin, &team, &ann).gives(201).await?;
        world.equal("after adding one", acme.member_count(&team).await?, 2)?;
        add(&acme, &acme.admin, &team, &ann).gives(409).await?;
        world.equal("after adding her again", acme.member_count(&team).await?, 2)?;
        remove(&acme, &acme.admin, &team, &ann).gives(204).await?;
        world.equal("after removing her", acme.member_count(&team).await?, 1)?;
        remove(&acme, &acme.admin, &team, &ann).gives(404).await?;
        world.equal("after removing her again", acme.member_count(&team).await?, 1)
    });
}

#[rstest]
fn a_membership_is_stored_with_the_team_and_with_the_user_and_removed_from_both(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let team = acme.team().await?;
        let items = async |table: &Table| -> Result<[bool; 2], Stop> {
            let with_team = table.get(&format!("TEAM#{team}"), &format!("USER#{}", ann.subject)).await?;
            let with_user = acme.item_of(table, &ann, &format!("TEAM#{team}")).await?;
            Ok([with_team.is_some(), !with_user.is_empty()])
        };

        add(&acme, &acme.admin, &team, &ann).gives(201).await?;
        let there = async |table: &Table| {
            world.equal("with the team, with the user", items(table).await?, [true, true])
        };
        world.stored("The store holds it in both places", there).await?;
        remove(&acme, &acme.admin, &team, &ann).gives(204).await?;
        let gone = async |table: &Table| {
            world.equal("with the team, with the user", items(table).await?, [false, false])?;
            let item = acme.item(table, &format!("TEAM#{team}")).await?;
            world.equal("memberCount", item.get("memberCount"), Some(&json!(1)))
        };
        world.stored("The store holds it in neither", gone).await
    });
}

#[rstest]
fn a_member_is_shown_with_their_part_and_who_added_them(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let team = acme.team().await?;
        let guest = acme.part("guest").await?;
        let body = json!({ "userId": ann.subject, "teamRoleId": guest });
        acme.admin("team-member-add").team(&team).json(body).gives(201).await?;

        let shown = acme.admin("team-member-get").team(&team).member(&ann.subject).gives(200).await?;
        world.equal("the part", shown.text_at("/teamRole")?.as_str(), "guest")?;
        world.equal("added by", &shown.text_at("/addedBy")?, &acme.admin.subject)?;
        let listed = acme.admin("team-member-list").team(&team).items().await?;
        world.must(listed.contains(&shown.json()), format!("the same in the list, found {listed:?}"))
    });
}

#[rstest]
fn somebody_of_another_organisation_cannot_be_added_and_looks_absent(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let team = acme.team().await?;
        let nobody = world.data.users().stranger("nobody")?;

        let foreign = add(&acme, &acme.admin, &team, &globex.admin).gives(404).await?;
        let absent = add(&acme, &acme.admin, &team, &nobody).gives(404).await?;
        world.equal("the answer for a foreign user", foreign.body, absent.body)?;
        world.equal("members", acme.member_count(&team).await?, 1)
    });
}

#[rstest]
fn a_part_of_another_organisation_cannot_be_given(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.newcomer().await?;
        let team = acme.team().await?;
        let foreign = globex.part("lead").await?;

        let body = json!({ "userId": ann.subject, "teamRoleId": foreign });
        acme.admin("team-member-add").team(&team).json(body).gives(404).await?;
        acme.join_team(&team, &ann).await?;
        give_part(&acme, &acme.admin, &team, &ann, &foreign).gives(404).await?;
        let shown = acme.admin("team-member-get").team(&team).member(&ann.subject).gives(200).await?;
        world.equal("the part", shown.text_at("/teamRole")?.as_str(), "member")
    });
}

#[rstest]
fn a_lead_adds_and_removes_members_of_that_team_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [lead, ann] = [acme.newcomer().await?, acme.newcomer().await?];
        let [hers, other] = [acme.team().await?, acme.team().await?];
        acme.join_team(&hers, &lead).await?;
        acme.join_team(&other, &lead).await?;
        give_part(&acme, &acme.admin, &hers, &lead, &acme.part("lead").await?).gives(200).await?;

        add(&acme, &lead, &hers, &ann).gives(201).await?;
        remove(&acme, &lead, &hers, &ann).gives(204).await?;
        add(&acme, &lead, &other, &ann).gives(403).await?;
        acme.join_team(&other, &ann).await?;
        remove(&acme, &lead, &other, &ann).gives(403).await?;
        world.equal("members of the other team", acme.member_count(&other).await?, 3)
    });
}

#[rstest]
fn a_lead_may_not_give_parts_nor_change_the_team(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [lead, ann] = [acme.newcomer().await?, acme.newcomer().await?];
        let team = acme.team().await?;
        acme.join_team(&team, &lead).await?;
        acme.join_team(&team, &ann).await?;
        let part = acme.part("lead").await?;
        give_part(&acme, &acme.admin, &team, &lead, &part).gives(200).await?;

        give_part(&acme, &lead, &team, &ann, &part).gives(403).await?;
        let rename = json!({ "name": acme.tenant.text("renamed") });
        acme.by(&lead, "team-update").team(&team).json(rename).gives(403).await?;
        acme.by(&lead, "team-delete").team(&team).gives(403).await?;
        Ok(())
    });
}

#[rstest]
#[case::member("member")]
#[case::guest("guest")]
fn nobody_adds_or_removes_who_is_but_a(#[context] context: Context, #[case] part: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [bob, ann] = [acme.newcomer().await?, acme.newcomer().await?];
        let team = acme.team().await?;
        acme.join_team(&team, &bob).await?;
        give_part(&acme, &acme.admin, &team, &bob, &acme.part(part).await?).gives(200).await?;

        add(&acme, &bob, &team, &ann).gives(403).await?;
        remove(&acme, &bob, &team, &acme.admin).gives(403).await?;
        world.equal("members", acme.member_count(&team).await?, 2)
    });
}

#[rstest]
fn a_lead_who_is_made_a_member_leads_no_more_from_the_next_request_on(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [lead, ann] = [acme.newcomer().await?, acme.newcomer().await?];
        let team = acme.team().await?;
        acme.join_team(&team, &lead).await?;
        let make_them = async |part: &str| -> Result<Value, Stop> {
            let part = acme.part(part).await?;
            Ok(give_part(&acme, &acme.admin, &team, &lead, &part).gives(200).await?.json())
        };

        add(&acme, &lead, &team, &ann).gives(403).await?;
        make_them("lead").await?;
        add(&acme, &lead, &team, &ann).gives(201).await?;
        make_them("member").await?;
        remove(&acme, &lead, &team, &ann).gives(403).await?;
        let stored = async |table: &Table| {
            let with_user = acme.item_of(table, &lead, &format!("TEAM#{team}")).await?;
            world.equal("with the user", text(&with_user, "teamRole"), "member")?;
            let user = format!("USER#{}", lead.subject);
            let with_team = table.get(&format!("TEAM#{team}"), &user).await?.unwrap_or_default();
            world.equal("with the team", text(&with_team, "teamRole"), "member")
        };
        world.stored("The store says so in both places", stored).await
    });
}

#[rstest]
fn a_removed_lead_leads_no_more(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [lead, ann] = [acme.newcomer().await?, acme.newcomer().await?];
        let team = acme.team().await?;
        acme.join_team(&team, &lead).await?;
        give_part(&acme, &acme.admin, &team, &lead, &acme.part("lead").await?).gives(200).await?;

        remove(&acme, &acme.admin, &team, &lead).gives(204).await?;
        add(&acme, &lead, &team, &ann).gives(403).await?;
        Ok(())
    });
}

#[rstest]
fn a_user_without_roles_sees_their_own_teams_and_nobody_elses(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [ann, bob] = [acme.newcomer().await?, acme.newcomer().await?];
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let teams = |who: &Principal, whose: &Principal| acme.by(who, "user-team-list").user(&whose.subject);

        let own = teams(&ann, &ann).items().await?;
        world.must(own.len() == 1 && own[0]["id"] == json!(team), format!("her one team, found {own:?}"))?;
        world.equal("his teams", teams(&bob, &bob).items().await?.len(), 0)?;
        teams(&bob, &ann).gives(403).await?;
        teams(&acme.user("ORG_MANAGER").await?, &ann).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn an_editor_sees_the_members_of_their_own_teams_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let editor = acme.user("SITE_EDITOR").await?;
        let [hers, other] = [acme.team().await?, acme.team().await?];
        acme.join_team(&hers, &editor).await?;
        let members = |team: &str| acme.by(&editor, "team-member-list").team(team);

        world.equal("members of her team", members(&hers).items().await?.len(), 2)?;
        members(&other).gives(404).await?;
        let one = acme.by(&editor, "team-member-get").team(&other).member(&acme.admin.subject);
        one.gives(404).await?;
        Ok(())
    });
}

#[rstest]
fn a_viewer_sees_their_team_and_not_its_members(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;
        let team = acme.team().await?;
        acme.join_team(&team, &viewer).await?;

        acme.by(&viewer, "team-get").team(&team).gives(200).await?;
        acme.by(&viewer, "team-member-list").team(&team).gives(403).await?;
        Ok(())
    });
}

#[rstest]
fn all_teams_of_a_user_are_listed(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let mut teams = vec![acme.team().await?, acme.team().await?, acme.team().await?];
        acme.team().await?;
        for team in &teams {
            acme.join_team(team, &ann).await?;
        }
        teams.sort();
        world.equal("her teams", acme.teams_of(&ann).await?, teams)
    });
}
