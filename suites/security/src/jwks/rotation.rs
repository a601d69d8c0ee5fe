//! Keys come and go: a new one counts while the old one still does, and one that is gone counts no longer than it was
//! promised to be kept.

use harness::identity::{Algorithm, JwksMood, KeyPair};
use harness::record::Severity;
use harness::world::Stop;
use serde_json::{Value, json};

use super::{Check, Stage, is_success};
use crate::case::{CaseOutcome, Reference};

const STALE: Reference = Reference { cwe: 324, owasp: "API2", asvs: "9.1.3" };

pub(super) const NEW: Check = Check {
    id: "new-key",
    title: "a key that the issuer rotates in is not believed in time",
    gain: "nothing; whoever signs in after a rotation is locked out",
    reference: Reference { cwe: 684, owasp: "API2", asvs: "11.2.2" },
    severity: Severity::Medium,
};
pub(super) const BOTH: Check = Check {
    id: "both-keys",
    title: "the key before is not believed while the issuer still publishes it",
    gain: "nothing; whoever signed in before a rotation is locked out",
    reference: Reference { cwe: 684, owasp: "API2", asvs: "11.2.2" },
    severity: Severity::Medium,
};
const REMOVED: Check = Check {
    id: "removed-key",
    title: "a key that the issuer took back is believed for longer than keys are kept",
    gain: "signs in as anyone with a key that was stolen and taken back",
    reference: STALE,
    severity: Severity::Critical,
};
const REPLACED: Check = Check {
    id: "replaced-key",
    title: "a key is believed that the issuer replaced under the same id",
    gain: "signs in as anyone with a key that was stolen and replaced",
    reference: STALE,
    severity: Severity::Critical,
};

pub(super) const CHECKS: [Check; 4] = [NEW, BOTH, REMOVED, REPLACED];

fn published(keys: &[Value]) -> JwksMood {
    JwksMood::Serve(json!({ "keys": keys }))
}

pub(super) async fn play(stage: &Stage<'_>, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    let old = &stage.issuer.keys.rsa;
    let new = KeyPair::generate("rotated-in", Algorithm::RS256)?;
    let asks = async |id: &str, key: &KeyPair| {
        stage.asks(|claims| Ok(stage.issuer.sign_under(Some(id), key, claims)?)).await
    };
    let gets_in = async |id: &str, key: &KeyPair| Ok::<_, Stop>(is_success(asks(id, key).await?.status));
    let is_out = async |id: &str, key: &KeyPair| Ok::<_, Stop>(stage.is_refusal(asks(id, key).await?.status));

    stage.jwks.set_mood(published(&[old.jwk(), new.jwk()]));
    let arrived = stage.until("the new key to be believed", async || gets_in(&new.id, &new).await).await;
    let last = asks(&new.id, &new).await?;
    let late =
        arrived.is_err().then(|| (format!("status {} for its tokens", last.status), vec![last.exchange]));
    outcomes.push(stage.unless(&NEW, "tokens of the new key are believed", late));
    let both = asks(&old.id, old).await?;
    let out = (!is_success(both.status))
        .then(|| (format!("status {} for its tokens", both.status), vec![both.exchange]));
    outcomes.push(stage.unless(&BOTH, "tokens of the key before are believed too", out));

    stage.jwks.set_mood(published(&[new.jwk()]));
    let gone = stage.until("the old key to be refused", async || is_out(&old.id, old).await).await;
    let last = asks(&old.id, old).await?;
    let stays =
        gone.is_err().then(|| (format!("status {} for its tokens", last.status), vec![last.exchange]));
    outcomes.push(stage.unless(&REMOVED, "401 once the keys at hand are due", stays));

    let mut same_id = old.jwk();
    same_id["kid"] = new.id.clone().into();
    stage.jwks.set_mood(published(&[same_id]));
    // The replacement counting is what shows that the set was fetched anew.
    let replaced = stage.until("the key to be replaced", async || gets_in(&new.id, old).await).await;
    let last = asks(&new.id, &new).await?;
    let stays = (replaced.is_err() || !stage.is_refusal(last.status))
        .then(|| (format!("status {} for tokens of the key before", last.status), vec![last.exchange]));
    outcomes.push(stage.unless(
        &REPLACED,
        "401 once the keys at hand are due, and the new key counts",
        stays,
    ));
    Ok(())
}
