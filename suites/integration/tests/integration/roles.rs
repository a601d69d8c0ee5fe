//! Roles: what they permit, from when, and the administrator who cannot be lost.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;

#[rstest]
fn a_permission_removed_from_a_role_is_gone_at_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let ann = world.data.users().create(&acme, "ann", None).await?;
        let role = world.data.roles().create_with(&acme, &admin, &["team:create", "role:read"]).await?;
        let list = || world.api.call("role-list").as_(&ann).org(&acme.org).send();

        list().await?.expect(403)?;
        let assign = world.api.call("role-assignment-create").as_(&admin).org(&acme.org).user(&ann.subject);
        assign.json(json!({ "roleId": role })).send().await?.expect(201)?;
        list().await?.expect(200)?;
        let update = world.api.call("role-update").as_(&admin).org(&acme.org).role(&role);
        update.json(json!({ "permissions": ["team:create"] })).send().await?.expect(200)?;
        list().await?.expect(403)?;
        Ok(())
    });
}

#[rstest]
fn an_unassigned_role_permits_nothing_from_the_next_request_on(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let manager = world.data.users().create(&acme, "org-manager", Some("ORG_MANAGER")).await?;
        let roles = world.data.roles().by_name(&acme, &admin).await?;

        world.api.call("role-list").as_(&manager).org(&acme.org).send().await?.expect(200)?;
        let unassign =
            world.api.call("role-assignment-delete").as_(&admin).org(&acme.org).user(&manager.subject);
        unassign.role(&roles["ORG_MANAGER"]).send().await?.expect(204)?;
        world.api.call("role-list").as_(&manager).org(&acme.org).send().await?.expect(403)?;
        Ok(())
    });
}

#[rstest]
fn nobody_puts_into_a_role_what_they_do_not_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let ann = world.data.users().create(&acme, "role-author", None).await?;
        let author = world.data.roles().create_with(&acme, &admin, &["role:create", "team:read"]).await?;
        let assign = world.api.call("role-assignment-create").as_(&admin).org(&acme.org).user(&ann.subject);
        assign.json(json!({ "roleId": author })).send().await?.expect(201)?;

        let create = |permission: &str| {
            let body = json!({ "name": acme.text("role"), "permissions": [permission] });
            world.api.call("role-create").as_(&ann).org(&acme.org).json(body).send()
        };
        create("audit:read").await?.expect(403)?;
        create("team:read").await?.expect(201)?;
        Ok(())
    });
}

#[rstest]
fn the_last_administrator_cannot_be_removed(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let roles = world.data.roles().by_name(&acme, &admin).await?;
        let resign = || {
            let call =
                world.api.call("role-assignment-delete").as_(&admin).org(&acme.org).user(&admin.subject);
            call.role(&roles["ORG_ADMIN"]).send()
        };

        resign().await?.expect(409)?;
        world.data.users().create(&acme, "second-admin", Some("ORG_ADMIN")).await?;
        resign().await?.expect(204)?;
        Ok(())
    });
}

#[rstest]
fn of_two_administrators_who_resign_at_once_one_stays(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let one = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let two = world.data.users().create(&acme, "second-admin", Some("ORG_ADMIN")).await?;
        let role = world.data.roles().by_name(&acme, &one).await?["ORG_ADMIN"].clone();
        let resign = |who: &harness::identity::Principal| {
            world
                .api
                .call("role-assignment-delete")
                .as_(who)
                .org(&acme.org)
                .user(&who.subject)
                .role(&role)
                .send()
        };

        let (first, second) = tokio::join!(resign(&one), resign(&two));
        let mut statuses = [first?.status, second?.status];
        statuses.sort_unstable();
        world.must(statuses == [204, 409], format!("one 204 and one 409, found {statuses:?}"))
    });
}
