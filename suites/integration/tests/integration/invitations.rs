//! What an invitation is good for, and what it is not.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::client::Answer;
use harness::data::{Invitation, Tenant};
use harness::identity::Principal;
use harness::world::{Stop, World};

/// An organisation with an administrator and an invitation as viewer.
async fn invited(world: &World) -> Result<(Tenant, Principal, Invitation), Stop> {
    let acme = world.data.organisations().create("acme").await?;
    let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
    let viewer = world.data.roles().by_name(&acme, &admin).await?["SITE_VIEWER"].clone();
    let invitation = world.data.invitations().create(&acme, &admin, &viewer, None).await?;
    Ok((acme, admin, invitation))
}

async fn accept(world: &World, principal: &Principal, token: &str) -> Result<Answer, Stop> {
    Ok(world.api.call("invitation-accept").as_(principal).invitation_token(token).send().await?)
}

async fn status(
    world: &World,
    acme: &Tenant,
    admin: &Principal,
    invitation: &Invitation,
) -> Result<String, Stop> {
    let call = world.api.call("invitation-get").as_(admin).org(&acme.org).invitation(&invitation.id);
    Ok(call.send().await?.expect(200)?.text_at("/status")?)
}

#[rstest]
fn only_the_invited_email_can_accept(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        let thief = world.data.users().stranger("thief")?;

        accept(world, &thief, &invitation.token).await?.expect(403)?;

        world.must(
            status(world, &acme, &admin, &invitation).await? == "PENDING",
            "still PENDING after the theft",
        )?;
        accept(world, &invitation.invitee, &invitation.token).await?.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn an_unverified_email_cannot_accept(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (_, _, invitation) = invited(world).await?;
        let unverified = invitation.invitee.with_claims(|claims| {
            claims.insert("email_verified".into(), false.into());
        });
        let unverified =
            unverified.ok_or_else(|| Stop::skip("the harness does not mint this target's tokens"))?;

        accept(world, &unverified, &invitation.token).await?.expect(403)?;
        accept(world, &invitation.invitee, &invitation.token).await?.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn the_case_of_an_email_does_not_matter(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (_, _, invitation) = invited(world).await?;
        let shouting = invitation.invitee.with_claims(|claims| {
            claims.insert("email".into(), invitation.invitee.email.to_uppercase().into());
        });
        let shouting =
            shouting.ok_or_else(|| Stop::skip("the harness does not mint this target's tokens"))?;
        accept(world, &shouting, &invitation.token).await?.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn a_cancelled_invitation_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        let cancel =
            world.api.call("invitation-cancel").as_(&admin).org(&acme.org).invitation(&invitation.id);
        cancel.send().await?.expect(200)?;

        accept(world, &invitation.invitee, &invitation.token).await?.expect(410)?;

        world.must(status(world, &acme, &admin, &invitation).await? == "CANCELLED", "CANCELLED is final")
    });
}

#[rstest]
fn a_declined_invitation_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        world.api.call("invitation-decline").invitation_token(&invitation.token).send().await?.expect(204)?;

        accept(world, &invitation.invitee, &invitation.token).await?.expect(410)?;

        world.must(status(world, &acme, &admin, &invitation).await? == "DECLINED", "DECLINED is final")
    });
}

#[rstest]
fn an_accepted_invitation_cannot_be_accepted_again(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (_, _, invitation) = invited(world).await?;
        accept(world, &invitation.invitee, &invitation.token).await?.expect(200)?;
        accept(world, &invitation.invitee, &invitation.token).await?.expect(410)?;
        world.api.call("invitation-view").invitation_token(&invitation.token).send().await?.expect(410)?;
        Ok(())
    });
}

#[rstest]
fn of_twenty_concurrent_acceptances_one_succeeds(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        let mut attempts = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let call = world
                .api
                .call("invitation-accept")
                .as_(&invitation.invitee)
                .invitation_token(&invitation.token);
            attempts.spawn(call.send());
        }
        let mut statuses = Vec::new();
        while let Some(done) = attempts.join_next().await {
            let answer = done.map_err(|error| Stop::error(error.to_string()))??;
            statuses.push(answer.status);
        }
        let accepted = statuses.iter().filter(|status| **status == 200).count();
        world.must(accepted == 1, format!("exactly one 200, found {statuses:?}"))?;

        let events = world.api.call("audit-list").as_(&admin).org(&acme.org).query("limit", &100);
        let events = events.send().await?.expect(200)?.array_at("/items")?;
        let successes =
            events.iter().filter(|e| e["action"] == "ACCEPT" && e["outcome"] == "SUCCESS").count();
        world.must(successes == 1, format!("exactly one successful ACCEPT in the log, found {successes}"))
    });
}

#[rstest]
fn a_resent_invitation_has_a_new_token_and_the_old_one_is_useless(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        let resend =
            world.api.call("invitation-resend").as_(&admin).org(&acme.org).invitation(&invitation.id);
        resend.send().await?.expect(200)?;
        let renewed = world.data.invitations().token(&acme, &invitation.invitee.email).await?;
        world.must(renewed != invitation.token, "another token than before")?;

        accept(world, &invitation.invitee, &invitation.token).await?.expect(404)?;
        accept(world, &invitation.invitee, &renewed).await?.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn nobody_invites_into_a_role_they_do_not_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let manager = world.data.users().create(&acme, "org-manager", Some("ORG_MANAGER")).await?;
        let roles = world.data.roles().by_name(&acme, &admin).await?;
        let accomplice = world.data.users().stranger("accomplice")?;

        let invite = |role: &str| {
            let body = json!({ "email": accomplice.email, "roleId": role });
            world.api.call("invitation-create").as_(&manager).org(&acme.org).json(body).send()
        };
        invite(&roles["ORG_ADMIN"]).await?.expect(403)?;
        invite(&roles["ORG_MANAGER"]).await?.expect(201)?;
        Ok(())
    });
}

#[rstest]
fn a_token_stands_in_no_answer(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (acme, admin, invitation) = invited(world).await?;
        let list = world.api.call("invitation-list").as_(&admin).org(&acme.org).send().await?.expect(200)?;
        let get = world.api.call("invitation-get").as_(&admin).org(&acme.org).invitation(&invitation.id);
        let get = get.send().await?.expect(200)?;
        world.must(!list.array_at("/items")?.is_empty(), "the list holds the invitation")?;
        for answer in [list, get] {
            world.must(
                !answer.body.contains(&invitation.token),
                format!("no token in {}", answer.exchange.operation),
            )?;
        }
        Ok(())
    });
}

#[rstest]
fn a_token_nobody_was_sent_is_not_found(#[context] context: Context) {
    world(&context).tell(async |world| {
        let (_, _, invitation) = invited(world).await?;
        let guess = "A".repeat(invitation.token.len());
        world.api.call("invitation-view").invitation_token(&guess).send().await?.expect(404)?;
        accept(world, &invitation.invitee, &guess).await?.expect(404)?;
        world.api.call("invitation-view").invitation_token(&invitation.token).send().await?.expect(200)?;
        Ok(())
    });
}
