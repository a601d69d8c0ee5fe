//! A store on a bad day: no write is lost or done twice, and nobody is shown internals.
//!
//! Each story has a system of its own, with a fault proxy between the service and its store. What is there is
//! counted in the store itself, behind the proxy.

use std::collections::BTreeSet;

use fixtures::Embedded;
use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::data::{Invitation, Tenant, fresh_email};
use harness::identity::Principal;
use harness::leak::random_code;
use harness::stores::{Fault, FaultProxy, Item};
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::{faulty, stage};

/// Writes that are tried while anything may fail.
const ATTEMPTS: usize = 30;
/// More failures in a row than the service's client has attempts.
const FOR_GOOD: usize = 1_000;

fn faults(embedded: &Embedded) -> Result<&FaultProxy, Stop> {
    embedded.faults.as_ref().ok_or_else(|| Stop::error("this story's system has no fault proxy"))
}

fn is(item: &Item, name: &str, value: &str) -> bool {
    item.get(name).and_then(Value::as_str) == Some(value)
}

/// A write that may be tried while the store misbehaves.
#[derive(Clone, Copy, Debug)]
enum Write {
    Invite,
    CreateTeam,
    CreateRole,
    Assign,
    AddMember,
    Accept,
}

/// What one write is about, fresh for every attempt.
struct Attempt {
    write: Write,
    word: String,
    email: String,
    user: String,
    invitation: Option<Invitation>,
}

/// How often a write's traces stand in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traces {
    things: usize,
    events: usize,
}

const NOTHING: Traces = Traces { things: 0, events: 0 };
const ONCE: Traces = Traces { things: 1, events: 1 };

/// An organisation in which writes are tried.
struct Scene<'w> {
    world: &'w World,
    acme: Tenant,
    admin: Principal,
    team: String,
    role: String,
}

impl Scene<'_> {
    async fn set(world: &World) -> Result<Scene<'_>, Stop> {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let team = world.data.teams().create(&acme, &admin).await?;
        let role = world.data.roles().create(&acme, &admin).await?;
        Ok(Scene { world, acme, admin, team, role })
    }

    async fn attempt(&self, write: Write) -> Result<Attempt, Stop> {
        let data = &self.world.data;
        let user = match write {
            Write::Assign | Write::AddMember => data.users().create(&self.acme, "ann", None).await?.subject,
            _ => String::new(),
        };
        let invitation = match write {
            Write::Accept => {
                Some(data.invitations().create(&self.acme, &self.admin, &self.role, None).await?)
            }
            _ => None,
        };
        Ok(Attempt {
            write,
            word: format!("thing-{}", random_code(8)),
            email: fresh_email("invitee"),
            user,
            invitation,
        })
    }

    fn call(&self, attempt: &Attempt) -> Call {
        let call = |operation: &str| self.world.api.call(operation).as_(&self.admin).org(&self.acme.org);
        match (attempt.write, &attempt.invitation) {
            (Write::Invite, _) => call("invitation-create")
                .json(json!({ "email": attempt.email, "roleId": self.role, "teamIds": [self.team] })),
            (Write::CreateTeam, _) => call("team-create").json(json!({ "name": attempt.word })),
            (Write::CreateRole, _) => {
                call("role-create").json(json!({ "name": attempt.word, "permissions": ["team:read"] }))
            }
            (Write::Assign, _) => call("role-assignment-create").user(&attempt.user).role(&self.role),
            (Write::AddMember, _) => {
                call("team-member-add").team(&self.team).json(json!({ "userId": attempt.user }))
            }
            (Write::Accept, Some(invitation)) => {
                let accept = self.world.api.call("invitation-accept").as_(&invitation.invitee);
                accept.invitation_token(&invitation.token)
            }
            (Write::Accept, None) => call("invitation-accept"),
        }
    }

    /// The traces of an attempt, counted in the store.
    async fn traces(&self, attempt: &Attempt) -> Result<Traces, Stop> {
        let table = self.world.table()?;
        let org = format!("ORG#{}", self.acme.org);
        let own = |user: &str| format!("USER#{user}#ORG#{}", self.acme.org);
        let invitee = attempt.invitation.as_ref().map(|invitation| invitation.invitee.subject.as_str());
        let (found, ids): (Vec<Item>, &str) = match attempt.write {
            Write::Invite => {
                (named(table.query(&org, "INVITATION#").await?, "email", &attempt.email), "invitationId")
            }
            Write::CreateTeam => (named(table.query(&org, "TEAM#").await?, "name", &attempt.word), "teamId"),
            Write::CreateRole => (named(table.query(&org, "ROLE#").await?, "name", &attempt.word), "roleId"),
            Write::Assign => {
                (table.query(&own(&attempt.user), &format!("ROLE#{}", self.role)).await?, "roleId")
            }
            Write::AddMember => (
                table.query(&format!("TEAM#{}", self.team), &format!("USER#{}", attempt.user)).await?,
                "teamId",
            ),
            Write::Accept => {
                let invitation = attempt.invitation.as_ref().map(|invitation| invitation.id.as_str());
                let sort = format!("INVITATION#{}", invitation.unwrap_or_default());
                let accepted = named(table.query(&org, &sort).await?, "status", "ACCEPTED");
                let member = table.query(&own(invitee.unwrap_or_default()), "MEMBERSHIP").await?;
                // Both or neither: an acceptance without the membership is a write that was lost.
                if accepted.len() != member.len() {
                    return Err(Stop::fail(format!(
                        "{} accepted and {} members",
                        accepted.len(),
                        member.len()
                    )));
                }
                (accepted, "invitationId")
            }
        };
        let (kind, action) = match attempt.write {
            Write::Invite => ("INVITATION", "CREATE"),
            Write::CreateTeam => ("CONFIGURATION", "CREATE"),
            Write::CreateRole => ("ROLE_CHANGE", "CREATE"),
            Write::Assign => ("ROLE_CHANGE", "ASSIGN"),
            Write::AddMember => ("TEAM_MEMBERSHIP", "ADD_MEMBER"),
            Write::Accept => ("INVITATION", "ACCEPT"),
        };
        let ids: BTreeSet<&str> = found.iter().filter_map(|item| item.get(ids)?.as_str()).collect();
        let log = table.mentioning(&[&format!("{org}#DATE#")]).await?;
        let about = |event: &&Item| {
            let user = event.get("details").and_then(|details| details.get("userId")).and_then(Value::as_str);
            let is_about = event.get("resourceId").and_then(Value::as_str).is_some_and(|id| ids.contains(id));
            is_about && (attempt.user.is_empty() || user == Some(&attempt.user))
        };
        let events = log.iter().filter(|event| {
            is(event, "eventType", kind) && is(event, "action", action) && is(event, "outcome", "SUCCESS")
        });
        Ok(Traces { things: found.len(), events: events.filter(about).count() })
    }
}

fn named(items: Vec<Item>, attribute: &str, value: &str) -> Vec<Item> {
    items.into_iter().filter(|item| is(item, attribute, value)).collect()
}

/// Success, or 503 with the time after which to try again, and nothing of the store in the answer.
fn presentable(answer: &Answer) -> Result<bool, Stop> {
    // None of them can come about by chance in a name with random characters.
    for internal in
        ["dynamodb", "DynamoDb", "Throttl", "injected", "127.0.0.1", "aws_sdk", "Error {", "panicked"]
    {
        if answer.body.contains(internal) {
            return Err(Stop::fail(format!(
                "no internals in an answer, found {internal:?} in {}",
                answer.body
            )));
        }
    }
    match answer.status {
        200..=299 => Ok(true),
        503 if !answer.header("retry-after").is_empty() => Ok(false),
        other => Err(answer.unexpected("2xx, or 503 with Retry-After", &other.to_string()).into()),
    }
}

#[rstest]
#[case::an_invitation(Write::Invite)]
#[case::a_team(Write::CreateTeam)]
#[case::a_role(Write::CreateRole)]
#[case::an_assignment(Write::Assign)]
#[case::a_membership(Write::AddMember)]
#[case::an_acceptance(Write::Accept)]
fn one_fault_in_a_commit_is_made_good(#[context] context: Context, #[case] write: Write) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        for fault in Fault::ALL {
            world.step(&format!("{write:?} while the store has one fault: {fault:?}"));
            let attempt = scene.attempt(write).await?;
            let before = proxy.injected().get(&fault).copied().unwrap_or_default();
            proxy.next("TransactWriteItems", fault, 1);
            let answer = scene.call(&attempt).send().await?;
            proxy.calm();
            let injected = proxy.injected().get(&fault).copied().unwrap_or_default() - before;
            world.must(injected == 1, format!("one {fault:?} injected, counted {injected}"))?;
            world.must(
                presentable(&answer)?,
                format!("success in spite of {fault:?}, got {}", answer.status),
            )?;
            let traces = scene.traces(&attempt).await?;
            world.must(traces == ONCE, format!("once in the store after {fault:?}, found {traces:?}"))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::an_invitation(Write::Invite)]
#[case::a_team(Write::CreateTeam)]
#[case::a_role(Write::CreateRole)]
#[case::an_assignment(Write::Assign)]
#[case::a_membership(Write::AddMember)]
#[case::an_acceptance(Write::Accept)]
fn a_commit_that_cannot_be_made_is_a_503_and_leaves_nothing_half_done(
    #[context] context: Context,
    #[case] write: Write,
) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        for fault in [Fault::Throttled, Fault::Conflict, Fault::Broken, Fault::Cut, Fault::AnswerLost] {
            world.step(&format!("{write:?} while every commit is {fault:?}"));
            let attempt = scene.attempt(write).await?;
            proxy.next("TransactWriteItems", fault, FOR_GOOD);
            let answer = scene.call(&attempt).send().await?;
            proxy.calm();
            // A lost answer is one to a commit that was made: whoever looks finds it.
            let is_made = fault == Fault::AnswerLost;
            let told = presentable(&answer)?;
            world.must(told == is_made, format!("made {is_made} while {fault:?}, got {}", answer.status))?;
            let traces = scene.traces(&attempt).await?;
            let expected = if is_made { ONCE } else { NOTHING };
            world.must(traces == expected, format!("{expected:?} after {fault:?}, found {traces:?}"))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::items("GetItem")]
#[case::queries("Query")]
#[case::batches("BatchGetItem")]
fn a_store_that_cannot_be_read_lets_nobody_in(#[context] context: Context, #[case] action: &'static str) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        let viewer = world.data.users().create(&scene.acme, "site-viewer", Some("SITE_VIEWER")).await?;
        let mut unavailable = 0;
        for fault in [Fault::Throttled, Fault::Broken, Fault::Cut, Fault::AnswerLost] {
            proxy.next(action, fault, FOR_GOOD);
            for operation in ["team-list", "team-get", "role-list", "audit-list", "permission-list"] {
                let call = world.api.call(operation).as_(&scene.admin).org(&scene.acme.org);
                unavailable += usize::from(!presentable(&call.team(&scene.team).send().await?)?);
            }
            let delete = world.api.call("team-delete").as_(&viewer).org(&scene.acme.org).team(&scene.team);
            let status = delete.send().await?.status;
            world.must(matches!(status, 403 | 503), format!("a viewer deletes nothing, got {status}"))?;
            proxy.calm();
        }
        world
            .must(unavailable >= 4, format!("503 while {action} fails, {unavailable} of 20 answers were"))?;
        let teams =
            world.api.call("team-list").as_(&scene.admin).org(&scene.acme.org).send().await?.expect(200)?;
        world
            .must(teams.array_at("/items")?.len() == 1, "the team is still there, and everything works again")
    });
}

#[rstest]
fn random_faults_lose_and_double_no_write(#[context] context: Context) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        let writes = [
            Write::Invite,
            Write::CreateTeam,
            Write::CreateRole,
            Write::Assign,
            Write::AddMember,
            Write::Accept,
        ];
        let mut attempts = Vec::new();
        for round in 0..ATTEMPTS {
            attempts.push(scene.attempt(writes[round % writes.len()]).await?);
        }

        world.step("One call in four fails, in any way");
        proxy.random(0.25, &Fault::ALL);
        let mut answers = Vec::new();
        for some in attempts.chunks(10) {
            let sent = some.iter().map(|attempt| scene.call(attempt).send());
            answers.extend(futures::future::join_all(sent).await);
        }
        proxy.calm();
        let injected = proxy.injected();
        // Conflicts meet transactions alone, which are few: they have a story of their own above.
        let mut common = Fault::ALL.iter().filter(|fault| **fault != Fault::Conflict);
        world.must(
            common.all(|fault| injected.contains_key(fault)),
            format!("every fault injected, {injected:?}"),
        )?;
        let total: usize = injected.values().sum();
        world.must(total >= ATTEMPTS / 2, format!("a fault for every other write, {total} were injected"))?;

        world
            .step("What was answered with success is there once, with one event; what was not, at most once");
        let (mut done, mut refused) = (0, 0);
        for (attempt, answer) in attempts.iter().zip(answers) {
            let succeeded = presentable(&answer?)?;
            let traces = scene.traces(attempt).await?;
            done += usize::from(succeeded);
            refused += usize::from(!succeeded);
            let fine = traces == ONCE || (!succeeded && traces == NOTHING);
            world.must(fine, format!("{:?} answered with success {succeeded}: {traces:?}", attempt.write))?;
        }
        world.must(
            done > 0 && done + refused == ATTEMPTS,
            format!("{done} done and {refused} refused of {ATTEMPTS}"),
        )?;

        world.step("The team's count agrees with its members");
        let table = world.table()?;
        let members = table.query(&format!("TEAM#{}", scene.team), "USER#").await?.len();
        let team = table.get(&format!("ORG#{}", scene.acme.org), &format!("TEAM#{}", scene.team)).await?;
        let count = team.and_then(|team| team.get("memberCount").cloned());
        world.must(count == Some(json!(members)), format!("{members} members, counted {count:?}"))
    });
}

#[rstest]
fn a_refusal_stays_a_refusal_and_leaves_one_event(#[context] context: Context) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        let viewer = world.data.users().create(&scene.acme, "site-viewer", Some("SITE_VIEWER")).await?;
        let denied = async || -> Result<usize, Stop> {
            let log = world.table()?.mentioning(&[&format!("ORG#{}#DATE#", scene.acme.org)]).await?;
            Ok(log.iter().filter(|event| is(event, "outcome", "DENIED")).count())
        };
        proxy.random(0.3, &Fault::ALL);
        let mut refused = 0;
        let mut unavailable = 0;
        for _ in 0..30 {
            let call = world.api.call("team-create").as_(&viewer).org(&scene.acme.org);
            match call.json(json!({ "name": "not mine to make" })).send().await?.status {
                403 => refused += 1,
                503 => unavailable += 1,
                other => return Err(Stop::fail(format!("expected 403 or 503, got {other}"))),
            }
        }
        proxy.calm();
        let injected: usize = proxy.injected().values().sum();
        world.must(injected >= 10, format!("10 faults or more injected, {injected} were"))?;
        let events = denied().await?;
        let bounds = refused..=refused + unavailable;
        world.must(
            bounds.contains(&events),
            format!("{refused} refusals and {unavailable} times 503, {events} events"),
        )?;
        world.must(refused > 0, "some refusals got through")
    });
}

#[rstest]
fn a_created_thing_is_reachable_when_the_store_is_slow(#[context] context: Context) {
    stage(&context, faulty()).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let scene = Scene::set(world).await?;
        proxy.random(1.0, &[Fault::Late]);
        let created = world.api.call("team-create").as_(&scene.admin).org(&scene.acme.org);
        let created = created.json(json!({ "name": "slow but steady" })).send().await?.expect(201)?;
        let team = created.text_at("/id")?;
        world.data.adopt(&scene.acme, SlotKind::Team, &team)?;
        let read =
            world.api.call("team-get").as_(&scene.admin).org(&scene.acme.org).team(&team).send().await?;
        read.expect(200)?;
        proxy.calm();
        let late = proxy.injected().get(&Fault::Late).copied().unwrap_or_default();
        world.must(late >= 4, format!("every call was late, {late} were"))?;
        let share = created.header("server-timing");
        world.must(
            share.contains("store;dur="),
            format!("the store's share of the time is told, found {share:?}"),
        )
    });
}
