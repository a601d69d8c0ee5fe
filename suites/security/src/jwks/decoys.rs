//! Among the issuer's keys are some that verify no token: for encryption, for another algorithm, a secret that is none,
//! two of one id, one of no id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::identity::{Algorithm, JwksMood, KeyPair};
use harness::record::Severity;
use harness::world::Stop;
use serde_json::{Value, json};

use super::{Check, Stage, is_success, unseen};
use crate::case::{CaseOutcome, Reference};

const fn check(id: &'static str, title: &'static str, severity: Severity) -> Check {
    Check {
        id,
        title,
        gain: "signs in as anyone with a key that was made for something else",
        reference: Reference { cwe: 345, owasp: "API2", asvs: "9.1.3" },
        severity,
    }
}

const ENCRYPTION: Check = check("use-enc", "a key for encryption verifies tokens", Severity::High);
const OPERATIONS: Check = check("key-ops", "a key that may not verify verifies tokens", Severity::High);
const ALGORITHM: Check = check("other-alg", "a key for another algorithm verifies tokens", Severity::High);
const SECRET: Check = check(
    "secret",
    "a secret in the published key set verifies tokens, which everyone can read",
    Severity::Critical,
);
const TWICE: Check =
    check("duplicate-kid", "one of two keys of the same id verifies tokens", Severity::Medium);
const NAMELESS: Check = check("absent-kid", "a key of no id verifies tokens of no id", Severity::Low);

pub(super) const CHECKS: [Check; 6] = [ENCRYPTION, OPERATIONS, ALGORITHM, SECRET, TWICE, NAMELESS];

/// What everyone reads in the key set.
const PUBLIC_SECRET: &[u8] = b"a secret that everyone can read!";

/// The stranger's key as the issuer might publish it for something else.
fn decoy(stage: &Stage<'_>, id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut key = stage.issuer.keys.stranger.jwk();
    key["kid"] = id.into();
    change(&mut key);
    key
}

fn drop_member(key: &mut Value, name: &str) {
    if let Value::Object(members) = key {
        members.remove(name);
    }
}

pub(super) async fn play(stage: &Stage<'_>, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    let (rsa, stranger) = (&stage.issuer.keys.rsa, &stage.issuer.keys.stranger);
    let new = KeyPair::generate("beside-decoys", Algorithm::RS256)?;
    let named = |id: &str, key: &KeyPair| {
        let mut key = key.jwk();
        key["kid"] = id.into();
        key
    };
    let keys = [
        decoy(stage, "for-encryption", |key| key["use"] = "enc".into()),
        decoy(stage, "for-other-operations", |key| {
            drop_member(key, "use");
            key["key_ops"] = json!(["encrypt", "wrapKey"]);
        }),
        decoy(stage, "for-another-algorithm", |key| key["alg"] = "RSA-OAEP-256".into()),
        json!({ "kty": "oct", "kid": "secret", "use": "sig", "alg": "HS256",
                "k": URL_SAFE_NO_PAD.encode(PUBLIC_SECRET) }),
        named("twice", rsa),
        named("twice", stranger),
        named("twice-again", stranger),
        named("twice-again", rsa),
        decoy(stage, "", |key| drop_member(key, "kid")),
        // What cannot be read at all must not hide what can.
        json!({ "kty": "RSA", "kid": "broken", "use": "sig", "alg": "RS256", "n": "%", "e": 7 }),
        json!(null),
        new.jwk(),
        rsa.jwk(),
    ];
    stage.jwks.set_mood(JwksMood::Serve(json!({ "keys": keys })));
    let by_new = async || stage.asks(|claims| Ok(stage.issuer.sign_with(&new, claims)?)).await;
    let read = stage
        .until("a key beside the decoys to be believed", async || Ok(is_success(by_new().await?.status)));
    if let Err(stop) = read.await {
        outcomes.extend(unseen(stage, &CHECKS, &format!("the set was not read: {}", stop.reason)));
        return Ok(());
    }
    let signed = async |id: Option<&str>| {
        stage.asks(|claims| Ok(stage.issuer.sign_under(id, stranger, claims)?)).await
    };
    let secret = stage.asks(|claims| Ok(stage.issuer.mac_under("secret", PUBLIC_SECRET, claims)?));
    let made = [
        (&ENCRYPTION, vec![signed(Some("for-encryption")).await?]),
        (&OPERATIONS, vec![signed(Some("for-other-operations")).await?]),
        (&ALGORITHM, vec![signed(Some("for-another-algorithm")).await?]),
        (&SECRET, vec![secret.await?]),
        (&TWICE, vec![signed(Some("twice")).await?, signed(Some("twice-again")).await?]),
        (&NAMELESS, vec![signed(None).await?, signed(Some("")).await?]),
    ];
    for (check, attacked) in made {
        let believed = attacked.into_iter().find(|made| !stage.is_refusal(made.status));
        let believed =
            believed.map(|made| (format!("status {} for its token", made.status), vec![made.exchange]));
        outcomes.push(stage.unless(check, "401", believed));
    }
    Ok(())
}
