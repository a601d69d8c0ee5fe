//! Organisations: what they begin with, who may manage them, and what is left when one is deleted.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::contract::SlotKind;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, accept, text};

#[rstest]
fn one_begins_with_four_roles_three_parts_in_teams_and_nobody(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let names = |items: Vec<Value>| {
            let mut names: Vec<String> =
                items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect();
            names.sort();
            names.join(" ")
        };

        let roles = acme.admin("role-list").items().await?;
        world.must(roles.iter().all(|role| role["isSystem"] == json!(true)), "each of them predefined")?;
        world.equal("roles", names(roles).as_str(), "ORG_ADMIN ORG_MANAGER SITE_EDITOR SITE_VIEWER")?;
        let parts = acme.admin("team-role-list").items().await?;
        world.equal("parts in teams", names(parts).as_str(), "guest lead member")?;
        world.equal("teams", acme.admin("team-list").items().await?.len(), 0)?;
        world.equal("invitations", acme.admin("invitation-list").items().await?.len(), 0)
    });
}

#[rstest]
#[case::listing_all("org-list")]
#[case::creating_one("org-create")]
#[case::looking_at_their_own("org-get")]
#[case::deleting_their_own("org-delete")]
#[case::creating_a_user("user-create")]
#[case::changing_a_standing("user-status-set")]
fn an_administrator_of_one_may_not_do_what_is_the_platforms(
    #[context] context: Context,
    #[case] operation: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let call = acme.admin(operation).user(&ann.subject).slot(SlotKind::Text, "text");
        let call = call.slot(SlotKind::Email, &harness::data::fresh_email("user"));
        let call = call.slot(SlotKind::PlatformRole, "ORG_ADMIN");

        call.gives(403).await?;

        let denied = acme.log().await?.ended("DENIED");
        world.equal("denials", denied.0.len(), 1)?;
        acme.by(&world.data.platform_admin()?, "org-get").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn the_platform_sees_it_by_name(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let platform = world.data.platform_admin()?;
        let shown = acme.by(&platform, "org-get").gives(200).await?;
        world.equal("its name", &shown.text_at("/name")?, &acme.tenant.name)?;
        let stored = async |table: &Table| {
            let item = acme.item(table, "METADATA").await?;
            world.equal("its name", text(&item, "name"), acme.tenant.name.as_str())?;
            world.equal("active", item.get("active"), Some(&json!(true)))
        };
        world.stored("The store says the same", stored).await
    });
}

#[rstest]
fn who_manages_the_platform_is_a_member_of_no_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let platform = world.data.platform_admin()?;
        for operation in ["team-list", "role-list", "invitation-list", "audit-list"] {
            acme.by(&platform, operation).gives(404).await?;
        }
        Ok(())
    });
}

#[rstest]
fn a_deleted_one_is_absent_to_everyone_at_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let platform = world.data.platform_admin()?;

        acme.by(&platform, "org-delete").gives(204).await?;

        acme.by(&platform, "org-get").gives(404).await?;
        acme.by(&platform, "org-delete").gives(404).await?;
        acme.admin("team-list").gives(404).await?;
        acme.admin("team-get").team(&team).gives(404).await?;
        world.api.call("invitation-view").invitation_token(&invitation.token).gives(404).await?;
        accept(world, &invitation.invitee, &invitation.token).gives(404).await?;
        let joined = acme.by(&platform, "user-create").user(&invitation.invitee.subject);
        let joined = joined.json(json!({ "email": invitation.invitee.email, "name": "Ann" }));
        joined.gives(404).await?;
        let stored = async |table: &Table| {
            let item = acme.item(table, "METADATA").await?;
            world.equal("active", item.get("active"), Some(&json!(false)))
        };
        world.stored("The store keeps it, inactive", stored).await
    });
}

#[rstest]
fn a_deleted_one_leaves_its_members_their_other_organisations(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let both = world.data.users().join(&globex.tenant, &acme.admin, Some("SITE_VIEWER")).await?;

        acme.by(&world.data.platform_admin()?, "org-delete").gives(204).await?;

        acme.by(&both, "team-list").gives(404).await?;
        globex.by(&both, "team-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::without_a_name(json!({}), "")]
#[case::with_an_empty_name(json!({ "name": "" }), "/name")]
#[case::with_a_name_too_long(json!({ "name": "x".repeat(101) }), "/name")]
#[case::with_a_line_break_in_the_name(json!({ "name": "Acme\nBcc: x" }), "/name")]
#[case::with_a_member_unknown(json!({ "name": "Acme", "active": false }), "/active")]
fn one_is_not_created(#[context] context: Context, #[case] body: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let platform = world.data.platform_admin()?;
        let refused = world.api.call("org-create").as_(&platform).json(body).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), pointer)
    });
}
