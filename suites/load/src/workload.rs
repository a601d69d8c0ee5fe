//! Workloads: what users do, as weighted tasks, each an operation of the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::contract::{Contract, Effect, Operation};
use harness::target::Target;
use rand::Rng;
use serde::Deserialize;

use crate::persona::{Cast, Persona};

/// The workloads there are.
const ALL: [(&str, &str); 2] = [
    ("mixed-workload", include_str!("../workloads/mixed-workload.toml")),
    ("tenant-workload", include_str!("../workloads/tenant-workload.toml")),
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

/// One task.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// The operation's name in the contract.
    pub operation: String,
    /// How often it is drawn, in proportion to all weights.
    weight: u32,
    /// The statuses that are no failure.
    pub accepts: Vec<u16>,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Asks for so many days up to now.
    #[serde(default)]
    pub days: Option<i64>,
}

/// What the users of a scenario do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    #[serde(skip)]
    name: String,
    needs: Vec<String>,
    wait_seconds: [f64; 2],
    task: Vec<Task>,
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

    /// The shortest and longest wait between two tasks, scaled.
    pub(crate) fn waits(&self, scale: f64) -> [Duration; 2] {
        self.wait_seconds.map(|seconds| Duration::from_secs_f64((seconds * scale).max(0.0)))
    }

    fn operation<'c>(task: &Task, contract: &'c Contract, target: &Target) -> Option<&'c Operation> {
        let operation = contract.get(&task.operation)?;
        (!target.read_only || operation.effect == Effect::Read).then_some(operation)
    }

    /// The operations that are not sent, because the contract has none of that name or the target is
    /// `read_only`.
    pub fn left_out(&self, contract: &Contract, target: &Target) -> Vec<String> {
        let missing = self.task.iter().filter(|task| Self::operation(task, contract, target).is_none());
        missing.map(|task| task.operation.clone()).collect()
    }

    /// The tasks a persona may do at a target.
    pub(crate) fn tasks_of(
        &self,
        persona: Persona,
        cast: &Cast,
        contract: &Contract,
        target: &Target,
    ) -> Result<Tasks, WorkloadError> {
        let operations = self.task.iter().filter_map(|task| Self::operation(task, contract, target));
        let permitted = cast.permitted(persona, operations);
        let may = |task: &&Task| permitted.iter().any(|operation| operation.name == task.operation);
        let tasks: Vec<Task> = self.task.iter().filter(may).cloned().collect();
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

/// Tasks to draw from; never empty.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    tasks: Vec<Task>,
    weight: u32,
}

impl Tasks {
    /// One task, by weight.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Option<&Task> {
        let mut drawn = rng.random_range(0..self.weight);
        self.tasks.iter().find(|task| match drawn.checked_sub(task.weight) {
            None => true,
            Some(rest) => {
                drawn = rest;
                false
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use harness::seed::Seed;

    use super::{ALL, Tasks, Workload};

    #[test]
    fn every_workload_is_understood_and_its_weights_add_up_to_a_hundred() {
        for (name, _) in ALL {
            let workload = Workload::named(name).unwrap();
            assert_eq!(workload.task.iter().map(|task| task.weight).sum::<u32>(), 100, "{name}");
        }
    }

    #[test]
    fn four_of_five_tasks_of_the_mixed_workload_read() {
        let workload = Workload::named("mixed-workload").unwrap();
        let writes = workload
            .task
            .iter()
            .filter(|task| ["-create", "-update"].iter().any(|ending| task.operation.ends_with(ending)));
        assert_eq!(writes.map(|task| task.weight).sum::<u32>(), 20);
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
    fn an_unknown_workload_is_answered_with_the_known_ones() {
        let error = Workload::named("nope").unwrap_err().to_string();
        assert!(error.contains("'nope'") && error.contains("mixed-workload"), "{error}");
    }
}
