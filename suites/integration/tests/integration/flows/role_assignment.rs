//! Flow 4: a role is made, given, and loses a permission; what its holder may do follows at once.

use std::collections::BTreeSet;

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::contract::SlotKind;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn what_a_user_may_do_follows_the_role_they_were_given(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;

        world.step("1. The administrator creates a role with two permissions");
        let body =
            json!({ "name": acme.tenant.text("role"), "permissions": ["team:create", "invitation:read"] });
        let role = acme.admin("role-create").json(body).gives(201).await?.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Role, &role)?;
        acme.by(&ann, "invitation-list").gives(403).await?;

        world.step("2. The role is assigned to a user");
        acme.assign(&acme.admin, &ann, &role).gives(201).await?;

        world.step("3. The user holds the role");
        world.equal("their roles", acme.roles_of(&ann).await?, vec![role.clone()])?;
        let stored = async |table: &Table| {
            let assignment = acme.item_of(table, &ann, &format!("ROLE#{role}")).await?;
            world.equal("its status", text(&assignment, "status"), "ACTIVE")?;
            world.equal("who assigned it", text(&assignment, "assignedBy"), acme.admin.subject.as_str())?;
            let item = acme.item(table, &format!("ROLE#{role}")).await?;
            let permissions = json!(["invitation:read", "team:create"]);
            world.equal("the role's permissions", item.get("permissions"), Some(&permissions))
        };
        world.stored("3a. The store holds the assignment as ACTIVE, and the role", stored).await?;

        world.step("4. The user may do what the role permits, and nothing else");
        acme.by(&ann, "invitation-list").gives(200).await?;
        let create = || acme.by(&ann, "team-create").json(json!({ "name": acme.tenant.text("team") }));
        let team = create().gives(201).await?.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Team, &team)?;
        acme.by(&ann, "role-list").gives(403).await?;
        let both = BTreeSet::from(["invitation:read", "team:create"].map(str::to_owned));
        let authorizer = async |title: &str, permissions: &BTreeSet<String>, effect: bool| {
            if world.system.target.lambda.is_none() {
                return Ok(());
            }
            world.step(title);
            world.equal("permissions", &acme.permissions_of(&ann).await?, permissions)?;
            let create = acme.ruling(&ann, "POST", "teams").await?;
            world.equal("whether a team may be created", create.is_allow(), effect)
        };
        authorizer("4a. The authorizer resolves both permissions", &both, true).await?;

        world.step("5. One permission is removed from the role");
        acme.change_role(&role, json!({ "permissions": ["invitation:read"] })).gives(200).await?;

        world.step("6. The user has lost that permission at once, and kept the other");
        create().gives(403).await?;
        acme.by(&ann, "invitation-list").gives(200).await?;
        let one = BTreeSet::from(["invitation:read".to_owned()]);
        authorizer("6a. The authorizer resolves the one that is left", &one, false).await?;

        world.step("7. The audit log tells of the role, each event once");
        let told = acme.log().await?.about(&role);
        let expected = [
            "PERMISSION_CHANGE UPDATE SUCCESS",
            "ROLE_CHANGE ASSIGN SUCCESS",
            "ROLE_CHANGE CREATE SUCCESS",
            "ROLE_CHANGE UPDATE SUCCESS",
        ];
        world.equal("the events", told.what(), expected.map(str::to_owned).to_vec())
    });
}
