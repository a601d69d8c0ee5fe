//! Refusals: each of them, which comes first where there are several, and that none tells what it should not.

use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::data::fresh_email;
use harness::identity::{Credential, Principal};
use harness::leak::random_code;
use harness::target::Secret;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::json;
use suites_integration::{ABSENT, Business, Gives as _, organisation_header, refused, seen};

use super::world;

/// What a request can be refused for, in the order in which it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// No token.
    Token,
    /// No organisation is named.
    Organisation,
    /// The caller is no member of it.
    Membership,
    /// It has no tenant.
    Tenant,
    /// The tenant is suspended.
    Suspension,
    /// The trial is over.
    Trial,
    /// The plan lacks the feature.
    Feature,
    /// The role does not allow it.
    Role,
    /// There is no such thing.
    Resource,
    /// The body is not what it should be.
    Body,
    /// The state does not allow it.
    Conflict,
}

use Fault::{
    Body, Conflict, Feature, Membership, Organisation, Resource, Role, Suspension, Tenant, Token, Trial,
};

impl Fault {
    /// The status and the kind of the refusal.
    fn refusal(self) -> (u16, &'static str) {
        match self {
            Token => (401, "unauthorized"),
            Organisation => (400, "malformed-request"),
            Membership => (403, "not-a-member"),
            Tenant => (404, "no-tenant"),
            Suspension => (403, "suspended"),
            Trial => (403, "trial-over"),
            Feature => (403, "not-in-plan"),
            Role => (403, "forbidden"),
            Resource => (404, "not-found"),
            Body => (422, "unprocessable"),
            Conflict => (409, "conflict"),
        }
    }

    fn must_be_told(self, answer: &Answer) -> Result<(), Stop> {
        let (status, kind) = self.refusal();
        refused(answer, status, kind)
    }
}

/// A request with these faults and no others, in an organisation made for it.
async fn request_with(world: &World, faults: &[Fault]) -> Result<Call, Stop> {
    let has = |fault: Fault| faults.contains(&fault);
    let business = match () {
        () if has(Tenant) => Business::before_it_opens(world, "acme").await?,
        () if has(Feature) => Business::open_on(world, "acme", "starter").await?,
        () => Business::open(world, "acme").await?,
    };
    let product = if has(Tenant) { ABSENT.to_owned() } else { business.product("anvil", 100).await? };
    let viewer = business.member("viewer").await?;
    if has(Suspension) {
        business.stand(json!({ "status": "suspended" })).await?;
    }
    if has(Trial) {
        business.stand(json!({ "status": "trial" })).await?;
        world.data.tenants().end_trial(&business.tenant).await?;
    }
    let call = if has(Feature) {
        business.owner("report-advanced")
    } else if has(Conflict) {
        // The last owner, who is to be no owner any more.
        let role = if has(Body) { "king" } else { "viewer" };
        business.owner("member-role-set").user(&business.owner.subject).json(json!({ "role": role }))
    } else {
        let id = if has(Resource) { ABSENT } else { &product };
        let body = if has(Body) { json!({ "name": 7 }) } else { json!({ "name": "anvil", "priceCents": 1 }) };
        business.owner("product-update").slot(SlotKind::Product, id).json(body)
    };
    let call = if has(Organisation) { call.without(&organisation_header()) } else { call };
    Ok(match () {
        () if has(Token) => call.as_(Principal::anonymous()),
        () if has(Membership) => call.as_(&world.data.users().stranger("stranger")?),
        () if has(Role) => call.as_(&viewer),
        () => call,
    })
}

#[rstest]
#[case::token(Token)]
#[case::organisation(Organisation)]
#[case::membership(Membership)]
#[case::tenant(Tenant)]
#[case::suspension(Suspension)]
#[case::trial(Trial)]
#[case::feature(Feature)]
#[case::role(Role)]
#[case::resource(Resource)]
#[case::body(Body)]
#[case::conflict(Conflict)]
fn one_fault_gets_its_own_refusal(#[context] context: Context, #[case] fault: Fault) {
    world(&context).tell(async |world| {
        let answer = request_with(world, &[fault]).await?.send().await?;
        fault.must_be_told(&answer)?;

        world.step("It is a problem document, says what to do, and nothing of how the service is made");
        world.equal("the media type", answer.header("content-type"), "application/problem+json")?;
        let problem = answer.json();
        let members: Vec<&str> =
            problem.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let mut expected = match fault {
            Feature => vec!["type", "title", "status", "detail", "upgradeUrl"],
            Body => vec!["type", "title", "status", "detail", "errors"],
            _ => vec!["type", "title", "status", "detail"],
        };
        expected.sort_unstable();
        world.equal("its members", members, expected)?;
        for internal in ["postgres", "sqlx", "schema \"", "tenant_", "SELECT", "panicked", "127.0.0.1", ".rs"]
        {
            world.must(!answer.body.contains(internal), format!("no {internal} in {}", answer.body))?;
        }
        let challenge = if fault == Token { "Bearer" } else { "" };
        world.equal("the challenge", answer.header("www-authenticate"), challenge)
    });
}

#[rstest]
#[case::token_before_organisation(Token, Organisation)]
#[case::organisation_before_membership(Organisation, Membership)]
#[case::membership_before_tenant(Membership, Tenant)]
#[case::membership_before_suspension(Membership, Suspension)]
#[case::membership_before_trial(Membership, Trial)]
#[case::tenant_before_role(Tenant, Role)]
#[case::tenant_before_resource(Tenant, Resource)]
#[case::suspension_before_feature(Suspension, Feature)]
#[case::suspension_before_role(Suspension, Role)]
#[case::trial_before_feature(Trial, Feature)]
#[case::trial_before_role(Trial, Role)]
#[case::feature_before_role(Feature, Role)]
#[case::role_before_resource(Role, Resource)]
#[case::role_before_body(Role, Body)]
#[case::role_before_conflict(Role, Conflict)]
#[case::resource_before_body(Resource, Body)]
#[case::body_before_conflict(Body, Conflict)]
fn of_two_faults_the_earlier_is_told(
    #[context] context: Context,
    #[case] earlier: Fault,
    #[case] later: Fault,
) {
    world(&context).tell(async |world| {
        world.must(earlier < later, "a case in the order of the faults")?;
        let answer = request_with(world, &[earlier, later]).await?.send().await?;
        earlier.must_be_told(&answer)
    });
}

/// All faults at once, and then without the first, the second...: each time the first of the rest is told.
#[rstest]
#[case::of_a_change(&[Token, Organisation, Membership, Suspension, Role, Resource, Body])]
#[case::of_a_report(&[Token, Organisation, Membership, Trial, Feature])]
#[case::of_a_demotion(&[Token, Organisation, Membership, Suspension, Role, Body, Conflict])]
#[case::without_a_tenant(&[Token, Organisation, Membership, Tenant, Role, Resource, Body])]
fn of_many_faults_the_first_is_told(#[context] context: Context, #[case] faults: &[Fault]) {
    world(&context).tell(async |world| {
        for (index, first) in faults.iter().enumerate() {
            let answer = request_with(world, &faults[index..]).await?.send().await?;
            first.must_be_told(&answer)?;
        }
        Ok(())
    });
}

#[rstest]
fn a_stranger_cannot_tell_whether_an_organisation_exists(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let suspended = Business::open_on(world, "initech", "starter").await?;
        suspended.stand(json!({ "status": "suspended" })).await?;
        let without_tenant = Business::before_it_opens(world, "globex").await?;
        // An owner, but elsewhere; and whatever is named is there, in the first of these.
        let stranger = Business::open(world, "umbrella").await?.owner;
        for operation in [
            "product-list",
            "product-get",
            "product-create",
            "product-update",
            "product-delete",
            "sale-list",
            "sale-create",
            "dashboard-get",
            "forecast-list",
            "report-advanced",
            "member-list",
            "member-add",
            "member-role-set",
            "member-remove",
            "audit-list",
            "subscription-set",
            "tenant-delete",
        ] {
            world.step(operation);
            let trial = suites_integration::Trial::of(world, &acme.tenant, &acme.owner, operation).await?;
            let asked = async |org: &str| Ok::<_, Stop>(seen(&trial.by(&stranger).org(org).send().await?));

            let absent = asked(&format!("org_{}", random_code(12))).await?;
            world.equal("the status for none", absent.0, 403)?;
            for org in [acme.org(), suspended.org(), without_tenant.org()] {
                world.equal("the answer for one", asked(org).await?, absent.clone())?;
            }
            world.equal("of a tenant's id", asked(&acme.id).await?, absent)?;
        }
        Ok(())
    });
}

#[rstest]
fn a_header_that_can_name_no_organisation_is_400(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for (what, org) in [
            ("Empty", ""),
            ("A space", "org acme"),
            ("A quote", "org'acme"),
            ("Two in one", "org_a,org_b"),
            ("A path", "../org_a"),
            ("A percent", "%"),
            ("Too long", &"o".repeat(65)),
        ] {
            world.step(what);
            refused(&acme.owner("product-list").org(org).send().await?, 400, "malformed-request")?;
        }
        Ok(())
    });
}

#[rstest]
fn two_organisations_in_the_header_are_400_whoever_may_enter_either(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let both = globex.join(&acme.owner, "owner").await?;
        for (what, second) in [("Both the same", acme.org()), ("Two different", globex.org())] {
            world.step(what);
            let call = acme.by(&both, "product-list").header("X-Organization-ID", second);
            world.equal("the status", call.send().await?.status, 400)?;
        }
        Ok(())
    });
}

#[rstest]
fn what_is_no_bearer_token_is_401(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for (what, header) in [
            ("Another scheme", "Basic d2F0ZXJ0aWdodA=="),
            ("No scheme", "watertight"),
            ("No token", "Bearer "),
            ("No token at all", "Bearer"),
            ("Two tokens", "Bearer a.b.c d.e.f"),
        ] {
            world.step(what);
            let call = acme.owner("product-list").credential(Credential::Verbatim(Secret::new(header)));
            let answer = call.send().await?;
            refused(&answer, 401, "unauthorized")?;
            world.must(answer.header("www-authenticate").starts_with("Bearer"), "a challenge")?;
        }
        Ok(())
    });
}

/// Nobody but the platform makes tenants or sets their standing; everyone else learns nothing by trying.
#[rstest]
#[case::making_a_tenant("tenant-create")]
#[case::setting_its_standing("tenant-status-set")]
fn what_is_the_platforms_is_refused_to_everyone_else(#[context] context: Context, #[case] operation: &str) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let call = |tenant: &str| {
            let call = acme.owner(operation).slot(SlotKind::Tenant, tenant);
            let body = if operation == "tenant-create" {
                json!({ "name": "mine", "slug": format!("s-{}", random_code(8).to_lowercase()),
                        "clerkOrgId": format!("org_{}", random_code(8)), "tier": "enterprise" })
            } else {
                json!({ "status": "active" })
            };
            call.json(body)
        };
        let own = call(&acme.id).send().await?;
        refused(&own, 403, "forbidden")?;
        world.equal("for a tenant that is not there", seen(&call(ABSENT).send().await?), seen(&own))?;
        let anonymous = call(&acme.id).as_(Principal::anonymous()).send().await?;
        refused(&anonymous, 401, "unauthorized")
    });
}

/// The platform's administrator is exempt from membership where tenants are made and manned, and nowhere else.
#[rstest]
fn the_platform_enters_no_tenant(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for operation in [
            "product-list",
            "sale-list",
            "dashboard-get",
            "member-list",
            "member-role-set",
            "audit-list",
            "subscription-set",
            "tenant-delete",
        ] {
            world.step(operation);
            let call =
                acme.platform(operation)?.user(&acme.owner.subject).slot(SlotKind::Email, &fresh_email("x"));
            refused(&call.send().await?, 403, "not-a-member")?;
            acme.owner("product-list").gives(200).await?;
        }
        Ok(())
    });
}
