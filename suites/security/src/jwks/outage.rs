//! The issuer does not answer, or not with keys: what cannot be verified is not believed, and all is well again by
//! itself afterwards.

use std::time::Duration;

use harness::exchange::Exchange;
use harness::identity::JwksMood;
use harness::record::Severity;
use harness::world::Stop;
use serde_json::json;

use super::{Check, Stage, is_success};
use crate::arena::Attacked;
use crate::case::{CaseOutcome, Reference};

/// Longer than anyone waits for keys.
const LATE: Duration = Duration::from_mins(1);
/// More bytes than a key set has.
const ENDLESS: usize = 1024 * 1024;
/// The service cannot know: it says so.
const UNAVAILABLE: u16 = 503;
/// What a redirect leads to.
const REDIRECTED: &str = "redirected";

/// The ways to fail, and what a finding of each is called.
const FAILURES: [(&str, &str); 8] = [
    ("refuses", "tokens are believed while the issuer answers with 500"),
    ("is-gone", "tokens are believed while the issuer's keys are not found"),
    ("talks-nonsense", "tokens are believed while the issuer talks nonsense"),
    ("has-no-keys", "tokens are believed while the issuer has no keys"),
    ("says-null", "tokens are believed while the issuer's keys are null"),
    ("never-ends", "tokens are believed while the issuer's answer has no end"),
    ("points-elsewhere", "tokens are believed whose keys a redirect led to"),
    ("hangs", "tokens are believed while the issuer does not answer"),
];

pub(super) fn checks() -> Vec<Check> {
    let check = |(id, title)| Check {
        id,
        title,
        gain: "signs in as anyone while the issuer is away, which can be brought about",
        reference: Reference { cwe: 636, owasp: "API2", asvs: "16.5.3" },
        severity: Severity::Critical,
    };
    FAILURES.into_iter().map(check).collect()
}

fn mood(stage: &Stage<'_>, id: &str) -> JwksMood {
    match id {
        "refuses" => JwksMood::Fail(500),
        "is-gone" => JwksMood::Fail(404),
        "talks-nonsense" => JwksMood::Garbage,
        "has-no-keys" => JwksMood::Serve(json!({ "keys": [] })),
        "says-null" => JwksMood::Serve(json!({ "keys": null })),
        "never-ends" => JwksMood::Endless(ENDLESS),
        "points-elsewhere" => JwksMood::Redirect(format!("{}{REDIRECTED}", stage.jwks.lure())),
        _ => JwksMood::Hang(LATE, stage.issuer.keys.jwks()),
    }
}

pub(super) async fn play(stage: &Stage<'_>, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    for check in checks() {
        stage.jwks.set_mood(mood(stage, check.id));
        let before = stage.jwks.fetches();
        let mut believed = None;
        // Until the target has asked in vain, and once more.
        let mut rounds_in_vain = 0;
        let tried = async {
            while rounds_in_vain < 2 {
                if stage.jwks.fetches() > before {
                    rounds_in_vain += 1;
                }
                let unverifiable = [stage.by_stranger().await?, stage.by_nobody().await?];
                believed =
                    believed.take().or_else(|| unverifiable.into_iter().find_map(|made| seen(stage, made)));
                if rounds_in_vain == 0 {
                    // The keys at hand are still good, and it is for them to run out.
                    stage
                        .until("the keys to be asked for", async || asked_again(stage, before).await)
                        .await?;
                }
            }
            Ok::<(), Stop>(())
        };
        let tried = tried.await;
        stage.jwks.set_mood(JwksMood::Serve(stage.issuer.keys.jwks()));
        let back = stage
            .until("tokens to be believed again", async || Ok(is_success(stage.by_issuer().await?.status)));
        let back = back.await;
        tried?;
        if check.id == "points-elsewhere" && stage.jwks.has_lured(REDIRECTED) && believed.is_none() {
            believed = Some(("the redirect was followed".to_owned(), Vec::new()));
        }
        if back.is_err() && believed.is_none() {
            let last = stage.by_issuer().await?;
            let observed = format!("status {} long after the issuer was well again", last.status);
            believed = Some((observed, vec![last.exchange]));
        }
        let expected = "401 or 503 for what cannot be verified, and success once the issuer is back";
        outcomes.push(stage.unless(&check, expected, believed));
    }
    Ok(())
}

/// Whether the issuer was asked for keys since; asks for something that needs them.
async fn asked_again(stage: &Stage<'_>, before: u64) -> Result<bool, Stop> {
    stage.by_issuer().await?;
    Ok(stage.jwks.fetches() > before)
}

/// That a token which cannot be verified was not refused as it must be.
fn seen(stage: &Stage<'_>, made: Attacked) -> Option<(String, Vec<Exchange>)> {
    let is_refused = stage.is_refusal(made.status) || made.status == UNAVAILABLE;
    (!is_refused)
        .then(|| (format!("status {} for a token that nobody can verify", made.status), vec![made.exchange]))
}
