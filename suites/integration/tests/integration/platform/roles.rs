//! Roles: each operation is done by whoever stands as high as it asks for or higher, and refused to everyone below.

use harness::world::Stop;
use rstest::{Context, rstest};
use suites_integration::{Business, refused};

use super::world;

/// The roles there are, the lowest first.
const ROLES: [&str; 4] = ["viewer", "member", "admin", "owner"];

#[rstest]
#[case::product_list("product-list", "viewer")]
#[case::product_get("product-get", "viewer")]
#[case::sale_list("sale-list", "viewer")]
#[case::dashboard_get("dashboard-get", "viewer")]
#[case::forecast_list("forecast-list", "viewer")]
#[case::member_list("member-list", "viewer")]
#[case::sale_create("sale-create", "member")]
#[case::report_advanced("report-advanced", "member")]
#[case::product_create("product-create", "admin")]
#[case::product_update("product-update", "admin")]
#[case::product_delete("product-delete", "admin")]
#[case::member_add("member-add", "admin")]
#[case::member_role_set("member-role-set", "admin")]
#[case::member_remove("member-remove", "admin")]
#[case::audit_list("audit-list", "admin")]
#[case::subscription_set("subscription-set", "owner")]
#[case::tenant_delete("tenant-delete", "owner")]
fn an_operation_is_done_by_whoever_stands_high_enough(
    #[context] context: Context,
    #[case] name: &str,
    #[case] lowest: &str,
) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let operation = world.system.contract.get(name);
        let operation =
            operation.ok_or_else(|| Stop::fail(format!("an operation {name} in the contract")))?;
        let mut is_high_enough = false;
        for role in ROLES {
            is_high_enough |= role == lowest;
            let who = acme.member(role).await?;
            let fill = world.data.fill(&acme.tenant, &acme.owner, operation).await?;
            let answer = fill.call(&world.api, operation, &who).org(acme.org()).send().await?;
            if is_high_enough {
                world.must(answer.status < 300, format!("done by a {role}, found {}", answer.status))?;
            } else {
                refused(&answer, 403, "forbidden")?;
            }
        }
        Ok(())
    });
}
