//! What one organisation has is in no list that another's administrator reads.

use rstest::{Context, rstest};
use suites_integration::Tenancy;

use super::{world, world_of_roles};

#[rstest]
fn what_one_organisation_makes_is_in_no_list_of_another(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, globex) = (Tenancy::found(world, "acme").await?, Tenancy::found(world, "globex").await?);
        let mut made = vec![acme.tenant.org.clone()];

        let team = async || {
            let team = world.data.teams().create(&acme.tenant, &acme.admin).await?;
            acme.lists(acme.admin("team-list"), &team, true).await?;
            made.push(team);
            Ok(())
        };
        let title = "1. One organisation creates a team, and lists it";
        world.where_served(title, &["team-create", "team-list"], team).await?;

        let role = async || {
            let role = world.data.roles().create(&acme.tenant, &acme.admin).await?;
            acme.lists(acme.admin("role-list"), &role, true).await?;
            made.push(role);
            Ok(())
        };
        let title = "2. It creates a role, and lists it";
        world.where_served(title, &["role-create", "role-list"], role).await?;

        let invitation = async || {
            let (role, _) = acme.invited().await?;
            let invitation = acme.invite(&role).await?;
            acme.lists(acme.admin("invitation-list"), &invitation.id, true).await?;
            made.push(invitation.id);
            Ok(())
        };
        let title = "3. It invites somebody, and lists the invitation";
        world.where_served(title, &["invitation-create", "invitation-list"], invitation).await?;

        world.step("4. The other's administrator finds none of it in any list of their own");
        globex.finds_none_of(&made).await?;

        world.step("5. Nor may they read the lists of the first");
        globex.is_refused_by(&acme).await
    });
}

#[rstest]
fn members_of_one_organisation_are_in_no_list_of_another(#[context] context: Context) {
    world_of_roles(&context).tell(async |world| {
        world.must_serve(&["member-list"])?;
        let (acme, globex) = (Tenancy::found(world, "acme").await?, Tenancy::found(world, "globex").await?);

        world.step("1. One organisation has a new member, and lists them");
        let ann = acme.member("ann").await?;
        acme.lists(acme.admin("member-list"), &ann.subject, true).await?;

        world.step("2. The other's administrator finds none of it in any list of their own");
        globex.finds_none_of(&[acme.tenant.org.clone(), ann.subject]).await?;

        world.step("3. Nor may they read the lists of the first");
        globex.is_refused_by(&acme).await
    });
}
