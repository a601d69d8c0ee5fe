//! The Lambda authorizer while what it leans on is away: nobody passes undecided, and nobody floods the issuer.

use std::time::{Duration, Instant};

use fixtures::{Embedded, Setup};
use harness::events::AuthorizerRequest;
use harness::identity::{Algorithm, JwksMood, KeyPair, Principal};
use harness::stores::{Fault, FaultProxy};
use harness::wait;
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};

use crate::stage;
use suites_integration::{Company, Gives as _, Ruling, jwks, many_bytes, ruling, too_many_bytes};

/// More failures in a row than the service's client has attempts.
const FOR_GOOD: usize = 1_000;
/// Longer than a failed fetch of the keys is remembered.
const RECOVERY: Duration = Duration::from_secs(10);
/// How often an unknown key may cause a fetch.
const UNKNOWN_EVERY: u64 = 10;

fn faults(embedded: &Embedded) -> Result<&FaultProxy, Stop> {
    embedded.faults.as_ref().ok_or_else(|| Stop::error("this story's system has no fault proxy"))
}

/// What the authorizer makes of somebody's request for a path outside the service.
async fn asks(world: &World, who: &Principal) -> Result<Ruling, Stop> {
    let event = AuthorizerRequest::new("GET", "/v1/orgs/somewhere/sites").as_(who)?.build();
    ruling(world, &event, "GET", "/v1/orgs/somewhere/sites").await
}

#[rstest]
#[case::throttled(Fault::Throttled)]
#[case::broken(Fault::Broken)]
#[case::cut_off(Fault::Cut)]
#[case::answering_to_nobody(Fault::AnswerLost)]
fn while_the_store_is(#[context] context: Context, #[case] fault: Fault) {
    let setup = Setup { faults: true, ..Setup::default() };
    stage(&context, setup).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let acme = Company::found(world, "acme").await?;
        let (ann, bea) = (acme.user("SITE_VIEWER").await?, acme.user("SITE_VIEWER").await?);
        // Of Ann a decision is kept, of Bea there is none.
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she may while all is well")?;

        proxy.random(1.0, &[fault]);
        for who in [&ann, &bea] {
            for path in ["teams", "sites"] {
                acme.ruling(who, "GET", path).await?.failed()?;
            }
        }
        proxy.calm();
        world.must(proxy.injected().contains_key(&fault), "the fault was injected")?;
        for who in [&ann, &bea] {
            world.must(acme.ruling(who, "GET", "teams").await?.is_allow(), "they may again")?;
        }
        Ok(())
    });
}

#[rstest]
#[case::versions("BatchGetItem")]
#[case::roles_and_teams("Query")]
fn one_part_of_the_store_failing_lets_nobody_in(#[context] context: Context, #[case] action: &'static str) {
    let setup = Setup { faults: true, ..Setup::default() };
    stage(&context, setup).tell(async |world, embedded| {
        let proxy = faults(embedded)?;
        let acme = Company::found(world, "acme").await?;
        let ann = acme.user("SITE_VIEWER").await?;
        proxy.next(action, Fault::Broken, FOR_GOOD);
        acme.ruling(&ann, "GET", "teams").await?.failed()?;
        proxy.calm();
        world.must(acme.ruling(&ann, "GET", "teams").await?.is_allow(), "she may again")
    });
}

#[rstest]
#[case::refuses(|_| JwksMood::Fail(503))]
#[case::talks_nonsense(|_| JwksMood::Garbage)]
#[case::has_no_keys(|_| JwksMood::Serve(json!({ "keys": [] })))]
#[case::sends_more_than_keys(too_many_bytes)]
fn while_the_issuer(#[context] context: Context, #[case] mood: fn(Value) -> JwksMood) {
    stage(&context, Setup::default()).tell(async |world, embedded| {
        let jwks = jwks(world)?;
        let ann = world.data.users().stranger("ann")?;
        let issuer = embedded.system.stand_ins.issuer.as_ref();
        let keys =
            issuer.map(|issuer| issuer.keys.jwks()).ok_or_else(|| Stop::skip("tokens are not minted"))?;
        let mood = mood(keys.clone());
        let is_empty = matches!(&mood, JwksMood::Serve(set) if set["keys"] == json!([]));
        jwks.set_mood(mood);
        // A key set without the key is an answer: the token is not believed. No key set is none.
        match asks(world, &ann).await? {
            Ruling::Unauthorized if is_empty => {}
            other => other.failed()?,
        }
        jwks.set_mood(JwksMood::Serve(keys));
        wait::until("a stranger to be told apart from nobody", RECOVERY + Duration::from_secs(5), || async {
            match asks(world, &ann).await {
                Ok(Ruling::Deny) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        Ok(())
    });
}

#[rstest]
fn an_issuer_may_have_many_keys(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, embedded| {
        let issuer = embedded.system.stand_ins.issuer.as_ref();
        let issuer = issuer.ok_or_else(|| Stop::skip("tokens are not minted"))?;
        jwks(world)?.set_mood(many_bytes(issuer.keys.jwks()));
        let ann = world.data.users().stranger("ann")?;
        world.equal("a stranger, who is told apart from nobody", asks(world, &ann).await?, Ruling::Deny)
    });
}

#[rstest]
fn unknown_keys_cause_one_fetch_and_not_one_each(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, embedded| {
        let jwks = jwks(world)?;
        let acme = Company::found(world, "acme").await?;
        let issuer = embedded.system.stand_ins.issuer.as_ref();
        let issuer = issuer.ok_or_else(|| Stop::skip("tokens are not minted"))?;
        let claims = issuer.claims(&acme.admin.subject, &acme.admin.email);
        let token = issuer.sign_with(&issuer.keys.stranger, &claims)?;
        let path = acme.path("teams");
        let (before, began) = (jwks.fetches(), Instant::now());

        for _ in 0..20 {
            let event = AuthorizerRequest::new("GET", &path).bearer(&token).build();
            world.equal("the answer", ruling(world, &event, "GET", &path).await?, Ruling::Unauthorized)?;
        }

        let most = 1 + began.elapsed().as_secs() / UNKNOWN_EVERY;
        let fetched = jwks.fetches() - before;
        world.must((1..=most).contains(&fetched), format!("1 to {most} fetches, counted {fetched}"))?;
        world.must(acme.ruling(&acme.admin, "GET", "teams").await?.is_allow(), "the known key still counts")
    });
}

#[rstest]
#[case::of_rsa(Algorithm::RS256)]
#[case::of_an_elliptic_curve(Algorithm::ES256)]
fn a_new_key_of_the_issuer_is_believed_at_once(#[context] context: Context, #[case] algorithm: Algorithm) {
    stage(&context, Setup::default()).tell(async |world, embedded| {
        let jwks = jwks(world)?;
        let acme = Company::found(world, "acme").await?;
        acme.admin("team-list").gives(200).await?;
        let issuer = embedded.system.stand_ins.issuer.as_ref();
        let issuer = issuer.ok_or_else(|| Stop::skip("tokens are not minted"))?;
        let (old, new) = (&issuer.keys.rsa, &KeyPair::generate("new", algorithm)?);
        jwks.set_mood(JwksMood::Serve(json!({ "keys": [old.jwk(), new.jwk()] })));
        let before = jwks.fetches();

        let claims = issuer.claims(&acme.admin.subject, &acme.admin.email);
        let path = acme.path("teams");
        for key in [new, old, new] {
            let event = AuthorizerRequest::new("GET", &path).bearer(&issuer.sign_with(key, &claims)?).build();
            world.must(ruling(world, &event, "GET", &path).await?.is_allow(), "both keys count")?;
        }
        world.equal("fetches", jwks.fetches() - before, 1)
    });
}
