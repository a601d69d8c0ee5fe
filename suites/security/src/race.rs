//! Races: the same request many times at once must leave what it leaves one after the other; and two administrators
//! who take each other's right at the same moment leave one. The verdict is on the state that is left,
//! never on who came first.

mod last;

use std::collections::BTreeMap;

use harness::contract::{Contract, Effect, Operation, SlotKind};
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::leak::random_code;
use harness::record::Severity;
use harness::snapshot::{Change, Snapshot};
use harness::target::Capability;
use harness::verdict::Verdict;
use harness::world::Stop;
use tokio::task::JoinSet;

use crate::arena::{Arena, is_no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona};

use last::Taking;

/// So many at once: more than two, so that who comes second is not always late, and few enough for any target.
const AT_ONCE: usize = 8;

/// What nothing in a contract limits, with the case that stands for it: where seats are limited, what is left of many who
/// join at once is judged by `at-once` of the operation by which they join.
pub(crate) fn absent(contract: &Contract) -> Option<(Case, &'static str)> {
    let case = Case {
        path: "race/any/seats".to_owned(),
        operation: "any".to_owned(),
        reference: Reference { cwe: 362, owasp: "API6", asvs: "15.4.2" },
        severity: Severity::Medium,
        title: "more join at once than there are seats".to_owned(),
        gain: "nothing: there are as many seats as one likes".to_owned(),
    };
    let why = "no operation of the contract has anything to do with seats: none is limited in number";
    let counts_seats = |operation: &Operation| operation.name.contains("seat");
    (!contract.operations().any(counts_seats)).then_some((case, why))
}

/// Whether an operation leaves something that could be left twice, and that can be told from what others leave.
fn applies(operation: &Operation) -> bool {
    operation.effect != Effect::Read
        && operation.slots.iter().any(|slot| slot.kind.names() || slot.kind == SlotKind::Text)
}

/// The cases of an operation.
pub(crate) fn cases(operation: &Operation, contract: &Contract) -> Vec<Case> {
    let at_once = applies(operation).then(|| at_once_case(operation));
    at_once.into_iter().chain(Taking::of(operation, contract).map(|_| last::case(operation))).collect()
}

/// Who takes part besides the administrators of both tenants.
pub(crate) fn personas(cast: &Cast) -> [Persona; 2] {
    [Persona::PlatformAdmin, Persona::OtherTenant(cast.ladder.top)]
}

fn at_once_case(operation: &Operation) -> Case {
    Case {
        path: format!("race/{}/at-once", operation.name),
        operation: operation.name.clone(),
        reference: Reference { cwe: 362, owasp: "API6", asvs: "15.4.2" },
        severity: Severity::Medium,
        title: format!("{} leaves something else when it is asked for many times at once", operation.name),
        gain: "has twice what there must be once".to_owned(),
    }
}

/// Runs the cases of one operation.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    if applies(operation) {
        let case = at_once_case(operation);
        outcomes.push(if arena.system.store.is_some() {
            at_once(arena, operation, case).await?
        } else {
            let why = format!("the target has no capability '{}'", Capability::Store);
            case.without_result(Verdict::Skip, &why)
        });
    }
    if let Some(taking) = Taking::of(operation, &arena.system.contract) {
        outcomes.push(last::run(arena, operation, taking).await?);
    }
    Ok(())
}

/// What a number of requests left.
#[derive(Clone, Debug, PartialEq)]
struct Left {
    added: usize,
    removed: usize,
    /// By how much the sums of all counts changed, by their names.
    counts: BTreeMap<String, i64>,
}

impl Left {
    fn between(before: &Snapshot, after: &Snapshot) -> Left {
        let changes = before.changes(after);
        let (mut counts, before) = (after.counts(), before.counts());
        for (name, count) in before {
            *counts.entry(name).or_default() -= count;
        }
        counts.retain(|_, by| *by != 0);
        Left {
            added: changes.iter().filter(|change| matches!(change, Change::Added(_))).count(),
            removed: changes.iter().filter(|change| matches!(change, Change::Removed(_))).count(),
            counts,
        }
    }

    /// This, and so many times what every further request leaves.
    fn and(&self, further: &Left, times: usize) -> Left {
        let by = i64::try_from(times).unwrap_or_default();
        let mut counts = self.counts.clone();
        for (name, count) in &further.counts {
            *counts.entry(name.clone()).or_default() += count * by;
        }
        counts.retain(|_, by| *by != 0);
        Left {
            added: self.added + further.added * times,
            removed: self.removed + further.removed * times,
            counts,
        }
    }

    fn told(&self) -> String {
        let counts = self.counts.iter().map(|(name, by)| format!(", {name} {by:+}"));
        format!("{} things more and {} less{}", self.added, self.removed, counts.collect::<String>())
    }
}

/// One request after the other on one resource, then many at once on another like it.
async fn at_once(arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
    // What is done for the first time may leave more than ever after.
    let first = arena.fresh(&arena.acme, operation).await?;
    arena.control(operation, &arena.acme, &first).await?;

    let one = arena.fresh(&arena.acme, operation).await?;
    let before = arena.snapshot(operation, &[&one]).await?;
    arena.control(operation, &arena.acme, &one).await?;
    let after_one = arena.snapshot(operation, &[&one]).await?;
    let once = Left::between(&before, &after_one);
    // The same again, one after the other: what it leaves then is what each further one may leave at once.
    let who = arena.rightful(operation, &arena.acme, &one);
    arena.attack(arena.call(operation, &who, &one, Class::Control)).await?;
    let further = Left::between(&after_one, &arena.snapshot(operation, &[&one]).await?);

    let many = arena.fresh(&arena.acme, operation).await?;
    let before = arena.snapshot(operation, &[&many]).await?;
    let answers = send(arena, operation, &many).await?;
    let left = Left::between(&before, &arena.snapshot(operation, &[&many]).await?);

    let target = &arena.system.target.name;
    let succeeded = answers.iter().filter(|answer| is(answer, 200..300)).count();
    if let Some(broken) = answers.iter().find(|answer| answer.status == Some(500)) {
        let expected = "a success or a refusal for each";
        return Ok(case.failed(target, expected, "status 500 for one of them", vec![broken.clone()]));
    }
    if succeeded == 0 {
        let silent = answers.iter().all(|answer| answer.status.is_none_or(is_no_answer));
        let why = if silent { "none of them was judged" } else { "none of them succeeded, as one alone did" };
        return Ok(case.without_result(Verdict::Error, why));
    }
    let due = once.and(&further, succeeded - 1);
    if left == once || left == due {
        return Ok(case.passed());
    }
    let expected = format!("what they leave one after the other ({})", due.told());
    let observed = format!("{succeeded} of {AT_ONCE} succeeded and left {}", left.told());
    Ok(case.failed(target, &expected, &observed, answers))
}

/// The same request at once, each with a slug of its own where there is one: of several who ask it is not the slug that
/// keeps all but one from it.
async fn send(arena: &Arena, operation: &Operation, fill: &Fill) -> Result<Vec<Exchange>, Stop> {
    let who = arena.rightful(operation, &arena.acme, fill);
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut call = arena.call(operation, &who, fill, Class::Race);
        if let Some(slug) = fill.values.get(&SlotKind::Slug) {
            call = call.slot(SlotKind::Slug, &format!("{slug}-{}", random_code(4)));
        }
        tasks.spawn(call.send());
    }
    let mut answers = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let answer = done.map_err(|error| Stop::error(format!("a request ended by itself: {error}")))??;
        answers.push(answer.exchange);
    }
    Ok(answers)
}

fn is(exchange: &Exchange, statuses: std::ops::Range<u16>) -> bool {
    exchange.status.is_some_and(|status| statuses.contains(&status))
}
