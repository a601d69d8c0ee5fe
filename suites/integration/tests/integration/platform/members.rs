//! Members: who may make whom what, and that a tenant never loses its last owner.

use std::collections::BTreeMap;

use futures::future::join_all;
use rstest::{Context, rstest};
use serde_json::{Value, json};

use super::world;
use harness::client::Call;
use harness::contract::SlotKind;
use harness::data::fresh_email;
use harness::identity::Principal;
use harness::stores::Database;
use harness::world::{Stop, World};
use suites_integration::{Business, Gives as _, refused};

/// How often a race is run.
const ROUNDS: usize = 5;

/// The roles there are, the lowest first.
const ROLES: [&str; 4] = ["viewer", "member", "admin", "owner"];

/// Whether one of a role may give, take or change another; nobody but owners and administrators may at all.
fn may(actor: &str, other: &str) -> bool {
    actor == "owner" || (actor == "admin" && other != "owner")
}

/// What is stored of the organisation's members: who is what.
async fn stored(world: &World, acme: &Business<'_>) -> Result<BTreeMap<String, String>, Stop> {
    let query = "SELECT user_id, role FROM public.memberships WHERE org_id = $1";
    let rows = world.database()?.rows(query, &[acme.org()]).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| (text(&row["user_id"]), text(&row["role"]))).collect())
}

fn adding(acme: &Business<'_>, by: &Principal, user: &Principal, role: &str) -> Call {
    let body = json!({ "userId": user.subject, "email": user.email, "role": role });
    acme.by(by, "member-add").json(body)
}

fn setting(acme: &Business<'_>, by: &Principal, user: &Principal, role: &str) -> Call {
    acme.by(by, "member-role-set").user(&user.subject).json(json!({ "role": role }))
}

#[rstest]
#[case::a_viewer("viewer")]
#[case::a_member("member")]
#[case::an_admin("admin")]
#[case::an_owner("owner")]
fn whom_may_be_added_by(#[context] context: Context, #[case] actor: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = acme.member(actor).await?;
        for role in ROLES {
            let newcomer = world.data.users().stranger("newcomer")?;
            let answer = adding(&acme, &who, &newcomer, role).send().await?;
            if may(actor, role) {
                let answer = answer.expect(201)?;
                world.data.adopt(&acme.tenant, SlotKind::User, &newcomer.subject)?;
                world.equal("the role", answer.text_at("/role")?.as_str(), role)?;
            } else {
                refused(&answer, 403, "forbidden")?;
            }
            let check = async |_: &Database| {
                let found = stored(world, &acme).await?.get(&newcomer.subject).cloned();
                world.equal(role, found, may(actor, role).then(|| role.to_owned()))
            };
            world.stored_rows(&format!("A {role} is stored if and only if that was allowed"), check).await?;
        }
        Ok(())
    });
}

#[rstest]
#[case::a_viewer("viewer")]
#[case::a_member("member")]
#[case::an_admin("admin")]
#[case::an_owner("owner")]
fn who_may_be_made_what_by(#[context] context: Context, #[case] actor: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = acme.member(actor).await?;
        for from in ROLES {
            for to in ROLES {
                let user = acme.member(from).await?;
                let answer = setting(&acme, &who, &user, to).send().await?;
                let allowed = may(actor, from) && may(actor, to);
                if allowed {
                    answer.expect(200)?;
                } else {
                    refused(&answer, 403, "forbidden")?;
                }
                let now = stored(world, &acme).await?.get(&user.subject).cloned().unwrap_or_default();
                world.equal(&format!("{from} to {to}"), now.as_str(), if allowed { to } else { from })?;
            }
        }
        Ok(())
    });
}

#[rstest]
#[case::a_viewer("viewer")]
#[case::a_member("member")]
#[case::an_admin("admin")]
#[case::an_owner("owner")]
fn who_may_be_removed_by(#[context] context: Context, #[case] actor: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = acme.member(actor).await?;
        for role in ROLES {
            let user = acme.member(role).await?;
            acme.by(&user, "product-list").gives(200).await?;
            let answer = acme.by(&who, "member-remove").user(&user.subject).send().await?;
            if may(actor, role) {
                answer.expect(204)?;
                refused(&acme.by(&user, "product-list").send().await?, 403, "not-a-member")?;
            } else {
                refused(&answer, 403, "forbidden")?;
                acme.by(&user, "product-list").gives(200).await?;
            }
        }
        Ok(())
    });
}

/// A member tries to rise by themselves.
#[rstest]
#[case::a_viewer("viewer")]
#[case::a_member("member")]
#[case::an_admin("admin")]
fn nobody_makes_more_of_themselves(#[context] context: Context, #[case] role: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = acme.member(role).await?;
        let higher = if role == "admin" { "owner" } else { "admin" };
        refused(&setting(&acme, &who, &who, higher).send().await?, 403, "forbidden")?;
        refused(&adding(&acme, &who, &who, higher).send().await?, 403, "forbidden")?;
        world.equal("the role", stored(world, &acme).await?.get(&who.subject).map(String::as_str), Some(role))
    });
}

#[rstest]
fn a_change_of_role_counts_from_the_next_request(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let ann = acme.member("viewer").await?;
        let create = || acme.by(&ann, "product-create").json(json!({ "name": "anvil", "priceCents": 1 }));
        for _ in 0..3 {
            refused(&create().send().await?, 403, "forbidden")?;
            setting(&acme, &acme.owner, &ann, "admin").gives(200).await?;
            create().gives(201).await?;
            setting(&acme, &acme.owner, &ann, "viewer").gives(200).await?;
        }
        Ok(())
    });
}

#[rstest]
fn the_last_owner_stays(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        acme.member("admin").await?;
        let owner = &acme.owner;
        for role in ["admin", "member", "viewer"] {
            refused(&setting(&acme, owner, owner, role).send().await?, 409, "conflict")?;
        }
        refused(&acme.owner("member-remove").user(&owner.subject).send().await?, 409, "conflict")?;
        let by_platform = acme.platform("member-remove")?.user(&owner.subject);
        refused(&by_platform.send().await?, 409, "conflict")?;
        setting(&acme, owner, owner, "owner").gives(200).await?;

        world.step("With a second one, the first may go");
        let second = acme.member("owner").await?;
        acme.owner("member-remove").user(&owner.subject).gives(204).await?;
        refused(&acme.by(&second, "member-remove").user(&second.subject).send().await?, 409, "conflict")?;
        acme.by(&second, "audit-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::removes_the_other("member-remove")]
#[case::demotes_the_other("member-role-set")]
fn of_two_owners_of_whom_each_at_once(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        for _ in 0..ROUNDS {
            let acme = Business::open(world, "acme").await?;
            let second = acme.member("owner").await?;
            let against = |by: &Principal, of: &Principal| {
                let call = acme.by(by, operation).user(&of.subject);
                if operation == "member-role-set" { call.json(json!({ "role": "viewer" })) } else { call }
            };
            let both = [against(&acme.owner, &second), against(&second, &acme.owner)];
            let mut statuses = Vec::new();
            for answer in join_all(both.map(Call::send)).await {
                statuses.push(answer?.status);
            }
            statuses.sort_unstable();
            let done = if operation == "member-remove" { 204 } else { 200 };
            world.must(
                statuses[0] == done && [403, 409].contains(&statuses[1]),
                format!("one of two is done and the other refused, found {statuses:?}"),
            )?;
            let owners = stored(world, &acme).await?.into_values().filter(|role| role == "owner").count();
            world.equal("owners left", owners, 1)?;
        }
        Ok(())
    });
}

#[rstest]
fn of_many_owners_who_resign_at_once_one_stays(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let mut owners = vec![acme.owner.clone()];
        for _ in 0..7 {
            owners.push(acme.member("owner").await?);
        }
        let resign = owners.iter().enumerate().map(|(index, owner)| match index % 2 {
            0 => setting(&acme, owner, owner, "viewer").send(),
            _ => acme.by(owner, "member-remove").user(&owner.subject).send(),
        });
        let mut done = 0;
        for answer in join_all(resign).await {
            let answer = answer?;
            match answer.status {
                200 | 204 => done += 1,
                _ => refused(&answer, 409, "conflict")?,
            }
        }
        world.equal("resigned", done, 7)?;
        let left = stored(world, &acme).await?.into_values().filter(|role| role == "owner").count();
        world.equal("owners left", left, 1)
    });
}

#[rstest]
fn ten_additions_of_one_person_at_once_make_one_member(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let newcomer = world.data.users().stranger("newcomer")?;
        let before = acme.log().await?;
        let sent = (0..10).map(|_| adding(&acme, &acme.owner, &newcomer, "member").send());
        let mut statuses = Vec::new();
        for answer in join_all(sent).await {
            statuses.push(answer?.status);
        }
        statuses.sort_unstable();
        world.data.adopt(&acme.tenant, SlotKind::User, &newcomer.subject)?;
        world.equal("the statuses", statuses, [&[201][..], &[409; 9]].concat())?;
        let told = acme.log_since(&before).await?;
        world.equal("the events", told, vec!["member-add SUCCESS".to_owned()])?;
        let seen = acme.owner("member-list").items().await?;
        let count = seen.iter().filter(|item| item["userId"] == json!(newcomer.subject)).count();
        world.equal("in the list", count, 1)
    });
}

#[rstest]
fn a_member_that_cannot_be_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let before = stored(world, &acme).await?;
        for (what, change) in [
            ("A role that is none", json!({ "role": "king" })),
            ("Another case", json!({ "role": "Owner" })),
            ("The issuer's word", json!({ "role": "org:admin" })),
            ("Two roles", json!({ "role": ["viewer", "owner"] })),
            ("No role", json!({})),
            ("No email", json!({ "email": "nobody" })),
            ("An empty id", json!({ "userId": "" })),
            ("An id with a quote", json!({ "userId": "a'b" })),
        ] {
            world.step(what);
            let newcomer = world.data.users().stranger("newcomer")?;
            let mut body = json!({ "userId": newcomer.subject, "email": fresh_email("x"), "role": "viewer" });
            match change.as_object().into_iter().flatten().next() {
                Some((name, value)) => body[name] = value.clone(),
                None => body = json!({ "userId": newcomer.subject, "email": fresh_email("x") }),
            }
            let answer = acme.owner("member-add").json(body).send().await?;
            refused(&answer, 422, "unprocessable")?;
            world.equal("the members", stored(world, &acme).await?, before.clone())?;
        }
        Ok(())
    });
}

/// A role that no version of this service gave a meaning, in the store all the same, permits nothing.
#[rstest]
fn a_role_without_a_meaning_permits_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let ann = acme.member("admin").await?;
        let product = acme.product("anvil", 1).await?;
        for role in ["superuser", "", "OWNER", "owner "] {
            world.data.tenants().set_role(&acme.tenant, &ann, role).await?;
            for call in
                [acme.by(&ann, "product-list"), acme.by(&ann, "audit-list"), acme.sell(&ann, &product, 1)]
            {
                refused(&call.send().await?, 403, "forbidden")?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn before_there_is_a_tenant_the_platform_mans_the_organisation_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::before_it_opens(world, "acme").await?;
        let newcomer = world.data.users().stranger("newcomer")?;
        refused(&adding(&acme, &acme.owner, &newcomer, "viewer").send().await?, 404, "no-tenant")?;

        world.step("Where no tenant is, also the last owner may go, by the platform's hand");
        acme.platform("member-remove")?.user(&acme.owner.subject).gives(204).await?;
        world.equal("members", stored(world, &acme).await?.len(), 0)?;
        refused(&acme.owner("product-list").send().await?, 403, "not-a-member")
    });
}

#[rstest]
fn whoever_is_no_member_looks_absent_to_those_who_manage(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let foreign = globex.member("viewer").await?;
        let nobody = world.data.users().stranger("nobody")?;
        for operation in ["member-role-set", "member-remove"] {
            let ask = async |user: &Principal| {
                let call = acme.owner(operation).user(&user.subject);
                let call = if operation == "member-role-set" {
                    call.json(json!({ "role": "viewer" }))
                } else {
                    call
                };
                Ok::<_, Stop>(suites_integration::seen(&call.send().await?))
            };
            let absent = ask(&nobody).await?;
            world.equal("the status", absent.0, 404)?;
            world.equal("the answer", ask(&foreign).await?, absent)?;
        }
        globex.by(&foreign, "product-list").gives(200).await?;
        Ok(())
    });
}
