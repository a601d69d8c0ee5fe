//! Token attacks: forgeries in the place of the rightful caller's token, on every operation that needs one.

mod sample;

use std::collections::BTreeSet;

use harness::contract::{Effect, Operation};
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::identity::forge::{BOUNDARIES, Boundary, Forged, Forgery, Known};
use harness::identity::{Claims, Credential, Issuer, Principal};
use harness::record::Severity;
use harness::target::{Capability, Refusal, TokenStyle};
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::surface::siege::Scene;

pub(crate) use sample::spared;

/// How often a token beside a line is made anew that was answered only after time had moved the line.
const ATTEMPTS: usize = 5;

/// How many forgeries that change the state behind a refusal are told apart. Each takes several looks, and who is told of
/// five knows what is wrong.
const MOST_GUILTY: usize = 5;

/// One kind of token that must be refused.
#[derive(Clone, Copy, Debug)]
enum Trial {
    Forgery(&'static Forgery),
    Boundary(&'static Boundary),
}

impl Trial {
    fn id(self) -> &'static str {
        match self {
            Trial::Forgery(forgery) => forgery.id,
            Trial::Boundary(boundary) => boundary.id,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Trial::Forgery(forgery) => forgery.what,
            Trial::Boundary(boundary) => boundary.what,
        }
    }

    fn known(self) -> Known {
        match self {
            Trial::Forgery(forgery) => forgery.known,
            Trial::Boundary(boundary) => boundary.known,
        }
    }

    fn case(self, operation: &Operation) -> Case {
        let Known { cwe, asvs, severity } = self.known();
        Case {
            path: format!("token/{}/{}", operation.name, self.id()),
            operation: operation.name.clone(),
            reference: Reference { cwe, owasp: if cwe == COSTLY { "API4" } else { "API2" }, asvs },
            severity,
            title: format!("{} accepts {}", operation.name, self.what()),
            gain: gain(&operation.name, cwe, severity),
        }
    }
}

/// CWE-400: a request that costs the target far more than its sender.
const COSTLY: u32 = 400;

/// What an attacker gains where a mistake of this kind is made.
fn gain(operation: &str, cwe: u32, severity: Severity) -> String {
    match (cwe, severity) {
        (_, Severity::Critical) => format!("uses {operation} in the name of anyone"),
        (613, _) => format!("goes on using {operation} with a token that is over, or not yet good"),
        (345 | 287, _) => format!("uses {operation} with a token that was made for something else"),
        (COSTLY, _) => format!("keeps {operation} busy with one small request"),
        (598, _) => format!("finds tokens for {operation} in logs, histories and referrers"),
        (436, _) => format!("has {operation} read a token otherwise than what stands before it"),
        _ => format!("gets to {operation} past a filter that reads tokens more strictly"),
    }
}

/// What a token names must not be fetched, whether or not the token is believed then.
fn errand(operation: &Operation) -> Case {
    Case {
        path: format!("token/{}/fetches-what-a-token-names", operation.name),
        operation: operation.name.clone(),
        reference: Reference { cwe: 918, owasp: "API7", asvs: "1.3.6" },
        severity: Severity::High,
        title: format!("{} fetches a URL that a token names", operation.name),
        gain: format!(
            "has {} ask for any URL from inside the network, without a valid token",
            operation.name
        ),
    }
}

/// With which forgeries an operation is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All there are.
    Every,
    /// One of each kind.
    EachKind,
}

fn trials(operation: &Operation, style: TokenStyle, extent: Extent) -> Vec<Trial> {
    let mut forgeries: Vec<&Forgery> = Forgery::of_style(style).collect();
    if extent == Extent::EachKind {
        forgeries = sample::one_of_each_kind(forgeries, &operation.name);
    }
    forgeries.into_iter().map(Trial::Forgery).chain(BOUNDARIES.iter().map(Trial::Boundary)).collect()
}

/// The cases of an operation: one for each forgery of tokens like the target's, and one for all that they lure with.
pub(crate) fn cases(operation: &Operation, style: TokenStyle, extent: Extent) -> Vec<Case> {
    let trials = trials(operation, style, extent).into_iter().map(|trial| trial.case(operation));
    trials.chain([errand(operation)]).collect()
}

/// Whose turn it is when somebody tries one forgery alone: between them all attackers on all operations have them all.
fn in_turn(operation: &Operation, style: TokenStyle, who: &str) -> Option<Trial> {
    let forgeries: Vec<&Forgery> = Forgery::of_style(style).collect();
    let turn = sample::turn(&[&operation.name, who]) % forgeries.len().max(1);
    forgeries.get(turn).copied().map(Trial::Forgery)
}

/// The case of somebody whose token is forged in one way alone.
pub(crate) fn case_by(operation: &Operation, style: TokenStyle, who: &str) -> Case {
    in_turn(operation, style, who).map_or_else(|| errand(operation), |trial| trial.case(operation))
}

/// Forges the token of somebody in one way.
pub(crate) async fn by(
    scene: &Scene<'_>,
    principal: &Principal,
    who: &str,
    case: Case,
) -> Result<CaseOutcome, Stop> {
    let (arena, operation) = (scene.arena, scene.operation);
    let issuer = arena.system.stand_ins.issuer.as_ref().ok_or_else(lacks)?;
    let trial = in_turn(operation, issuer.style, who).ok_or_else(lacks)?;
    let writes = operation.effect != Effect::Read;
    let trying = Trying { arena, operation, issuer, writes, by: Some(principal) };
    Ok(trying.attempt(case, trial, &scene.own, &mut Vec::new()).await?.outcome)
}

/// Everything one operation is tried with.
struct Trying<'a> {
    arena: &'a Arena,
    operation: &'a Operation,
    issuer: &'a Issuer,
    writes: bool,
    /// Whose token is forged; the rightful caller's without one.
    by: Option<&'a Principal>,
}

/// What came of one trial.
struct Tried {
    trial: Trial,
    outcome: CaseOutcome,
    exchange: Exchange,
}

/// Runs the forgeries of one operation against one resource, then the rightful success on it.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    extent: Extent,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let issuer = arena.system.stand_ins.issuer.as_ref().ok_or_else(lacks)?;
    let writes = operation.effect != Effect::Read;
    let trying = Trying { arena, operation, issuer, writes, by: None };
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    let invalid = arena.negative_control(operation, &arena.acme, &fill).await.err();
    if invalid.is_some() && trying.writes {
        fill = arena.fresh(&arena.acme, operation).await?;
    }
    let before = arena.state(operation, &[&fill]).await?;
    let mut fetched = Vec::new();
    let mut tried = Vec::new();
    for trial in trials(operation, issuer.style, extent) {
        tried.push(trying.attempt(trial.case(operation), trial, &fill, &mut fetched).await?);
    }
    outcomes.push(trying.errand(fetched, invalid.as_ref()));
    let mut intact = tried.iter().all(|tried| tried.outcome.finding.is_none());
    if let Some(before) = before {
        let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
        if !changes.is_empty() {
            let believed = !intact;
            intact = false;
            let guilty = trying.find_guilty(&mut tried).await?;
            if !guilty && !believed {
                let reason = format!("the state changed, and not again by any forgery: {}", listed(&changes));
                return Err(Stop::error(reason));
            }
        }
    }
    if !intact && trying.writes {
        fill = arena.fresh(&arena.acme, operation).await?;
    }
    if let Some(stop) = invalid {
        // Where what is plainly invalid passes, being refused proves nothing of a forgery.
        for tried in tried.iter_mut().filter(|tried| tried.outcome.finding.is_none()) {
            tried.outcome = tried.outcome.case.clone().without_result(Verdict::Error, &stop.reason);
        }
    }
    let controlled = trying.lines(&mut tried, fill).await;
    outcomes.extend(tried.into_iter().map(|tried| tried.outcome));
    controlled
}

fn lacks() -> Stop {
    Stop::skip(format!("the target has no capability '{}'", Capability::Mint))
}

impl Trying<'_> {
    /// Whose token is forged, and with which claims.
    fn rightful(&self, fill: &Fill) -> Result<(Principal, Claims), Stop> {
        let rightful = || self.arena.rightful(self.operation, &self.arena.acme, fill);
        let rightful = self.by.cloned().unwrap_or_else(rightful);
        let Credential::Minted(minted) = &rightful.credential else { return Err(lacks()) };
        let claims = self.issuer.renewed(minted.claims());
        Ok((rightful, claims))
    }

    /// Sends one forgery and judges the answer. A bait that the target came for is noted.
    async fn attempt(
        &self,
        case: Case,
        trial: Trial,
        fill: &Fill,
        fetched: &mut Vec<(Trial, Exchange)>,
    ) -> Result<Tried, Stop> {
        for _ in 0..ATTEMPTS {
            let (rightful, claims) = self.rightful(fill)?;
            let (Forged { credential, bait }, beside) = match trial {
                Trial::Forgery(forgery) => (forgery.forge(self.issuer, &claims)?, None),
                Trial::Boundary(boundary) => {
                    let beside = boundary.outside(self.issuer, &claims)?;
                    (beside.forged.clone(), Some(beside))
                }
            };
            let call = self.arena.call(self.operation, &rightful, fill, Class::Token).credential(credential);
            let attacked = self.arena.attack(call).await?;
            if beside.is_some_and(|beside| !beside.holds()) {
                continue;
            }
            let jwks = self.arena.system.stand_ins.jwks.as_ref();
            if bait.is_some_and(|bait| jwks.is_some_and(|jwks| jwks.has_lured(&bait))) {
                fetched.push((trial, attacked.exchange.clone()));
            }
            let exchange = attacked.exchange.clone();
            return Ok(Tried { trial, outcome: self.judge(case, trial, attacked), exchange });
        }
        Err(Stop::error(format!("{}: {TOO_SLOW}", case.path)))
    }

    /// The verdict on the answer alone: the documented refusal, and nothing foreign in it.
    fn judge(&self, case: Case, trial: Trial, attacked: Attacked) -> CaseOutcome {
        let target = &self.arena.system.target;
        let status = attacked.status;
        if let Some(leak) = &attacked.leak {
            let observed = format!("status {status} for {}, and {leak}", trial.what());
            return case.failed(&target.name, "401", &observed, vec![attacked.exchange]);
        }
        if target.denials.refuses(self.operation, status, &[Refusal::Unauthenticated]) {
            return match self.breach(&attacked) {
                None => case.passed(),
                Some(breach) => {
                    let expected = "401 as the contract documents it";
                    case.failed(&target.name, expected, &breach, vec![attacked.exchange])
                }
            };
        }
        if is_no_answer(status) {
            return case.without_result(Verdict::Error, &no_answer(status));
        }
        let observed = format!("status {status} for {}", trial.what());
        case.failed(&target.name, "401", &observed, vec![attacked.exchange])
    }

    /// How a refusal is not the one that the contract documents, where it documents any.
    fn breach(&self, attacked: &Attacked) -> Option<String> {
        let (conformance, operation) = (&self.arena.system.conformance, &self.operation.name);
        if !conformance.statuses(operation).contains(&attacked.status) {
            return None;
        }
        let exchange = &attacked.exchange;
        let media_type = exchange.response_headers.get("content-type").map(String::as_str);
        let body = exchange.response_body.as_deref().unwrap_or_default();
        conformance.check(operation, attacked.status, media_type, body).err().map(|breach| breach.to_string())
    }

    /// What became of all URLs that tokens named.
    fn errand(&self, fetched: Vec<(Trial, Exchange)>, invalid: Option<&Stop>) -> CaseOutcome {
        let case = errand(self.operation);
        if self.arena.system.stand_ins.jwks.is_none() {
            return case.without_result(Verdict::Skip, "nobody looks who comes for what a token names");
        }
        if fetched.is_empty() {
            // Nothing to conclude where tokens are not read at all.
            return match invalid {
                Some(stop) => case.without_result(Verdict::Error, &stop.reason),
                None => case.passed(),
            };
        }
        let names: BTreeSet<&str> = fetched.iter().map(|(trial, _)| trial.id()).collect();
        let observed = format!("the URL was asked for: {}", names.into_iter().collect::<Vec<_>>().join(", "));
        let exchanges = fetched.into_iter().map(|(_, exchange)| exchange).collect();
        case.failed(&self.arena.system.target.name, "no request for what a token names", &observed, exchanges)
    }

    /// Which of the refused forgeries changed the state all the same: sent again, by halves of those that may have.
    /// Whether there is one. After [`MOST_GUILTY`] the rest is not known.
    async fn find_guilty(&self, tried: &mut [Tried]) -> Result<bool, Stop> {
        let refused = tried.iter().enumerate().filter(|(_, tried)| tried.outcome.finding.is_none());
        let mut suspects: Vec<Vec<usize>> = vec![refused.map(|(at, _)| at).collect()];
        let mut guilty = 0;
        while let Some(group) = suspects.pop() {
            if guilty == MOST_GUILTY {
                for &at in &group {
                    let case = tried[at].outcome.case.clone();
                    let reason = format!(
                        "the state changed behind refusals of {MOST_GUILTY} others; whether behind this one, too, was not tried"
                    );
                    tried[at].outcome = case.without_result(Verdict::Error, &reason);
                }
                continue;
            }
            let fill = self.arena.fresh(&self.arena.acme, self.operation).await?;
            let before = self.arena.snapshot(self.operation, &[&fill]).await?;
            for &at in &group {
                let (case, trial) = (tried[at].outcome.case.clone(), tried[at].trial);
                self.attempt(case, trial, &fill, &mut Vec::new()).await?;
            }
            let changes = before.changes(&self.arena.snapshot(self.operation, &[&fill]).await?);
            if changes.is_empty() {
                continue;
            }
            let [only] = group[..] else {
                let (first, second) = group.split_at(group.len() / 2);
                suspects
                    .extend([first.to_vec(), second.to_vec()].into_iter().filter(|half| !half.is_empty()));
                continue;
            };
            guilty += 1;
            let exchange = tried[only].exchange.clone();
            let status = exchange.status.unwrap_or_default();
            let observed = format!("status {status}, and the state changed: {}", listed(&changes));
            let case = tried[only].outcome.case.clone();
            let name = &self.arena.system.target.name;
            tried[only].outcome = case.failed(name, "401, and no change of state", &observed, vec![exchange]);
        }
        Ok(guilty > 0)
    }

    /// The tokens on the right side of each line must be believed, or refusing those beyond it proves nothing. They are
    /// the positive control too: the rightful caller's request on the very resource that was attacked.
    async fn lines(&self, tried: &mut [Tried], mut fill: Fill) -> Result<(), Stop> {
        let mut succeeded = false;
        for boundary in &BOUNDARIES {
            if succeeded && self.writes {
                fill = self.arena.fresh(&self.arena.acme, self.operation).await?;
            }
            let doubt = match self.inside(boundary, &fill).await {
                Ok(None) => {
                    succeeded = true;
                    continue;
                }
                Ok(Some(doubt)) => doubt,
                Err(stop) => stop.reason,
            };
            let of_line = tried.iter_mut().filter(|tried| tried.trial.id() == boundary.id);
            for tried in of_line.filter(|tried| tried.outcome.finding.is_none()) {
                tried.outcome = tried.outcome.case.clone().without_result(Verdict::Error, &doubt);
            }
        }
        if !succeeded {
            self.arena.control(self.operation, &self.arena.acme, &fill).await?;
        }
        Ok(())
    }

    /// Why the line was not seen, although a token within it was sent.
    async fn inside(&self, boundary: &Boundary, fill: &Fill) -> Result<Option<String>, Stop> {
        for _ in 0..ATTEMPTS {
            let (rightful, claims) = self.rightful(fill)?;
            let beside = boundary.inside(self.issuer, &claims)?;
            let principal = Principal { credential: beside.forged.credential.clone(), ..rightful };
            let answer = self.arena.call(self.operation, &principal, fill, Class::Control).send().await?;
            if (200..300).contains(&answer.status) {
                return Ok(None);
            }
            if beside.holds() {
                return Ok(Some(format!(
                    "status {} for a token that is good for a second more, leeway of {} s included: the line is \
                     elsewhere; say where in identity.leeway of the target file",
                    answer.status, self.issuer.leeway
                )));
            }
        }
        Ok(Some(TOO_SLOW.to_owned()))
    }
}

/// Why a line was not seen.
const TOO_SLOW: &str =
    "the target took longer to answer than the second that the line allows; run again with less load";
