//! A member's role: what it permits comes and goes with it, and with the membership.

use harness::contract::SlotKind;
use harness::world::Stop;
use rstest::{Context, rstest};
use suites_integration::Tenancy;

use super::world_of_roles;

#[rstest]
fn a_promoted_member_may_more_until_they_are_demoted(#[context] context: Context) {
    world_of_roles(&context).tell(async |world| {
        world.must_serve(&["member-role-set"])?;
        let acme = Tenancy::found(world, "acme").await?;
        let ann = acme.member("ann").await?;
        let (_, higher) = acme.told_apart(&ann).await?;
        let Some(usual) = world.data.users().usual_role() else {
            return Err(Stop::skip("members get in without a role to be demoted to"));
        };
        let highest = &world.system.target.vocabulary.admin_role;
        let set = async |role: &str| {
            acme.done(acme.on(&ann, "member-role-set")?.slot(SlotKind::PlatformRole, role)).await
        };

        world.step("1. A member is refused what takes a higher role");
        acme.refused(acme.by(&ann, &higher.name)).await?;

        world.step("2. They are promoted, and may do it");
        set(highest).await?;
        acme.done(acme.by(&ann, &higher.name)).await?;

        world.step("3. They are demoted, and may do it no more");
        set(&usual).await?;
        acme.refused(acme.by(&ann, &higher.name)).await?;

        world.step("4. The administrator still may");
        acme.done(acme.admin(&higher.name)).await?;
        Ok(())
    });
}

#[rstest]
fn a_removed_member_may_nothing_and_the_others_what_they_might(#[context] context: Context) {
    world_of_roles(&context).tell(async |world| {
        world.must_serve(&["member-remove"])?;
        let acme = Tenancy::found(world, "acme").await?;
        let (ann, bob) = (acme.member("ann").await?, acme.member("bob").await?);
        let (read, _) = acme.told_apart(&ann).await?;

        world.step("1. Two members may do what members may");
        for member in [&ann, &bob] {
            acme.done(acme.by(member, &read.name)).await?;
        }

        world.step("2. One is removed, and refused");
        acme.done(acme.on(&ann, "member-remove")?).await?;
        acme.refused(acme.by(&ann, &read.name)).await?;

        world.step("3. The other still may");
        acme.done(acme.by(&bob, &read.name)).await?;

        let listed = async || {
            acme.lists(acme.admin("member-list"), &ann.subject, false).await?;
            acme.lists(acme.admin("member-list"), &bob.subject, true).await
        };
        world.where_served("4. The list of members has the one who stayed", &["member-list"], listed).await
    });
}
