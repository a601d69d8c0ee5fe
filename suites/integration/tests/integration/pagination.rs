//! Lists: whoever walks one page by page sees what stays exactly once, while other things come and go.

use std::collections::BTreeMap;

use harness::client::Call;
use harness::contract::SlotKind;
use harness::data::{Tenant, fresh_email};
use harness::identity::Principal;
use harness::leak::random_code;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;

/// Enough for several pages of three.
const STAYERS: usize = 5;
/// A walk of more pages goes in circles.
const MOST_PAGES: usize = 1_000;

/// The lists there are.
#[derive(Clone, Copy, Debug)]
enum List {
    Organisations,
    Permissions,
    Roles,
    RolesOfUser,
    Teams,
    TeamRoles,
    Members,
    TeamsOfUser,
    Invitations,
    Events,
    EventsOfUser,
    EventsOfTeam,
}

impl List {
    fn operation(self) -> &'static str {
        match self {
            List::Organisations => "org-list",
            List::Permissions => "permission-list",
            List::Roles => "role-list",
            List::RolesOfUser => "role-assignment-list",
            List::Teams => "team-list",
            List::TeamRoles => "team-role-list",
            List::Members => "team-member-list",
            List::TeamsOfUser => "user-team-list",
            List::Invitations => "invitation-list",
            List::Events => "audit-list",
            List::EventsOfUser => "audit-user-list",
            List::EventsOfTeam => "audit-resource-list",
        }
    }
}

/// Where a list is walked.
struct Scene<'w> {
    world: &'w World,
    list: List,
    acme: Tenant,
    admin: Principal,
    platform: Principal,
    user: String,
    team: String,
}

impl Scene<'_> {
    async fn set(world: &World, list: List) -> Result<Scene<'_>, Stop> {
        let acme = world.data.organisations().create("acme").await?;
        let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
        let user = world.data.users().create(&acme, "ann", None).await?.subject;
        let team = world.data.teams().create(&acme, &admin).await?;
        let platform = world.data.platform_admin()?;
        Ok(Scene { world, list, acme, admin, platform, user, team })
    }

    fn reader(&self) -> &Principal {
        if matches!(self.list, List::Organisations) { &self.platform } else { &self.admin }
    }

    fn call(&self, operation: &str) -> Call {
        self.world.api.call(operation).as_(&self.admin).org(&self.acme.org)
    }

    fn page(&self) -> Call {
        let call = self.world.api.call(self.list.operation()).as_(self.reader()).org(&self.acme.org);
        let user = if matches!(self.list, List::EventsOfUser) { &self.admin.subject } else { &self.user };
        call.user(user).team(&self.team)
    }

    /// Makes one more of what is listed, and gives the id by which the list shows it.
    async fn add(&self) -> Result<String, Stop> {
        let data = &self.world.data;
        let (acme, admin) = (&self.acme, &self.admin);
        Ok(match self.list {
            List::Organisations => data.organisations().create("listed").await?.org,
            List::Permissions => {
                let name = format!("listed-{}:read", random_code(8).to_lowercase());
                let create = self.world.api.call("permission-create").as_(&self.platform);
                let body = json!({ "name": name, "description": "made to be listed" });
                let id = create.json(body).send().await?.expect(201)?.text_at("/id")?;
                data.permissions().adopt(acme, &id)?;
                id
            }
            List::Roles => data.roles().create(acme, admin).await?,
            List::RolesOfUser => {
                let role = data.roles().create(acme, admin).await?;
                let give = self.call("role-assignment-create").user(&self.user).role(&role);
                give.send().await?.expect(201)?;
                role
            }
            List::Teams => data.teams().create(acme, admin).await?,
            List::TeamRoles => {
                let create =
                    self.call("team-role-create").json(json!({ "name": format!("part {}", random_code(8)) }));
                let id = create.send().await?.expect(201)?.text_at("/id")?;
                data.adopt(acme, SlotKind::TeamRole, &id)?;
                id
            }
            List::Members => {
                let user = data.users().create(acme, "listed", None).await?.subject;
                data.teams().add_member(acme, admin, &self.team, &user).await?;
                user
            }
            List::TeamsOfUser => {
                let team = data.teams().create(acme, admin).await?;
                data.teams().add_member(acme, admin, &team, &self.user).await?;
                team
            }
            List::Invitations => {
                let role = data.roles().by_name(acme, admin).await?["SITE_VIEWER"].clone();
                let body = json!({ "email": fresh_email("listed"), "roleId": role });
                let id =
                    self.call("invitation-create").json(body).send().await?.expect(201)?.text_at("/id")?;
                data.adopt(acme, SlotKind::Invitation, &id)?;
                id
            }
            List::Events | List::EventsOfUser | List::EventsOfTeam => {
                let update = self.call("team-update").team(&self.team);
                update.json(json!({ "description": random_code(8) })).send().await?.expect(200)?;
                // The newest event is this one: nobody else acts here.
                let newest = self.page().query("limit", &1).send().await?.expect(200)?;
                newest.text_at("/items/0/id")?
            }
        })
    }

    /// Removes one that was made. Nothing is ever removed from a log, nor an organisation's invitation from its list.
    async fn remove(&self, id: &str) -> Result<(), Stop> {
        let gone = match self.list {
            List::Organisations => self.world.api.call("org-delete").as_(&self.platform).org(id),
            List::Permissions => {
                self.world.api.call("permission-delete").as_(&self.platform).slot(SlotKind::Permission, id)
            }
            List::Roles => self.call("role-delete").role(id),
            List::RolesOfUser => self.call("role-assignment-delete").user(&self.user).role(id),
            List::Teams => self.call("team-delete").team(id),
            List::TeamRoles => self.call("team-role-delete").slot(SlotKind::TeamRole, id),
            List::Members => self.call("team-member-remove").team(&self.team).member(id),
            List::TeamsOfUser => self.call("team-member-remove").team(id).member(&self.user),
            List::Invitations | List::Events | List::EventsOfUser | List::EventsOfTeam => return Ok(()),
        };
        gone.send().await?.expect(204)?;
        Ok(())
    }

    fn id(&self, item: &Value) -> String {
        let member = if matches!(self.list, List::Members) { "userId" } else { "id" };
        item[member].as_str().unwrap_or_default().to_owned()
    }

    /// Walks the list to its end; `between` is called after every page but the last. Counts what was seen.
    async fn walk(
        &self,
        limit: Option<usize>,
        mut between: impl AsyncFnMut(usize) -> Result<(), Stop>,
    ) -> Result<BTreeMap<String, usize>, Stop> {
        let mut seen = BTreeMap::new();
        let mut cursor: Option<String> = None;
        for page in 0..MOST_PAGES {
            let mut call = self.page();
            if let Some(limit) = limit {
                call = call.query("limit", &limit);
            }
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let answer = call.send().await?.expect(200)?;
            let items = answer.array_at("/items")?;
            let most = limit.unwrap_or(25);
            self.world.must(items.len() <= most, format!("a page of {most} at most, got {}", items.len()))?;
            for item in &items {
                *seen.entry(self.id(item)).or_default() += 1;
            }
            cursor = answer.json()["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(seen);
            }
            between(page).await?;
        }
        Err(Stop::fail(format!("the list has an end, {MOST_PAGES} pages did not reach it")))
    }
}

#[rstest]
#[case::organisations(List::Organisations)]
#[case::permissions(List::Permissions)]
#[case::roles(List::Roles)]
#[case::roles_of_a_user(List::RolesOfUser)]
#[case::teams(List::Teams)]
#[case::team_roles(List::TeamRoles)]
#[case::members(List::Members)]
#[case::teams_of_a_user(List::TeamsOfUser)]
#[case::invitations(List::Invitations)]
#[case::events(List::Events)]
#[case::events_of_a_user(List::EventsOfUser)]
#[case::events_of_a_team(List::EventsOfTeam)]
fn what_stays_is_seen_exactly_once_while_others_come_and_go(#[context] context: Context, #[case] list: List) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, list).await?;
        let mut stayers = Vec::new();
        for _ in 0..STAYERS {
            stayers.push(scene.add().await?);
        }
        for limit in [Some(1), Some(3), None] {
            world.step(&format!("Walked with limit {limit:?}, one added and one removed after each page"));
            let mut passers = vec![scene.add().await?];
            // Platform-wide lists are long when many tests run at once: what comes and goes is bounded.
            let churn = async |page: usize| {
                if page < 3 {
                    let leaving = passers.pop();
                    passers.push(scene.add().await?);
                    if let Some(leaving) = leaving {
                        scene.remove(&leaving).await?;
                    }
                }
                Ok(())
            };
            let seen = scene.walk(limit, churn).await?;
            let missed: Vec<_> = stayers.iter().filter(|id| !seen.contains_key(*id)).collect();
            world.must(missed.is_empty(), format!("all that stays is seen, missed {missed:?}"))?;
            let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
            world.must(twice.is_empty(), format!("nothing is seen twice, saw {twice:?}"))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::roles(List::Roles)]
#[case::teams(List::Teams)]
#[case::team_roles(List::TeamRoles)]
fn a_quiet_list_is_the_same_by_offset_and_by_cursor(#[context] context: Context, #[case] list: List) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, list).await?;
        for _ in 0..4 {
            scene.add().await?;
        }
        let by_cursor = scene.walk(Some(3), async |_| Ok(())).await?;
        let mut by_offset = BTreeMap::new();
        for offset in (0..by_cursor.len()).step_by(2) {
            let page = scene.page().query("limit", &2).query("offset", &offset).send().await?.expect(200)?;
            for item in page.array_at("/items")? {
                *by_offset.entry(scene.id(&item)).or_default() += 1;
            }
        }
        world.must(by_offset == by_cursor, format!("{by_cursor:?} by cursor, {by_offset:?} by offset"))?;
        let after = scene.page().query("offset", &by_cursor.len()).send().await?.expect(200)?;
        world.must(after.array_at("/items")?.is_empty(), "nothing lies after the end")
    });
}

#[rstest]
fn a_page_that_cannot_be_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, List::Teams).await?;
        for (what, name, value) in [
            ("no items", "limit", "0"),
            ("too many items", "limit", "101"),
            ("no number", "limit", "many"),
            ("too far", "offset", "1001"),
            ("behind the beginning", "offset", "-1"),
            ("no cursor of ours", "cursor", "AAAA"),
        ] {
            world.step(what);
            let refused = scene.page().query(name, value).send().await?.expect(400)?;
            let kind = refused.text_at("/type")?;
            world.must(kind.ends_with("malformed-request"), "which says that the request is malformed")?;
        }
        Ok(())
    });
}

#[rstest]
fn a_cursor_belongs_to_its_list_its_query_its_tenant_and_its_reader(#[context] context: Context) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, List::Teams).await?;
        for _ in 0..3 {
            scene.add().await?;
        }
        let globex = world.data.organisations().create("globex").await?;
        let other = world.data.users().join(&globex, &scene.admin, Some("ORG_ADMIN")).await?;
        let colleague = world.data.users().create(&scene.acme, "colleague", Some("ORG_ADMIN")).await?;
        let cursor = scene.page().query("limit", &1).send().await?.expect(200)?.text_at("/nextCursor")?;

        let call = |operation: &str| world.api.call(operation).query("limit", &1).query("cursor", &cursor);
        let own = call("team-list").as_(&scene.admin).org(&scene.acme.org);
        own.send().await?.expect(200)?;
        for (whose, stolen) in [
            ("another tenant", call("team-list").as_(&other).org(&globex.org)),
            ("another reader", call("team-list").as_(&colleague).org(&scene.acme.org)),
            ("another list", call("role-list").as_(&scene.admin).org(&scene.acme.org)),
            (
                "another user's list",
                call("user-team-list").as_(&scene.admin).org(&scene.acme.org).user(&scene.user),
            ),
        ] {
            let answer = stolen.send().await?;
            world.must(
                answer.status == 400,
                format!("a cursor for {whose} is refused, got {}", answer.status),
            )?;
        }
        let filtered = world.api.call("invitation-list").as_(&scene.admin).org(&scene.acme.org);
        let scene = Scene { list: List::Invitations, ..scene };
        for _ in 0..2 {
            scene.add().await?;
        }
        let of_all = filtered.clone().query("limit", &1).send().await?.expect(200)?.text_at("/nextCursor")?;
        let of_some = filtered.query("limit", &1).query("status", "PENDING").query("cursor", &of_all);
        of_some.send().await?.expect(400)?;
        Ok(())
    });
}

#[rstest]
fn both_ways_of_paging_at_once_are_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, List::Teams).await?;
        scene.add().await?;
        let cursor = scene.page().query("limit", &1).send().await?.expect(200)?.text_at("/nextCursor")?;
        scene.page().query("cursor", &cursor).query("offset", &1).send().await?.expect(400)?;
        Ok(())
    });
}

#[rstest]
fn counts_agree_with_lists_and_with_what_each_shows(#[context] context: Context) {
    world(&context).tell(async |world| {
        let scene = Scene::set(world, List::Members).await?;
        for _ in 0..5 {
            scene.add().await?;
        }
        let members = scene.walk(Some(2), async |_| Ok(())).await?;
        let team = scene.call("team-get").team(&scene.team).send().await?.expect(200)?.json();
        world.must(
            team["memberCount"] == json!(members.len()),
            format!("{} members, the team says {}", members.len(), team["memberCount"]),
        )?;
        for member in members.keys() {
            scene.call("team-member-get").team(&scene.team).member(member).send().await?.expect(200)?;
        }
        let listed = scene.call("team-list").send().await?.expect(200)?.array_at("/items")?;
        world.must(
            listed == [team],
            format!("the list shows the team as the team shows itself, got {listed:?}"),
        )?;

        let scene = Scene { list: List::Events, ..scene };
        let events = scene.walk(Some(7), async |_| Ok(())).await?;
        let summary = scene.call("audit-summary").send().await?.expect(200)?.json();
        world.must(
            summary["total"] == json!(events.len()),
            format!("{} events, the summary says {}", events.len(), summary["total"]),
        )?;
        let sum = |name: &str| {
            summary[name]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(_, count)| count.as_u64())
                .sum::<u64>()
        };
        world.must(
            sum("byEventType") == sum("byOutcome") && sum("byOutcome") == events.len() as u64,
            format!("each part of the summary adds up, got {summary}"),
        )
    });
}
