//! The Lambda authorizer and what it is shown: tokens that are none, events that are none, and words that mean two
//! things.

use harness::events::{AuthorizerRequest, authorizer_token, method_arn};
use harness::identity::forge::Forgery;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::world;
use suites_integration::{Company, Ruling, ruling};

/// What the authorizer makes of a request in which this was sent as `Authorization`, as REQUEST and as TOKEN;
/// the two must agree.
async fn header_ruling(world: &World, company: &Company<'_>, header: &str) -> Result<Ruling, Stop> {
    let path = company.path("teams");
    let request = AuthorizerRequest::new("GET", &path).header("authorization", header).build();
    let by_request = ruling(world, &request, "GET", &path).await?;
    let by_token = ruling(world, &authorizer_token("GET", &path, Some(header)), "GET", &path).await?;
    world.equal("what a REQUEST and a TOKEN event make of it", &by_request, &by_token)?;
    Ok(by_request)
}

#[rstest]
fn two_names_for_the_organisation_are_one_too_many(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        for (path, named) in [(acme.path("teams"), globex.org()), (globex.path("teams"), acme.org())] {
            let event = AuthorizerRequest::new("GET", &path).as_(&acme.admin)?.parameter("orgId", named);
            world.equal(
                "path and parameter",
                ruling(world, &event.build(), "GET", &path).await?,
                Ruling::Deny,
            )?;
        }
        Ok(())
    });
}

#[rstest]
#[case::expired("exp", json!(1_000_000_000))]
#[case::not_yet_valid("nbf", json!(9_000_000_000_u64))]
#[case::an_id_token("token_use", json!("id"))]
#[case::for_another_client("client_id", json!("another"))]
#[case::by_another_issuer("iss", json!("https://issuer.invalid"))]
fn a_token_with_wrong_claims_is_unauthorized(
    #[context] context: Context,
    #[case] claim: &str,
    #[case] value: Value,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let issuer =
            world.system.stand_ins.issuer.as_ref().ok_or_else(|| Stop::skip("tokens are not minted"))?;
        let mut claims = issuer.claims(&acme.admin.subject, &acme.admin.email);
        let rightful = format!("Bearer {}", issuer.mint(&claims)?);
        world.must(header_ruling(world, &acme, &rightful).await?.is_allow(), "a rightful token passes")?;
        claims.insert(claim.to_owned(), value);
        let header = format!("Bearer {}", issuer.mint(&claims)?);
        world.equal("with the claim", header_ruling(world, &acme, &header).await?, Ruling::Unauthorized)
    });
}

#[rstest]
#[case::another_scheme("Basic YTpi")]
#[case::no_token("Bearer ")]
#[case::half_a_token("Bearer a.b")]
#[case::nothing_but_dots("Bearer ...")]
#[case::no_scheme("TOKEN")]
fn what_is_no_bearer_token_is_unauthorized(#[context] context: Context, #[case] header: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let rightful = acme.admin.credential.header()?.ok_or_else(|| Stop::skip("no token to present"))?;
        let header = header.replace("TOKEN", rightful.reveal().trim_start_matches("Bearer "));
        world.equal("the answer", header_ruling(world, &acme, &header).await?, Ruling::Unauthorized)
    });
}

#[rstest]
fn every_forged_token_is_unauthorized(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let issuer =
            world.system.stand_ins.issuer.as_ref().ok_or_else(|| Stop::skip("tokens are not minted"))?;
        let claims = issuer.claims(&acme.admin.subject, &acme.admin.email);
        let path = acme.path("teams");
        for forgery in Forgery::of_style(issuer.style) {
            let forged = forgery.forge(issuer, &claims)?;
            let event = AuthorizerRequest::new("GET", &path).credential(&forged.credential)?;
            let found = ruling(world, &event.build(), "GET", &path).await?;
            world.equal(forgery.what, found, Ruling::Unauthorized)?;
        }
        Ok(())
    });
}

#[rstest]
fn a_header_that_came_twice_is_unauthorized(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        let path = acme.path("teams");
        for second in [&ann, &acme.admin] {
            let event = AuthorizerRequest::new("GET", &path).as_(&acme.admin)?.as_(second)?.build();
            world.equal("the answer", ruling(world, &event, "GET", &path).await?, Ruling::Unauthorized)?;
        }
        Ok(())
    });
}

#[rstest]
#[case::no_type(json!({ "methodArn": "ARN", "authorizationToken": "TOKEN" }))]
#[case::another_type(json!({ "type": "OTHER", "methodArn": "ARN", "authorizationToken": "TOKEN" }))]
#[case::no_method(json!({ "type": "TOKEN", "authorizationToken": "TOKEN" }))]
#[case::the_arn_of_another_service(json!({ "type": "TOKEN", "methodArn": "arn:aws:s3:::b/s/GET/v1", "authorizationToken": "TOKEN" }))]
#[case::an_arn_cut_short(json!({ "type": "TOKEN", "methodArn": "arn:aws:execute-api:r:1:api", "authorizationToken": "TOKEN" }))]
#[case::a_list(json!(["TOKEN"]))]
#[case::nothing(Value::Null)]
fn an_event_that_is_none_opens_nothing(#[context] context: Context, #[case] event: Value) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let token = acme.admin.credential.header()?.ok_or_else(|| Stop::skip("no token to present"))?;
        let event = event.to_string();
        let arn = method_arn("GET", &acme.path("teams"));
        let event: Value = serde_json::from_str(
            &event.replace("TOKEN\"}", &format!("{}\"}}", token.reveal())).replace("ARN", &arn),
        )
        .map_err(|error| Stop::error(error.to_string()))?;
        let answer = world.system.invoke("authorizer", &event).await?;
        world.equal("effect", answer.effect(), None)?;
        world.must(answer.error.is_some(), format!("a function error, found {:?}", answer.payload))?;
        world.must(
            answer.message().is_some_and(|message| message != "Unauthorized"),
            "words that blame the event and not the caller",
        )
    });
}

#[rstest]
fn a_wildcard_in_what_is_asked_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        for rest in ["*", "teams/*", "teams/?", "sites/${aws:userid}"] {
            let path = acme.path(rest);
            let event = AuthorizerRequest::new("GET", &path).as_(&acme.admin)?.parameter("orgId", acme.org());
            // A policy holds what was asked for: a star in it would be one of the policy.
            world.equal(rest, ruling(world, &event.build(), "GET", &path).await?, Ruling::Deny)?;
        }
        Ok(())
    });
}
