//! A role of an organisation's own, from its creation to its end.

use rstest::{Context, rstest};
use suites_integration::Tenancy;

use super::world;

#[rstest]
fn a_custom_role_is_created_changed_and_deleted(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.must_serve(&["role-create", "role-list"])?;
        let acme = Tenancy::found(world, "acme").await?;
        let roles = || acme.admin("role-list");

        world.step("1. The administrator creates a role");
        let role = world.data.roles().create(&acme.tenant, &acme.admin).await?;
        let read = || acme.admin("role-get").role(&role);

        world.step("2. It is listed");
        acme.lists(roles(), &role, true).await?;

        let is_read = async || acme.lists(read(), &role, true).await;
        world.where_served("3. It is read", &["role-get"], is_read).await?;

        let change = async || {
            acme.changes(acme.admin("role-update").role(&role), roles()).await?;
            acme.lists(roles(), &role, true).await
        };
        world.where_served("4. It is changed, and still listed", &["role-update"], change).await?;

        let delete = async || {
            acme.done(acme.admin("role-delete").role(&role)).await?;
            acme.lists(roles(), &role, false).await
        };
        world.where_served("5. It is deleted, and listed no more", &["role-delete"], delete).await?;

        let gone = async || acme.refused(read()).await;
        world.where_served("6. Nor can it be read", &["role-delete", "role-get"], gone).await
    });
}
