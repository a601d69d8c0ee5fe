//! Limits: how often something may be tried, and that whoever is told to wait has left nothing.

use std::time::Duration;

use fixtures::{Rate, Setup};
use harness::client::{Answer, Call};
use harness::data::{Invitation, fresh_email};
use harness::leak::random_code;
use harness::stores::Table;
use harness::wait;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;

use crate::{stage, world};
use suites_integration::{Company, Gives as _};

/// Three at once, and then one a minute: no story lasts that long.
const THREE: Rate = Rate { per_minute: 1, burst: 3 };
/// Three at once, and then one a second.
const THREE_AND_ONE_A_SECOND: Rate = Rate { per_minute: 60, burst: 3 };

fn few_invitations() -> Setup {
    Setup { invitations: Some(THREE), ..Setup::default() }
}

fn few_guesses() -> Setup {
    Setup { guesses: Some(THREE), ..Setup::default() }
}

/// Insists on 429 with a time after which to come again.
fn told_to_wait(world: &World, answer: &Answer) -> Result<(), Stop> {
    world.equal("the status", answer.status, 429)?;
    let seconds: u64 = answer.header("retry-after").parse().unwrap_or_default();
    world.must((1..=61).contains(&seconds), format!("1 to 61 seconds in Retry-After, found {seconds}"))
}

async fn invite(company: &Company<'_>, email: &str) -> Result<Call, Stop> {
    let body = json!({ "email": email, "roleId": company.predefined("SITE_VIEWER").await? });
    Ok(company.admin("invitation-create").json(body))
}

#[rstest]
fn an_organisation_invites_so_often_and_is_then_told_to_wait(#[context] context: Context) {
    stage(&context, few_invitations()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        for _ in 0..3 {
            acme.invite("SITE_VIEWER").await?;
        }
        let before = acme.log().await?;

        world.step("The fourth is refused, whoever of the organisation asks");
        let refused = fresh_email("fourth");
        told_to_wait(world, &invite(&acme, &refused).await?.send().await?)?;
        let manager = acme.user("ORG_MANAGER").await?;
        let body = json!({ "email": refused, "roleId": acme.predefined("SITE_VIEWER").await? });
        told_to_wait(world, &acme.by(&manager, "invitation-create").json(body).send().await?)?;

        world.step("Nothing of it is there");
        world.equal("mails", world.mailbox()?.to(&refused).len(), 0)?;
        world.equal("invitations", acme.admin("invitation-list").items().await?.len(), 3)?;
        let told = acme.log().await?.since(&before).only(|event| event.event_type == "INVITATION");
        world.equal("events", told.0, Vec::new())?;
        let stored = async |table: &Table| {
            let items = table.query(&format!("ORG#{}", acme.org()), "INVITATION#").await?;
            world.equal("invitations", items.len(), 3)
        };
        world.stored("The store holds three", stored).await?;

        world.step("Another organisation is not held up, nor is anything else of this one");
        let globex = Company::found(world, "globex").await?;
        globex.invite("SITE_VIEWER").await?;
        acme.team().await?;
        Ok(())
    });
}

#[rstest]
fn what_is_refused_for_another_reason_uses_nothing_up(#[context] context: Context) {
    stage(&context, few_invitations()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;
        let globex = Company::found(world, "globex").await?;
        for _ in 0..4 {
            let body = json!({ "email": fresh_email("x"), "roleId": acme.predefined("SITE_VIEWER").await? });
            acme.by(&viewer, "invitation-create").json(body.clone()).gives(403).await?;
            acme.by(&globex.admin, "invitation-create").json(body).gives(404).await?;
            invite(&acme, "nobody").await?.gives(422).await?;
        }
        for _ in 0..3 {
            acme.invite("SITE_VIEWER").await?;
        }
        told_to_wait(world, &invite(&acme, &fresh_email("x")).await?.send().await?)
    });
}

#[rstest]
fn after_waiting_an_organisation_invites_again(#[context] context: Context) {
    let setup = Setup { invitations: Some(THREE_AND_ONE_A_SECOND), ..Setup::default() };
    stage(&context, setup).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let mut sent = 0;
        let refused = loop {
            let answer = invite(&acme, &fresh_email("x")).await?.send().await?;
            if answer.status != 201 || sent > 100 {
                break answer;
            }
            sent += 1;
        };
        told_to_wait(world, &refused)?;
        wait::until("an invitation to be taken again", Duration::from_secs(10), || async {
            let again = invite(&acme, &fresh_email("x")).await.map_err(|stop| stop.reason)?;
            match again.send().await.map_err(|error| error.to_string())?.status {
                201 => Ok(()),
                other => Err(format!("status {other}")),
            }
        })
        .await?;
        Ok(())
    });
}

/// What may be done with the token of an invitation.
#[derive(Clone, Copy, Debug)]
enum Use {
    View,
    Accept,
    AcceptByPath,
    Decline,
}

impl Use {
    fn call(self, world: &World, invitation: &Invitation, token: &str) -> Call {
        let (operation, signed_in) = match self {
            Use::View => ("invitation-view", false),
            Use::Accept => ("invitation-accept", true),
            Use::AcceptByPath => ("invitation-accept-by-path", true),
            Use::Decline => ("invitation-decline", false),
        };
        let call = world.api.call(operation).invitation_token(token);
        if signed_in { call.as_(&invitation.invitee) } else { call }
    }
}

#[rstest]
#[case::looking(Use::View)]
#[case::accepting(Use::Accept)]
#[case::accepting_by_link(Use::AcceptByPath)]
#[case::declining(Use::Decline)]
fn whoever_guesses_tokens_is_not_even_told_when_one_is_right(#[context] context: Context, #[case] by: Use) {
    stage(&context, few_guesses()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let before = acme.log().await?;

        world.step("Three guesses find nothing, the fourth is one too many");
        for _ in 0..3 {
            by.call(world, &invitation, &random_code(43)).gives(404).await?;
        }
        told_to_wait(world, &by.call(world, &invitation, &random_code(43)).send().await?)?;

        world.step("From then on the right token is refused as any other, for whatever use");
        for other in [Use::View, Use::Accept, Use::AcceptByPath, Use::Decline] {
            told_to_wait(world, &other.call(world, &invitation, &invitation.token).send().await?)?;
        }

        world.step("Nothing came of it, and who needs no token is not held up");
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")?;
        world.equal("the log", acme.log().await?, before)
    });
}

#[rstest]
fn a_right_token_is_no_guess(#[context] context: Context) {
    stage(&context, few_guesses()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let guess = || world.api.call("invitation-view").invitation_token(&random_code(43)).gives(404);
        guess().await?;
        for _ in 0..10 {
            Use::View.call(world, &invitation, &invitation.token).gives(200).await?;
        }
        guess().await?;
        Use::Accept.call(world, &invitation, &invitation.token).gives(200).await?;
        // Used up, it opens nothing, but nobody guessed it.
        for _ in 0..5 {
            Use::View.call(world, &invitation, &invitation.token).gives(410).await?;
        }
        guess().await?;
        Ok(())
    });
}

#[rstest]
fn after_waiting_a_right_token_is_looked_at_again(#[context] context: Context) {
    let setup = Setup { guesses: Some(THREE_AND_ONE_A_SECOND), ..Setup::default() };
    stage(&context, setup).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let mut guesses = 0;
        let refused = loop {
            let answer = world.api.call("invitation-view").invitation_token(&random_code(43)).send().await?;
            if answer.status != 404 || guesses > 100 {
                break answer;
            }
            guesses += 1;
        };
        told_to_wait(world, &refused)?;
        wait::until("the right token to be looked at", Duration::from_secs(10), || async {
            let view = Use::View.call(world, &invitation, &invitation.token);
            match view.send().await.map_err(|error| error.to_string())?.status {
                200 => Ok(()),
                other => Err(format!("status {other}")),
            }
        })
        .await?;
        Ok(())
    });
}

#[rstest]
fn one_invitation_makes_four_mails_at_most(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        for _ in 0..3 {
            acme.on("invitation-resend", &invitation).gives(200).await?;
        }
        for _ in 0..3 {
            acme.on("invitation-resend", &invitation).gives(409).await?;
        }
        world.equal("mails", world.mailbox()?.to(&invitation.invitee.email).len(), 4)
    });
}
