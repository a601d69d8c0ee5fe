//! Outages: while a service's store is away nobody gets what they could not get before, not even from what somebody has
//! kept for such a moment; and when it is back, whoever may gets in. It disturbs, so it is played on a double.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use harness::client::Call;
use harness::contract::{Contract, Effect, Operation, SlotKind};
use harness::data::Fill;
use harness::double::{Double, Staging};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::system::System;
use harness::verdict::Verdict;
use harness::wait;
use harness::world::Stop;

use crate::arena::{Arena, Attacked};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::Cast;
use crate::double::{self, Wanted};
use crate::feature;

const REFERENCE: Reference = Reference { cwe: 636, owasp: "API8", asvs: "16.5.2, 16.5.3" };

/// Between two looks at whether the store is back, and how long that may take.
const PAUSE: Duration = Duration::from_millis(200);
const RECOVERY: Duration = Duration::from_secs(20);

/// What is asked for: what a tenant reads. A write that nobody can store shows nothing.
pub(crate) fn operations(contract: &Contract) -> Vec<Operation> {
    let is_of_tenant = |operation: &&Operation| {
        operation.effect == Effect::Read
            && operation.needs_token()
            && !operation.is_the_platforms()
            && operation.naming_slots().any(|slot| slot.kind == SlotKind::Org)
    };
    contract.operations().filter(is_of_tenant).cloned().collect()
}

/// One case for each operation.
pub(crate) fn case(operation: &Operation) -> Case {
    Case {
        path: format!("outage/{}/store-away", operation.name),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::High,
        title: format!("{} lets in whoever asks while the store is away", operation.name),
        gain: "waits for the store to fail, or makes it, and reads what they may not".to_owned(),
    }
}

/// Who asks for what is another's, or beyond their plan, and who may have it.
struct Asked {
    operation: Operation,
    fill: Fill,
    rightful: Principal,
    /// Somebody of another tenant, somebody without a token; and where a plan decides, somebody whose plan is less.
    others: Vec<(Principal, Fill)>,
}

impl Asked {
    /// Who may succeeds, which is also what somebody could keep of it.
    async fn prepare(arena: &Arena, operation: &Operation) -> Result<Asked, Stop> {
        let fill = arena.fresh(&arena.acme, operation).await?;
        arena.control(operation, &arena.acme, &fill).await?;
        let rightful = arena.rightful(operation, &arena.acme, &fill);
        let mut others =
            vec![(arena.globex.admin.clone(), fill.clone()), (Principal::anonymous(), fill.clone())];
        if operation.feature.is_some() {
            others.push(feature::without_it(arena, operation).await?);
        }
        Ok(Asked { operation: operation.clone(), fill, rightful, others })
    }

    fn call(&self, arena: &Arena, who: &Principal, fill: &Fill) -> Call {
        arena.call(&self.operation, who, fill, Class::Outage)
    }

    async fn judged(&self, arena: &Arena) -> Result<CaseOutcome, Stop> {
        let (case, target) = (case(&self.operation), &arena.system.target.name);
        for (who, fill) in &self.others {
            let Some(attacked) = arena.attack_or_cut(self.call(arena, who, fill)).await? else { continue };
            let Attacked { status, exchange, leak, .. } = attacked;
            if leak.is_some() || (200..400).contains(&status) {
                let observed = leak.unwrap_or_else(|| format!("status {status} for {}", who.label));
                let expected = "no answer to whoever had none before";
                return Ok(case.failed(target, expected, &observed, vec![exchange]));
            }
        }
        // Whoever may gets nothing either: otherwise the store was not away.
        let rightful = arena.attack_or_cut(self.call(arena, &self.rightful, &self.fill)).await?;
        Ok(match rightful {
            Some(answer) if answer.status < 500 => {
                let why = format!(
                    "the rightful caller still gets status {}: the store was not missed",
                    answer.status
                );
                case.without_result(Verdict::Error, &why)
            }
            _ => case.passed(),
        })
    }
}

/// Plays the outage for all operations at once.
pub(crate) async fn run(
    system: &Arc<System>,
    cast: &Arc<Cast>,
    operations: &[Operation],
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let wanted = Wanted { staging: Staging::Store, owner: "outage/store-away".to_owned() };
    let operations = operations.to_vec();
    double::play(
        system,
        cast,
        wanted,
        outcomes,
        async move |double: &Double, arena: &Arena, outcomes: &mut Vec<CaseOutcome>| {
            let outage = double.outage.clone().ok_or_else(|| Stop::skip("its store cannot be taken away"))?;
            let mut asked = Vec::new();
            for operation in &operations {
                match Asked::prepare(arena, operation).await {
                    Ok(prepared) => asked.push(prepared),
                    Err(stop) => {
                        let is_skip = stop.verdict <= Verdict::Skip;
                        let verdict = if is_skip { Verdict::Skip } else { Verdict::Error };
                        outcomes.push(case(operation).without_result(verdict, &stop.reason));
                    }
                }
            }
            outage.begin().await.map_err(Stop::error)?;
            let judged = join_all(asked.iter().map(|asked| asked.judged(arena))).await;
            outage.end().await.map_err(Stop::error)?;
            let mut stopped = Ok(());
            for (asked, judged) in asked.iter().zip(judged) {
                match judged {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(stop) => {
                        outcomes.push(case(&asked.operation).without_result(Verdict::Error, &stop.reason));
                    }
                }
            }
            // What was made can be removed only when it is back; and a service that stays down has failed for good.
            if let Some(first) = asked.first() {
                let back = wait::every(PAUSE, "the service to be well again", RECOVERY, || async {
                    let call = first.call(arena, &first.rightful, &first.fill);
                    match arena.attack_or_cut(call).await.map_err(|stop| stop.reason)? {
                        Some(answer) if answer.status == 200 => Ok(()),
                        Some(answer) => Err(format!("status {}", answer.status)),
                        None => Err("the connection is cut".to_owned()),
                    }
                });
                stopped = back.await.map_err(|late| Stop::error(late.to_string()));
            }
            stopped
        },
    )
    .await
}
