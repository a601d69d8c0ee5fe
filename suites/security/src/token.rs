//! Token attacks: every forgery in the place of the rightful caller's token, on every operation that needs
//! one.

use harness::contract::{Effect, Operation};
use harness::exchange::Class;
use harness::identity::Credential;
use harness::identity::forge::Forgery;
use harness::record::Severity;
use harness::target::{Capability, Secret, TokenStyle};
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::{Arena, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};

/// The cases of an operation: one for each forgery of tokens like the target's.
pub(crate) fn cases(operation: &Operation, style: TokenStyle) -> Vec<Case> {
    Forgery::of_style(style).map(|forgery| case(operation, forgery)).collect()
}

fn case(operation: &Operation, forgery: &Forgery) -> Case {
    Case {
        path: format!("token/{}/{}", operation.name, forgery.id),
        operation: operation.name.clone(),
        reference: Reference { cwe: forgery.cwe, owasp: "API2", asvs: forgery.asvs },
        severity: Severity::Critical,
        title: format!("{} accepts {}", operation.name, forgery.what),
        gain: format!("uses {} in the name of anyone", operation.name),
    }
}

/// Runs the forgeries of one operation against one resource, then the rightful success on it.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let lacks = || Stop::skip(format!("the target has no capability '{}'", Capability::Mint));
    let issuer = arena.system.stand_ins.issuer.as_ref().ok_or_else(lacks)?;
    let target = &arena.system.target;
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    let mut before = arena.snapshot(operation, &[&fill]).await?;
    for forgery in Forgery::of_style(issuer.style) {
        let case = case(operation, forgery);
        let rightful = arena.rightful(operation, &arena.acme, &fill);
        let Credential::Minted(minted) = &rightful.credential else { return Err(lacks()) };
        let credential = match forgery.header(issuer, &issuer.renewed(minted.claims()))? {
            Some(header) => Credential::Verbatim(Secret::new(header)),
            None => Credential::None,
        };
        let call = arena.call(operation, &rightful, &fill, Class::Token).credential(credential);
        let attacked = arena.attack(call).await?;
        let status = attacked.status;
        let mut outcome = if target.denials.unauthenticated.contains(&status) && attacked.leak.is_none() {
            case.passed()
        } else if is_no_answer(status) && attacked.leak.is_none() {
            case.without_result(Verdict::Error, &no_answer(status))
        } else {
            let observed = format!("status {status} for {}", forgery.what);
            case.failed(&target.name, "401", &observed, vec![attacked.exchange.clone()])
        };
        if operation.effect != Effect::Read {
            let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
            if !changes.is_empty() {
                let observed = format!("status {}, and the state changed: {}", status, listed(&changes));
                outcome = outcome.case.failed(
                    &target.name,
                    "401, and no change of state",
                    &observed,
                    vec![attacked.exchange],
                );
                fill = arena.fresh(&arena.acme, operation).await?;
                before = arena.snapshot(operation, &[&fill]).await?;
            }
        }
        outcomes.push(outcome);
    }
    arena.control(operation, &arena.acme, &fill).await?;
    Ok(())
}
