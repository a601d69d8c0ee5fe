//! What an organisation does with invitations: create, list, resend, cancel.

use rstest::{Context, rstest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world;
use harness::data::fresh_email;
use harness::stores::Table;
use harness::world::Stop;
use suites_integration::{Company, Gives as _, accept, text};

#[rstest]
#[case::org_admin("ORG_ADMIN", 201)]
#[case::org_manager("ORG_MANAGER", 201)]
#[case::site_editor("SITE_EDITOR", 403)]
#[case::site_viewer("SITE_VIEWER", 403)]
fn who_may_invite(#[context] context: Context, #[case] role: &str, #[case] status: u16) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let inviter = acme.user(role).await?;
        let body =
            json!({ "email": fresh_email("invitee"), "roleId": acme.predefined("SITE_VIEWER").await? });
        acme.by(&inviter, "invitation-create").json(body).gives(status).await?;
        Ok(())
    });
}

#[rstest]
fn nobody_invites_into_a_role_they_do_not_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let accomplice = fresh_email("accomplice");

        let invite = |role: &str| {
            let body = json!({ "email": accomplice, "roleId": role });
            acme.by(&manager, "invitation-create").json(body)
        };
        invite(acme.predefined("ORG_ADMIN").await?).gives(403).await?;
        invite(acme.predefined("ORG_MANAGER").await?).gives(201).await?;
        Ok(())
    });
}

#[rstest]
fn an_invitation_says_by_whom_and_to_whom(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let invitee = world.data.users().stranger("invitee")?;
        let invitation = acme.invite_person(&manager, &invitee, "SITE_VIEWER").await?;

        let shown = acme.on("invitation-get", &invitation).gives(200).await?;
        world.equal("by whom", &shown.text_at("/createdBy")?, &manager.subject)?;
        world.equal("to whom", &shown.text_at("/email")?, &invitation.invitee.email)?;
        world.equal("accepted by", shown.json().get("acceptedBy"), None)?;

        let seen = world.api.call("invitation-view").invitation_token(&invitation.token).gives(200).await?;
        world.equal("the organisation", &seen.text_at("/organisationName")?, &acme.tenant.name)?;
        world.equal("the role", seen.text_at("/roleName")?.as_str(), "SITE_VIEWER")
    });
}

#[rstest]
fn it_is_good_for_seven_days_and_forgotten_a_day_later(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("INVITATION#{}", invitation.id)).await?;
            let [created, expires] = ["dateCreated", "expiresAt"].map(|name| seconds(text(&item, name)));
            world.equal("days until it expires", (expires - created) / DAY, 7)?;
            let ttl = item.get("ttl").and_then(Value::as_i64).unwrap_or_default();
            world.equal("seconds from expiry to oblivion", ttl - expires, DAY)
        };
        world.stored("The store holds both times", stored).await?;

        let shown = acme.on("invitation-get", &invitation).gives(200).await?.json();
        let [created, expires] = ["createdAt", "expiresAt"].map(|name| seconds_of(&shown, name));
        world.equal("days shown", (expires - created) / DAY, 7)
    });
}

const DAY: i64 = 86_400;

fn seconds(moment: &str) -> i64 {
    let format = time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(moment, &format).map_or(0, time::OffsetDateTime::unix_timestamp)
}

fn seconds_of(shown: &Value, name: &str) -> i64 {
    seconds(shown[name].as_str().unwrap_or_default())
}

#[rstest]
#[case::one_day(1, 201)]
#[case::thirty_days(30, 201)]
#[case::no_day(0, 422)]
#[case::thirty_one_days(31, 422)]
#[case::a_day_back(-1, 422)]
fn it_is_good_for_one_to_thirty_days(#[context] context: Context, #[case] days: i64, #[case] status: u16) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.predefined("SITE_VIEWER").await?;
        let body = json!({ "email": fresh_email("invitee"), "roleId": role, "expiresInDays": days });

        let answer = acme.admin("invitation-create").json(body).gives(status).await?;

        if status == 422 {
            return world.equal("the fault", answer.text_at("/errors/0/pointer")?.as_str(), "/expiresInDays");
        }
        let shown = answer.json();
        let lasts = seconds_of(&shown, "expiresAt") - seconds_of(&shown, "createdAt");
        world.equal("days", lasts / DAY, days)
    });
}

#[rstest]
#[case::no_address(json!({ "email": null }), "/email")]
#[case::a_role_that_is_no_text(json!({ "roleId": 7 }), "/roleId")]
#[case::teams_that_are_no_list(json!({ "teamIds": "all" }), "/teamIds")]
#[case::twenty_one_teams(json!({ "teamIds": vec!["team"; 21] }), "/teamIds")]
#[case::a_message_too_long(json!({ "message": "x".repeat(1001) }), "/message")]
#[case::a_control_character(json!({ "message": "bell \u{7}" }), "/message")]
#[case::a_member_unknown(json!({ "status": "ACCEPTED" }), "/status")]
fn an_invitation_is_refused_with(#[context] context: Context, #[case] fault: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let mut body =
            json!({ "email": fresh_email("invitee"), "roleId": acme.predefined("SITE_VIEWER").await? });
        for (name, value) in fault.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }

        let refused = acme.admin("invitation-create").json(body).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), pointer)?;
        world.equal("invitations", acme.admin("invitation-list").items().await?.len(), 0)
    });
}

#[rstest]
fn a_foreign_role_or_team_cannot_be_in_it_and_looks_absent(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let [own, foreign] = [acme.team().await?, globex.team().await?];
        let viewer = acme.predefined("SITE_VIEWER").await?;
        let foreign_role = globex.predefined("SITE_VIEWER").await?;
        let nothing = "00000000-0000-4000-8000-000000000000";
        let invite = |role: &str, teams: &[&str]| {
            let body = json!({ "email": fresh_email("invitee"), "roleId": role, "teamIds": teams });
            acme.admin("invitation-create").json(body)
        };

        let a_foreign_team = invite(viewer, &[&own, &foreign]).gives(404).await?;
        let no_team = invite(viewer, &[&own, nothing]).gives(404).await?;
        world.equal("the answer for a foreign team", a_foreign_team.body, no_team.body)?;
        let a_foreign_role = invite(foreign_role, &[]).gives(404).await?;
        let no_role = invite(nothing, &[]).gives(404).await?;
        world.equal("the answer for a foreign role", a_foreign_role.body, no_role.body)?;
        invite(viewer, &[&own]).gives(201).await?;
        Ok(())
    });
}

#[rstest]
fn a_role_that_is_switched_off_cannot_be_in_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.role(&["site:read"]).await?;
        acme.change_role(&role, json!({ "active": false })).gives(200).await?;
        let body = json!({ "email": fresh_email("invitee"), "roleId": role });
        acme.admin("invitation-create").json(body).gives(409).await?;
        Ok(())
    });
}

#[rstest]
fn the_list_is_filtered_by_status(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let pending = acme.invite("SITE_VIEWER").await?;
        let cancelled = acme.invite("SITE_VIEWER").await?;
        let accepted = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-cancel", &cancelled).gives(200).await?;
        accept(world, &accepted.invitee, &accepted.token).gives(200).await?;

        world.equal("all", acme.admin("invitation-list").items().await?.len(), 3)?;
        let each = [("PENDING", &pending), ("CANCELLED", &cancelled), ("ACCEPTED", &accepted)];
        for (status, invitation) in each {
            let items = acme.admin("invitation-list").query("status", status).items().await?;
            let ids: Vec<_> = items.iter().map(|item| item["id"].clone()).collect();
            world.equal(status, ids, vec![json!(invitation.id)])?;
        }
        acme.admin("invitation-list").query("status", "LOST").gives(400).await?;
        Ok(())
    });
}

#[rstest]
fn an_expired_one_is_listed_as_such_and_not_as_pending(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        world.data.invitations().expire(&acme.tenant, &invitation.id).await?;

        let listed = async |status| -> Result<usize, Stop> {
            Ok(acme.admin("invitation-list").query("status", status).items().await?.len())
        };
        world.equal("EXPIRED", listed("EXPIRED").await?, 1)?;
        world.equal("PENDING", listed("PENDING").await?, 0)
    });
}

#[rstest]
fn a_token_stands_in_no_answer_and_not_in_the_store(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        let list = acme.admin("invitation-list").gives(200).await?;
        world.equal("invitations in the list", list.array_at("/items")?.len(), 1)?;
        let get = acme.on("invitation-get", &invitation).gives(200).await?;
        let resent = acme.on("invitation-resend", &invitation).gives(200).await?;
        let renewed = world.data.invitations().token(&acme.tenant, &invitation.invitee.email).await?;
        for answer in [list, get, resent] {
            let shows = [&invitation.token, &renewed].iter().any(|token| answer.body.contains(*token));
            world.must(!shows, format!("no token in the answer to {}", answer.exchange.operation))?;
        }
        let stored = async |table: &Table| {
            let all = table.mentioning(&[&invitation.token, &renewed]).await?;
            world.must(all.is_empty(), format!("no item with a token, found {all:?}"))?;
            let item = acme.item(table, &format!("INVITATION#{}", invitation.id)).await?;
            let digest = format!("{:x}", Sha256::digest(&renewed));
            world.equal("the digest", text(&item, "tokenDigest"), digest.as_str())
        };
        world.stored("The store holds the SHA-256 of the newest token and no token", stored).await
    });
}

#[rstest]
fn a_resent_invitation_has_a_new_token_and_the_old_one_is_useless(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-resend", &invitation).gives(200).await?;
        let renewed = world.data.invitations().token(&acme.tenant, &invitation.invitee.email).await?;
        world.must(renewed != invitation.token, "another token than before")?;

        world.api.call("invitation-view").invitation_token(&invitation.token).gives(404).await?;
        accept(world, &invitation.invitee, &invitation.token).gives(404).await?;
        accept(world, &invitation.invitee, &renewed).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn it_is_resent_three_times_at_most(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        for resends in 1..=3 {
            let resent = acme.on("invitation-resend", &invitation).gives(200).await?;
            world.equal("resends counted", &resent.json()["resendCount"], &json!(resends))?;
        }
        acme.on("invitation-resend", &invitation).gives(409).await?;
        let last = world.data.invitations().token(&acme.tenant, &invitation.invitee.email).await?;
        accept(world, &invitation.invitee, &last).gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::cancelled("CANCELLED")]
#[case::accepted("ACCEPTED")]
#[case::declined("DECLINED")]
#[case::expired("EXPIRED")]
fn it_can_be_neither_resent_nor_cancelled_once(#[context] context: Context, #[case] ended: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        match ended {
            "CANCELLED" => drop(acme.on("invitation-cancel", &invitation).gives(200).await?),
            "ACCEPTED" => drop(accept(world, &invitation.invitee, &invitation.token).gives(200).await?),
            "DECLINED" => {
                let decline = world.api.call("invitation-decline").invitation_token(&invitation.token);
                decline.gives(204).await?;
            }
            _ => world.data.invitations().expire(&acme.tenant, &invitation.id).await?,
        }

        acme.on("invitation-resend", &invitation).gives(409).await?;
        acme.on("invitation-cancel", &invitation).gives(409).await?;
        world.equal("the final status", acme.status(&invitation).await?.as_str(), ended)
    });
}

#[rstest]
fn only_who_may_revoke_cancels_and_only_who_may_resend_resends(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let (reader, _) = acme.user_who_may(&["invitation:read", "invitation:create"]).await?;
        let by_reader = |operation| acme.by(&reader, operation).invitation(&invitation.id);

        by_reader("invitation-get").gives(200).await?;
        by_reader("invitation-resend").gives(403).await?;
        by_reader("invitation-cancel").gives(403).await?;
        world.equal("its status", acme.status(&invitation).await?.as_str(), "PENDING")
    });
}
