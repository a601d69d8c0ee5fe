//! The permissions there are, and how they, roles and memberships lie in the table.

use std::collections::{BTreeMap, BTreeSet};

use fixtures::Setup;
use futures::future::join_all;
use harness::client::Call;
use harness::contract::SlotKind;
use harness::identity::Principal;
use harness::leak::random_code;
use harness::stores::Table;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::{stage, world};
use suites_integration::{Company, Gives as _, text};

fn fresh(about: &str) -> String {
    format!("{about}-{}:read", random_code(8).to_lowercase())
}

/// The platform, where permissions are made.
struct Platform<'w> {
    world: &'w World,
    admin: Principal,
}

impl<'w> Platform<'w> {
    fn of(world: &'w World) -> Result<Platform<'w>, Stop> {
        Ok(Platform { world, admin: world.data.platform_admin()? })
    }

    fn by(&self, who: &Principal, operation: &str, id: &str) -> Call {
        self.world.api.call(operation).as_(who).slot(SlotKind::Permission, id)
    }

    fn on(&self, operation: &str, id: &str) -> Call {
        self.by(&self.admin, operation, id)
    }

    fn create(&self, name: &str) -> Call {
        let body = json!({ "name": name, "description": "made by a story" });
        self.world.api.call("permission-create").as_(&self.admin).json(body)
    }

    /// One page after the other, of so many each.
    async fn all(&self, limit: usize, resource: Option<&str>) -> Result<Vec<String>, Stop> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut page = self.world.api.call("permission-list").as_(&self.admin).query("limit", &limit);
            if let Some(resource) = resource {
                page = page.query("resource", resource);
            }
            if let Some(cursor) = &cursor {
                page = page.query("cursor", cursor);
            }
            let page = page.gives(200).await?.json();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            self.world
                .must(items.len() <= limit, format!("at most {limit} on a page, found {}", items.len()))?;
            all.extend(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned));
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

/// A permission's item in the table; empty when there is none.
async fn stored(table: &Table, name: &str) -> Result<BTreeMap<String, Value>, Stop> {
    Ok(table.get(&format!("PERMISSION#{name}"), "METADATA").await?.unwrap_or_default())
}

#[rstest]
fn a_permission_is_read_as_it_was_created(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = fresh("report");
        let created = platform.create(&name).gives(201).await?;
        world.data.permissions().adopt(&acme.tenant, &name)?;

        world.equal(
            "id and name",
            (created.text_at("/id")?, created.text_at("/name")?),
            (name.clone(), name.clone()),
        )?;
        let resource = name.trim_end_matches(":read");
        world.equal("its resource", created.text_at("/resource")?.as_str(), resource)?;
        let read = platform.by(&acme.admin, "permission-get", &name).gives(200).await?;
        world.equal("as read by anyone signed in", read.json(), created.json())?;
        world.equal(
            "in the list of its resource",
            platform.all(10, Some(resource)).await?,
            vec![name.clone()],
        )?;
        let item = async |table: &Table| {
            let item = stored(table, &name).await?;
            world.equal("active", item.get("active"), Some(&json!(true)))?;
            world.equal("its author", text(&item, "createdBy"), platform.admin.subject.as_str())?;
            let found =
                table.query_index("GSI1", "PLATFORM#PERMISSIONS", &format!("PERMISSION#{name}")).await?;
            world.equal("in the index of all", found.len(), 1)
        };
        world.stored("The store holds it with the platform, and lists it", item).await
    });
}

#[rstest]
fn a_permission_changes_its_description_and_never_its_name(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = world.data.permissions().create(&acme.tenant).await?;
        let change = |body: Value| platform.on("permission-update", &name).json(body);

        let changed = change(json!({ "description": "See figures" })).gives(200).await?;
        world.equal("description", changed.text_at("/description")?.as_str(), "See figures")?;
        change(json!({ "name": fresh("other") })).gives(422).await?;
        change(json!({ "description": "" })).gives(422).await?;
        let read = platform.on("permission-get", &name).gives(200).await?;
        world.equal("what is left", read.json(), changed.json())
    });
}

#[rstest]
fn a_permission_is_created_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = fresh("report");
        world.data.permissions().adopt(&acme.tenant, &name)?;

        world.step("Five ask for it at once");
        let answers = join_all((0..5).map(|_| platform.create(&name).send())).await;
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(answer?.status);
        }
        statuses.sort_unstable();
        world.equal("statuses", statuses, vec![201, 409, 409, 409, 409])?;

        world.step("One comes later");
        let before = platform.on("permission-get", &name).gives(200).await?.json();
        platform.create(&name).gives(409).await?;
        world.equal("what is there", platform.on("permission-get", &name).gives(200).await?.json(), before)
    });
}

#[rstest]
fn a_deleted_permission_is_gone_and_its_name_is_free(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = world.data.permissions().create(&acme.tenant).await?;
        let resource = name.trim_end_matches(":read").to_owned();

        platform.on("permission-delete", &name).gives(204).await?;

        for operation in ["permission-get", "permission-delete"] {
            platform.on(operation, &name).gives(404).await?;
        }
        platform.on("permission-update", &name).json(json!({ "description": "x" })).gives(404).await?;
        world.equal("in the list", platform.all(10, Some(&resource)).await?, Vec::new())?;
        let kept = async |table: &Table| {
            let item = stored(table, &name).await?;
            world.equal("active", item.get("active"), Some(&json!(false)))?;
            world.must(item.contains_key("deletedAt"), "and when it was deleted")
        };
        world.stored("The store keeps it as deleted", kept).await?;
        platform.create(&name).gives(201).await?;
        platform.on("permission-get", &name).gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_deleted_permission_stays_with_who_has_it_and_is_given_to_nobody(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = world.data.permissions().create_named(&acme.tenant, "site:page").await?;
        let give = || {
            let body = json!({ "name": acme.tenant.text("role"), "permissions": ["team:read", name] });
            acme.admin("role-create").json(body)
        };
        let holder = give().gives(201).await?.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::Role, &holder)?;

        platform.on("permission-delete", &name).gives(204).await?;

        let refused = give().gives(422).await?;
        world.equal(
            "the place of the fault",
            refused.text_at("/errors/0/pointer")?.as_str(),
            "/permissions/1",
        )?;
        let other = acme.role(&["team:read"]).await?;
        acme.change_role(&other, json!({ "permissions": [name] })).gives(422).await?;
        acme.change_role(&holder, json!({ "permissions": [name] })).gives(200).await?;
        let held = acme.admin("role-get").role(&holder).gives(200).await?;
        world.equal("what the role holds", held.array_at("/permissions")?, vec![json!(name)])
    });
}

#[rstest]
fn a_permission_of_ones_own_is_held_and_given_as_any_other(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let name = world.data.permissions().create_named(&acme.tenant, "site:page").await?;
        let (ann, _) = acme.user_who_may(&[&name]).await?;
        let role = acme
            .admin("role-list")
            .items()
            .await?
            .into_iter()
            .find(|role| role["permissions"] == json!([name]));
        world.must(role.is_some(), "a role with the permission in the list")?;
        acme.by(&ann, "role-list").gives(403).await?;
        if world.system.target.lambda.is_some() {
            world.equal("told to the back end", acme.permissions_of(&ann).await?, BTreeSet::from([name]))?;
        }
        Ok(())
    });
}

#[rstest]
#[case::a_wildcard("report:*")]
#[case::everything("*:*")]
#[case::one_word("report")]
#[case::capitals("Report:Read")]
#[case::a_separator_of_keys("report:read#METADATA")]
#[case::blanks("report: read")]
#[case::nothing("")]
fn what_is_no_single_permission_is_not_created(#[context] context: Context, #[case] name: &str) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let refused = platform.create(name).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), "/name")
    });
}

#[rstest]
fn only_the_platform_writes_and_anyone_signed_in_reads(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        let name = world.data.permissions().create(&acme.tenant).await?;
        let before = platform.on("permission-get", &name).gives(200).await?.json();
        for who in [&acme.admin, &stranger] {
            platform.by(who, "permission-list", &name).gives(200).await?;
            platform.by(who, "permission-get", &name).gives(200).await?;
            let body = json!({ "name": fresh("mine"), "description": "mine" });
            world.api.call("permission-create").as_(who).json(body).gives(403).await?;
            platform
                .by(who, "permission-update", &name)
                .json(json!({ "description": "x" }))
                .gives(403)
                .await?;
            platform.by(who, "permission-delete", &name).gives(403).await?;
            world.api.call("permission-seed").as_(who).gives(403).await?;
        }
        platform.by(&Principal::anonymous(), "permission-list", &name).gives(401).await?;
        world.equal("the permission", platform.on("permission-get", &name).gives(200).await?.json(), before)
    });
}

#[rstest]
fn seeding_again_changes_nothing(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = Platform::of(world)?;
        let seed = || world.api.call("permission-seed").as_(&platform.admin);
        let before = platform.all(100, None).await?;
        world.must(
            before.len() > 20,
            format!("the permissions every deployment begins with, found {before:?}"),
        )?;
        for _ in 0..2 {
            let seeded = seed().gives(200).await?.json();
            world.equal("created", &seeded["created"], &json!(0))?;
            world.equal("there before", &seeded["existing"], &json!(before.len()))?;
        }
        world.equal("the list", &platform.all(100, None).await?, &before)?;
        let once = async |table: &Table| {
            let stored = table.query_index("GSI1", "PLATFORM#PERMISSIONS", "PERMISSION#").await?;
            world.equal("items", stored.len(), before.len())
        };
        world.stored("The store holds each of them once", once).await
    });
}

#[rstest]
fn seeding_brings_nothing_back_that_was_deleted(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = Platform::of(world)?;
        platform.on("permission-delete", "site:publish").gives(204).await?;
        let seeded = world.api.call("permission-seed").as_(&platform.admin).gives(200).await?.json();
        world.equal("created", &seeded["created"], &json!(0))?;
        platform.on("permission-get", "site:publish").gives(404).await?;
        let listed = platform.all(100, Some("site")).await?;
        world.must(!listed.contains(&"site:publish".to_owned()), format!("not in {listed:?}"))
    });
}

#[rstest]
fn a_resource_narrows_the_list_down_to_its_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let longer = world.data.permissions().create_named(&acme.tenant, "teams").await?;
        for resource in ["team", "team-role", "audit"] {
            let listed = platform.all(100, Some(resource)).await?;
            world.must(!listed.is_empty(), format!("permissions of {resource}"))?;
            let begins = format!("{resource}:");
            let own = listed.iter().all(|name| name.starts_with(&begins));
            world.must(own && !listed.contains(&longer), format!("{begins} alone, found {listed:?}"))?;
        }
        world.equal("of a resource without any", platform.all(100, Some("nothing")).await?, Vec::new())
    });
}

#[rstest]
#[case::one(1)]
#[case::three(3)]
#[case::all(100)]
fn pages_of_a_limit_hold_each_once(#[context] context: Context, #[case] limit: usize) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = Platform::of(world)?;
        let walked = platform.all(limit, None).await?;
        let each: BTreeSet<&String> = walked.iter().collect();
        world.equal("each once", each.len(), walked.len())?;
        let seeded = world.api.call("permission-seed").as_(&platform.admin).gives(200).await?.json();
        world.equal("as many as there are", &json!(walked.len()), &seeded["existing"])?;
        let page = world.api.call("permission-list").as_(&platform.admin).query("limit", &limit);
        world.equal("the first page", page.items().await?.len(), limit.min(walked.len()))
    });
}

#[rstest]
fn an_offset_skips_so_many(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = Platform::of(world)?;
        let all = platform.all(100, None).await?;
        for offset in [0, 1, 7, all.len() - 1, all.len()] {
            let page = world.api.call("permission-list").as_(&platform.admin).query("limit", &5);
            let items = page.query("offset", &offset).items().await?;
            let found: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
            let expected: Vec<&str> = all.iter().skip(offset).take(5).map(String::as_str).collect();
            world.equal(&format!("from {offset}"), found, expected)?;
        }
        Ok(())
    });
}

#[rstest]
#[case::no_limit_at_all(&[("limit", "0")])]
#[case::a_limit_too_large(&[("limit", "101")])]
#[case::an_offset_too_far(&[("offset", "1001")])]
#[case::an_offset_before_the_first(&[("offset", "-1")])]
#[case::a_cursor_of_ones_own(&[("cursor", "AAAA")])]
#[case::cursor_and_offset(&[("cursor", "AAAA"), ("offset", "1")])]
fn a_page_is_not_given_for(#[context] context: Context, #[case] asked: &[(&str, &str)]) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let page = world.api.call("permission-list").as_(&platform.admin);
        asked.iter().fold(page, |page, (name, value)| page.query(name, value)).gives(400).await?;
        Ok(())
    });
}

#[rstest]
fn each_change_is_on_the_platforms_record_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let platform = Platform::of(world)?;
        let acme = Company::found(world, "acme").await?;
        let name = world.data.permissions().create(&acme.tenant).await?;
        platform.on("permission-update", &name).json(json!({ "description": "x" })).gives(200).await?;
        platform.create(&name).gives(409).await?;
        platform.on("permission-delete", &name).gives(204).await?;

        let told = async |table: &Table| {
            let about_it = format!("ORG#PLATFORM#RESOURCE#PERMISSION#{name}");
            let events = table.query_index("GSI3", &about_it, "").await?;
            let what = |item: &BTreeMap<String, Value>| {
                format!("{} {} {}", text(item, "eventType"), text(item, "action"), text(item, "outcome"))
            };
            let found: Vec<String> = events.iter().map(what).collect();
            let expected = ["CREATE SUCCESS", "UPDATE SUCCESS", "CREATE FAILURE", "DELETE SUCCESS"];
            world.equal("events", found, expected.map(|what| format!("CONFIGURATION {what}")).to_vec())
        };
        world.stored("The store tells of creation, change, failure and deletion", told).await?;
        let log = acme.log().await?.about(&name);
        world.equal("in an organisation's log", log.0, Vec::new())
    });
}

#[rstest]
fn seeding_is_on_the_platforms_record(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let platform = Platform::of(world)?;
        let told = async |table: &Table| {
            let of_seeding = "ORG#PLATFORM#RESOURCE#PERMISSION#catalogue";
            world.equal("events at the start", table.query_index("GSI3", of_seeding, "").await?.len(), 0)?;
            world.api.call("permission-seed").as_(&platform.admin).gives(200).await?;
            let events = table.query_index("GSI3", of_seeding, "").await?;
            world.equal("events", events.len(), 1)?;
            world.equal("the action", text(&events[0], "action"), "SEED")?;
            world.equal("by whom", text(&events[0], "actorId"), platform.admin.subject.as_str())
        };
        world.stored("The store tells of the seeding, and of none at the start", told).await
    });
}

#[rstest]
fn roles_are_found_by_activity_in_their_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        globex.role(&["team:read"]).await?;
        let (active, inactive) = (acme.role(&["team:read"]).await?, acme.role(&["team:read"]).await?);
        let deleted = acme.role(&["team:read"]).await?;
        acme.change_role(&inactive, json!({ "active": false })).gives(200).await?;
        acme.admin("role-delete").role(&deleted).gives(204).await?;

        let found = async |table: &Table| {
            let ids = async |is: &str| {
                let found =
                    table.query_index("GSI1", &format!("ORG#{}#ACTIVE#{is}", acme.org()), "ROLE#").await?;
                Ok::<_, Stop>(
                    found.iter().map(|item| text(item, "roleId").to_owned()).collect::<BTreeSet<_>>(),
                )
            };
            let (on, off) = (ids("True").await?, ids("False").await?);
            world.equal("the predefined and the active one", on.len(), 5)?;
            world.must(on.contains(&active), format!("the active one in {on:?}"))?;
            world.must(!on.contains(&inactive) && !on.contains(&deleted), format!("no other in {on:?}"))?;
            world.must(off.contains(&inactive), format!("the inactive one in {off:?}"))
        };
        world.stored("GSI1 lists the active roles of the organisation, and no other's", found).await
    });
}

#[rstest]
fn a_users_roles_and_teams_lie_together_in_each_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let (ann, role) = acme.user_who_may(&["team:read"]).await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let ann = world.data.users().join(&globex.tenant, &ann, None).await?;
        let abroad = globex.team().await?;
        globex.join_team(&abroad, &ann).await?;

        let found = async |table: &Table| {
            let held = table.query(&format!("USER#{}#ORG#{}", ann.subject, acme.org()), "").await?;
            let keys: Vec<&str> = held.iter().map(|item| text(item, "SK")).collect();
            let (role, team) = (format!("ROLE#{role}"), format!("TEAM#{team}"));
            world.equal("what a decision reads", keys, vec!["MEMBERSHIP", role.as_str(), team.as_str()])?;
            let by_org = format!("ORG#{}#USER#{}", acme.org(), ann.subject);
            let teams = table.query_index("GSI1", &by_org, "TEAM#").await?;
            let ids: Vec<&str> = teams.iter().map(|item| text(item, "teamId")).collect();
            world.equal(
                "teams by user, in this organisation alone",
                ids,
                vec![team.trim_start_matches("TEAM#")],
            )?;
            let assigned = table
                .query_index("GSI1", &format!("ORG#{}", acme.org()), &format!("USER#{}#", ann.subject))
                .await?;
            world.equal("assignments by organisation", assigned.len(), 1)
        };
        world.stored("One partition of the table holds it, and GSI1 lists it", found).await
    });
}
