//! Who can accept an invitation, until when, and what accepting gives.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::stores::Table;
use harness::world::Stop;
use suites_integration::{Company, Gives as _, accept, text, with_claim, with_email};

#[rstest]
fn only_the_invited_email_can_accept(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let thief = world.data.users().stranger("thief")?;

        accept(world, &thief, &invitation.token).gives(403).await?;

        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn an_unverified_email_cannot_accept(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let unverified = with_claim(&invitation.invitee, "email_verified", false)?;

        accept(world, &unverified, &invitation.token).gives(403).await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;
        Ok(())
    });
}

/// Cognito writes the truth values of attributes as strings.
#[rstest]
#[case::verified("true", 200)]
#[case::unverified("false", 403)]
fn an_email_is_as_verified_as_the_issuer_s_word_says(
    #[context] context: Context,
    #[case] said: &str,
    #[case] status: u16,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        let invitee = with_claim(&invitation.invitee, "email_verified", said)?;
        accept(world, &invitee, &invitation.token).gives(status).await?;
        Ok(())
    });
}

#[rstest]
fn the_token_alone_is_not_enough(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        world.api.call("invitation-accept").invitation_token(&invitation.token).gives(401).await?;
        world.api.call("invitation-accept-by-path").invitation_token(&invitation.token).gives(401).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}

/// The two addresses with a code in them that no other test has.
fn fresh(invited: &str, signed_in: &str) -> [String; 2] {
    let code = harness::leak::random_code(8);
    [invited, signed_in].map(|address| address.replace("CODE", &code))
}

#[rstest]
#[case::in_capitals("ann-CODE@watertight.invalid", "ANN-CODE@Watertight.Invalid")]
#[case::composed("ren\u{e9}-CODE@watertight.invalid", "rene\u{301}-CODE@watertight.invalid")]
#[case::composed_in_capitals("ren\u{e9}-CODE@watertight.invalid", "RENE\u{301}-CODE@watertight.invalid")]
fn two_spellings_of_one_address_are_one(
    #[context] context: Context,
    #[case] invited: &str,
    #[case] signed_in: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [invited, signed_in] = fresh(invited, signed_in);
        let invitee = with_email(&world.data.users().stranger("invitee")?, &invited)?;
        let invitation = acme.invite_person(&acme.admin, &invitee, "SITE_VIEWER").await?;

        accept(world, &with_email(&invitation.invitee, &signed_in)?, &invitation.token).gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::another_script("ann-CODE@watertight.invalid", "\u{430}nn-CODE@watertight.invalid")]
#[case::plus_address("ann-CODE@watertight.invalid", "ann-CODE+x@watertight.invalid")]
#[case::another_domain("ann-CODE@watertight.invalid", "ann-CODE@watertight.invalid.example")]
#[case::without_accent("ren\u{e9}-CODE@watertight.invalid", "rene-CODE@watertight.invalid")]
fn an_address_that_looks_alike_is_another(
    #[context] context: Context,
    #[case] invited: &str,
    #[case] signed_in: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let [invited, signed_in] = fresh(invited, signed_in);
        let invitee = with_email(&world.data.users().stranger("invitee")?, &invited)?;
        let invitation = acme.invite_person(&acme.admin, &invitee, "SITE_VIEWER").await?;

        let lookalike = with_email(&world.data.users().stranger("lookalike")?, &signed_in)?;
        accept(world, &lookalike, &invitation.token).gives(403).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}

#[rstest]
fn a_token_nobody_was_sent_is_not_found(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let guess = "A".repeat(invitation.token.len());

        let view = |token: &str| world.api.call("invitation-view").invitation_token(token);
        view(&guess).gives(404).await?;
        accept(world, &invitation.invitee, &guess).gives(404).await?;
        world.api.call("invitation-decline").invitation_token(&guess).gives(404).await?;
        view(&invitation.token).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_cancelled_invitation_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-cancel", &invitation).gives(200).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(410).await?;

        world.equal("the final status", acme.status(&invitation).await?.as_str(), "CANCELLED")
    });
}

#[rstest]
fn a_declined_invitation_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let decline = || world.api.call("invitation-decline").invitation_token(&invitation.token);
        decline().gives(204).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(410).await?;
        decline().gives(410).await?;

        world.equal("the final status", acme.status(&invitation).await?.as_str(), "DECLINED")
    });
}

#[rstest]
fn an_expired_invitation_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        world.data.invitations().expire(&acme.tenant, &invitation.id).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(410).await?;
        world.api.call("invitation-view").invitation_token(&invitation.token).gives(410).await?;
        world.api.call("invitation-decline").invitation_token(&invitation.token).gives(410).await?;

        world.equal("the status shown", acme.status(&invitation).await?.as_str(), "EXPIRED")
    });
}

#[rstest]
fn an_accepted_invitation_cannot_be_accepted_again(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let invitation = acme.invite_to(acme.predefined("SITE_VIEWER").await?, &[&team]).await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(410).await?;
        world.api.call("invitation-view").invitation_token(&invitation.token).gives(410).await?;
        world.api.call("invitation-decline").invitation_token(&invitation.token).gives(410).await?;

        world.equal("its status", acme.status(&invitation).await?.as_str(), "ACCEPTED")?;
        world.equal("members of the team", acme.member_count(&team).await?, 2)
    });
}

#[rstest]
#[case::acceptances("invitation-accept", 200, "ACCEPT")]
#[case::refusals("invitation-decline", 204, "DECLINE")]
fn one_succeeds_of_twenty_concurrent(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] success: u16,
    #[case] action: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let answer = world.api.call(operation).as_(&invitation.invitee).invitation_token(&invitation.token);
        let mut attempts = tokio::task::JoinSet::new();
        for _ in 0..20 {
            attempts.spawn(answer.clone().send());
        }
        let mut statuses = Vec::new();
        while let Some(done) = attempts.join_next().await {
            let answer = done.map_err(|error| Stop::error(error.to_string()))??;
            statuses.push(answer.status);
        }
        statuses.sort_unstable();
        let expected: Vec<u16> = std::iter::once(success).chain([410; 19]).collect();
        world.equal("the statuses", statuses, expected)?;

        let told = acme.log().await?.only(|event| event.action == action).ended("SUCCESS");
        world.equal("successes in the log", told.0.len(), 1)
    });
}

#[rstest]
#[case::in_the_body("invitation-accept")]
#[case::in_the_path("invitation-accept-by-path")]
fn the_token_may_be_given(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        let accept = world.api.call(operation).as_(&invitation.invitee).invitation_token(&invitation.token);
        let accepted = accept.gives(200).await?;

        world.equal("the invitation", &accepted.text_at("/id")?, &invitation.id)?;
        world.equal("whom it made a member", &accepted.text_at("/userId")?, &invitation.invitee.subject)?;
        world.equal("its status", accepted.text_at("/status")?.as_str(), "ACCEPTED")
    });
}

#[rstest]
fn an_invitation_without_a_team_gives_the_role_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.predefined("SITE_VIEWER").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;

        let member = acme.as_member(&invitation);
        world.equal("their teams", acme.teams_of(&member).await?, Vec::new())?;
        world.equal("their roles", acme.roles_of(&member).await?, vec![viewer.to_owned()])?;
        acme.by(&member, "team-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn an_invitation_into_several_teams_gives_each_of_them(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let mut teams = vec![acme.team().await?, acme.team().await?, acme.team().await?];
        let not_invited = acme.team().await?;
        let names: Vec<&str> = teams.iter().map(String::as_str).collect();
        let invitation = acme.invite_to(acme.predefined("SITE_VIEWER").await?, &names).await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;

        for team in &teams {
            world.equal("members of a team of the invitation", acme.member_count(team).await?, 2)?;
        }
        world.equal("members of another team", acme.member_count(&not_invited).await?, 1)?;
        teams.sort();
        world.equal("their teams", acme.teams_of(&acme.as_member(&invitation)).await?, teams)
    });
}

#[rstest]
fn a_member_who_accepts_gains_what_is_new_and_is_not_counted_twice(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let [hers, new] = [acme.team().await?, acme.team().await?];
        acme.join_team(&hers, &ann).await?;
        let editor = acme.predefined("SITE_EDITOR").await?;
        let body = json!({ "email": ann.email, "roleId": editor, "teamIds": [hers, new] });
        let invitation = acme.invitation(&acme.admin, ann.clone(), body).await?;

        accept(world, &ann, &invitation.token).gives(200).await?;

        world.equal("members of the team she was in", acme.member_count(&hers).await?, 2)?;
        world.equal("members of the new team", acme.member_count(&new).await?, 2)?;
        let mut both = vec![editor.to_owned(), acme.predefined("SITE_VIEWER").await?.to_owned()];
        both.sort();
        world.equal("her roles", acme.roles_of(&ann).await?, both)?;
        let created = acme.log().await?.about(&ann.subject).only(|event| event.actor_id == ann.subject);
        world.equal("events of a new user", created.what(), Vec::new())
    });
}

#[rstest]
fn a_member_elsewhere_belongs_to_both_organisations_after_accepting(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = globex.user("ORG_MANAGER").await?;
        let invitation = acme.invite_person(&acme.admin, &ann, "SITE_VIEWER").await?;
        acme.by(&ann, "team-list").gives(404).await?;

        accept(world, &ann, &invitation.token).gives(200).await?;

        let ann = harness::identity::Principal { entitlement: ann.entitlement.and(&acme.tenant.key), ..ann };
        acme.by(&ann, "team-list").gives(200).await?;
        acme.by(&ann, "role-list").gives(403).await?;
        globex.by(&ann, "role-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::lost_their_role(false)]
#[case::was_suspended(true)]
fn an_invitation_is_worth_nothing_once_its_inviter(#[context] context: Context, #[case] suspended: bool) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let invitee = world.data.users().stranger("invitee")?;
        let invitation = acme.invite_person(&manager, &invitee, "SITE_VIEWER").await?;
        if suspended {
            acme.set_status(&manager, "SUSPENDED").await?.expect(200)?;
        } else {
            let role = acme.predefined("ORG_MANAGER").await?;
            acme.unassign(&acme.admin, &manager, role).gives(204).await?;
        }

        accept(world, &invitation.invitee, &invitation.token).gives(409).await?;

        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")?;
        let nobody = async |table: &Table| {
            let membership = acme.item_of(table, &invitation.invitee, "MEMBERSHIP").await?;
            world.must(membership.is_empty(), format!("no membership, found {membership:?}"))
        };
        world.stored("The store holds no membership", nobody).await
    });
}

#[rstest]
#[case::was_switched_off("role-update", 200)]
#[case::was_deleted("role-delete", 204)]
fn an_invitation_is_worth_nothing_while_its_role(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] done: u16,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.role(&["site:read"]).await?;
        let invitation = acme.invite_to(&role, &[]).await?;
        let call = acme.admin(operation).role(&role);
        let call = if operation == "role-update" { call.json(json!({ "active": false })) } else { call };
        call.gives(done).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(409).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}

#[rstest]
fn a_role_that_grew_beyond_its_inviter_is_not_given(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let role = acme.role(&["site:read"]).await?;
        let invitee = world.data.users().stranger("invitee")?;
        let body = json!({ "email": invitee.email, "roleId": role });
        let invitation = acme.invitation(&manager, invitee, body).await?;
        acme.change_role(&role, json!({ "permissions": ["site:read", "audit:read"] })).gives(200).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(409).await?;
        Ok(())
    });
}

#[rstest]
fn an_invitation_into_a_team_deleted_meanwhile_cannot_be_accepted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let invitation = acme.invite_to(acme.predefined("SITE_VIEWER").await?, &[&team]).await?;
        acme.admin("team-delete").team(&team).gives(204).await?;

        accept(world, &invitation.invitee, &invitation.token).gives(409).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}

#[rstest]
#[case::suspended("SUSPENDED", 403)]
#[case::deleted("DELETED", 401)]
fn a_user_cannot_accept_who_is(#[context] context: Context, #[case] status: &str, #[case] refused: u16) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = globex.user("SITE_VIEWER").await?;
        let invitation = acme.invite_person(&acme.admin, &ann, "SITE_VIEWER").await?;
        globex.set_status(&ann, status).await?.expect(200)?;

        accept(world, &ann, &invitation.token).gives(refused).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}

#[rstest]
fn a_member_by_invitation_is_stored_like_any_other(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;
        let viewer = acme.predefined("SITE_VIEWER").await?;

        let stored = async |table: &Table| {
            let assignment = acme.item_of(table, &invitation.invitee, &format!("ROLE#{viewer}")).await?;
            world.equal("the assignment", text(&assignment, "status"), "ACTIVE")?;
            let giver = acme.admin.subject.as_str();
            world.equal("assigned by the inviter", text(&assignment, "assignedBy"), giver)?;
            let user = format!("USER#{}", invitation.invitee.subject);
            let profile = table.get(&user, "PROFILE").await?.unwrap_or_default();
            world.equal("the user's own record", text(&profile, "status"), "ACTIVE")
        };
        world.stored("The store holds profile and assignment", stored).await?;
        world.equal("their roles", acme.roles_of(&invitation.invitee).await?, vec![viewer.to_owned()])
    });
}
