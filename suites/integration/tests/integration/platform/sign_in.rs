//! Signing in: whose tokens are believed, and that the first one makes the user, once.

use std::time::Duration;

use futures::future::join_all;
use harness::identity::forge::Forgery;
use harness::identity::{Claims, Credential, Issuer, JwksMood, Principal};
use harness::stores::Database;
use harness::target::Secret;
use harness::wait;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};
use suites_integration::{
    Business, Gives as _, jwks, many_bytes, refused, too_many_bytes, users_of, with_claim,
};

use super::{Setup, stage, world};

/// Longer than a failed fetch of the keys is remembered.
const RECOVERY: Duration = Duration::from_secs(15);
/// How often an unknown key may cause a fetch, in seconds.
const UNKNOWN_EVERY: u64 = 10;

fn issuer(world: &World) -> Result<&Issuer, Stop> {
    world.system.stand_ins.issuer.as_ref().ok_or_else(|| Stop::skip("tokens are not minted here"))
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A token of somebody whose claims were changed just before signing.
fn token(world: &World, who: &Principal, change: impl FnOnce(&mut Claims)) -> Result<Credential, Stop> {
    let issuer = issuer(world)?;
    let mut claims = issuer.claims(&who.subject, &who.email);
    change(&mut claims);
    Ok(Credential::Verbatim(Secret::new(format!("Bearer {}", issuer.mint(&claims)?))))
}

#[rstest]
fn a_token_is_not_believed_that_is(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let owner = &acme.owner;
        for (what, name, value) in [
            ("Expired", "exp", json!(now() - 30)),
            ("Not valid yet", "nbf", json!(now() + 30)),
            ("Never expires", "exp", Value::Null),
            ("Of another issuer", "iss", json!("https://clerk.another.invalid")),
            ("For another front end", "azp", json!("https://another.invalid")),
            ("Of nobody", "sub", Value::Null),
            ("Of an empty name", "sub", json!("")),
            ("Of a name of two lines", "sub", json!(format!("{}\n", owner.subject))),
            ("Of a number", "sub", json!(7)),
            ("Longer than anybody's", "padding", json!("x".repeat(8 * 1024))),
        ] {
            world.step(what);
            let credential = token(world, owner, |claims| {
                match value {
                    Value::Null => claims.remove(name),
                    value => claims.insert(name.to_owned(), value),
                };
            })?;
            let answer = acme.owner("product-list").credential(credential).send().await?;
            refused(&answer, 401, "unauthorized")?;
            world.equal(
                "the challenge",
                answer.header("www-authenticate"),
                "Bearer error=\"invalid_token\"",
            )?;
            world
                .stored_rows("Nobody has signed in", async |_| {
                    world.equal("users", users_of(world, &owner.subject).await?.len(), 0)
                })
                .await?;
        }
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn every_forged_token_is_401(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let issuer = issuer(world)?;
        let claims = issuer.claims(&acme.owner.subject, &acme.owner.email);
        for forgery in Forgery::of_style(issuer.style) {
            let forged = forgery.forge(issuer, &claims)?;
            let answer = acme.owner("product-list").credential(forged.credential).send().await?;
            world.must(answer.status == 401, format!("401 for {}, found {}", forgery.id, answer.status))?;
        }
        Ok(())
    });
}

#[rstest]
fn clocks_may_differ_by_five_seconds(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for (what, claim, seconds) in [("Just expired", "exp", -3), ("About to begin", "nbf", 3)] {
            world.step(what);
            let at = now().saturating_add_signed(seconds);
            let credential = token(world, &acme.owner, |claims| {
                claims.insert(claim.to_owned(), json!(at));
            })?;
            // Whoever sends a credential of their own is entitled to nothing, and the list is empty.
            acme.owner("product-list").credential(credential).gives(200).await?;
        }
        Ok(())
    });
}

#[rstest]
fn an_active_organisation_in_the_token_must_be_the_one_in_the_header(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let both = globex.join(&acme.owner, "owner").await?;
        let active_in_globex = with_claim(&both, "org_id", globex.org())?;

        globex.by(&active_in_globex, "product-list").gives(200).await?;
        refused(&acme.by(&active_in_globex, "product-list").send().await?, 403, "not-a-member")?;
        acme.by(&both, "product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
#[case::the_organisation("org_id", None)]
#[case::the_role("org_role", Some("org:admin"))]
fn what_a_token_claims_is_no_membership(
    #[context] context: Context,
    #[case] claim: &str,
    #[case] value: Option<&str>,
) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        let stranger = with_claim(&stranger, "org_id", acme.org())?;
        let stranger = with_claim(&stranger, claim, value.unwrap_or(acme.org()))?;
        refused(&acme.by(&stranger, "product-list").send().await?, 403, "not-a-member")?;

        world.step("Nor does it make more of a viewer than a viewer");
        let viewer = with_claim(&acme.member("viewer").await?, claim, value.unwrap_or(acme.org()))?;
        refused(&acme.by(&viewer, "audit-list").send().await?, 403, "forbidden")
    });
}

#[rstest]
fn whoever_was_removed_is_out_with_the_same_token(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let ann = with_claim(&acme.member("member").await?, "org_id", acme.org())?;
        acme.by(&ann, "product-list").gives(200).await?;
        acme.owner("member-remove").user(&ann.subject).gives(204).await?;
        refused(&acme.by(&ann, "product-list").send().await?, 403, "not-a-member")
    });
}

#[rstest]
fn twenty_first_requests_at_once_make_one_user(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for _ in 0..3 {
            let ann = acme.member("viewer").await?;
            let sent = (0..20).map(|_| acme.by(&ann, "product-list").send());
            for answer in join_all(sent).await {
                answer?.expect(200)?;
            }
            let check = async |_: &Database| {
                let users = users_of(world, &ann.subject).await?;
                world.equal("users", users.len(), 1)?;
                world.equal("the e-mail", &users[0]["email"], &json!(ann.email))
            };
            world.stored_rows("There is one user, with the e-mail of the token", check).await?;
        }
        Ok(())
    });
}

#[rstest]
fn one_person_in_two_organisations_is_one_user(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let globex = Business::open(world, "globex").await?;
        let ann = acme.member("viewer").await?;
        let ann = globex.join(&ann, "admin").await?;
        for business in [&acme, &globex, &acme] {
            business.by(&ann, "product-list").gives(200).await?;
        }
        world
            .stored_rows("There is one user", async |_| {
                world.equal("users", users_of(world, &ann.subject).await?.len(), 1)
            })
            .await
    });
}

#[rstest]
fn a_token_without_an_email_signs_in_all_the_same(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let ann = acme.member("viewer").await?;
        let plain = ann.with_claims(|claims| {
            claims.remove("email");
        });
        let plain = plain.ok_or_else(|| Stop::skip("tokens are not minted here"))?;
        acme.by(&plain, "product-list").gives(200).await?;
        world
            .stored_rows("The user is there", async |_| {
                world.equal("users", users_of(world, &ann.subject).await?.len(), 1)
            })
            .await
    });
}

#[rstest]
fn who_may_not_enter_is_no_user(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let stranger = world.data.users().stranger("stranger")?;
        refused(&acme.by(&stranger, "product-list").send().await?, 403, "not-a-member")?;
        world
            .stored_rows("There is no such user", async |_| {
                world.equal("users", users_of(world, &stranger.subject).await?.len(), 0)
            })
            .await
    });
}

#[rstest]
#[case::refuses(|_| JwksMood::Fail(503))]
#[case::talks_nonsense(|_| JwksMood::Garbage)]
#[case::has_no_keys(|_| JwksMood::Serve(json!({ "keys": [] })))]
#[case::sends_more_than_keys(too_many_bytes)]
fn nobody_gets_in_while_the_issuer(#[context] context: Context, #[case] mood: fn(Value) -> JwksMood) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let jwks = jwks(world)?;
        let keys = issuer(world)?.keys.jwks();
        jwks.set_mood(mood(keys.clone()));
        // Whoever asks: a member cannot be made, for the platform cannot sign in either.
        let platform = world.data.platform_admin()?;
        let asks = || world.api.call("product-list").as_(&platform).org("org_watertight").send();
        let answer = asks().await?;
        world.must([401, 503].contains(&answer.status), format!("401 or 503, found {}", answer.status))?;
        let waits = answer.status == 401 || !answer.header("retry-after").is_empty();
        world.must(waits, "Retry-After with 503")?;

        world.step("And when it is well again, they are believed by themselves");
        jwks.set_mood(JwksMood::Serve(keys));
        wait::until("the token to be believed", RECOVERY, || async {
            match asks().await {
                Ok(answer) if answer.status == 403 => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        Ok(())
    });
}

#[rstest]
fn an_issuer_may_have_many_keys(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        jwks(world)?.set_mood(many_bytes(issuer(world)?.keys.jwks()));
        let platform = world.data.platform_admin()?;
        world.api.call("product-list").as_(&platform).org("org_watertight").gives(403).await?;
        Ok(())
    });
}

#[rstest]
fn a_token_may_have_much_to_say(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let who = with_claim(&acme.owner, "padding", json!("x".repeat(4 * 1024)))?;
        acme.by(&who, "product-list").gives(200).await?;
        Ok(())
    });
}

#[rstest]
fn unknown_keys_cause_one_fetch_and_not_one_each(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let jwks = jwks(world)?;
        let acme = Business::open(world, "acme").await?;
        acme.owner("product-list").gives(200).await?;
        let issuer = issuer(world)?;
        let start = std::time::Instant::now();
        let before = jwks.fetches();
        for _ in 0..20 {
            let claims = issuer.claims(&acme.owner.subject, &acme.owner.email);
            let forged = issuer.sign_with(&issuer.keys.stranger, &claims)?;
            let credential = Credential::Verbatim(Secret::new(format!("Bearer {forged}")));
            refused(&acme.owner("product-list").credential(credential).send().await?, 401, "unauthorized")?;
        }
        let fetches = jwks.fetches() - before;
        let most = 1 + start.elapsed().as_secs() / UNKNOWN_EVERY;
        world
            .must(fetches <= most, format!("at most {most} fetches for 20 unknown keys, found {fetches}"))?;
        acme.owner("product-list").gives(200).await?;
        Ok(())
    });
}
