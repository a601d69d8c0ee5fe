//! Flow 2: a team is created, gains a member with a part in it, and stays closed to everybody else.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::contract::SlotKind;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn a_team_is_managed_from_its_creation_to_its_audit_trail(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_EDITOR").await?;
        let other = acme.team().await?;

        world.step("1. The administrator creates a team");
        let body = json!({ "name": acme.tenant.text("team"), "description": acme.tenant.text("about") });
        let created = acme.admin("team-create").json(body).gives(201).await?;
        let team = created.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Team, &team)?;

        world.step("2. Its creator is its one member");
        world.equal("members", acme.member_count(&team).await?, 1)?;
        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("TEAM#{team}")).await?;
            world.equal("memberCount", item.get("memberCount"), Some(&json!(1)))?;
            world.equal("its organisation", text(&item, "organisationId"), acme.org())
        };
        world.stored("2a. The store holds the team with that count", stored).await?;

        world.step("3. The administrator adds a member");
        let add = acme.admin("team-member-add").team(&team).json(json!({ "userId": ann.subject }));
        let added = add.gives(201).await?;
        world.equal("the part given by default", added.text_at("/teamRole")?.as_str(), "member")?;

        let both = async |table: &Table| {
            let user = format!("USER#{}", ann.subject);
            let with_team = table.get(&format!("TEAM#{team}"), &user).await?.unwrap_or_default();
            world.equal("with the team", text(&with_team, "status"), "ACTIVE")?;
            world.equal("added by", text(&with_team, "addedBy"), acme.admin.subject.as_str())?;
            let with_user = acme.item_of(table, &ann, &format!("TEAM#{team}")).await?;
            world.equal("with the user", text(&with_user, "teamId"), team.as_str())
        };
        world.stored("4. The store holds the membership with the team and with the user", both).await?;

        world.step("5. The team counts two members");
        world.equal("members", acme.member_count(&team).await?, 2)?;

        world.step("6. The member is made the team's lead");
        let lead = json!({ "teamRoleId": acme.part("lead").await? });
        let part = acme.admin("team-member-update").team(&team).member(&ann.subject).json(lead);
        world.equal("the part", part.gives(200).await?.text_at("/teamRole")?.as_str(), "lead")?;

        world.step("7. The lead sees this team and no other, and nobody of another organisation sees it");
        world.equal("teams the lead sees", acme.teams_seen_by(&ann).await?, vec![team.clone()])?;
        acme.by(&ann, "team-get").team(&other).gives(404).await?;
        let globex = Company::found(world, "globex").await?;
        acme.by(&globex.admin, "team-get").team(&team).gives(404).await?;
        globex.admin("team-get").team(&team).gives(404).await?;

        world.step("8. The audit log tells of the team, each event once and by whom");
        let told = acme.log().await?.about(&team);
        let expected = [
            "CONFIGURATION CREATE SUCCESS",
            "TEAM_MEMBERSHIP ADD_MEMBER SUCCESS",
            "TEAM_MEMBERSHIP UPDATE_MEMBER SUCCESS",
        ];
        world.equal("the events", told.what(), expected.map(str::to_owned).to_vec())?;
        let by_admin = told.0.iter().all(|event| event.actor_id == acme.admin.subject);
        world.must(by_admin, format!("all of them by the administrator, found {told:?}"))
    });
}
