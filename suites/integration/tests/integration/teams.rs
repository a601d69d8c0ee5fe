//! Teams: who is in them, who sees them, how they are counted.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;

#[rstest]
fn whoever_creates_a_team_is_its_first_member(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let team = world.data.teams().create(&acme, &admin).await?;

        let members = world.api.call("team-member-list").as_(&admin).org(&acme.org).team(&team);
        let members = members.send().await?.expect(200)?.array_at("/items")?;
        world.must(
            members.len() == 1 && members[0]["userId"] == json!(admin.subject),
            format!("the creator alone, found {members:?}"),
        )
    });
}

#[rstest]
fn members_are_counted_as_they_come_and_go(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let ann = world.data.users().create(&acme, "ann", None).await?;
        let team = world.data.teams().create(&acme, &admin).await?;
        let count = async || -> Result<serde_json::Value, harness::world::Stop> {
            let team = world
                .api
                .call("team-get")
                .as_(&admin)
                .org(&acme.org)
                .team(&team)
                .send()
                .await?
                .expect(200)?;
            Ok(team.json()["memberCount"].clone())
        };

        world.must(count().await? == json!(1), "one member at first")?;
        world.data.teams().add_member(&acme, &admin, &team, &ann.subject).await?;
        world.must(count().await? == json!(2), "two after adding one")?;
        let twice =
            world.api.call("team-member-add").as_(&admin).org(&acme.org).team(&team).user(&ann.subject);
        twice.send().await?.expect(409)?;
        world.must(count().await? == json!(2), "still two after adding her again")?;
        let remove =
            world.api.call("team-member-remove").as_(&admin).org(&acme.org).team(&team).member(&ann.subject);
        remove.send().await?.expect(204)?;
        world.must(count().await? == json!(1), "one after removing her")
    });
}

#[rstest]
fn a_list_shows_the_teams_of_one_organisation_only(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let globex = world.data.organisations().create("globex").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let other = world.data.users().create(&globex, "other-tenant", Some("ORG_ADMIN")).await?;
        let ours = world.data.teams().create(&acme, &admin).await?;
        world.data.teams().create(&globex, &other).await?;

        let list = world.api.call("team-list").as_(&admin).org(&acme.org).send().await?.expect(200)?;
        let items = list.array_at("/items")?;
        world.must(
            items.len() == 1 && items[0]["id"] == json!(ours),
            format!("our one team, found {items:?}"),
        )?;
        world.api.call("team-list").as_(&admin).org(&globex.org).send().await?.expect(404)?;
        Ok(())
    });
}

#[rstest]
fn a_member_of_two_organisations_sees_each_by_its_own_path(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let globex = world.data.organisations().create("globex").await?;
        let ann = world.data.users().create(&acme, "member-of-two", Some("ORG_ADMIN")).await?;
        let ann = world.data.users().join(&globex, &ann, Some("ORG_ADMIN")).await?;
        let in_acme = world.data.teams().create(&acme, &ann).await?;
        let in_globex = world.data.teams().create(&globex, &ann).await?;

        for (tenant, team, foreign) in [(&acme, &in_acme, &in_globex), (&globex, &in_globex, &in_acme)] {
            let list = world.api.call("team-list").as_(&ann).org(&tenant.org).send().await?.expect(200)?;
            world.must(
                list.body.contains(team.as_str()) && !list.body.contains(foreign.as_str()),
                "the path's own team alone",
            )?;
            world.api.call("team-get").as_(&ann).org(&tenant.org).team(foreign).send().await?.expect(404)?;
        }
        Ok(())
    });
}

#[rstest]
fn who_only_reads_teams_sees_the_ones_they_belong_to(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let viewer = world.data.users().create(&acme, "site-viewer", Some("SITE_VIEWER")).await?;
        let hers = world.data.teams().create(&acme, &admin).await?;
        let other = world.data.teams().create(&acme, &admin).await?;
        world.data.teams().add_member(&acme, &admin, &hers, &viewer.subject).await?;

        let list = world
            .api
            .call("team-list")
            .as_(&viewer)
            .org(&acme.org)
            .send()
            .await?
            .expect(200)?
            .array_at("/items")?;
        world
            .must(list.len() == 1 && list[0]["id"] == json!(hers), format!("her one team, found {list:?}"))?;
        world.api.call("team-get").as_(&viewer).org(&acme.org).team(&hers).send().await?.expect(200)?;
        world.api.call("team-get").as_(&viewer).org(&acme.org).team(&other).send().await?.expect(404)?;
        Ok(())
    });
}
