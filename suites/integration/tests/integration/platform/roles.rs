//! Roles: each operation is done by whoever stands as high as it asks for or higher, and refused to everyone below.

use rstest::{Context, rstest};
use suites_integration::{Business, Trial, refused};

use super::world;

/// The roles there are, the lowest first.
const ROLES: [&str; 4] = ["viewer", "member", "admin", "owner"];

#[rstest]
#[case::a_viewer("viewer", &["product-list", "product-get", "sale-list", "dashboard-get", "forecast-list", "member-list"])]
#[case::a_member("member", &["sale-create", "report-advanced"])]
#[case::an_admin("admin", &["product-create", "product-update", "product-delete", "member-add", "member-role-set",
    "member-remove", "audit-list"])]
// The end of the tenant is the end of the story.
#[case::an_owner("owner", &["subscription-set", "tenant-delete"])]
fn whoever_stands_high_enough_does_what_takes(
    #[context] context: Context,
    #[case] lowest: &str,
    #[case] operations: &[&str],
) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let mut people = Vec::new();
        for role in ROLES {
            people.push((role, acme.member(role).await?));
        }
        for name in operations {
            world.step(name);
            let mut is_high_enough = false;
            for (role, who) in &people {
                is_high_enough |= *role == lowest;
                let trial = Trial::of(world, &acme.tenant, &acme.owner, name).await?;
                let answer = trial.by(who).org(acme.org()).send().await?;
                if is_high_enough {
                    world.must(answer.status < 300, format!("done by a {role}, found {}", answer.status))?;
                } else {
                    refused(&answer, 403, "forbidden")?;
                }
            }
        }
        Ok(())
    });
}
