//! Load profiles: how many users of how many tenants, for how long, and what must hold.

use std::time::Duration;

use serde::Deserialize;

use crate::threshold::Rule;

/// The profiles there are.
const PROFILES: &str = include_str!("../profiles.toml");

/// A profile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No such profile.
    #[error("no load profile '{name}'; known: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A broken file.
    #[error("suites/load/profiles.toml is not understood: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A value no run can have.
    #[error("the load profile '{profile}': expected {expected}, got {found}")]
    Invalid {
        /// The profile.
        profile: String,
        /// What had to be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// A profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Concurrent users.
    pub users: usize,
    /// Users started per second.
    pub spawn_rate: f32,
    /// Seconds from the last user's start that are not counted.
    pub warm_up_seconds: u64,
    /// Seconds that are.
    pub run_seconds: u64,
    /// Tenants the users belong to.
    pub tenants: usize,
    /// What the workload's waits are multiplied with.
    #[serde(default = "unscaled")]
    pub wait_scale: f64,
    /// Which workloads, with their shares of the users.
    pub scenarios: Vec<ScenarioShare>,
    /// What must hold.
    pub thresholds: Vec<Rule>,
}

/// A workload and its share of the users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioShare {
    /// The workload's name.
    pub workload: String,
    /// Its share, in proportion to all weights.
    pub weight: usize,
}

fn unscaled() -> f64 {
    1.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: Vec<Profile>,
}

impl Profile {
    /// Every profile.
    pub fn all() -> Result<Vec<Profile>, ProfileError> {
        let file: File = toml::from_str(PROFILES)?;
        Ok(file.profile)
    }

    /// A profile by its name.
    pub fn named(name: &str) -> Result<Profile, ProfileError> {
        let mut profiles = Profile::all()?;
        let known: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        match known.iter().position(|known| *known == name) {
            Some(at) => Ok(profiles.swap_remove(at)),
            None => Err(ProfileError::Unknown { name: name.to_owned(), known: known.join(", ") }),
        }
    }

    /// Refuses values that no run can have.
    pub(crate) fn check(&self) -> Result<(), ProfileError> {
        let positive = self.spawn_rate.is_finite() && self.spawn_rate > 0.0;
        let checks = [
            (self.users > 0, "at least one user", self.users.to_string()),
            (positive, "a spawn_rate above 0", self.spawn_rate.to_string()),
            (self.run_seconds > 0, "at least one second in run_seconds", self.run_seconds.to_string()),
            (
                self.tenants > 0 && self.tenants <= self.users,
                "1 to `users` tenants",
                self.tenants.to_string(),
            ),
            (
                self.wait_scale.is_finite() && self.wait_scale >= 0.0,
                "a wait_scale of 0 or more",
                self.wait_scale.to_string(),
            ),
            (!self.scenarios.is_empty(), "at least one scenario", "none".to_owned()),
            (self.scenarios.iter().all(|share| share.weight > 0), "weights above 0", "0".to_owned()),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, expected, found)) => {
                Err(ProfileError::Invalid { profile: self.name.clone(), expected, found })
            }
        }
    }

    /// From the first user's start to the last's.
    #[expect(clippy::cast_precision_loss, reason = "users are counted in hundreds")]
    fn ramp(&self) -> Duration {
        Duration::from_secs_f32(self.users as f32 / self.spawn_rate)
    }

    /// From the first user's start to where counting begins.
    pub(crate) fn uncounted(&self) -> Duration {
        self.ramp() + Duration::from_secs(self.warm_up_seconds)
    }

    /// From the first user's start to the end of what is counted.
    pub(crate) fn length(&self) -> Duration {
        self.uncounted() + Duration::from_secs(self.run_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::workload::Workload;

    #[test]
    fn every_profile_can_run_and_judges_leaks() {
        for profile in Profile::all().unwrap() {
            profile.check().unwrap();
            let rules: Vec<String> = profile.thresholds.iter().map(ToString::to_string).collect();
            assert!(rules.contains(&"leaks=0".to_owned()), "{}", profile.name);
            for share in &profile.scenarios {
                Workload::named(&share.workload).unwrap();
            }
        }
    }

    #[test]
    fn an_unknown_profile_is_answered_with_the_known_ones() {
        let error = Profile::named("nope").unwrap_err().to_string();
        assert!(error.contains("'nope'") && error.contains("demo, baseline, normal"), "{error}");
    }

    #[test]
    fn a_profile_no_run_can_have_is_refused_with_what_it_has() {
        let profile = Profile { tenants: 9, ..Profile::named("demo").unwrap() };
        let error = profile.check().unwrap_err().to_string();
        assert!(error.contains("'demo'") && error.contains("got 9"), "{error}");
    }
}
