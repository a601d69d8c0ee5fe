//! Users: known once, members of organisations many times, suspended and deleted everywhere at once.

use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use harness::stores::Table;
use suites_integration::{Company, Gives as _, text};

#[rstest]
fn a_suspended_user_may_do_nothing_until_active_again(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;
        let list = || acme.by(&manager, "team-list");
        list().gives(200).await?;

        acme.set_status(&manager, "SUSPENDED").await?.expect(200)?;
        let refused = list().gives(403).await?;
        world.equal("what they are told", refused.text_at("/detail")?.as_str(), "account suspended")?;
        let own = acme.by(&manager, "role-assignment-list").user(&manager.subject);
        own.gives(403).await?;

        acme.set_status(&manager, "ACTIVE").await?.expect(200)?;
        list().gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_deleted_user_is_nobody_and_stays_so(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let manager = acme.user("ORG_MANAGER").await?;

        acme.set_status(&manager, "DELETED").await?.expect(200)?;

        acme.by(&manager, "team-list").gives(401).await?;
        world.api.call("permission-list").as_(&manager).gives(401).await?;
        acme.set_status(&manager, "ACTIVE").await?.expect(409)?;
        acme.by(&manager, "team-list").gives(401).await?;
        acme.admin("role-assignment-list").user(&manager.subject).gives(404).await?;
        let stored = async |table: &Table| {
            let profile = table.get(&format!("USER#{}", manager.subject), "PROFILE").await?;
            world.equal("the profile", text(&profile.unwrap_or_default(), "status"), "DELETED")?;
            let membership = acme.item_of(table, &manager, "MEMBERSHIP").await?;
            world.equal("the membership", text(&membership, "status"), "DELETED")
        };
        world.stored("The store keeps them as DELETED", stored).await
    });
}

#[rstest]
#[case::suspended("SUSPENDED", 403)]
#[case::deleted("DELETED", 401)]
fn in_every_organisation_at_once_a_user_is(
    #[context] context: Context,
    #[case] status: &str,
    #[case] refused: u16,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let ann = world.data.users().join(&globex.tenant, &ann, Some("ORG_MANAGER")).await?;
        acme.by(&ann, "team-list").gives(200).await?;
        globex.by(&ann, "team-list").gives(200).await?;

        acme.set_status(&ann, status).await?.expect(200)?;

        acme.by(&ann, "team-list").gives(refused).await?;
        globex.by(&ann, "team-list").gives(refused).await?;
        for company in [&acme, &globex] {
            let told = company.log().await?.about(&ann.subject);
            let told = told.only(|event| event.action == "SET_STATUS").what();
            world.equal("the event", told, vec!["USER_MANAGEMENT SET_STATUS SUCCESS".to_owned()])?;
        }
        Ok(())
    });
}

#[rstest]
fn a_role_taken_in_one_organisation_is_kept_in_another(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("ORG_MANAGER").await?;
        let ann = world.data.users().join(&globex.tenant, &ann, Some("ORG_MANAGER")).await?;

        acme.unassign(&acme.admin, &ann, acme.predefined("ORG_MANAGER").await?).gives(204).await?;

        acme.by(&ann, "role-list").gives(403).await?;
        globex.by(&ann, "role-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn a_user_without_roles_may_do_nothing_but_see_their_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;

        for list in ["team-list", "role-list", "team-role-list", "invitation-list", "audit-list"] {
            acme.by(&ann, list).gives(403).await?;
        }
        acme.by(&ann, "team-get").team(&team).gives(403).await?;
        for own in ["user-team-list", "role-assignment-list", "audit-user-list"] {
            acme.by(&ann, own).user(&ann.subject).gives(200).await?;
        }
        Ok(())
    });
}

#[rstest]
fn nobody_is_a_member_twice(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.newcomer().await?;
        let platform = world.data.platform_admin()?;
        let create = |email: &str| {
            let body = json!({ "userId": ann.subject, "email": email, "name": acme.tenant.text("Ann") });
            acme.by(&platform, "user-create").json(body)
        };
        create(&ann.email).gives(409).await?;
        create(&harness::data::fresh_email("somebody-else")).gives(409).await?;
        Ok(())
    });
}

#[rstest]
fn a_known_user_who_joins_keeps_one_record_of_their_own(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let ann = world.data.users().join(&globex.tenant, &ann, None).await?;

        let shown = acme.set_status(&ann, "ACTIVE").await?.expect(200)?;
        let mut orgs = shown.array_at("/orgIds")?;
        orgs.sort_by_key(Value::to_string);
        let mut both = vec![json!(acme.org()), json!(globex.org())];
        both.sort_by_key(Value::to_string);
        world.equal("their organisations", orgs, both)?;
        let stored = async |table: &Table| {
            let own = table.query(&format!("USER#{}", ann.subject), "").await?;
            world.equal("items of their own", own.len(), 1)
        };
        world.stored("The store holds one profile", stored).await
    });
}

#[rstest]
#[case::an_unknown_word(json!({ "status": "SLEEPING" }), "/status")]
#[case::small_letters(json!({ "status": "suspended" }), "/status")]
#[case::none(json!({}), "")]
#[case::a_member_unknown(json!({ "status": "ACTIVE", "why": "so" }), "/why")]
fn a_standing_cannot_be(#[context] context: Context, #[case] body: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let platform = world.data.platform_admin()?;
        let set = world.api.call("user-status-set").as_(&platform).user(&ann.subject).json(body);
        let refused = set.gives(422).await?;
        let place = refused.text_at("/errors/0/pointer")?;
        world.must(place.starts_with(pointer), format!("the fault at '{pointer}', found '{place}'"))?;
        acme.by(&ann, "team-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn nobody_unknown_has_a_standing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        acme.set_status(&stranger, "SUSPENDED").await?.expect(404)?;
        Ok(())
    });
}

#[rstest]
fn a_stranger_is_a_member_of_nothing(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        for list in ["team-list", "role-list", "invitation-list", "audit-list"] {
            acme.by(&stranger, list).gives(404).await?;
        }
        world.api.call("permission-list").as_(&stranger).gives(200).await?;
        Ok(())
    });
}
