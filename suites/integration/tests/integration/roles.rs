//! Roles: what they permit, from when and until when, and what nobody may put into them.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn a_permission_removed_from_a_role_is_gone_at_once_and_one_added_is_there(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["team:create", "role:read"]).await?;
        let list = || acme.by(&ann, "role-list");

        list().gives(200).await?;
        acme.change_role(&role, json!({ "permissions": ["team:create"] })).gives(200).await?;
        list().gives(403).await?;
        acme.change_role(&role, json!({ "permissions": ["role:read"] })).gives(200).await?;
        list().gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_role_switched_off_counts_for_nothing_until_it_is_on_again(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["role:read"]).await?;
        let list = || acme.by(&ann, "role-list");

        acme.change_role(&role, json!({ "active": false })).gives(200).await?;
        list().gives(403).await?;
        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("ROLE#{role}")).await?;
            world.equal("active", item.get("active"), Some(&json!(false)))?;
            let index = format!("ORG#{}#ACTIVE#False", acme.org());
            world.equal("the index of roles by activity", text(&item, "GSI1PK"), index.as_str())
        };
        world.stored("The store has it among the inactive", stored).await?;
        acme.change_role(&role, json!({ "active": true })).gives(200).await?;
        list().gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_deleted_role_counts_for_nothing_and_is_gone_from_every_list(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["role:read"]).await?;

        acme.admin("role-delete").role(&role).gives(204).await?;

        acme.by(&ann, "role-list").gives(403).await?;
        acme.admin("role-get").role(&role).gives(404).await?;
        acme.admin("role-delete").role(&role).gives(404).await?;
        acme.change_role(&role, json!({ "active": true })).gives(404).await?;
        let listed = acme.admin("role-list").items().await?;
        world.must(listed.iter().all(|item| item["id"] != json!(role)), "not in the list of roles")?;
        world.equal("her roles", acme.roles_of(&ann).await?, Vec::new())
    });
}

/// Someone who may make, change and give roles, and reads teams: all they can give away.
const AUTHOR: [&str; 5] = ["role:create", "role:update", "role:assign", "role:read", "team:read"];

#[rstest]
fn nobody_puts_into_a_new_role_what_they_do_not_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (author, _) = acme.user_who_may(&AUTHOR).await?;
        let create = |permission: &str| {
            let body = json!({ "name": acme.tenant.text("role"), "permissions": [permission] });
            acme.by(&author, "role-create").json(body)
        };

        for beyond in ["audit:read", "team:*", "*:*", "team:read:all"] {
            create(beyond).gives(403).await?;
        }
        create("team:read").gives(201).await?;
        Ok(())
    });
}

#[rstest]
fn nobody_changes_a_role_into_what_they_do_not_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (author, own) = acme.user_who_may(&AUTHOR).await?;
        let change = |permissions: &[&str]| {
            acme.by(&author, "role-update").role(&own).json(json!({ "permissions": permissions }))
        };

        change(&["role:update", "audit:read"]).gives(403).await?;
        acme.by(&author, "audit-list").gives(403).await?;
        let kept = acme.admin("role-get").role(&own).gives(200).await?.array_at("/permissions")?;
        world.equal("permissions of the role", kept.len(), AUTHOR.len())?;
        change(&["role:update", "team:read"]).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn nobody_switches_on_a_role_that_holds_what_they_do_not(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (author, _) = acme.user_who_may(&AUTHOR).await?;
        let strong = acme.role(&["audit:read"]).await?;
        acme.change_role(&strong, json!({ "active": false })).gives(200).await?;

        let switch_on = acme.by(&author, "role-update").role(&strong).json(json!({ "active": true }));
        switch_on.gives(403).await?;
        let shown = acme.admin("role-get").role(&strong).gives(200).await?;
        world.equal("active", &shown.json()["active"], &json!(false))
    });
}

#[rstest]
#[case::a_whole_resource("team:*", "team-create", 201)]
#[case::a_resource_at_any_depth("team:*", "team-member-list", 200)]
#[case::not_what_begins_alike("team:*", "team-role-list", 403)]
#[case::not_another_resource("site:*", "team-list", 403)]
#[case::not_a_longer_permission("team:read", "team-member-list", 403)]
#[case::nothing_of_a_longer_word("role:*", "invitation-list", 403)]
fn a_permission_covers(
    #[context] context: Context,
    #[case] held: &str,
    #[case] operation: &str,
    #[case] status: u16,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, _) = acme.user_who_may(&[held]).await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let call = acme.by(&ann, operation).team(&team);
        call.slot(harness::contract::SlotKind::Text, &acme.tenant.text("text")).gives(status).await?;
        Ok(())
    });
}

#[rstest]
fn a_wildcard_gives_what_it_covers_and_no_word_that_only_begins_alike(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (author, _) = acme.user_who_may(&["role:create", "site:*"]).await?;
        let create = |permission: &str| {
            let body = json!({ "name": acme.tenant.text("role"), "permissions": [permission] });
            acme.by(&author, "role-create").json(body)
        };

        create("site:publish").gives(201).await?;
        // A permission of the platform, so that it is refused for who asks and not for what it is.
        let alike = world.data.permissions().create_named(&acme.tenant, "sitemap").await?;
        create(&alike).gives(403).await?;
        let deeper = world.data.permissions().create_named(&acme.tenant, "site:page").await?;
        create(&deeper).gives(201).await?;
        Ok(())
    });
}

#[rstest]
fn what_is_no_permission_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        for (what, permission) in [
            ("one word", "team"),
            ("no action", "team:"),
            ("no resource", ":read"),
            ("capitals", "Team:Read"),
            ("a star in front", "*:read"),
            ("half a star", "team:re*"),
            ("a star too deep", "team:member:*"),
            ("blanks", "team: read"),
        ] {
            world.step(what);
            let body = json!({ "name": acme.tenant.text("role"), "permissions": ["team:read", permission] });
            let refused = acme.admin("role-create").json(body).gives(422).await?;
            let pointer = refused.text_at("/errors/0/pointer")?;
            world.equal("the place of the fault", pointer.as_str(), "/permissions/1")?;
        }
        Ok(())
    });
}

#[rstest]
#[case::changed("role-update", json!({ "permissions": ["site:read"] }))]
#[case::renamed("role-update", json!({ "name": "Boss" }))]
#[case::switched_off("role-update", json!({ "active": false }))]
#[case::deleted("role-delete", Value::Null)]
fn a_predefined_role_cannot_be(#[context] context: Context, #[case] operation: &str, #[case] body: Value) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.predefined("SITE_EDITOR").await?;
        let before = acme.admin("role-get").role(role).gives(200).await?.body;
        let call = acme.admin(operation).role(role);
        let call = if body.is_null() { call } else { call.json(body) };

        call.gives(409).await?;

        let after = acme.admin("role-get").role(role).gives(200).await?.body;
        world.equal("the role", after, before)
    });
}

#[rstest]
fn nobody_takes_the_name_of_a_predefined_role(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.role(&["site:read"]).await?;
        let body = json!({ "name": "ORG_ADMIN", "permissions": ["site:read"] });

        acme.admin("role-create").json(body).gives(409).await?;
        acme.change_role(&role, json!({ "name": "ORG_ADMIN" })).gives(409).await?;
        Ok(())
    });
}

#[rstest]
fn a_role_is_stored_as_it_is_shown(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.role(&["team:read", "site:read", "team:read"]).await?;

        let shown = acme.admin("role-get").role(&role).gives(200).await?.json();
        world.equal("permissions, each once", &shown["permissions"], &json!(["site:read", "team:read"]))?;
        world.equal("active", &shown["active"], &json!(true))?;
        let stored = async |table: &Table| {
            let item = acme.item(table, &format!("ROLE#{role}")).await?;
            world.equal("permissions", item.get("permissions"), Some(&shown["permissions"]))?;
            world.equal("its organisation", text(&item, "organisationId"), acme.org())?;
            world.equal("its author", text(&item, "createdBy"), acme.admin.subject.as_str())
        };
        world.stored("The store holds it in its organisation", stored).await
    });
}
