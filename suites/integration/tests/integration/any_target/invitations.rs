//! An invitation is good for the invited, once, and as long as nobody ended it.

use harness::contract::{Operation, SlotKind};
use harness::identity::Principal;
use harness::world::Stop;
use rstest::{Context, rstest};
use suites_integration::Tenancy;

use super::world;

/// Nobody could tell what to try.
const NOT_SAID: &str = "steps skipped because nothing says what the role of an invitation permits";

#[rstest]
fn whoever_accepts_an_invitation_is_in_and_nobody_else(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.must_serve(&["invitation-create", "invitation-accept"])?;
        let acme = Tenancy::found(world, "acme").await?;
        let (role, read) = acme.invited().await?;

        world.step("1. The administrator invites somebody");
        let invitation = acme.invite(&role).await?;
        let invitee = &invitation.invitee;

        let listed = async || acme.lists(acme.admin("invitation-list"), &invitation.id, true).await;
        world.where_served("2. The invitation is listed", &["invitation-list"], listed).await?;

        let viewed = async || {
            acme.done(acme.with(&invitation, invitee, "invitation-view")).await?;
            Ok(())
        };
        world.where_served("3. The invitee looks at it", &["invitation-view"], viewed).await?;

        world.step("4. Somebody else cannot accept it");
        let other = world.data.users().person("somebody-else").await?;
        acme.refused(acme.with(&invitation, &other, "invitation-accept")).await?;

        members_read(&acme, "5. The invitee is refused what members may", read.as_ref(), invitee, false)
            .await?;

        world.step("6. The invitee accepts");
        acme.done(acme.with(&invitation, invitee, "invitation-accept")).await?;
        world.data.adopt(&acme.tenant, SlotKind::User, &invitee.subject)?;
        let member = world.data.invitations().accepted(&acme.tenant, &invitation);

        members_read(&acme, "7. They may now do what members may", read.as_ref(), &member, true).await?;

        world.step("8. The same invitation cannot be accepted again");
        acme.too_late(acme.with(&invitation, &member, "invitation-accept")).await
    });
}

#[rstest]
#[case::cancelled("invitation-cancel")]
#[case::declined("invitation-decline")]
fn an_invitation_cannot_be_accepted_once_it_was(#[context] context: Context, #[case] end: &str) {
    world(&context).tell(async |world| {
        world.must_serve(&["invitation-create", "invitation-accept", end])?;
        let acme = Tenancy::found(world, "acme").await?;
        let (role, read) = acme.invited().await?;
        let invitation = acme.invite(&role).await?;

        world.step("1. The invitation is ended before it was accepted");
        let is_the_invitees = end == "invitation-decline";
        let who = if is_the_invitees { &invitation.invitee } else { &acme.admin };
        acme.done(acme.with(&invitation, who, end)).await?;

        world.step("2. The invitee cannot accept it");
        acme.too_late(acme.with(&invitation, &invitation.invitee, "invitation-accept")).await?;

        members_read(&acme, "3. Nor are they in", read.as_ref(), &invitation.invitee, false).await
    });
}

/// A step in which somebody reads what members may, and is in or not; skipped where nothing says what that is.
async fn members_read(
    acme: &Tenancy<'_>,
    title: &str,
    read: Option<&Operation>,
    who: &Principal,
    is_in: bool,
) -> Result<(), Stop> {
    let Some(read) = read else {
        acme.world().skip_step(title, NOT_SAID);
        return Ok(());
    };
    acme.world().step(title);
    let call = acme.by(who, &read.name);
    if is_in { acme.done(call).await.map(drop) } else { acme.refused(call).await }
}
