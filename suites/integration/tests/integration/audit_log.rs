//! The audit log: exactly the events of each operation, of refusals and failures too, and who may read them.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::client::Call;
use harness::contract::{Effect, SlotKind};
use harness::data::fresh_email;
use harness::stores::Table;
use harness::world::{Stop, World};
use suites_integration::{Company, Gives as _, Log, accept, text};

/// Sets the scene for an operation and gives it ready to be sent.
async fn ready(world: &World, acme: &Company<'_>, operation: &str) -> Result<Call, Stop> {
    let ann = acme.user("SITE_VIEWER").await?;
    let team = acme.team().await?;
    let role = acme.role(&["site:read"]).await?;
    let viewer = acme.predefined("SITE_VIEWER").await?;
    let call = acme.admin(operation).team(&team).role(&role).user(&ann.subject).member(&ann.subject);
    let named = json!({ "name": acme.tenant.text("name") });
    Ok(match operation {
        "invitation-create" => call.json(json!({ "email": fresh_email("invitee"), "roleId": viewer })),
        "invitation-resend" | "invitation-cancel" => call.invitation(&acme.invite("SITE_VIEWER").await?.id),
        "invitation-decline" => {
            let invitation = acme.invite("SITE_VIEWER").await?;
            world.api.call(operation).invitation_token(&invitation.token)
        }
        "invitation-accept" => {
            let another = acme.team().await?;
            let invitation = acme.invite_to(viewer, &[&team, &another]).await?;
            accept(world, &invitation.invitee, &invitation.token)
        }
        "team-create" | "team-update" | "role-update" => call.json(named),
        "team-member-add" => call.json(json!({ "userId": ann.subject })),
        "team-member-update" | "team-member-remove" => {
            acme.join_team(&team, &ann).await?;
            let part = acme.part("guest").await?;
            if operation == "team-member-remove" { call } else { call.json(json!({ "teamRoleId": part })) }
        }
        "role-create" => call.json(json!({ "name": acme.tenant.text("role"), "permissions": ["site:read"] })),
        "role-assignment-create" => call.json(json!({ "roleId": role })),
        "role-assignment-delete" => call.role(viewer),
        "user-create" => {
            let body = json!({ "email": fresh_email("bob"), "name": acme.tenant.text("Bob") });
            call.as_(&world.data.platform_admin()?).json(body)
        }
        "user-status-set" => call.as_(&world.data.platform_admin()?).json(json!({ "status": "SUSPENDED" })),
        _ => call,
    })
}

#[rstest]
#[case::invitation_create("invitation-create", &["INVITATION CREATE"])]
#[case::invitation_resend("invitation-resend", &["INVITATION RESEND"])]
#[case::invitation_cancel("invitation-cancel", &["INVITATION CANCEL"])]
#[case::invitation_decline("invitation-decline", &["INVITATION DECLINE"])]
#[case::invitation_accept("invitation-accept", &[
    "INVITATION ACCEPT", "ROLE_CHANGE ASSIGN", "TEAM_MEMBERSHIP ADD_MEMBER", "TEAM_MEMBERSHIP ADD_MEMBER",
    "USER_MANAGEMENT CREATE",
])]
#[case::team_create("team-create", &["CONFIGURATION CREATE"])]
#[case::team_update("team-update", &["CONFIGURATION UPDATE"])]
#[case::team_delete("team-delete", &["CONFIGURATION DELETE"])]
#[case::team_member_add("team-member-add", &["TEAM_MEMBERSHIP ADD_MEMBER"])]
#[case::team_member_update("team-member-update", &["TEAM_MEMBERSHIP UPDATE_MEMBER"])]
#[case::team_member_remove("team-member-remove", &["TEAM_MEMBERSHIP REMOVE_MEMBER"])]
#[case::role_create("role-create", &["ROLE_CHANGE CREATE"])]
#[case::role_update("role-update", &["ROLE_CHANGE UPDATE"])]
#[case::role_delete("role-delete", &["ROLE_CHANGE DELETE"])]
#[case::role_assign("role-assignment-create", &["ROLE_CHANGE ASSIGN"])]
#[case::role_unassign("role-assignment-delete", &["ROLE_CHANGE UNASSIGN"])]
#[case::user_create("user-create", &["USER_MANAGEMENT CREATE"])]
#[case::user_status("user-status-set", &["USER_MANAGEMENT SET_STATUS"])]
fn what_is_done_leaves_exactly_its_events(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] expected: &[&str],
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let call = ready(world, &acme, operation).await?;
        let before = acme.log().await?;

        let answer = call.send().await?;
        world.must(answer.status < 300, format!("done, found {} {}", answer.status, answer.body))?;

        // A stranger whom an operation made a user leaves with the organisation.
        if operation == "user-create" {
            world.data.adopt(&acme.tenant, SlotKind::User, &answer.text_at("/id")?)?;
        }
        let events = acme.log().await?.since(&before).what();
        let expected: Vec<String> = expected.iter().map(|what| format!("{what} SUCCESS")).collect();
        world.equal("the events", events, expected)
    });
}

#[rstest]
fn a_change_of_permissions_is_told_as_one(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let role = acme.role(&["site:read"]).await?;
        acme.change_role(&role, json!({ "permissions": ["site:read", "site:update"] })).gives(200).await?;
        acme.change_role(&role, json!({ "permissions": ["site:update", "site:read"] })).gives(200).await?;

        let told = acme.log().await?.about(&role).what();
        let expected = [
            "PERMISSION_CHANGE UPDATE SUCCESS",
            "ROLE_CHANGE CREATE SUCCESS",
            "ROLE_CHANGE UPDATE SUCCESS",
            "ROLE_CHANGE UPDATE SUCCESS",
        ];
        world.equal("the events", told, expected.map(str::to_owned).to_vec())
    });
}

#[rstest]
fn a_known_user_who_accepts_is_not_told_as_new(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = globex.user("SITE_VIEWER").await?;
        let invitation = acme.invite_person(&acme.admin, &ann, "SITE_VIEWER").await?;
        let before = acme.log().await?;

        accept(world, &ann, &invitation.token).gives(200).await?;
        world.data.adopt(&acme.tenant, SlotKind::User, &ann.subject)?;

        let events = acme.log().await?.since(&before).what();
        let expected = ["INVITATION ACCEPT SUCCESS", "ROLE_CHANGE ASSIGN SUCCESS"];
        world.equal("the events", events, expected.map(str::to_owned).to_vec())
    });
}

#[rstest]
fn an_organisation_begins_and_ends_with_an_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let platform = world.data.platform_admin()?;
        let first = acme.log().await?.about(acme.org());
        world.equal("the first", first.what(), vec!["CONFIGURATION CREATE SUCCESS".to_owned()])?;
        world.equal("by whom", &first.0[0].actor_id, &platform.subject)?;

        acme.by(&platform, "org-delete").gives(204).await?;
        let stored = async |table: &Table| {
            let day = format!("ORG#{}#DATE#{}", acme.org(), &first.0[0].timestamp[..10]);
            let events = table.query(&day, "EVENT#").await?;
            let deleted = events.iter().filter(|event| text(event, "action") == "DELETE");
            world.equal("CONFIGURATION DELETE", deleted.count(), 1)
        };
        world.stored("The store keeps the log, the deletion in it", stored).await
    });
}

#[rstest]
#[case::member_twice("team-member-add", "TEAM_MEMBERSHIP ADD_MEMBER")]
#[case::role_twice("role-assignment-create", "ROLE_CHANGE ASSIGN")]
#[case::last_administrator("role-assignment-delete", "ROLE_CHANGE UNASSIGN")]
#[case::predefined_role("role-update", "ROLE_CHANGE UPDATE")]
#[case::invitation_ended("invitation-resend", "INVITATION RESEND")]
#[case::invitation_cancelled_twice("invitation-cancel", "INVITATION CANCEL")]
#[case::last_administrator_suspended("user-status-set", "USER_MANAGEMENT SET_STATUS")]
fn what_was_permitted_and_not_done_is_a_failure(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] what: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let admin = acme.admin.subject.as_str();
        let role = acme.predefined("ORG_ADMIN").await?;
        let call = acme.admin(operation).team(&team).role(role).user(admin);
        let call = match operation {
            "team-member-add" => call.json(json!({ "userId": admin })),
            "role-assignment-create" => call.json(json!({ "roleId": role })),
            "role-update" => call.json(json!({ "name": "Boss" })),
            "invitation-resend" | "invitation-cancel" => {
                let invitation = acme.invite("SITE_VIEWER").await?;
                acme.on("invitation-cancel", &invitation).gives(200).await?;
                call.invitation(&invitation.id)
            }
            "user-status-set" => {
                call.as_(&world.data.platform_admin()?).json(json!({ "status": "SUSPENDED" }))
            }
            _ => call,
        };
        let before = acme.log().await?;

        call.gives(409).await?;

        let events = acme.log().await?.since(&before).what();
        world.equal("the events", events, vec![format!("{what} FAILURE")])
    });
}

#[rstest]
fn an_acceptance_that_comes_too_late_is_a_failure(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-cancel", &invitation).gives(200).await?;
        let before = acme.log().await?;

        accept(world, &invitation.invitee, &invitation.token).gives(410).await?;

        let events = acme.log().await?.since(&before).what();
        world.equal("the events", events, vec!["INVITATION ACCEPT FAILURE".to_owned()])
    });
}

#[rstest]
fn a_refusal_leaves_one_denied_event_in_the_callers_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let theirs = globex.team().await?;

        globex.by(&acme.admin, "team-get").team(&theirs).gives(404).await?;

        let denied = acme.log().await?.ended("DENIED");
        world.equal("the event", denied.what(), vec!["AUTHORIZATION ACCESS DENIED".to_owned()])?;
        world.equal("by whom", &denied.0[0].actor_id, &acme.admin.subject)?;
        let told = format!("{denied:?}");
        world.must(!told.contains(&theirs) && !told.contains(globex.org()), "without the foreign ids")?;
        let foreign = globex.log().await?.ended("DENIED");
        world.equal("in the log of whom was asked for", foreign.what(), Vec::new())
    });
}

#[rstest]
fn a_refusal_at_an_organisation_that_is_gone_is_told_in_the_callers_other_one(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let invitation = globex.invite_person(&globex.admin, &ann, "SITE_VIEWER").await?;
        accept(world, &invitation.invitee, &invitation.token).gives(200).await?;
        let both = globex.as_member(&invitation);
        globex.by(&both, "team-list").gives(200).await?;
        globex.by(&world.data.platform_admin()?, "org-delete").gives(204).await?;

        globex.by(&both, "team-list").gives(404).await?;

        let denied = acme.log().await?.ended("DENIED");
        world.equal("by whom", denied.0.iter().map(|event| &event.actor_id).collect(), vec![&ann.subject])
    });
}

#[rstest]
fn a_foreign_id_and_an_absent_one_leave_the_same_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let theirs = globex.team().await?;

        acme.admin("team-get").team(&theirs).gives(404).await?;
        acme.admin("team-get").team("00000000-0000-4000-8000-000000000000").gives(404).await?;

        let mut denied = acme.log().await?.ended("DENIED");
        for event in &mut denied.0 {
            event.timestamp.clear();
        }
        world.equal("denials", denied.0.len(), 2)?;
        world.equal("but for the time", &denied.0[0], &denied.0[1])
    });
}

#[rstest]
fn a_missing_permission_leaves_one_denied_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;

        acme.by(&viewer, "team-create").json(json!({ "name": "Ops" })).gives(403).await?;

        let denied = acme.log().await?.ended("DENIED");
        world.equal("the event", denied.what(), vec!["AUTHORIZATION ACCESS DENIED".to_owned()])?;
        world.equal("by whom", &denied.0[0].actor_id, &viewer.subject)?;
        world.equal("for what", denied.0[0].resource_id.as_str(), "team-create")
    });
}

#[rstest]
fn what_somebody_suspended_tries_is_denied_on_record(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        acme.set_status(&manager, "SUSPENDED").await?.expect(200)?;
        acme.by(&manager, "team-list").gives(403).await?;

        let denied = acme.log().await?.ended("DENIED");
        world.equal("by whom", denied.0.iter().map(|event| &event.actor_id).collect(), vec![&manager.subject])
    });
}

#[rstest]
fn nobody_unknown_leaves_an_event(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let gone = acme.user("SITE_VIEWER").await?;
        acme.set_status(&gone, "DELETED").await?.expect(200)?;
        let before = acme.log().await?;

        world.api.call("team-list").org(acme.org()).gives(401).await?;
        acme.by(&world.data.users().stranger("stranger")?, "team-list").gives(404).await?;
        acme.by(&gone, "team-list").gives(401).await?;

        world.equal("the events", acme.log().await?, before)
    });
}

#[rstest]
fn reading_leaves_no_event_and_neither_does_what_is_malformed(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let before = acme.log().await?;

        for list in ["team-list", "role-list", "invitation-list", "team-role-list", "audit-list"] {
            acme.admin(list).gives(200).await?;
        }
        acme.admin("team-get").team(&team).gives(200).await?;
        acme.admin("team-create").json(json!({ "name": "" })).gives(422).await?;
        acme.admin("team-list").query("limit", "0").gives(400).await?;

        world.equal("the events", acme.log().await?, before)
    });
}

#[rstest]
fn it_grows_and_never_changes(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let team = acme.team().await?;
        let before = acme.log().await?;
        acme.admin("team-delete").team(&team).gives(204).await?;
        acme.team().await?;

        let Log(after) = acme.log().await?;
        world.equal("events", after.len(), before.0.len() + 2)?;
        world.equal("the older ones", &after[2..], before.0.as_slice())?;
        let newest_first = after.is_sorted_by(|one, next| one.timestamp >= next.timestamp);
        world.must(newest_first, format!("newest first, found {after:?}"))?;

        let operations = world.system.contract.operations();
        let audit = operations.filter(|operation| operation.path.contains("/audit"));
        let writing = audit.filter(|operation| operation.effect != Effect::Read);
        let writing: Vec<_> = writing.map(|operation| operation.name.as_str()).collect();
        // An export copies the log; it changes nothing in it.
        let changing = writing.iter().any(|name| !name.starts_with("audit-export"));
        world.must(!changing, format!("no operation that changes it, found {writing:?}"))
    });
}

#[rstest]
fn it_is_not_for_members_without_the_right_but_for_their_own_entries(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        acme.by(&manager, "invitation-list").gives(200).await?;

        acme.by(&manager, "audit-list").gives(403).await?;
        acme.by(&manager, "audit-summary").gives(403).await?;
        let of = |user: &str| acme.by(&manager, "audit-user-list").user(user);
        of(&acme.admin.subject).gives(403).await?;
        let own = acme.log_of(of(&manager.subject)).await?;
        world.must(!own.0.is_empty(), "her own entries")?;
        let hers = own.0.iter().all(|event| event.actor_id == manager.subject);
        world.must(hers, format!("hers alone, found {own:?}"))
    });
}
