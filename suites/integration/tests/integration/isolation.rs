//! Between organisations, and between teams: what is somebody else's looks exactly like what does not exist.

use std::collections::{BTreeMap, BTreeSet};

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::world::{Stop, World};
use suites_integration::{ABSENT, Company, Gives as _, Log, seen, with_claim};

fn must_look_the_same(world: &World, foreign: &Answer, absent: &Answer) -> Result<(), Stop> {
    world.equal("the status of the absent", absent.status, 404)?;
    world.equal("the answer for the foreign", seen(foreign), seen(absent))
}

/// One thing of each kind that is asked for.
struct Things(BTreeMap<SlotKind, String>);

impl Things {
    async fn of(company: &Company<'_>, kinds: impl IntoIterator<Item = SlotKind>) -> Result<Things, Stop> {
        let mut things = BTreeMap::new();
        for kind in kinds {
            let thing = match kind {
                SlotKind::Team => company.team().await?,
                SlotKind::Role => company.role(&["site:read"]).await?,
                SlotKind::User | SlotKind::Member => company.admin.subject.clone(),
                SlotKind::Invitation => company.invite("SITE_VIEWER").await?.id,
                SlotKind::TeamRole => company.part("guest").await?,
                _ => continue,
            };
            things.insert(kind, thing);
        }
        Ok(Things(things))
    }

    /// Whatever an operation names.
    async fn named_by(company: &Company<'_>, operation: &str) -> Result<Things, Stop> {
        let operation = company.world().api.contract().get(operation);
        let slots = operation.into_iter().flat_map(|operation| &operation.slots);
        Things::of(company, slots.map(|slot| slot.kind).collect::<BTreeSet<_>>()).await
    }

    fn id(&self, kind: SlotKind) -> &str {
        self.0.get(&kind).map_or(ABSENT, String::as_str)
    }

    fn fill(&self, call: Call) -> Call {
        self.0.iter().fold(call, |call, (kind, id)| call.slot(*kind, id))
    }

    /// All there is to see of them for who may: the things themselves, and the log.
    async fn state(&self, company: &Company<'_>) -> Result<(Vec<String>, Log), Stop> {
        let mut shown = Vec::new();
        for (kind, operation) in [
            (SlotKind::Team, "team-get"),
            (SlotKind::Team, "team-member-list"),
            (SlotKind::Role, "role-get"),
            (SlotKind::Invitation, "invitation-get"),
        ] {
            if self.0.contains_key(&kind) {
                shown.push(self.fill(company.admin(operation)).gives(200).await?.body);
            }
        }
        Ok((shown, company.log().await?))
    }
}

#[rstest]
#[case::team_get("team-get", &[SlotKind::Team])]
#[case::team_update("team-update", &[SlotKind::Team])]
#[case::team_delete("team-delete", &[SlotKind::Team])]
#[case::team_member_list("team-member-list", &[SlotKind::Team])]
#[case::team_member_get("team-member-get", &[SlotKind::Team, SlotKind::Member])]
#[case::team_member_add("team-member-add", &[SlotKind::Team, SlotKind::User])]
#[case::team_member_update("team-member-update", &[SlotKind::Team, SlotKind::Member, SlotKind::TeamRole])]
#[case::team_member_remove("team-member-remove", &[SlotKind::Team, SlotKind::Member])]
#[case::team_role_get("team-role-get", &[SlotKind::TeamRole])]
#[case::role_get("role-get", &[SlotKind::Role])]
#[case::role_update("role-update", &[SlotKind::Role])]
#[case::role_delete("role-delete", &[SlotKind::Role])]
#[case::role_assignment_list("role-assignment-list", &[SlotKind::User])]
#[case::role_assign("role-assignment-create", &[SlotKind::Role, SlotKind::User])]
#[case::role_unassign("role-assignment-delete", &[SlotKind::Role, SlotKind::User])]
#[case::user_team_list("user-team-list", &[SlotKind::User])]
#[case::invitation_get("invitation-get", &[SlotKind::Invitation])]
#[case::invitation_resend("invitation-resend", &[SlotKind::Invitation])]
#[case::invitation_cancel("invitation-cancel", &[SlotKind::Invitation])]
#[case::invitation_create("invitation-create", &[SlotKind::Role, SlotKind::Team])]
#[case::audit_user_list("audit-user-list", &[SlotKind::User])]
#[case::audit_resource_list("audit-resource-list", &[SlotKind::Team])]
fn a_foreign_thing_looks_absent_in_ones_own_organisation(
    #[context] context: Context,
    #[case] operation: &str,
    #[case] kinds: &[SlotKind],
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let ours = Things::named_by(&acme, operation).await?;
        let theirs = Things::named_by(&globex, operation).await?;
        let before = theirs.state(&globex).await?;
        for kind in kinds {
            world.step(&format!("A foreign {kind}, and one that is not there"));
            let call = |id: &str| {
                let call = acme.admin(operation).slot(SlotKind::Text, &acme.tenant.text("text"));
                let call = call.slot(SlotKind::Email, &harness::data::fresh_email("invitee"));
                ours.fill(call).slot(*kind, id)
            };
            let foreign = call(theirs.id(*kind)).send().await?;
            let absent = call(ABSENT).send().await?;
            must_look_the_same(world, &foreign, &absent)?;
        }
        world.equal("what is the other's", theirs.state(&globex).await?, before)
    });
}

#[rstest]
#[case::team_list("team-list")]
#[case::team_create("team-create")]
#[case::team_get("team-get")]
#[case::team_update("team-update")]
#[case::team_delete("team-delete")]
#[case::team_member_list("team-member-list")]
#[case::team_member_add("team-member-add")]
#[case::team_role_list("team-role-list")]
#[case::role_list("role-list")]
#[case::role_create("role-create")]
#[case::role_assignment_create("role-assignment-create")]
#[case::invitation_list("invitation-list")]
#[case::invitation_create("invitation-create")]
#[case::invitation_cancel("invitation-cancel")]
#[case::audit_list("audit-list")]
#[case::audit_summary("audit-summary")]
fn a_foreign_organisation_looks_absent(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let theirs = Things::named_by(&globex, operation).await?;
        let before = theirs.state(&globex).await?;
        let call = |org: &str| {
            let call = acme.admin(operation).slot(SlotKind::Text, "text");
            let call = call.slot(SlotKind::Email, &harness::data::fresh_email("invitee"));
            theirs.fill(call).org(org)
        };

        let foreign = call(globex.org()).send().await?;
        let absent = call(ABSENT).send().await?;

        must_look_the_same(world, &foreign, &absent)?;
        world.equal("what is the other's", theirs.state(&globex).await?, before)
    });
}

#[rstest]
#[case::the_team("team-get")]
#[case::its_members("team-member-list")]
#[case::one_member("team-member-get")]
fn a_team_one_is_not_in_looks_absent(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let editor = acme.user("SITE_EDITOR").await?;
        let [hers, other] = [acme.team().await?, acme.team().await?];
        acme.join_team(&hers, &editor).await?;
        let call = |team: &str| acme.by(&editor, operation).team(team).member(&acme.admin.subject);

        call(&hers).gives(200).await?;
        must_look_the_same(world, &call(&other).send().await?, &call(ABSENT).send().await?)
    });
}

#[rstest]
#[case::teams("team-list")]
#[case::roles("role-list")]
#[case::parts_in_teams("team-role-list")]
#[case::invitations("invitation-list")]
#[case::events("audit-list")]
fn a_list_is_of_one_organisation(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        Things::of(&acme, [SlotKind::Team, SlotKind::Role, SlotKind::Invitation]).await?;
        Things::of(&globex, [SlotKind::Team, SlotKind::Role, SlotKind::Invitation]).await?;

        for company in [&acme, &globex] {
            let items = company.admin(operation).query("limit", &100).items().await?;
            world.must(!items.is_empty(), "something in the list")?;
            let own = items.iter().all(|item| item["orgId"] == json!(company.org()));
            world.must(own, format!("of {} alone, found {items:?}", company.org()))?;
        }
        Ok(())
    });
}

#[rstest]
fn a_member_of_two_organisations_sees_each_by_its_own_path(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = world.data.organisations().create("globex").await?;
        let both = world.data.users().join(&globex, &acme.admin, Some("ORG_ADMIN")).await?;
        let globex = Company::of(world, globex, both.clone());
        let (in_acme, in_globex) = (acme.team().await?, globex.team().await?);

        for (company, team, foreign) in [(&acme, &in_acme, &in_globex), (&globex, &in_globex, &in_acme)] {
            world.equal("teams by this path", company.teams_seen_by(&both).await?, vec![team.clone()])?;
            company.by(&both, "team-get").team(foreign).gives(404).await?;
        }
        Ok(())
    });
}

#[rstest]
fn rights_in_one_organisation_are_none_in_another(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let both = world.data.users().join(&globex.tenant, &acme.admin, Some("SITE_VIEWER")).await?;

        acme.by(&both, "role-list").gives(200).await?;
        globex.by(&both, "role-list").gives(403).await?;
        let give = globex.assign(&both, &both, globex.predefined("ORG_ADMIN").await?);
        give.gives(403).await?;
        Ok(())
    });
}

#[rstest]
#[case::cognito("custom:organisation_id")]
#[case::short("custom:org_id")]
fn a_token_for_another_organisation_opens_none(#[context] context: Context, #[case] claim: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let both = world.data.users().join(&globex.tenant, &acme.admin, Some("ORG_ADMIN")).await?;

        let for_globex = with_claim(&both, claim, globex.org())?;
        globex.by(&for_globex, "team-list").gives(200).await?;
        acme.by(&for_globex, "team-list").gives(404).await?;
        let claims_only = with_claim(&acme.user("ORG_ADMIN").await?, claim, globex.org())?;
        globex.by(&claims_only, "team-list").gives(404).await?;
        Ok(())
    });
}
