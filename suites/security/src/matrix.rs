//! Role x operation: every persona calls every operation with the rightful values of one tenant, and must
//! get exactly what the authorization model says.

use harness::contract::{Effect, Operation, SlotKind, Visibility};
use harness::data::Fill;
use harness::exchange::Class;
use harness::record::{MatrixCell, Record, Severity};
use harness::suite::Suite;
use harness::target::Denials;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::{Arena, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Persona, title};
use crate::golden::Golden;
use crate::model::{Expected, Relation, expected, relations, row};

const REFERENCE: Reference = Reference { cwe: 862, owasp: "API5", asvs: "8.2.1" };

/// The cases of an operation: one for each persona and relation.
pub(crate) fn cases(operation: &Operation, personas: &[Persona]) -> Vec<Case> {
    let variants = relations(operation)
        .iter()
        .flat_map(|&relation| personas.iter().map(move |&persona| (persona, relation)));
    variants.map(|(persona, relation)| case(operation, persona, relation)).collect()
}

fn case(operation: &Operation, persona: Persona, relation: Relation) -> Case {
    Case {
        path: format!("matrix/{}/{}", row(&operation.name, relation), persona.label()),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: if operation.effect == Effect::Read { Severity::High } else { Severity::Critical },
        title: format!("{} does not treat {} as it must", operation.name, persona.label()),
        gain: format!("{} as {} without the right to", operation.name, persona.label()),
    }
}

/// The case of a persona that a system cannot have: it stands for all its cells.
pub(crate) fn absent(persona: Persona) -> Case {
    Case {
        path: format!("persona/{}", persona.label()),
        operation: "any".to_owned(),
        reference: REFERENCE,
        severity: Severity::High,
        title: format!("nobody calls anything as {}", persona.label()),
        gain: "nothing: there is nobody like that".to_owned(),
    }
}

/// What a status means, in the words of the model.
fn observed(status: u16, expected: Expected, denials: &Denials, operation: &Operation) -> String {
    if (200..300).contains(&status) {
        return Expected::Allow.as_str().to_owned();
    }
    // A target may refuse alike for several reasons: the expected one is looked for first.
    let mut words = [
        (&denials.unauthenticated, Expected::Unauthenticated),
        (&denials.forbidden, Expected::Forbidden),
        (&denials.hidden, Expected::Hidden),
    ];
    words.sort_by_key(|(_, word)| *word != expected);
    if operation.denied.contains(&status) && expected != Expected::Allow {
        return expected.as_str().to_owned();
    }
    // Where existence is no secret, a stranger may be told either.
    let is_either = operation.visibility == Visibility::Public && expected == Expected::Forbidden;
    if is_either && denials.hidden.contains(&status) {
        return expected.as_str().to_owned();
    }
    let word = words.iter().find(|(statuses, _)| statuses.contains(&status)).map(|(_, word)| word.as_str());
    word.map_or_else(|| format!("status {status}"), str::to_owned)
}

/// Runs the cases: the refused personas first, all against one resource, then the permitted ones, each on a
/// resource of its own, the first on the very one that was attacked.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    suite: &Suite,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let golden = Golden::of_title(title(&arena.system)).map_err(|error| Stop::error(error.to_string()))?;
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    let mut used = false;
    for &relation in relations(operation) {
        let personas = arena.cast.personas.iter().map(|&persona| {
            let golden = golden.get(&row(&operation.name, relation), persona);
            (persona, golden.unwrap_or_else(|| expected(operation, persona, relation)))
        });
        let mut personas: Vec<(Persona, Expected)> = personas.collect();
        personas.sort_by_key(|(_, expected)| *expected == Expected::Allow);
        for (persona, expected) in personas {
            if used && operation.effect != Effect::Read {
                fill = arena.fresh(&arena.acme, operation).await?;
                used = false;
            }
            let outcome = attempt(arena, operation, suite, persona, relation, expected, &fill).await?;
            used = used || expected == Expected::Allow || outcome.finding.is_some();
            outcomes.push(outcome);
        }
    }
    if used {
        arena.negative_control(operation, &arena.acme, &fill).await
    } else {
        arena.control(operation, &arena.acme, &fill).await.map(drop)
    }
}

async fn attempt(
    arena: &Arena,
    operation: &Operation,
    suite: &Suite,
    persona: Persona,
    relation: Relation,
    expected: Expected,
    fill: &Fill,
) -> Result<CaseOutcome, Stop> {
    let case = case(operation, persona, relation);
    let target = &arena.system.target;
    let principal = arena.principal_in(persona, fill).await?;
    let mut fill = fill.clone();
    if relation == Relation::Own && !principal.subject.is_empty() {
        fill.values.insert(SlotKind::User, principal.subject.clone());
    }
    let watch = expected != Expected::Allow && operation.effect != Effect::Read;
    let before = if watch { Some(arena.snapshot(operation, &[&fill]).await?) } else { None };
    let call = arena.call(operation, &principal, &fill, Class::Matrix);
    let call = if expected == Expected::Allow { call } else { call.revealing_nothing() };
    let attacked = arena.attack(call).await?;
    let status = attacked.status;
    let observed = observed(status, expected, &target.denials, operation);
    suite.record(&Record::Matrix(MatrixCell {
        target: target.name.clone(),
        operation: row(&operation.name, relation),
        principal: persona.label().to_owned(),
        expected: expected.as_str().to_owned(),
        observed: observed.clone(),
        status,
    }))?;
    if let Some(leak) = attacked.leak {
        let due = format!("{}, and nothing in the answer that is not the caller's to see", expected.as_str());
        return Ok(case.failed(&target.name, &due, &format!("{observed}: {leak}"), vec![attacked.exchange]));
    }
    if is_no_answer(status) && expected != Expected::Allow {
        return Ok(case.without_result(Verdict::Error, &no_answer(status)));
    }
    if observed != expected.as_str() {
        return Ok(case.failed(&target.name, expected.as_str(), &observed, vec![attacked.exchange]));
    }
    if let Some(before) = before {
        let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
        if !changes.is_empty() {
            let observed = format!("{observed}, but the state changed: {}", listed(&changes));
            return Ok(case.failed(&target.name, "no change of state", &observed, vec![attacked.exchange]));
        }
    }
    Ok(case.passed())
}
