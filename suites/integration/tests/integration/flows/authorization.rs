//! Flow 3: a token is made, and API Gateway's authorizer says what its bearer may do and where.

use std::collections::BTreeSet;

use fixtures::Setup;
use harness::events::AuthorizerRequest;
use harness::identity::JwksMood;
use harness::world::Stop;
use rstest::{Context, rstest};
use serde_json::json;

use crate::stage;
use suites_integration::{Company, Gives as _, Ruling, ruling, with_claim};

#[rstest]
fn a_token_is_turned_into_a_policy_and_a_context(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, embedded| {
        let stand_ins = &embedded.system.stand_ins;
        let jwks = stand_ins.jwks.as_ref().ok_or_else(|| Stop::skip("no JWKS stand-in to count at"))?;
        let before = jwks.fetches();
        let acme = Company::found(world, "acme").await?;
        let reader = acme.role(&["site:read"]).await?;
        let publisher = acme.role(&["site:publish", "team:read"]).await?;
        let ann = acme.newcomer().await?;
        for role in [&reader, &publisher] {
            acme.assign(&acme.admin, &ann, role).gives(201).await?;
        }
        let team = acme.team().await?;
        acme.join_team(&team, &ann).await?;
        let foreign = Company::found(world, "globex").await?.team().await?;

        world.step("1. A token is made with the user's claims");
        let ann = with_claim(&ann, "custom:organisation_id", acme.org())?;
        let token = ann.credential.header()?;
        world.must(token.is_some(), "a token in the header")?;

        world.step("2. API Gateway calls the authorizer with it");
        let path = acme.path("teams");
        let event = AuthorizerRequest::new("GET", &path).as_(&ann)?.parameter("orgId", acme.org()).build();
        let answer = ruling(world, &event, "GET", &path).await?;

        world.step("3. The issuer's keys were fetched once, for the first token of all, and kept");
        world.equal("fetches", jwks.fetches() - before, 1)?;

        world.step("6. The policy allows that one method");
        let told = answer.allowed()?;

        world.step("4. The permissions are those of both roles");
        let permissions = ["site:publish", "site:read", "team:read"].map(str::to_owned);
        world.equal("permissions", &told.permissions, &BTreeSet::from(permissions))?;

        world.step("5. The teams are those of the user in this organisation");
        world.equal("teams", &told.teams, &BTreeSet::from([team.clone()]))?;
        world.must(!told.teams.contains(&foreign), "no team of another organisation")?;

        world.step("7. The context names the user and the organisation besides");
        world.equal("userId", told.user.as_str(), ann.subject.as_str())?;
        world.equal("orgId", told.org.as_str(), acme.org())?;

        world.step("8. Later calls use the kept keys, also while the issuer is gone");
        jwks.set_mood(JwksMood::Fail(503));
        for _ in 0..5 {
            let again = ruling(world, &event, "GET", &path).await?;
            world.equal("the answer", again, Ruling::Allow(told.clone()))?;
        }
        acme.by(&ann, "team-list").gives(200).await?;
        world.equal("fetches", jwks.fetches() - before, 1)?;
        let stored = async |table: &harness::stores::Table| {
            let role = acme.item(table, &format!("ROLE#{reader}")).await?;
            world.equal("permissions of the role", role.get("permissions"), Some(&json!(["site:read"])))
        };
        world.stored("8a. The store holds the permissions by role, not by token", stored).await
    });
}
