//! What a run came to: from what was measured, by itself or merged of shards, to the result that is recorded.

use harness::record::LoadResult;
use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::generator;
use crate::measured::Measured;
use crate::threshold::Rule;

/// What a run was, but for its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    pub target: String,
    pub profile: String,
    /// Whether the target runs in the generator's process.
    pub within: bool,
    pub scenarios: Vec<String>,
    pub notes: Vec<String>,
    pub users: usize,
}

impl About {
    /// Adds another part of the same run.
    pub(crate) fn absorb(&mut self, other: About) {
        self.users += other.users;
        for (ours, theirs) in [(&mut self.notes, other.notes), (&mut self.scenarios, other.scenarios)] {
            for text in theirs {
                if !ours.contains(&text) {
                    ours.push(text);
                }
            }
        }
    }
}

/// The result, judged by rules and what was measured before.
pub(crate) fn conclusion(
    about: About,
    measured: &Measured,
    cores: Option<f64>,
    rules: &[Rule],
    baseline: Option<&Baseline>,
) -> LoadResult {
    let arrivals = generator::arrivals(measured, cores);
    let mut notes = about.notes;
    notes.extend(arrivals.iter().flat_map(|arrivals| generator::notes(arrivals, about.within)));
    let result = LoadResult {
        target: about.target,
        profile: about.profile,
        scenarios: about.scenarios,
        notes,
        users: about.users,
        seconds: measured.seconds,
        requests: measured.all.requests,
        failures: measured.all.failures,
        leaks: measured.all.leaks,
        latency: measured.all.latency(),
        shares: measured.shares(),
        arrivals,
        fairness: measured.fairness,
        endpoints: measured.endpoints(),
        tenants: measured.tenants(),
        series: measured.ticks(),
        heat: measured.heat(),
        thresholds: rules.iter().map(|rule| rule.judge(measured)).collect(),
    };
    let gate = baseline.map(|baseline| baseline.gate(&result));
    let thresholds = result.thresholds.iter().cloned().chain(gate.into_iter().flatten()).collect();
    LoadResult { thresholds, ..result }
}
