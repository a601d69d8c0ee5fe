//! The issuer's keys: rotated, taken away, mixed with others, flooded with unknown ones. It disturbs whoever signs in
//! meanwhile, so each scene has a system of its own; where none can be started it is skipped by name.

mod decoys;
mod flood;
mod outage;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use harness::contract::{Contract, Effect, Operation, SlotKind};
use harness::data::Fill;
use harness::double::{KeyPace, Staging};
use harness::exchange::{Class, Exchange};
use harness::identity::{Claims, Credential, Issuer, JwksMood, JwksServer, Principal};
use harness::record::Severity;
use harness::system::System;
use harness::target::{Refusal, Secret};
use harness::verdict::Verdict;
use harness::wait;
use harness::world::Stop;
use tokio::runtime::Handle;

use crate::arena::{Arena, Attacked};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::Cast;

/// Longer than a target needs for anything once its keys are due, on a machine that is busy with other groups.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What happens to the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Keys come and go.
    Rotation,
    /// It does not answer, or not with keys.
    Outage,
    /// Among its keys are some that verify no token.
    Decoys,
    /// Many ask for keys it does not have.
    Flood,
}

/// One thing that must hold in a scene.
#[derive(Clone, Copy, Debug)]
struct Check {
    id: &'static str,
    /// What a finding is called, after the operation's name.
    title: &'static str,
    gain: &'static str,
    reference: Reference,
    severity: Severity,
}

impl Scene {
    pub(crate) const ALL: [Scene; 4] = [Scene::Rotation, Scene::Outage, Scene::Decoys, Scene::Flood];

    /// Its name in check paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scene::Rotation => "rotation",
            Scene::Outage => "outage",
            Scene::Decoys => "decoys",
            Scene::Flood => "flood",
        }
    }

    fn checks(self) -> Vec<Check> {
        match self {
            Scene::Rotation => rotation::CHECKS.to_vec(),
            Scene::Outage => outage::checks(),
            Scene::Decoys => decoys::CHECKS.to_vec(),
            Scene::Flood => flood::CHECKS.to_vec(),
        }
    }

    /// How the target treats keys meanwhile: nobody waits five minutes for a key to be forgotten.
    fn pace(self) -> KeyPace {
        let (kept, unknown_every) = match self {
            Scene::Rotation | Scene::Decoys => (2, 1),
            Scene::Outage => (1, 1),
            Scene::Flood => (300, 300),
        };
        KeyPace { kept: Duration::from_secs(kept), unknown_every: Duration::from_secs(unknown_every) }
    }
}

/// What tokens are tried on: an operation that changes nothing and asks for no more than an organisation.
pub(crate) fn operation(contract: &Contract) -> Option<&Operation> {
    let is_harmless = |operation: &&Operation| {
        let names_more = |kind: SlotKind| kind.names() && kind != SlotKind::Org;
        operation.effect == Effect::Read
            && operation.needs_token()
            && operation.slots.iter().all(|slot| slot.optional || !names_more(slot.kind))
    };
    contract.operations().find(is_harmless)
}

/// The cases of a scene.
pub(crate) fn cases(scene: Scene, operation: &Operation) -> Vec<Case> {
    scene.checks().into_iter().map(|check| case(scene, operation, check)).collect()
}

fn case(scene: Scene, operation: &Operation, check: Check) -> Case {
    Case {
        path: format!("jwks/{}/{}", scene.name(), check.id),
        operation: operation.name.clone(),
        reference: check.reference,
        severity: check.severity,
        title: check.title.to_owned(),
        gain: check.gain.to_owned(),
    }
}

/// Plays a scene on a system of its own. A thread of its own drives it: what polls need not be fit to change threads.
pub(crate) async fn run(
    system: &Arc<System>,
    cast: &Arc<Cast>,
    scene: Scene,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let (system, cast, operation) = (system.clone(), cast.clone(), operation.clone());
    let runtime = Handle::current();
    let played = runtime.clone().spawn_blocking(move || {
        let mut found = Vec::new();
        let ended = runtime.block_on(staged(&system, &cast, scene, &operation, &mut found));
        (found, ended)
    });
    let (found, ended) = played.await.map_err(|error| Stop::error(error.to_string()))?;
    outcomes.extend(found);
    ended
}

async fn staged(
    system: &Arc<System>,
    cast: &Arc<Cast>,
    scene: Scene,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let why = "it disturbs, so it needs a system of its own: only an embedded target gives one";
    let doubles = system.doubles.as_ref().ok_or_else(|| Stop::skip(why))?;
    let double = doubles.start(Staging::Keys(scene.pace())).await.map_err(Stop::error)?;
    let (stand_ins, began) = (&double.system.stand_ins, Began::now(&double.system)?);
    let missing = || Stop::error("a system of its own has no issuer to disturb");
    let jwks = stand_ins.jwks.as_ref().ok_or_else(missing)?;
    let issuer = stand_ins.issuer.as_ref().ok_or_else(missing)?;
    let arena = Arena::build(&double.system, cast, &format!("jwks/{}", scene.name())).await?;
    let fill = arena.fresh(&arena.acme, operation).await?;
    let stage = Stage { scene, arena: &arena, operation, fill, jwks, issuer, began };
    let played = async {
        // Before anything happens the rightful caller gets in, and a spoilt token does not.
        arena.control(operation, &arena.acme, &stage.fill).await?;
        match scene {
            Scene::Rotation => rotation::play(&stage, outcomes).await,
            Scene::Outage => outage::play(&stage, outcomes).await,
            Scene::Decoys => decoys::play(&stage, outcomes).await,
            Scene::Flood => flood::play(&stage, outcomes).await,
        }
    };
    let played = played.await;
    // What was made can be removed only by people who get in.
    jwks.set_mood(JwksMood::Serve(issuer.keys.jwks()));
    let back = stage.until("the issuer's keys to be believed again", async || {
        Ok(is_success(stage.by_issuer().await?.status))
    });
    let back = back.await;
    let left = arena.leave().await;
    system.coverage.absorb(&double.system.coverage);
    played?;
    back?;
    left
}

/// How often keys had been fetched before anyone had signed in.
#[derive(Clone, Copy, Debug)]
struct Began(u64);

impl Began {
    fn now(system: &System) -> Result<Began, Stop> {
        let jwks = system.stand_ins.jwks.as_ref();
        jwks.map(|jwks| Began(jwks.fetches())).ok_or_else(|| Stop::error("nobody counts fetches of keys"))
    }
}

/// Where a scene is played.
struct Stage<'a> {
    scene: Scene,
    arena: &'a Arena,
    operation: &'a Operation,
    fill: Fill,
    jwks: &'a JwksServer,
    issuer: &'a Issuer,
    began: Began,
}

impl Stage<'_> {
    fn case(&self, check: &Check) -> Case {
        case(self.scene, self.operation, *check)
    }

    /// A check that failed.
    fn failed(&self, check: &Check, expected: &str, observed: &str, exchanges: Vec<Exchange>) -> CaseOutcome {
        self.case(check).failed(&self.arena.system.target.name, expected, observed, exchanges)
    }

    /// Passed if nothing was seen that must not be.
    fn unless(&self, check: &Check, expected: &str, seen: Option<(String, Vec<Exchange>)>) -> CaseOutcome {
        match seen {
            None => self.case(check).passed(),
            Some((observed, exchanges)) => self.failed(check, expected, &observed, exchanges),
        }
    }

    /// The claims of whoever may.
    fn claims(&self) -> Result<(Principal, Claims), Stop> {
        let rightful = self.arena.rightful(self.operation, &self.arena.acme, &self.fill);
        let Credential::Minted(minted) = &rightful.credential else {
            return Err(Stop::skip("tokens are not minted here"));
        };
        let claims = self.issuer.renewed(minted.claims());
        Ok((rightful, claims))
    }

    /// The rightful caller's request with a token made for it.
    async fn asks(&self, token: impl FnOnce(&Claims) -> Result<String, Stop>) -> Result<Attacked, Stop> {
        let (rightful, claims) = self.claims()?;
        let header = Secret::new(format!("Bearer {}", token(&claims)?));
        // The caller's own data comes back: whose key signed the token is all that is in question.
        let principal = Principal { credential: Credential::Verbatim(header), ..rightful };
        self.arena.attack(self.arena.call(self.operation, &principal, &self.fill, Class::Jwks)).await
    }

    /// With a token as the issuer signs them from the first.
    async fn by_issuer(&self) -> Result<Attacked, Stop> {
        self.asks(|claims| Ok(self.issuer.mint(claims)?)).await
    }

    /// With a token of a key that the issuer never had.
    async fn by_stranger(&self) -> Result<Attacked, Stop> {
        self.asks(|claims| Ok(self.issuer.sign_with(&self.issuer.keys.stranger, claims)?)).await
    }

    /// With a token that nobody signed.
    async fn by_nobody(&self) -> Result<Attacked, Stop> {
        self.asks(|claims| {
            let token = self.issuer.mint(claims)?;
            Ok(token[..=token.rfind('.').unwrap_or(token.len() - 1)].to_owned())
        })
        .await
    }

    /// Whether a status refuses for want of a valid token.
    fn is_refusal(&self, status: u16) -> bool {
        let denials = &self.arena.system.target.denials;
        denials.refuses(self.operation, status, &[Refusal::Unauthenticated])
    }

    /// Polls until something holds; an error is a stop.
    async fn until(&self, what: &str, holds: impl AsyncFn() -> Result<bool, Stop>) -> Result<(), Stop> {
        let attempt = || async {
            match holds().await {
                Ok(true) => Ok(Ok(())),
                Ok(false) => Err("not yet".to_owned()),
                Err(stop) => Ok(Err(stop)),
            }
        };
        wait::every(PAUSE, what, PATIENCE, attempt).await.map_err(|late| Stop::error(late.to_string()))?
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A verdict on every check of a scene that could not be played to its point.
fn unseen(stage: &Stage<'_>, checks: &[Check], why: &str) -> Vec<CaseOutcome> {
    checks.iter().map(|check| stage.case(check).without_result(Verdict::Error, why)).collect()
}
