//! Flow 1: an administrator invites, the invitee accepts and is in.

use rstest::{Context, rstest};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world;
use harness::contract::SlotKind;
use harness::identity::Principal;
use harness::leak::Entitlement;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn an_invited_person_becomes_a_member_with_role_and_team(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let editor = acme.predefined("SITE_EDITOR").await?;
        let invitee = world.data.users().stranger("invitee")?;

        world.step("1. The administrator creates an invitation");
        let message = acme.tenant.text("welcome");
        let body = json!({ "email": invitee.email, "roleId": editor, "teamIds": [team], "message": message });
        let created = acme.admin("invitation-create").json(body).gives(201).await?;
        let invitation = created.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Invitation, &invitation)?;
        insta::assert_json_snapshot!("invitation_created", created.json(), {
            ".id" => "[id]", ".orgId" => "[org]", ".roleId" => "[role]", ".teamIds[]" => "[team]",
            ".email" => "[email]", ".message" => "[message]", ".createdBy" => "[admin]",
            ".createdAt" => "[time]", ".updatedAt" => "[time]", ".expiresAt" => "[time]",
        });

        let in_store = format!("INVITATION#{invitation}");
        let pending = async |table: &Table| {
            let stored = acme.item(table, &in_store).await?;
            world.equal("its status", text(&stored, "status"), "PENDING")?;
            world.equal("its e-mail", text(&stored, "email"), invitee.email.as_str())
        };
        world.stored("2. The store holds it as PENDING", pending).await?;

        world.step("3. The invitee is sent a mail with a link");
        let token = world.data.invitations().token(&acme.tenant, &invitee.email).await?;
        let mails = world.mailbox()?.to(&invitee.email);
        world.equal("mails sent", mails.len(), 1)?;
        world.must(mails[0].text.contains(&acme.tenant.name), "the mail names the organisation")?;
        let digest = async |table: &Table| {
            let stored = format!("{:?}", acme.item(table, &in_store).await?);
            let digest = format!("{:x}", Sha256::digest(&token));
            world.must(!stored.contains(&token), "the token itself stands nowhere in it")?;
            world.must(stored.contains(&digest), format!("the token's SHA-256 does, found {stored}"))
        };
        world.stored("3a. The store knows the link's token by its SHA-256 alone", digest).await?;

        world.step("4. The invitee looks at the invitation without signing in");
        let seen = world.api.call("invitation-view").invitation_token(&token).gives(200).await?;
        world.equal("the status shown", seen.text_at("/status")?.as_str(), "PENDING")?;

        world.step("5. The invitee signs in and accepts");
        let accept = world.api.call("invitation-accept-by-path").as_(&invitee).invitation_token(&token);
        accept.gives(200).await?;
        let member = Principal { entitlement: Entitlement::of(&acme.tenant.key), ..invitee.clone() };

        world.step("6. The invitation is ACCEPTED, by the invitee");
        let read = acme.admin("invitation-get").invitation(&invitation).gives(200).await?;
        world.equal("its status", read.text_at("/status")?.as_str(), "ACCEPTED")?;
        world.equal("who accepted it", &read.text_at("/acceptedBy")?, &member.subject)?;

        world.step("7. The invitee is a member of the team and holds the role");
        world.equal("their teams", acme.teams_of(&member).await?, vec![team.clone()])?;
        world.equal("their roles", acme.roles_of(&member).await?, vec![editor.to_owned()])?;
        world.equal("members of the team", acme.member_count(&team).await?, 2)?;
        let membership = async |table: &Table| {
            let in_team = table.get(&format!("TEAM#{team}"), &format!("USER#{}", member.subject)).await?;
            world.equal("member of the team", text(&in_team.unwrap_or_default(), "status"), "ACTIVE")?;
            let in_org = acme.item_of(table, &member, "MEMBERSHIP").await?;
            world.equal("member of the organisation", text(&in_org, "status"), "ACTIVE")
        };
        world.stored("7a. The store holds both memberships as ACTIVE", membership).await?;

        world.step("8. The audit log tells of it, each event once");
        let log = acme.log().await?;
        let told = log.only(|event| [&invitation, &team, &member.subject].contains(&&event.resource_id));
        let expected = [
            "CONFIGURATION CREATE SUCCESS",
            "INVITATION ACCEPT SUCCESS",
            "INVITATION CREATE SUCCESS",
            "TEAM_MEMBERSHIP ADD_MEMBER SUCCESS",
            "USER_MANAGEMENT CREATE SUCCESS",
        ];
        world.equal("the events", told.what(), expected.map(str::to_owned).to_vec())?;
        world.equal("of the role", log.about(editor).what(), vec!["ROLE_CHANGE ASSIGN SUCCESS".to_owned()])
    });
}
