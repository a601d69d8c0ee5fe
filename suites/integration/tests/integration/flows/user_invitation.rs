//! Flow 1 of the seed, step by step: an administrator invites, the invitee accepts and is in.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::contract::SlotKind;
use harness::data::fresh_email;
use harness::identity::Principal;
use harness::leak::Entitlement;
use harness::stores::Item;

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[rstest]
fn an_invited_person_becomes_a_member_with_role_and_team(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let team = world.data.teams().create(&acme, &admin).await?;
        let editor = world.data.roles().by_name(&acme, &admin).await?["SITE_EDITOR"].clone();
        let invitee = world.data.users().stranger("invitee")?;

        world.step("1. The administrator creates an invitation");
        let message = acme.text("welcome");
        let body = json!({ "email": invitee.email, "roleId": editor, "teamIds": [team], "message": message });
        let created = world.api.call("invitation-create").as_(&admin).org(&acme.org).json(body).send().await?;
        let created = created.expect(201)?;
        let invitation = created.text_at("/id")?;
        world.data.adopt(&acme, SlotKind::Invitation, &invitation)?;
        insta::assert_json_snapshot!("invitation_created", created.json(), {
            ".id" => "[id]", ".orgId" => "[org]", ".roleId" => "[role]", ".teamIds[]" => "[team]", ".email" => "[email]",
            ".message" => "[message]", ".createdBy" => "[admin]", ".createdAt" => "[time]", ".updatedAt" => "[time]",
            ".expiresAt" => "[time]",
        });

        world.step("2. The store holds it as PENDING, and not its token");
        let mut token_in_store = None;
        if let Ok(table) = world.store() {
            let stored = table.get(&format!("ORG#{}", acme.org), &format!("INVITATION#{invitation}")).await?;
            let stored = stored.unwrap_or_default();
            world.must(text(&stored, "status") == "PENDING", format!("PENDING in the store, found {stored:?}"))?;
            world.must(text(&stored, "email") == invitee.email, "the invited e-mail in the store")?;
            token_in_store = Some(serde_json::to_string(&stored).unwrap_or_default());
        }

        world.step("3. The invitee is sent a mail with a link");
        let mailbox = world.system.stand_ins.mail.as_ref();
        let token = world.data.invitations().token(&acme, &invitee.email).await?;
        let mails = mailbox.map(|mailbox| mailbox.to(&invitee.email)).unwrap_or_default();
        world.must(mails.len() == 1, format!("exactly one mail, found {}", mails.len()))?;
        world.must(mails[0].text.contains(&acme.name), "the mail names the organisation")?;
        if let Some(stored) = token_in_store {
            world.must(!stored.contains(&token), "the token itself stands nowhere in the stored invitation")?;
        }

        world.step("4. The invitee looks at the invitation without signing in");
        let seen = world.api.call("invitation-view").invitation_token(&token).send().await?.expect(200)?;
        world.must(seen.text_at("/status")? == "PENDING", "a pending invitation is shown as such")?;

        world.step("5. The invitee signs in and accepts");
        let accept = world.api.call("invitation-accept-by-path").as_(&invitee).invitation_token(&token);
        accept.send().await?.expect(200)?;
        let member = Principal { entitlement: Entitlement::of(&acme.key), ..invitee.clone() };

        world.step("6. The invitation is ACCEPTED, by the invitee");
        let read = world.api.call("invitation-get").as_(&admin).org(&acme.org).invitation(&invitation);
        let read = read.send().await?.expect(200)?;
        world.must(read.text_at("/status")? == "ACCEPTED", format!("ACCEPTED, found {}", read.body))?;
        world.must(read.text_at("/acceptedBy")? == invitee.subject, "accepted by the invitee")?;

        world.step("7. The invitee is a member of the team and holds the role, in answers and in the store");
        let teams = world.api.call("user-team-list").as_(&member).org(&acme.org).user(&member.subject);
        let teams = teams.send().await?.expect(200)?.array_at("/items")?;
        world.must(teams.len() == 1 && teams[0]["id"] == json!(team), format!("the one team, found {teams:?}"))?;
        let roles = world.api.call("role-assignment-list").as_(&member).org(&acme.org).user(&member.subject);
        let roles = roles.send().await?.expect(200)?.array_at("/items")?;
        world.must(roles.len() == 1 && roles[0]["roleId"] == json!(editor), format!("the one role, found {roles:?}"))?;
        let counted = world.api.call("team-get").as_(&admin).org(&acme.org).team(&team).send().await?.expect(200)?;
        world.must(counted.json()["memberCount"] == json!(2), format!("two members counted, found {}", counted.body))?;
        if let Ok(table) = world.store() {
            let membership = table.get(&format!("TEAM#{team}"), &format!("USER#{}", member.subject)).await?;
            world.must(membership.is_some_and(|item| text(&item, "status") == "ACTIVE"), "an ACTIVE membership in the store")?;
            let own = table.query(&format!("USER#{}#ORG#{}", member.subject, acme.org), "").await?;
            let sorts: Vec<&str> = own.iter().map(|item| text(item, "SK")).collect();
            world.must(sorts.contains(&format!("ROLE#{editor}").as_str()), format!("the role beside the membership, found {sorts:?}"))?;
            world.must(sorts.contains(&format!("TEAM#{team}").as_str()), format!("the team beside the membership, found {sorts:?}"))?;
        }

        world.step("8. The audit log tells of every operation, once");
        let events = world.api.call("audit-list").as_(&admin).org(&acme.org).query("limit", &100);
        let events = events.send().await?.expect(200)?.array_at("/items")?;
        let count = |event: &str, action: &str, resource: &str| {
            events.iter().filter(|e| e["eventType"] == event && e["action"] == action && e["resourceId"] == resource).count()
        };
        world.must(count("INVITATION", "CREATE", &invitation) == 1, format!("one INVITATION CREATE, found {events:?}"))?;
        world.must(count("INVITATION", "ACCEPT", &invitation) == 1, format!("one INVITATION ACCEPT, found {events:?}"))?;
        world.must(count("ROLE_CHANGE", "ASSIGN", &editor) == 1, format!("one ROLE_CHANGE ASSIGN, found {events:?}"))?;
        world.must(count("TEAM_MEMBERSHIP", "ADD_MEMBER", &team) == 1, format!("one ADD_MEMBER, found {events:?}"))?;
        let first_login = count("USER_MANAGEMENT", "CREATE", &invitee.subject);
        world.must(first_login == 1, format!("one USER_MANAGEMENT CREATE for a first acceptance, found {first_login}"))?;
        Ok(())
    });
}

#[rstest]
fn an_invitation_without_a_team_gives_the_role_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let viewer = world.data.roles().by_name(&acme, &admin).await?["SITE_VIEWER"].clone();

        let invitation = world.data.invitations().create(&acme, &admin, &viewer, None).await?;
        let member = world.data.invitations().accepted(&acme, &invitation);
        let accept =
            world.api.call("invitation-accept").as_(&invitation.invitee).invitation_token(&invitation.token);
        accept.send().await?.expect(200)?;

        let teams = world.api.call("user-team-list").as_(&member).org(&acme.org).user(&member.subject);
        let teams = teams.send().await?.expect(200)?.array_at("/items")?;
        world.must(teams.is_empty(), format!("no team, found {teams:?}"))?;
        let list = world.api.call("team-list").as_(&member).org(&acme.org).send().await?;
        list.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn nobody_is_invited_by_a_message_to_another_address(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let viewer = world.data.roles().by_name(&acme, &admin).await?["SITE_VIEWER"].clone();
        let invitation = world.data.invitations().create(&acme, &admin, &viewer, None).await?;

        let other = fresh_email("bystander");
        let mailbox = world.system.stand_ins.mail.as_ref();
        let to_other = mailbox.map(|mailbox| mailbox.to(&other)).unwrap_or_default();
        let to_invitee = mailbox.map(|mailbox| mailbox.to(&invitation.invitee.email)).unwrap_or_default();
        world.must(to_other.is_empty() && to_invitee.len() == 1, "one mail, to the invited address alone")
    });
}
