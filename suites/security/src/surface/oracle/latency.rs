//! Whether another tenant's id takes longer, or shorter, than one that nobody has: a rank test over samples taken in
//! turn. Only in full runs: it takes hundreds of requests for each place.
//!
//! Threshold and power. The test is Mann-Whitney's, two-sided, with [`SAMPLES`] of each kind; a finding needs p below
//! [`LEVEL`] and a shift (the chance that the one takes longer than the other) outside 0.5 +- [`SHIFT`], twice in
//! a row with the same sign. With 150 samples of each kind the standard error of the shift is 0.033, so that a true
//! shift of 0.75 shows in more than 99.9% of attempts, one of 0.65 (the least that counts) in about half, and
//! no shift at all raises an alarm in fewer than one of a hundred million places.

use harness::contract::{Operation, Slot};
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::world::Stop;
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

use super::{asked_about, foreign, like, no_difference, variant};
use crate::arena::{is_no_answer, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::hop::attacker;
use crate::surface::siege::Scene;

const REFERENCE: Reference = Reference { cwe: 208, owasp: "API3", asvs: "8.2.2" };

/// How many answers of each kind are timed.
const SAMPLES: usize = 150;
/// How unlikely the difference must be by accident.
const LEVEL: f64 = 1e-4;
/// How far from one half the chance must be that the one takes longer.
const SHIFT: f64 = 0.15;

pub(super) fn case(operation: &Operation, slot: &Slot) -> Case {
    Case {
        path: format!("oracle/{}/{}/latency", operation.name, variant(slot)),
        operation: operation.name.clone(),
        reference: REFERENCE,
        severity: Severity::Low,
        title: format!(
            "{} takes another time for another tenant's {} than for none",
            operation.name, slot.kind
        ),
        gain: format!("measures answers and learns which {}s of other tenants there are", slot.kind),
    }
}

/// Times both, twice.
pub(super) async fn measured(scene: &Scene<'_>, slot: &Slot) -> Result<CaseOutcome, Stop> {
    let case = case(scene.operation, slot);
    if let Some(reason) = no_difference(scene, slot) {
        return Ok(case.without_result(Verdict::Skip, &reason));
    }
    let mut shifts = Vec::new();
    for _ in 0..2 {
        let (theirs, nobodys) = sampled(scene, slot).await?;
        match shifted(&theirs, &nobodys) {
            Some(shift) => shifts.push(shift),
            None => return Ok(case.passed()),
        }
    }
    if shifts.iter().any(|shift| *shift > 0.5) == shifts.iter().any(|shift| *shift < 0.5) {
        return Ok(case.passed());
    }
    let observed = format!(
        "another tenant's takes longer than nobody's with a chance of {:.2}, then {:.2}",
        shifts[0], shifts[1]
    );
    let expected = "a chance of one half";
    Ok(case.failed(&scene.arena.system.target.name, expected, &observed, Vec::new()))
}

/// Milliseconds of both kinds, in turn, so that whatever else the machine does falls on both. Each kind is about one id
/// all the time: what is remembered of an id that was asked about before is remembered of both.
async fn sampled(scene: &Scene<'_>, slot: &Slot) -> Result<(Vec<f64>, Vec<f64>), Stop> {
    let by = attacker(scene.arena, scene.operation, &scene.own);
    let theirs = foreign(scene, slot)?;
    let nobodys = like(theirs);
    let (mut foreign, mut absent) = (Vec::new(), Vec::new());
    // The first answer about each is made under other circumstances.
    for at in 0..=SAMPLES {
        let turns = [(theirs, true), (nobodys.as_str(), false)];
        for (id, is_theirs) in if at % 2 == 0 { turns } else { [turns[1], turns[0]] } {
            let attacked = asked_about(scene, slot, &by, id).await?;
            if is_no_answer(attacked.status) {
                return Err(Stop::error(no_answer(attacked.status)));
            }
            if at > 0 {
                let kind = if is_theirs { &mut foreign } else { &mut absent };
                kind.push(attacked.exchange.millis);
            }
        }
    }
    Ok((foreign, absent))
}

/// The chance that one of the first takes longer than one of the second, if that is more than an accident.
fn shifted(foreign: &[f64], absent: &[f64]) -> Option<f64> {
    let method = MannWhitneyUMethod::AsymptoticExclContinuityCorrection;
    let (u, p) = mannwhitneyu(foreign, absent, method, Alternative::TwoSided).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let pairs = (foreign.len() * absent.len()) as f64;
    let chance = u / pairs;
    (p < LEVEL && (chance - 0.5).abs() > SHIFT).then_some(chance)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLES, shifted};

    /// Times with noise that is the same in every run.
    fn times(base: f64, salt: u32) -> Vec<f64> {
        let noise =
            |at: u32| f64::from((at.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 16) % 1000) / 1000.0;
        (0..u32::try_from(SAMPLES).unwrap()).map(|at| base + noise(at)).collect()
    }

    #[test]
    fn a_third_of_the_noise_is_noticed_and_noise_alone_is_not() {
        assert_eq!(shifted(&times(1.0, 7), &times(1.0, 99)), None);
        let longer = shifted(&times(1.33, 7), &times(1.0, 99)).unwrap();
        assert!(longer > 0.65, "{longer}");
        let shorter = shifted(&times(1.0, 7), &times(1.33, 99)).unwrap();
        assert!(shorter < 0.35, "{shorter}");
    }
}
