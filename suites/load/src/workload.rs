//! Workloads: what users do, as weighted tasks, each an operation of the contract.

mod task;

use std::time::Duration;

use harness::contract::{Contract, SlotKind};
use harness::target::Target;
use serde::Deserialize;

use crate::persona::{Cast, Persona};

pub(crate) use task::{By, Task, Tasks};

/// The workloads there are.
const ALL: [(&str, &str); 12] = [
    ("mixed-workload", include_str!("../workloads/mixed-workload.toml")),
    ("authorizer", include_str!("../workloads/authorizer.toml")),
    ("authorizer-stress", include_str!("../workloads/authorizer-stress.toml")),
    ("permissions", include_str!("../workloads/permissions.toml")),
    ("teams", include_str!("../workloads/teams.toml")),
    ("roles", include_str!("../workloads/roles.toml")),
    ("invitations", include_str!("../workloads/invitations.toml")),
    ("invitation-flood", include_str!("../workloads/invitation-flood.toml")),
    ("audit", include_str!("../workloads/audit.toml")),
    ("tenant-workload", include_str!("../workloads/tenant-workload.toml")),
    ("tenant-creation", include_str!("../workloads/tenant-creation.toml")),
    ("tenant-products", include_str!("../workloads/tenant-products.toml")),
];

/// A workload cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// No such workload.
    #[error("no workload '{name}'; known: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A broken file.
    #[error("workloads/{name}.toml is not understood: {source}")]
    Malformed {
        /// The workload.
        name: String,
        /// What is wrong.
        source: toml::de::Error,
    },
    /// The lists of roles.
    #[error("fixtures/data/platform-roles.json or tenant-roles.json is not understood: {0}")]
    Roles(#[from] serde_json::Error),
    /// The profile is about other systems.
    #[error(
        "the profile '{profile}' has no scenario for the target '{target}': expected the operations of one of {needs}; check `openapi` in the target file"
    )]
    NoScenario {
        /// The profile.
        profile: String,
        /// The target.
        target: String,
        /// What its workloads need.
        needs: String,
    },
    /// Nothing a persona could do.
    #[error(
        "the workload '{workload}' has no task that {persona} may do at the target '{target}': none of its operations is in the contract; check `openapi` in the target file"
    )]
    NothingToDo {
        /// The workload.
        workload: String,
        /// The persona.
        persona: &'static str,
        /// The target.
        target: String,
    },
}

/// What the users of a scenario do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    #[serde(skip)]
    name: String,
    needs: Vec<String>,
    /// The shortest and longest wait between two tasks.
    #[serde(default)]
    wait_seconds: Option<[f64; 2]>,
    /// In the place of waits: how often a second each user does a task, whatever an answer takes.
    #[serde(default)]
    per_second: Option<f64>,
    task: Vec<Task>,
}

/// What lies between two tasks of a user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// A wait of this length, at random.
    Waits([Duration; 2]),
    /// Whatever is left of this time since the task before began.
    Every(Duration),
}

impl Pace {
    /// The mean time from one task to the next, without what the answer takes.
    pub(crate) fn mean(self) -> Duration {
        match self {
            Pace::Waits([shortest, longest]) => (shortest + longest) / 2,
            Pace::Every(period) => period,
        }
    }
}

impl Workload {
    /// A workload by its name.
    pub fn named(name: &str) -> Result<Workload, WorkloadError> {
        let known = || ALL.map(|(name, _)| name).join(", ");
        let (_, text) = ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| WorkloadError::Unknown { name: name.to_owned(), known: known() })?;
        let workload: Workload = toml::from_str(text)
            .map_err(|source| WorkloadError::Malformed { name: name.to_owned(), source })?;
        Ok(Workload { name: name.to_owned(), ..workload })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operations without which it is another system's workload.
    pub(crate) fn needs(&self) -> &[String] {
        &self.needs
    }

    /// Whether a system with this contract is one it is for.
    pub(crate) fn fits(&self, contract: &Contract) -> bool {
        self.needs.iter().all(|operation| contract.get(operation).is_some())
    }

    /// What lies between two tasks, scaled; `waits` in the place of the workload's own, if the profile has any.
    pub(crate) fn pace(&self, waits: Option<[f64; 2]>, scale: f64) -> Pace {
        let scaled = |seconds: f64| Duration::try_from_secs_f64(seconds * scale).unwrap_or_default();
        match (waits.or(self.wait_seconds), self.per_second) {
            (Some(waits), None) => Pace::Waits(waits.map(scaled)),
            // A rate is a rate: scaled, it would be another load.
            (_, Some(rate)) => Pace::Every(Duration::try_from_secs_f64(1.0 / rate).unwrap_or_default()),
            (None, None) => Pace::Waits([Duration::ZERO; 2]),
        }
    }

    /// The operations that are not sent, because the contract has none of that name, the target is `read_only`, or it
    /// lacks what they need.
    pub fn left_out(&self, contract: &Contract, target: &Target) -> Vec<String> {
        let missing = self.task.iter().filter(|task| task.operation(contract, target).is_none());
        missing.map(|task| task.operation.clone()).collect()
    }

    /// The share of requests that are called so, by operation, label or whole name.
    pub(crate) fn share_of(&self, contract: &Contract, name: &str) -> f64 {
        let all: u32 = self.task.iter().map(|task| task.weight).sum();
        let is_called = |task: &&Task| {
            let whole = contract.get(&task.operation).map(|operation| task.name_of(operation));
            task.operation == name || task.label.as_deref() == Some(name) || whole.as_deref() == Some(name)
        };
        let called: u32 = self.task.iter().filter(is_called).map(|task| task.weight).sum();
        f64::from(called) / f64::from(all.max(1))
    }

    /// Whether some task is sent by such a sender.
    pub(crate) fn has(&self, by: By) -> bool {
        self.task.iter().any(|task| task.by == by)
    }

    /// Whether some task names something of a kind in its path.
    pub(crate) fn names(&self, kind: SlotKind, contract: &Contract) -> bool {
        let operations = self.task.iter().filter_map(|task| contract.get(&task.operation));
        operations.flat_map(|operation| &operation.slots).any(|slot| slot.kind == kind)
    }

    /// The tasks a persona may do at a target.
    pub(crate) fn tasks_of(
        &self,
        persona: Persona,
        cast: &Cast,
        contract: &Contract,
        target: &Target,
    ) -> Result<Tasks, WorkloadError> {
        let dealt = |task: &Task| {
            let operation = task.operation(contract, target)?;
            let name = task.name_of(operation);
            task.is_permitted(operation, persona, cast).then(|| Task { name, ..task.clone() })
        };
        let tasks: Vec<Task> = self.task.iter().filter_map(dealt).collect();
        let weight = tasks.iter().map(|task| task.weight).sum();
        if weight == 0 {
            return Err(WorkloadError::NothingToDo {
                workload: self.name.clone(),
                persona: persona.label(),
                target: target.name.clone(),
            });
        }
        Ok(Tasks { tasks, weight })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use harness::seed::Seed;

    use super::task::Choice;
    use super::{ALL, Pace, Tasks, Workload};

    #[test]
    fn every_workload_is_understood_and_says_how_fast_its_users_are() {
        for (name, _) in ALL {
            let workload = Workload::named(name).unwrap();
            assert!(!workload.task.is_empty() && !workload.needs.is_empty(), "{name}");
            assert!(workload.task.iter().all(|task| task.weight > 0 && !task.accepts.is_empty()), "{name}");
            assert_ne!(workload.wait_seconds.is_some(), workload.per_second.is_some(), "{name}");
        }
    }

    /// The share of the tasks whose operation ends so, in percent.
    fn share(workload: &str, endings: &[&str]) -> u32 {
        let tasks = Workload::named(workload).unwrap().task;
        let of = tasks.iter().filter(|task| endings.iter().any(|ending| task.operation.ends_with(ending)));
        let (of, all): (u32, u32) =
            (of.map(|task| task.weight).sum(), tasks.iter().map(|task| task.weight).sum());
        100 * of / all
    }

    #[test]
    fn four_of_five_tasks_of_the_mixed_workload_read() {
        assert_eq!(share("mixed-workload", &["-create", "-update", "-export"]), 20);
    }

    #[test]
    fn of_a_hundred_tasks_of_the_tenant_workload_seventy_read_twenty_write_and_ten_analyse() {
        assert_eq!(share("tenant-workload", &["-create"]), 20);
        assert_eq!(share("tenant-workload", &["dashboard-get"]), 10);
    }

    #[test]
    fn tasks_are_drawn_in_proportion_to_their_weights() {
        let task = Workload::named("mixed-workload").unwrap().task;
        let tasks = Tasks { weight: task.iter().map(|task| task.weight).sum(), tasks: task };
        let mut rng = Seed(7).rng("draws");
        let mut drawn: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..100_000 {
            *drawn.entry(&tasks.draw(&mut rng).unwrap().operation).or_default() += 1;
        }
        for task in &tasks.tasks {
            let share = drawn[task.operation.as_str()] / 100;
            assert!(share.abs_diff(task.weight * 10) <= 10, "{}: {share} of 1000", task.operation);
        }
    }

    #[test]
    fn one_of_several_values_is_drawn_and_the_empty_one_left_out() {
        let mut rng = Seed(7).rng("choices");
        let choice = Choice::OneOf(vec!["10".to_owned(), String::new()]);
        let drawn: Vec<Option<&str>> = (0..100).map(|_| choice.draw(&mut rng)).collect();
        assert!(drawn.contains(&Some("10")) && drawn.contains(&None));
        assert_eq!(Choice::One("25".to_owned()).draw(&mut rng), Some("25"));
    }

    #[test]
    fn waits_are_scaled_and_rates_are_not() {
        let stress = Workload::named("authorizer-stress").unwrap();
        assert_eq!(stress.pace(None, 0.1), Pace::Every(Duration::from_millis(200)));
        let audit = Workload::named("audit").unwrap();
        let waits = |shortest, longest| {
            Pace::Waits([Duration::from_millis(shortest), Duration::from_millis(longest)])
        };
        assert_eq!(audit.pace(None, 0.5), waits(500, 1500));
        assert_eq!(audit.pace(Some([30.0, 60.0]), 0.1), waits(3000, 6000));
    }

    #[test]
    fn an_unknown_workload_is_answered_with_the_known_ones() {
        let error = Workload::named("nope").unwrap_err().to_string();
        assert!(error.contains("'nope'") && error.contains("mixed-workload"), "{error}");
    }
}
