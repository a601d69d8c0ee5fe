//! A siege: many attacks on one resource that must all come to nothing. They share one set of resources, one look at
//! the state before and one after, and the rightful success of both tenants in the end.

use harness::client::Call;
use harness::contract::{Effect, Operation};
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::snapshot::{Change, Snapshot};
use harness::target::Refusal;
use harness::verdict::Verdict;
use harness::world::Stop;

use super::internals::internals;
use crate::arena::{Arena, Attacked, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome};
use crate::hop::{attacker, without_ids};

/// How often an attack that seems to meet a service in trouble is tried again.
const AGAIN: usize = 3;

/// What must come of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A refusal: some 4xx. What is asked for must not be had, whatever the reason given.
    Refused,
    /// The same, or the connection is cut.
    RefusedOrCut,
    /// One of the statuses for whoever has no valid token.
    Unauthenticated,
    /// Any answer at all, and nothing is changed.
    Unmoved,
    /// A refusal, or what comes of the request without the addition: nothing of the other tenant's is shown or changed.
    Harmless,
}

impl Due {
    fn as_str(self) -> &'static str {
        match self {
            Due::Refused => "a refusal (4xx) and no change of state",
            Due::RefusedOrCut => "a refusal (4xx) or a cut connection, and no change of state",
            Due::Unauthenticated => "401",
            Due::Unmoved => "no change of state, whatever the answer",
            Due::Harmless => "a refusal, or an answer as if the addition were not there",
        }
    }
}

type Making<'a> = Box<dyn Fn(&Scene<'_>) -> Result<Call, Stop> + Send + Sync + 'a>;

/// One attack.
pub(super) struct Strike<'a> {
    pub(super) case: Case,
    pub(super) due: Due,
    call: Making<'a>,
    /// The same about what nobody has: an answer equal to that for it tells nothing and gives nothing.
    absent: Option<Making<'a>>,
}

impl<'a> Strike<'a> {
    pub(super) fn new(
        case: Case,
        due: Due,
        call: impl Fn(&Scene<'_>) -> Result<Call, Stop> + Send + Sync + 'a,
    ) -> Strike<'a> {
        Strike { case, due, call: Box::new(call), absent: None }
    }

    /// With the same request about what nobody has.
    pub(super) fn or_as(
        self,
        absent: impl Fn(&Scene<'_>) -> Result<Call, Stop> + Send + Sync + 'a,
    ) -> Strike<'a> {
        Strike { absent: Some(Box::new(absent)), ..self }
    }
}

/// What a siege is about.
pub(crate) struct Scene<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) operation: &'a Operation,
    pub(crate) class: Class,
    pub(crate) own: Fill,
    pub(crate) foreign: Fill,
}

impl<'a> Scene<'a> {
    pub(crate) async fn set(
        arena: &'a Arena,
        operation: &'a Operation,
        class: Class,
    ) -> Result<Scene<'a>, Stop> {
        let own = arena.fresh(&arena.acme, operation).await?;
        let foreign = arena.fresh(&arena.globex, operation).await?;
        Ok(Scene { arena, operation, class, own, foreign })
    }

    /// The same after an attack that may have used up what it was about.
    async fn renewed(arena: &'a Arena, operation: &'a Operation, class: Class) -> Result<Scene<'a>, Stop> {
        arena.renew();
        Scene::set(arena, operation, class).await
    }

    /// The administrator of the own tenant, with its own things.
    pub(super) fn by_own(&self) -> Call {
        self.by(&attacker(self.arena, self.operation, &self.own))
    }

    /// Whoever may rightfully, with the own tenant's things.
    pub(super) fn rightful(&self) -> Call {
        self.by(&self.arena.rightful(self.operation, &self.arena.acme, &self.own))
    }

    /// Somebody, with the own tenant's things.
    pub(crate) fn by(&self, principal: &Principal) -> Call {
        self.arena.call(self.operation, principal, &self.own, self.class)
    }

    /// The own tenant's administrator, with the other tenant's things.
    pub(super) fn on_foreign(&self) -> Call {
        let attacker = attacker(self.arena, self.operation, &self.own);
        self.arena.call(self.operation, &attacker, &self.foreign, self.class)
    }

    /// The state of both tenants, or of the other one where the own one may well change.
    async fn state(&self, of_both: bool) -> Result<Snapshot, Stop> {
        let arena = self.arena;
        if of_both {
            return arena.snapshot(self.operation, &[&self.own, &self.foreign]).await;
        }
        arena.snapshot_of(&[&arena.globex], self.operation, &[&self.foreign]).await
    }
}

/// What is known of the state while a siege goes on.
struct Watch {
    /// Whether anything could change.
    watches: bool,
    of_both: bool,
    before: Option<Snapshot>,
}

impl Watch {
    async fn begin(&mut self, scene: &Scene<'_>) -> Result<(), Stop> {
        self.before = if self.watches { Some(scene.state(self.of_both).await?) } else { None };
        Ok(())
    }

    async fn changes(&self, scene: &Scene<'_>) -> Result<Vec<Change>, Stop> {
        match &self.before {
            Some(before) => Ok(before.changes(&scene.state(self.of_both).await?)),
            None => Ok(Vec::new()),
        }
    }
}

/// Runs attacks that must all come to nothing, then the rightful requests of both tenants on what was attacked.
/// Attacks that may do what the own tenant may do go by themselves: after them only the other tenant's state is looked
/// at.
pub(super) async fn withstand_at(
    mut scene: Scene<'_>,
    strikes: Vec<Strike<'_>>,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let (arena, operation) = (scene.arena, scene.operation);
    let (harmless, refused): (Vec<_>, Vec<_>) =
        strikes.into_iter().partition(|strike| strike.due == Due::Harmless);
    for (strikes, of_both) in [(refused, true), (harmless, false)] {
        if !strikes.is_empty() {
            waves(&mut scene, strikes, of_both, outcomes).await?;
        }
    }
    arena.control(operation, &arena.globex, &scene.foreign).await?;
    arena.control(operation, &arena.acme, &scene.own).await?;
    Ok(())
}

async fn waves(
    scene: &mut Scene<'_>,
    strikes: Vec<Strike<'_>>,
    of_both: bool,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let (arena, operation, class) = (scene.arena, scene.operation, scene.class);
    // By another verb a read may write.
    let watches = operation.effect != Effect::Read || class == Class::Function;
    let mut watch = Watch { watches, of_both, before: None };
    watch.begin(scene).await?;
    let mut stood = Vec::new();
    for strike in strikes {
        let Struck { outcome, status, .. } = struck(scene, &strike).await?;
        let done = status.is_some_and(|status| (200..300).contains(&status));
        match outcome {
            None => stood.push(strike),
            Some(outcome) => {
                let is_hole = outcome.finding.is_some();
                outcomes.push(outcome);
                if is_hole && watches {
                    *scene = Scene::renewed(arena, operation, class).await?;
                    watch.begin(scene).await?;
                    continue;
                }
            }
        }
        // What was done with one's own things has used them up.
        if done && !of_both && watches {
            scene.own = arena.fresh(&arena.acme, operation).await?;
        }
    }
    if watch.changes(scene).await?.is_empty() {
        outcomes.extend(stood.into_iter().map(|strike| strike.case.passed()));
        return Ok(());
    }
    // Something was changed behind a fair answer: one after the other shows by which.
    for strike in stood {
        *scene = Scene::renewed(arena, operation, class).await?;
        watch.begin(scene).await?;
        let Struck { outcome, status, exchange } = struck(scene, &strike).await?;
        let changes = watch.changes(scene).await?;
        outcomes.push(match (outcome, changes.is_empty()) {
            (Some(outcome), _) => outcome,
            (None, true) => strike.case.passed(),
            (None, false) => {
                let status =
                    status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
                let observed = format!("{status}, and the state changed: {}", listed(&changes));
                let (target, expected) = (&arena.system.target.name, strike.due.as_str());
                strike.case.failed(target, expected, &observed, exchange.into_iter().collect())
            }
        });
    }
    *scene = Scene::renewed(arena, operation, class).await?;
    Ok(())
}

/// One attack and what its answer says.
struct Struck {
    /// The end of the case, where the answer decides it: a hole, or nothing that can be judged.
    outcome: Option<CaseOutcome>,
    status: Option<u16>,
    exchange: Option<Exchange>,
}

async fn struck(scene: &Scene<'_>, strike: &Strike<'_>) -> Result<Struck, Stop> {
    let arena = scene.arena;
    let call = match (strike.call)(scene) {
        Ok(call) => call,
        // What the target has nothing for is left out alone: the others are as good without it.
        Err(stop) if stop.verdict == Verdict::Skip => {
            let outcome = strike.case.clone().without_result(Verdict::Skip, &stop.reason);
            return Ok(Struck { outcome: Some(outcome), status: None, exchange: None });
        }
        Err(stop) => return Err(stop),
    };
    let attacked = match strike.due {
        Due::RefusedOrCut => match arena.attack_or_cut(call).await? {
            Some(attacked) => attacked,
            None => return Ok(Struck { outcome: None, status: None, exchange: None }),
        },
        _ => arena.attack(call).await?,
    };
    let (status, exchange) = (attacked.status, attacked.exchange.clone());
    let target = &arena.system.target;
    let case = strike.case.clone();
    let outcome = match fault(scene, strike, &attacked).await? {
        None => None,
        Some(_) if is_no_answer(status) && attacked.leak.is_none() => {
            Some(if breaks(scene, strike, status).await? {
                let observed =
                    format!("status {status} each time, though the rightful request in between succeeds");
                case.failed(&target.name, strike.due.as_str(), &observed, vec![exchange.clone()])
            } else {
                case.without_result(Verdict::Error, &no_answer(status))
            })
        }
        Some(observed) => {
            Some(case.failed(&target.name, strike.due.as_str(), &observed, vec![exchange.clone()]))
        }
    };
    Ok(Struck { outcome, status: Some(status), exchange: Some(exchange) })
}

/// Whether it is the attack that the service, or what it leans on, breaks at, and not the load of the moment: again and
/// again, while the rightful read succeeds.
async fn breaks(scene: &Scene<'_>, strike: &Strike<'_>, status: u16) -> Result<bool, Stop> {
    if status == 429 || scene.operation.effect != Effect::Read {
        return Ok(false);
    }
    for _ in 0..AGAIN {
        let rightful = scene.arena.attack(scene.rightful().class(Class::Control)).await?;
        let attacked = scene.arena.attack((strike.call)(scene)?).await?;
        if !(200..300).contains(&rightful.status) || attacked.status != status {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is wrong with an answer.
async fn fault(scene: &Scene<'_>, strike: &Strike<'_>, attacked: &Attacked) -> Result<Option<String>, Stop> {
    if let Some(leak) = &attacked.leak {
        return Ok(Some(leak.clone()));
    }
    let status = attacked.status;
    if let Some(words) = attacked.exchange.response_body.as_deref().and_then(internals) {
        return Ok(Some(format!("status {status}, and the answer tells of internals: '{words}'")));
    }
    let as_due = match strike.due {
        Due::Refused | Due::RefusedOrCut => {
            // 501 refuses a verb that a service knows nothing of (RFC 9110 15.6.2).
            let is_unknown = status == 501 && scene.class == Class::Function;
            is_unknown
                || (400..500).contains(&status) && status != 429
                || is_as_absent(scene, strike, attacked).await?
        }
        Due::Unauthenticated => {
            let denials = &scene.arena.system.target.denials;
            denials.refuses(scene.operation, status, &[Refusal::Unauthenticated])
        }
        Due::Unmoved | Due::Harmless => status < 500,
    };
    Ok((!as_due).then(|| format!("status {status}")))
}

/// Whether the answer is that for what nobody has: an empty list.
async fn is_as_absent(scene: &Scene<'_>, strike: &Strike<'_>, attacked: &Attacked) -> Result<bool, Stop> {
    let Some(absent) = strike.absent.as_ref().filter(|_| (200..300).contains(&attacked.status)) else {
        return Ok(false);
    };
    let absent = scene.arena.attack(absent(scene)?).await?;
    Ok(absent.status == attacked.status && without_ids(&absent.body) == without_ids(&attacked.body))
}
