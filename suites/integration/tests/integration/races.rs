//! Many at once: what clients saw side by side must have an order in which they could have seen it one after the
//! other, and the store must agree with the end of it.

use futures::future::join_all;
use harness::client::Call;
use harness::identity::Principal;
use harness::world::Stop;
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::history::{Observed, linearized};
use suites_integration::{Company, accept};

use crate::world;

/// How often a race is run: one that is lost once in ten is a race all the same.
const ROUNDS: usize = 3;

/// Sends all at once and gives their statuses, as each client saw them.
async fn at_once<O: Copy>(
    calls: impl IntoIterator<Item = (O, Call)>,
) -> Result<Vec<Observed<(O, u16)>>, Stop> {
    let sent = calls.into_iter().map(|(operation, call)| {
        Observed::watch(async move { (operation, call.send().await.map(|answer| answer.status)) })
    });
    let seen =
        join_all(sent).await.into_iter().map(|Observed { began, ended, what: (operation, status) }| {
            Ok(Observed { began, ended, what: (operation, status?) })
        });
    seen.collect()
}

fn told<O: std::fmt::Debug>(history: &[Observed<(O, u16)>]) -> String {
    history.iter().map(|seen| format!("{:?}", seen.what)).collect::<Vec<_>>().join(", ")
}

fn count<O>(history: &[Observed<(O, u16)>], status: u16) -> usize {
    history.iter().filter(|seen| seen.what.1 == status).count()
}

#[rstest]
fn an_invitation_accepted_many_times_at_once_is_accepted_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let role = acme.role(&["site:read"]).await?;
        for round in 1..=ROUNDS {
            let invitation = acme.invite_to(&role, &[&team]).await?;
            let try_it = |_| ((), accept(world, &invitation.invitee, &invitation.token));
            let seen = at_once((0..8).map(try_it)).await?;
            world.must(count(&seen, 200) == 1, format!("one of eight accepts, found {}", told(&seen)))?;
            world.must(
                count(&seen, 410) + count(&seen, 409) == 7,
                format!("seven too late, found {}", told(&seen)),
            )?;
            let accepts = acme.log().await?.ended("SUCCESS").only(|event| event.action == "ACCEPT").0.len();
            world.must(accepts == round, format!("{round} acceptances told, found {accepts}"))?;
            let members = acme.member_count(&team).await?;
            world.must(
                members == round as u64 + 1,
                format!("{} members counted, found {members}", round + 1),
            )?;
        }
        Ok(())
    });
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Accept,
    Cancel,
    Decline,
    Resend,
}

#[rstest]
#[case::cancelled(Fate::Cancel, "invitation-cancel")]
#[case::declined(Fate::Decline, "invitation-decline")]
#[case::resent(Fate::Resend, "invitation-resend")]
fn an_invitation_has_one_fate(#[context] context: Context, #[case] rival: Fate, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let role = world.data.roles().create(&acme, &admin).await?;
        for _ in 0..ROUNDS {
            let invitation = world.data.invitations().create(&acme, &admin, &role, None).await?;
            let member = world.data.invitations().accepted(&acme, &invitation);
            let accept = world.api.call("invitation-accept").as_(&invitation.invitee);
            let end = world.api.call(operation).as_(&admin).org(&acme.org).invitation(&invitation.id);
            let calls = [
                (Fate::Accept, accept.invitation_token(&invitation.token)),
                (rival, end.invitation_token(&invitation.token)),
            ];
            let seen = at_once(calls).await?;
            let order = linearized(&seen, &Some(true), |link_works: &Option<bool>, (fate, status)| {
                match (fate, status) {
                    // `None`: settled for ever. `Some(false)`: pending under another token.
                    (Fate::Accept, 200) if *link_works == Some(true) => Some(None),
                    (Fate::Accept, 404 | 410) if *link_works == Some(false) => Some(*link_works),
                    (Fate::Accept, 409 | 410) if link_works.is_none() => Some(None),
                    (Fate::Resend, 200) if link_works.is_some() => Some(Some(false)),
                    (Fate::Cancel | Fate::Decline, 200 | 204) if link_works.is_some() => Some(None),
                    (Fate::Cancel | Fate::Decline | Fate::Resend, 409 | 410) if link_works.is_none() => {
                        Some(None)
                    }
                    // Whoever is told that it changed in the meantime changed nothing.
                    (_, 409) => Some(*link_works),
                    _ => None,
                }
            });
            world.must(order.is_some(), format!("an order of {} in which both can be", told(&seen)))?;
            let accepted = seen.iter().any(|seen| matches!(seen.what, (Fate::Accept, 200)));
            let own =
                world.api.call("role-assignment-list").as_(&member).org(&acme.org).user(&member.subject);
            let status = own.send().await?.status;
            let expected = if accepted { 200 } else { 404 };
            world.must(
                status == expected,
                format!("a member if and only if accepted ({accepted}), got {status}"),
            )?;
        }
        Ok(())
    });
}

use Grant::{Assign, Unassign};

#[derive(Clone, Copy, Debug)]
enum Grant {
    Assign,
    Unassign,
    Look(bool),
}

#[rstest]
fn granting_and_removing_a_role_at_once_has_an_order(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let role = world.data.roles().create(&acme, &admin).await?;
        for _ in 0..ROUNDS {
            let ann = world.data.users().create(&acme, "ann", None).await?;
            let call =
                |operation: &str| world.api.call(operation).as_(&admin).org(&acme.org).user(&ann.subject);
            let look = async || -> Result<(Grant, u16), Stop> {
                let held = call("role-assignment-list").send().await?.expect(200)?.array_at("/items")?;
                Ok((Grant::Look(!held.is_empty()), 200))
            };
            let change = async |grant: Grant| -> Result<(Grant, u16), Stop> {
                let operation = match grant {
                    Grant::Assign => "role-assignment-create",
                    _ => "role-assignment-delete",
                };
                Ok((grant, call(operation).role(&role).send().await?.status))
            };
            let client = async |first: Grant, second: Grant| -> Result<Vec<Observed<(Grant, u16)>>, Stop> {
                let mut seen = Vec::new();
                for grant in [first, second] {
                    for observed in [Observed::watch(change(grant)).await, Observed::watch(look()).await] {
                        let Observed { began, ended, what } = observed;
                        seen.push(Observed { began, ended, what: what? });
                    }
                }
                Ok(seen)
            };
            let clients = [
                client(Assign, Unassign),
                client(Unassign, Assign),
                client(Assign, Unassign),
                client(Unassign, Assign),
            ];
            let mut seen = Vec::new();
            for history in join_all(clients).await {
                seen.extend(history?);
            }
            let order = linearized(&seen, &false, |held: &bool, (grant, status)| match (grant, status) {
                (Grant::Assign, 201) if !held => Some(true),
                (Grant::Unassign, 204) if *held => Some(false),
                (Grant::Unassign, 404) if !held => Some(false),
                // Also to whoever was overtaken: told to read again, having changed nothing.
                (Grant::Assign | Grant::Unassign, 409) => Some(*held),
                (Grant::Look(saw), 200) if saw == held => Some(*held),
                _ => None,
            });
            world.must(order.is_some(), format!("an order in which these can be: {}", told(&seen)))?;
            let (given, taken) = (count(&seen, 201), count(&seen, 204));
            world.must(given - taken <= 1, format!("given {given} times, taken {taken} times"))?;
        }
        Ok(())
    });
}

#[rstest]
fn two_administrators_who_remove_each_other_leave_one(#[context] context: Context) {
    world(&context).tell(async |world| {
        for _ in 0..ROUNDS {
            let acme = world.data.organisations().create("acme").await?;
            let ann = world.data.users().create(&acme, "ann", Some("ORG_ADMIN")).await?;
            let bob = world.data.users().create(&acme, "bob", Some("ORG_ADMIN")).await?;
            let role = world.data.roles().by_name(&acme, &ann).await?["ORG_ADMIN"].clone();
            let remove = |by: &Principal, of: &Principal| {
                world.api.call("role-assignment-delete").as_(by).org(&acme.org).user(&of.subject).role(&role)
            };
            let seen = at_once([("ann", remove(&ann, &bob)), ("bob", remove(&bob, &ann))]).await?;
            world
                .must(count(&seen, 204) == 1, format!("one of the two is removed, found {}", told(&seen)))?;
            let mut admins = 0;
            for one in [&ann, &bob] {
                let list = world.api.call("role-list").as_(one).org(&acme.org).send().await?;
                admins += usize::from(list.status == 200);
            }
            world.must(admins == 1, format!("one administrator is left, found {admins}"))?;
        }
        Ok(())
    });
}

#[rstest]
fn administrators_suspended_all_at_once_leave_one(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = world.data.platform_admin()?;
        for _ in 0..ROUNDS {
            let acme = world.data.organisations().create("acme").await?;
            let mut admins = Vec::new();
            for name in ["ann", "bob", "cat"] {
                admins.push(world.data.users().create(&acme, name, Some("ORG_ADMIN")).await?);
            }
            let suspend = |admin: &Principal| {
                let call = world.api.call("user-status-set").as_(&platform).user(&admin.subject);
                ((), call.json(json!({ "status": "SUSPENDED" })))
            };
            let seen = at_once(admins.iter().map(suspend)).await?;
            let fine = seen.iter().all(|seen| matches!(seen.what.1, 200 | 409)) && count(&seen, 200) <= 2;
            world.must(fine, format!("two suspended at most, found {}", told(&seen)))?;
            let mut active = 0;
            for admin in &admins {
                let list = world.api.call("role-list").as_(admin).org(&acme.org).send().await?;
                active += usize::from(list.status == 200);
            }
            world.must(
                active == 3 - count(&seen, 200),
                format!("{active} still active after {}", told(&seen)),
            )?;
        }
        Ok(())
    });
}

#[rstest]
fn a_role_given_while_it_is_switched_off_does_not_count(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        for _ in 0..ROUNDS {
            let ann = world.data.users().create(&acme, "ann", None).await?;
            let role = world.data.roles().create_with(&acme, &admin, &["role:read"]).await?;
            let give = world.api.call("role-assignment-create").as_(&admin).org(&acme.org).user(&ann.subject);
            let switch = world.api.call("role-update").as_(&admin).org(&acme.org).role(&role);
            let calls = [("give", give.role(&role)), ("switch", switch.json(json!({ "active": false })))];
            let seen = at_once(calls).await?;
            world.must(
                seen.iter().all(|seen| matches!(seen.what.1, 200 | 201 | 409)),
                format!("done or told to read again, found {}", told(&seen)),
            )?;
            let off = seen.iter().any(|seen| seen.what == ("switch", 200));
            let list = world.api.call("role-list").as_(&ann).org(&acme.org).send().await?;
            world.must(
                !off || list.status == 403,
                format!("a role that is off permits nothing, got {}", list.status),
            )?;
        }
        Ok(())
    });
}

#[rstest]
fn members_added_and_removed_at_once_are_counted_right(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let team = world.data.teams().create(&acme, &admin).await?;
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(world.data.users().create(&acme, "ann", None).await?);
        }
        for _ in 0..ROUNDS {
            let call = |operation: &str| world.api.call(operation).as_(&admin).org(&acme.org).team(&team);
            let mut calls = Vec::new();
            for person in &people {
                for _ in 0..2 {
                    calls.push(("add", call("team-member-add").json(json!({ "userId": person.subject }))));
                    calls.push(("remove", call("team-member-remove").member(&person.subject)));
                }
            }
            let seen = at_once(calls).await?;
            let known = seen.iter().all(|seen| matches!(seen.what.1, 201 | 204 | 404 | 409));
            world.must(known, format!("done, absent or told to read again, found {}", told(&seen)))?;
            let list = call("team-member-list").send().await?.expect(200)?.array_at("/items")?;
            let counted = call("team-get").send().await?.expect(200)?.json()["memberCount"].clone();
            world.must(counted == json!(list.len()), format!("{} members, counted {counted}", list.len()))?;
            for person in &people {
                let teams = world.api.call("user-team-list").as_(&admin).org(&acme.org).user(&person.subject);
                let teams = teams.send().await?.expect(200)?.array_at("/items")?;
                let listed = list.iter().any(|member| member["userId"] == person.subject.as_str());
                world.must(teams.len() == usize::from(listed), "the team's list and the user's agree")?;
            }
        }
        Ok(())
    });
}
