//! The Lambda authorizer: what it makes of roles, teams and claims, and how soon it knows of a change.

use std::collections::BTreeSet;

use harness::contract::SlotKind;
use harness::events::{AuthorizerRequest, ProxyRequest, authorizer_token};
use harness::identity::Principal;
use harness::world::Stop;
use http::Method;
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use suites_integration::{CallerContext, Company, Gives as _, Ruling, ruling, with_claim};

fn words<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(str::to_owned).into()
}

#[rstest]
fn permissions_are_those_of_all_roles_together(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, _) = acme.user_who_may(&["site:read", "team:read"]).await?;
        let second = acme.role(&["site:read", "site:create"]).await?;
        acme.assign(&acme.admin, &ann, &second).gives(201).await?;

        let held = acme.permissions_of(&ann).await?;
        world.equal("permissions, each once", held, words(["site:create", "site:read", "team:read"]))
    });
}

#[rstest]
fn teams_are_those_of_the_user_in_this_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let ann = world.data.users().join(&globex.tenant, &ann, Some("SITE_EDITOR")).await?;
        let (hers, other, abroad) = (acme.team().await?, acme.team().await?, globex.team().await?);
        acme.join_team(&hers, &ann).await?;
        globex.join_team(&abroad, &ann).await?;

        let here = acme.ruling(&ann, "GET", "teams").await?.allowed()?;
        world.equal("teams here", here.teams, [hers].into())?;
        world.equal("organisation", here.org.as_str(), acme.org())?;
        let there = globex.ruling(&ann, "GET", "teams").await?.allowed()?;
        world.equal("teams there", &there.teams, &[abroad].into())?;
        world.must(there.permissions.contains("site:publish"), "what an editor may do there")?;
        world.must(!here.permissions.contains("site:publish"), "what a viewer may do here")?;
        world.must(!there.teams.contains(&other), "no team she is not in")
    });
}

#[rstest]
#[case::a_wildcard("site:*")]
#[case::a_word("team:read")]
#[case::a_longer_word("team:member:read")]
fn a_permission_is_told_as_it_is_held(#[context] context: Context, #[case] held: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, _) = acme.user_who_may(&[held]).await?;
        world.equal("permissions", acme.permissions_of(&ann).await?, words([held]))
    });
}

#[rstest]
#[case::the_resource("team:*", "POST", "teams", true)]
#[case::any_depth("team:*", "GET", "teams/TEAM/members", true)]
#[case::not_what_begins_alike("team:*", "GET", "team-roles", false)]
#[case::not_another_resource("site:*", "GET", "teams", false)]
#[case::not_another_action("team:read", "POST", "teams", false)]
#[case::not_a_longer_permission("team:read", "GET", "teams/TEAM/members", false)]
fn a_permission_opens_what_it_covers(
    #[context] context: Context,
    #[case] held: &str,
    #[case] method: &str,
    #[case] path: &str,
    #[case] passes: bool,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, _) = acme.user_who_may(&[held]).await?;
        let team = acme.team().await?;
        let found = acme.ruling(&ann, method, &path.replace("TEAM", &team)).await?;
        world.must(found.is_allow() == passes, format!("passing is {passes}, found {found:?}"))
    });
}

#[rstest]
fn an_administrator_of_the_platform_passes_to_it_and_nobody_else_does(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let platform = world.data.platform_admin()?;
        let ask = async |who: &Principal| {
            let event = AuthorizerRequest::new("GET", "/v1/platform/orgs").as_(who)?.build();
            ruling(world, &event, "GET", "/v1/platform/orgs").await
        };
        let told = ask(&platform).await?.allowed()?;
        world.equal("permissions", &told.permissions, &words(["platform:manage"]))?;
        world.equal("organisation and teams", (told.org.as_str(), told.teams.len()), ("", 0))?;
        world.equal("an administrator of an organisation", ask(&acme.admin).await?, Ruling::Deny)
    });
}

#[rstest]
fn an_inactive_role_counts_for_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["site:read"]).await?;
        let kept = acme.role(&["team:read"]).await?;
        acme.assign(&acme.admin, &ann, &kept).gives(201).await?;

        acme.change_role(&role, json!({ "active": false })).gives(200).await?;
        world.equal("permissions", acme.permissions_of(&ann).await?, words(["team:read"]))
    });
}

#[rstest]
fn a_deleted_role_counts_for_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["team:create"]).await?;
        world.must(acme.ruling(&ann, "POST", "teams").await?.is_allow(), "she may before")?;

        acme.admin("role-delete").role(&role).gives(204).await?;
        world.equal("permissions", acme.permissions_of(&ann).await?, BTreeSet::new())?;
        world.equal("creating a team", acme.ruling(&ann, "POST", "teams").await?, Ruling::Deny)
    });
}

#[rstest]
fn an_inactive_assignment_counts_for_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["site:read"]).await?;
        let kept = acme.role(&["team:read"]).await?;
        acme.assign(&acme.admin, &ann, &kept).gives(201).await?;
        world.equal("before", acme.permissions_of(&ann).await?, words(["site:read", "team:read"]))?;

        world.data.roles().deactivate_assignment(&acme.tenant, &ann.subject, &role).await?;
        world.equal("after", acme.permissions_of(&ann).await?, words(["team:read"]))
    });
}

#[rstest]
fn a_user_without_roles_is_a_member_without_permissions(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        world.equal("permissions", acme.permissions_of(&ann).await?, BTreeSet::new())?;
        let own = acme.ruling(&ann, "GET", &format!("users/{}/teams", ann.subject)).await?;
        world.must(own.is_allow(), "her own teams are hers to see")?;
        for (method, path) in [("GET", "teams"), ("POST", "teams"), ("GET", "roles"), ("GET", "audit")] {
            world.equal(path, acme.ruling(&ann, method, path).await?, Ruling::Deny)?;
        }
        Ok(())
    });
}

#[rstest]
fn what_the_gate_refuses_the_authorizer_refuses(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let one = format!("teams/{team}");
        let asked = [
            ("GET", "teams", "team-list"),
            ("DELETE", one.as_str(), "team-delete"),
            ("GET", "roles", "role-list"),
            ("GET", "invitations", "invitation-list"),
            ("GET", "audit", "audit-list"),
            ("GET", "team-roles", "team-role-list"),
        ];
        for role in ["SITE_VIEWER", "SITE_EDITOR", "ORG_MANAGER"] {
            let user = acme.user(role).await?;
            for (method, path, operation) in asked {
                let passes = acme.ruling(&user, method, path).await?.is_allow();
                // The gate is asked with a body or not at all: reading is what tells.
                if method == "GET" {
                    let status = acme.by(&user, operation).send().await?.status;
                    world.equal(&format!("{operation} by {role}"), passes, status == 200)?;
                } else {
                    world.equal(&format!("{operation} by {role}"), passes, role == "ORG_MANAGER")?;
                }
            }
        }
        Ok(())
    });
}

#[rstest]
fn another_organisation_is_denied_without_a_word_about_it(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        for path in ["teams", "sites", "audit"] {
            world.equal(path, acme.ruling(&globex.admin, "GET", path).await?, Ruling::Deny)?;
        }
        // As for one that does not exist.
        let event = AuthorizerRequest::new("GET", "/v1/orgs/nowhere/teams").as_(&globex.admin)?;
        let absent = event.parameter("orgId", "nowhere").build();
        let absent = world.system.invoke("authorizer", &absent).await?;
        world.equal("one that is not there", absent.effect(), Some("Deny"))?;
        world.equal("its context", &absent.payload["context"], &json!({}))?;
        let stranger = world.data.users().stranger("stranger")?;
        world.equal("a stranger", acme.ruling(&stranger, "GET", "teams").await?, Ruling::Deny)
    });
}

#[rstest]
#[case::as_configured("custom:organisation_id")]
#[case::as_abbreviated("custom:org_id")]
fn a_claim_must_agree_with_the_membership(#[context] context: Context, #[case] claim: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("ORG_MANAGER").await?;
        let ann = world.data.users().join(&globex.tenant, &ann, Some("SITE_VIEWER")).await?;

        let agreeing = with_claim(&ann, claim, acme.org())?;
        world.must(acme.ruling(&agreeing, "GET", "teams").await?.is_allow(), "the organisation claimed")?;
        for path in ["teams", "sites"] {
            // A member of both, but not by this token.
            world.equal(path, globex.ruling(&agreeing, "GET", path).await?, Ruling::Deny)?;
        }
        Ok(())
    });
}

#[rstest]
#[case::as_one_client("aud", |client: &str| json!([client]), true)]
#[case::as_two_clients("aud", |client: &str| json!([client, "another"]), false)]
#[case::with_much_to_say("padding", |_: &str| json!("x".repeat(4 * 1024)), true)]
#[case::with_too_much_to_say("padding", |_: &str| json!("x".repeat(8 * 1024)), false)]
fn a_token_is_believed(
    #[context] context: Context,
    #[case] claim: &str,
    #[case] value: fn(&str) -> Value,
    #[case] is_believed: bool,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let client = world.system.stand_ins.issuer.as_ref().map(|issuer| issuer.client_id.as_str());
        let client = client.ok_or_else(|| Stop::skip("tokens are not minted here"))?;

        let who = with_claim(&acme.admin, claim, value(client))?;
        let expected = if is_believed { 200 } else { 401 };
        acme.by(&who, "team-list").gives(expected).await?;
        Ok(())
    });
}

#[rstest]
fn a_claim_makes_nobody_a_member(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let stranger = world.data.users().stranger("stranger")?;
        for who in [&stranger, &globex.admin] {
            let claiming = with_claim(who, "custom:organisation_id", acme.org())?;
            for path in ["teams", "sites"] {
                world.equal(path, acme.ruling(&claiming, "GET", path).await?, Ruling::Deny)?;
            }
            // Nothing but the claim names the organisation.
            let event = AuthorizerRequest::new("GET", "/sites").as_(&claiming)?.build();
            world.equal("by the claim", ruling(world, &event, "GET", "/sites").await?, Ruling::Deny)?;
        }
        Ok(())
    });
}

#[rstest]
fn an_organisation_that_nothing_names_is_the_callers_only_one(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("SITE_EDITOR").await?;
        let ask = async |who: &Principal| {
            let header = who.credential.header()?.ok_or_else(|| Stop::skip("no token to present"))?;
            ruling(world, &authorizer_token("GET", "/sites", Some(header.reveal())), "GET", "/sites").await
        };
        world.equal("the one", ask(&ann).await?.allowed()?.org.as_str(), acme.org())?;
        let ann = world.data.users().join(&globex.tenant, &ann, Some("SITE_VIEWER")).await?;
        world.equal("one of two", ask(&ann).await?, Ruling::Deny)?;
        let claiming = with_claim(&ann, "custom:organisation_id", globex.org())?;
        world.equal("the one claimed", ask(&claiming).await?.allowed()?.org.as_str(), globex.org())
    });
}

#[rstest]
#[case::suspended("SUSPENDED")]
#[case::deleted("DELETED")]
fn whoever_is_no_longer_in_good_standing_is_denied(#[context] context: Context, #[case] status: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("ORG_MANAGER").await?;
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she may before")?;
        acme.set_status(&ann, status).await?.expect(200)?;
        for path in ["teams", "sites"] {
            let found = acme.ruling(&ann, "GET", path).await?;
            world.must(!found.is_allow(), format!("{path} refused from now on, found {found:?}"))?;
        }
        Ok(())
    });
}

#[rstest]
fn a_suspension_ends_as_soon_as_it_is_lifted(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        acme.set_status(&ann, "SUSPENDED").await?.expect(200)?;
        world.equal("while suspended", acme.ruling(&ann, "GET", "teams").await?, Ruling::Deny)?;
        acme.set_status(&ann, "ACTIVE").await?.expect(200)?;
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she may again")
    });
}

/// What takes something away from a user.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Permission,
    Role,
    Assignment,
    Team,
    TeamItself,
    Membership,
}

#[rstest]
#[case::a_permission(Taken::Permission)]
#[case::a_role(Taken::Role)]
#[case::an_assignment(Taken::Assignment)]
#[case::a_team_membership(Taken::Team)]
#[case::a_team(Taken::TeamItself)]
#[case::the_organisation(Taken::Membership)]
fn what_was_taken_away_is_gone_with_the_next_request(#[context] context: Context, #[case] taken: Taken) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, role) = acme.user_who_may(&["team:read", "site:read"]).await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let before = acme.ruling(&ann, "GET", "sites").await?.allowed()?;
        world.equal(
            "the same again, from the cache",
            &acme.ruling(&ann, "GET", "sites").await?.allowed()?,
            &before,
        )?;

        match taken {
            Taken::Permission => {
                acme.change_role(&role, json!({ "permissions": ["team:read"] })).gives(200).await?
            }
            Taken::Role => acme.admin("role-delete").role(&role).gives(204).await?,
            Taken::Assignment => acme.unassign(&acme.admin, &ann, &role).gives(204).await?,
            Taken::Team => {
                acme.admin("team-member-remove").team(&team).member(&ann.subject).gives(204).await?
            }
            Taken::TeamItself => acme.admin("team-delete").team(&team).gives(204).await?,
            Taken::Membership => {
                let platform = world.data.platform_admin()?;
                acme.by(&platform, "org-delete").gives(204).await?
            }
        };

        let after = acme.ruling(&ann, "GET", "sites").await?;
        let expected = match taken {
            Taken::Permission => Some(CallerContext { permissions: words(["team:read"]), ..before }),
            Taken::Role | Taken::Assignment => Some(CallerContext { permissions: BTreeSet::new(), ..before }),
            Taken::Team | Taken::TeamItself => Some(CallerContext { teams: BTreeSet::new(), ..before }),
            Taken::Membership => None,
        };
        world.equal("the next answer", after, expected.map_or(Ruling::Deny, Ruling::Allow))
    });
}

#[rstest]
fn a_refusal_is_on_record_as_the_gates_are(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let before = acme.log().await?;

        world.equal("the answer", acme.ruling(&ann, "POST", "teams").await?, Ruling::Deny)?;
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "what she may")?;

        let told = acme.log().await?.since(&before);
        world.equal("events", told.0.len(), 1)?;
        world.equal(
            "who and how",
            (told.0[0].actor_id.as_str(), told.0[0].outcome.as_str()),
            (ann.subject.as_str(), "DENIED"),
        )?;
        world.equal("the type", told.0[0].event_type.as_str(), "AUTHORIZATION")
    });
}

#[rstest]
fn a_back_end_can_work_by_the_context_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let (ann, _) = acme.user_who_may(&["site:read", "site:publish"]).await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let path = acme.path("sites");
        let asked = AuthorizerRequest::new("POST", &path).as_(&ann)?.parameter("orgId", acme.org()).build();
        let answer = world.system.invoke("authorizer", &asked).await?;

        // As API Gateway hands it on.
        let proxied = ProxyRequest::new(&Method::POST, &path).parameter("orgId", acme.org());
        let event = proxied.json(&json!({ "name": "home" })).authorized(&answer.payload["context"]).build();
        let fields = &event.request_context.authorizer.fields;
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        world.equal(
            "the organisation, as in the path",
            field("orgId"),
            event.path_parameters["orgId"].as_str(),
        )?;
        world.equal("the user", field("userId"), ann.subject.as_str())?;
        world.equal("the teams", field("teamIds"), team.as_str())?;
        let may = |what: &str| field("permissions").split(',').any(|held| held == what);
        world.equal(
            "publishing and deleting a site",
            (may("site:publish"), may("site:delete")),
            (true, false),
        )?;
        world.must(fields.values().all(Value::is_string), "texts alone: API Gateway takes nothing else")
    });
}

#[rstest]
fn a_team_of_another_is_not_the_callers_by_path(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let lead = acme.user("SITE_VIEWER").await?;
        let (hers, other) = (acme.team().await?, acme.team().await?);
        acme.join_team(&hers, &lead).await?;
        let part = json!({ "teamRoleId": acme.part("lead").await? });
        acme.admin("team-member-update")
            .team(&hers)
            .slot(SlotKind::Member, &lead.subject)
            .json(part)
            .gives(200)
            .await?;

        let add = async |team: &str| acme.ruling(&lead, "POST", &format!("teams/{team}/members")).await;
        world.must(add(&hers).await?.is_allow(), "a lead adds to the team she leads")?;
        world.equal("to another", add(&other).await?, Ruling::Deny)
    });
}
