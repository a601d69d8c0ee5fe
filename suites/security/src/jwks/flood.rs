//! Many ask for keys that the issuer does not have, and many with one it has: the issuer hears of it once.

use std::time::Instant;

use futures::future::try_join_all;
use harness::record::Severity;
use harness::world::Stop;

use super::{Check, Stage, is_success};
use crate::case::{CaseOutcome, Reference};

/// So many requests of each kind, so many at once: fewer than a small service has connections to its store.
const ROUNDS: usize = 8;
const AT_ONCE: usize = 5;
const MANY: usize = ROUNDS * AT_ONCE;

const fn check(id: &'static str, title: &'static str, gain: &'static str, severity: Severity) -> Check {
    Check { id, title, gain, reference: Reference { cwe: 770, owasp: "API4", asvs: "15.2.2" }, severity }
}

const UNKNOWN: Check = check(
    "unknown-kids",
    "each token with an unknown key id has the issuer's keys fetched",
    "has the service flood its identity provider, one request for each forged token",
    Severity::Medium,
);
const LOCKED_OUT: Check = check(
    "rightful-meanwhile",
    "forged tokens lock out everyone else",
    "keeps everyone from signing in by sending tokens of unknown keys",
    Severity::Medium,
);
const KEPT: Check = check(
    "one-fetch",
    "the issuer's keys are fetched for more than one request",
    "nothing; the issuer is asked as often as the service is",
    Severity::Low,
);

pub(super) const CHECKS: [Check; 3] = [UNKNOWN, LOCKED_OUT, KEPT];

pub(super) async fn play(stage: &Stage<'_>, outcomes: &mut Vec<CaseOutcome>) -> Result<(), Stop> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for made in try_join_all((0..AT_ONCE).map(|_| stage.by_issuer())).await? {
            if !is_success(made.status) {
                return Err(Stop::error(format!("status {} for a rightful token", made.status)));
            }
        }
    }
    let pace = stage.scene.pace();
    let periods = |each: std::time::Duration| start.elapsed().as_secs() / each.as_secs().max(1);
    let fetched = stage.jwks.fetches() - stage.began.0;
    let most = 1 + periods(pace.kept);
    let too_many = (fetched > most).then(|| (format!("{fetched} fetches"), Vec::new()));
    outcomes.push(stage.unless(&KEPT, &format!("{most} for {MANY} requests and more"), too_many));

    let before = stage.jwks.fetches();
    let stranger = &stage.issuer.keys.stranger;
    let mut refused = Vec::new();
    for round in 0..ROUNDS {
        let unknown = (0..AT_ONCE).map(|at| {
            let id = format!("unknown-{round}-{at}");
            stage.asks(move |claims| Ok(stage.issuer.sign_under(Some(&id), stranger, claims)?))
        });
        refused.extend(try_join_all(unknown).await?);
    }
    let fetched = stage.jwks.fetches() - before;
    let most = 1 + periods(pace.unknown_every);
    let wrong = refused.into_iter().find(|made| !stage.is_refusal(made.status));
    let seen = match wrong {
        Some(made) => Some((format!("status {} for one of them", made.status), vec![made.exchange])),
        None => (fetched > most).then(|| (format!("{fetched} fetches"), Vec::new())),
    };
    outcomes.push(stage.unless(
        &UNKNOWN,
        &format!("401 for each of {MANY}, and {most} fetches at most"),
        seen,
    ));
    let rightful = stage.by_issuer().await?;
    let out = (!is_success(rightful.status))
        .then(|| (format!("status {} for the rightful caller", rightful.status), vec![rightful.exchange]));
    outcomes.push(stage.unless(&LOCKED_OUT, "success for the rightful caller", out));
    Ok(())
}
