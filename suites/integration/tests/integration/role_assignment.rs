//! Who holds which role: given, taken, inactive; and the administrator who cannot be lost.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn an_unassigned_role_permits_nothing_from_the_next_request_on(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let role = acme.predefined("ORG_MANAGER").await?;

        acme.by(&manager, "role-list").gives(200).await?;
        acme.unassign(&acme.admin, &manager, role).gives(204).await?;
        acme.by(&manager, "role-list").gives(403).await?;
        acme.unassign(&acme.admin, &manager, role).gives(404).await?;
        let stored = async |table: &Table| {
            let item = acme.item_of(table, &manager, &format!("ROLE#{role}")).await?;
            world.must(item.is_empty(), format!("no assignment, found {item:?}"))
        };
        world.stored("The store holds no assignment", stored).await
    });
}

#[rstest]
fn a_role_is_held_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let role = acme.predefined("SITE_VIEWER").await?;

        acme.assign(&acme.admin, &ann, role).gives(201).await?;
        acme.assign(&acme.admin, &ann, role).gives(409).await?;
        world.equal("her roles", acme.roles_of(&ann).await?, vec![role.to_owned()])
    });
}

#[rstest]
fn two_roles_permit_what_either_permits(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, first) = acme.user_who_may(&["role:read"]).await?;
        let second = acme.role(&["invitation:read"]).await?;
        acme.assign(&acme.admin, &ann, &second).gives(201).await?;

        acme.by(&ann, "role-list").gives(200).await?;
        acme.by(&ann, "invitation-list").gives(200).await?;
        acme.unassign(&acme.admin, &ann, &first).gives(204).await?;
        acme.by(&ann, "role-list").gives(403).await?;
        acme.by(&ann, "invitation-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn nobody_assigns_a_role_that_holds_what_they_do_not(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (giver, own) = acme.user_who_may(&["role:assign", "site:read"]).await?;
        let ann = acme.newcomer().await?;

        acme.assign(&giver, &ann, acme.predefined("ORG_ADMIN").await?).gives(403).await?;
        acme.assign(&giver, &giver, acme.predefined("ORG_ADMIN").await?).gives(403).await?;
        acme.assign(&giver, &ann, &own).gives(201).await?;
        world.equal("her roles", acme.roles_of(&ann).await?, vec![own])
    });
}

#[rstest]
fn an_inactive_assignment_permits_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["role:read"]).await?;
        acme.by(&ann, "role-list").gives(200).await?;

        world.data.roles().deactivate_assignment(&acme.tenant, &ann.subject, &role).await?;

        acme.by(&ann, "role-list").gives(403).await?;
        let held = acme.by(&ann, "role-assignment-list").user(&ann.subject).items().await?;
        world.equal("the assignment shown", held.len(), 1)?;
        world.equal("its status", &held[0]["status"], &json!("INACTIVE"))
    });
}

#[rstest]
fn a_role_that_is_switched_off_or_deleted_cannot_be_assigned(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let [off, deleted] = [acme.role(&["site:read"]).await?, acme.role(&["site:read"]).await?];
        acme.change_role(&off, json!({ "active": false })).gives(200).await?;
        acme.admin("role-delete").role(&deleted).gives(204).await?;

        acme.assign(&acme.admin, &ann, &off).gives(409).await?;
        acme.assign(&acme.admin, &ann, &deleted).gives(404).await?;
        world.equal("her roles", acme.roles_of(&ann).await?, Vec::new())
    });
}

#[rstest]
fn a_foreign_role_cannot_be_given_nor_a_role_to_a_foreigner(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.newcomer().await?;

        acme.assign(&acme.admin, &ann, globex.predefined("SITE_VIEWER").await?).gives(404).await?;
        acme.assign(&acme.admin, &globex.admin, acme.predefined("SITE_VIEWER").await?).gives(404).await?;
        world.equal("her roles", acme.roles_of(&ann).await?, Vec::new())?;
        let theirs = globex.roles_of(&globex.admin).await?;
        world.equal("roles of the other", theirs, vec![globex.predefined("ORG_ADMIN").await?.to_owned()])
    });
}

#[rstest]
fn a_user_without_roles_sees_their_own_and_nobody_elses(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;

        let own = acme.by(&ann, "role-assignment-list").user(&ann.subject).items().await?;
        world.equal("her roles", own.len(), 0)?;
        acme.by(&ann, "role-assignment-list").user(&acme.admin.subject).gives(403).await?;
        acme.by(&ann, "role-list").gives(403).await?;
        acme.by(&ann, "team-list").gives(403).await?;
        Ok(())
    });
}

#[rstest]
fn an_assignment_says_who_gave_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let role = acme.predefined("SITE_VIEWER").await?;
        let given = acme.assign(&acme.admin, &ann, role).gives(201).await?;
        world.equal("by whom", &given.text_at("/assignedBy")?, &acme.admin.subject)?;
        world.equal("the role's name", given.text_at("/roleName")?.as_str(), "SITE_VIEWER")?;
        let stored = async |table: &Table| {
            let item = acme.item_of(table, &ann, &format!("ROLE#{role}")).await?;
            world.equal("by whom", text(&item, "assignedBy"), acme.admin.subject.as_str())?;
            world.equal("its status", text(&item, "status"), "ACTIVE")
        };
        world.stored("The store says the same", stored).await
    });
}

#[rstest]
fn the_last_administrator_cannot_give_up_the_role(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.predefined("ORG_ADMIN").await?;

        acme.unassign(&acme.admin, &acme.admin, role).gives(409).await?;
        acme.by(&acme.admin, "role-list").gives(200).await?;
        acme.user("ORG_ADMIN").await?;
        acme.unassign(&acme.admin, &acme.admin, role).gives(204).await?;
        acme.by(&acme.admin, "role-list").gives(403).await?;
        Ok(())
    });
}

#[rstest]
#[case::suspended("SUSPENDED")]
#[case::deleted("DELETED")]
fn the_last_administrator_cannot_be(#[context] context: Context, #[case] status: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;

        acme.set_status(&acme.admin, status).await?.expect(409)?;
        acme.admin("role-list").gives(200).await?;
        acme.user("ORG_ADMIN").await?;
        acme.set_status(&acme.admin, status).await?.expect(200)?;
        Ok(())
    });
}

#[rstest]
fn whoever_administers_one_organisation_alone_cannot_be_suspended_in_any(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let both = world.data.users().join(&globex.tenant, &acme.admin, Some("ORG_ADMIN")).await?;

        acme.set_status(&both, "SUSPENDED").await?.expect(409)?;
        acme.by(&both, "role-list").gives(200).await?;
        globex.by(&both, "role-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_suspended_administrator_does_not_count_as_another(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let second = acme.user("ORG_ADMIN").await?;
        let role = acme.predefined("ORG_ADMIN").await?;
        acme.set_status(&second, "SUSPENDED").await?.expect(200)?;

        acme.unassign(&acme.admin, &acme.admin, role).gives(409).await?;
        acme.set_status(&second, "ACTIVE").await?.expect(200)?;
        acme.unassign(&acme.admin, &acme.admin, role).gives(204).await?;
        Ok(())
    });
}

#[rstest]
fn a_custom_role_with_the_same_permissions_makes_no_administrator(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let all = ["site:*", "team:*", "team-role:*", "invitation:*", "role:*", "user:*", "audit:*"];
        let (alike, _) = acme.user_who_may(&all).await?;

        let role = acme.predefined("ORG_ADMIN").await?;
        acme.unassign(&alike, &acme.admin, role).gives(409).await?;
        Ok(())
    });
}

#[rstest]
fn of_two_administrators_who_resign_at_once_one_stays(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let second = acme.user("ORG_ADMIN").await?;
        let role = acme.predefined("ORG_ADMIN").await?;

        let (one, two) = tokio::join!(
            acme.unassign(&acme.admin, &acme.admin, role).send(),
            acme.unassign(&second, &second, role).send()
        );
        let mut statuses = [one?.status, two?.status];
        statuses.sort_unstable();
        world.equal("the answers", statuses, [204, 409])
    });
}
