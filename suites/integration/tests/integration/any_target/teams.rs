//! A team, from its creation to its end, and somebody in it.

use rstest::{Context, rstest};
use suites_integration::Tenancy;

use super::world;

#[rstest]
fn a_team_is_created_changed_and_deleted(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.must_serve(&["team-create", "team-list"])?;
        let acme = Tenancy::found(world, "acme").await?;

        world.step("1. The administrator creates a team");
        let team = world.data.teams().create(&acme.tenant, &acme.admin).await?;

        world.step("2. It is listed");
        acme.lists(acme.admin("team-list"), &team, true).await?;

        let change = async || {
            acme.changes(acme.admin("team-update").team(&team), acme.admin("team-list")).await?;
            acme.lists(acme.admin("team-list"), &team, true).await
        };
        world.where_served("3. It is changed, and still listed", &["team-update"], change).await?;

        let delete = async || {
            acme.done(acme.admin("team-delete").team(&team)).await?;
            acme.lists(acme.admin("team-list"), &team, false).await
        };
        world.where_served("4. It is deleted, and listed no more", &["team-delete"], delete).await
    });
}

#[rstest]
fn somebody_is_in_a_team_from_when_they_are_added_until_they_are_removed(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.must_serve(&["team-create", "team-member-add", "team-member-list"])?;
        let acme = Tenancy::found(world, "acme").await?;
        let ann = acme.member("ann").await?;
        let team = world.data.teams().create(&acme.tenant, &acme.admin).await?;
        let members = || acme.admin("team-member-list").team(&team);

        world.step("1. A member of the organisation is not in the team");
        acme.lists(members(), &ann.subject, false).await?;

        world.step("2. They are added, and shown among its members");
        acme.done(acme.on(&ann, "team-member-add")?.team(&team)).await?;
        acme.lists(members(), &ann.subject, true).await?;

        let remove = async || {
            acme.done(acme.on(&ann, "team-member-remove")?.team(&team)).await?;
            acme.lists(members(), &ann.subject, false).await
        };
        let title = "3. They are removed, and shown no more";
        world.where_served(title, &["team-member-remove"], remove).await
    });
}
