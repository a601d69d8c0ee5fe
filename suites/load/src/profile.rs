//! Load profiles: how many users of how many tenants, for how long, and what must hold.

use std::time::Duration;

use harness::contract::Contract;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::arrivals::Arrivals;
use crate::baseline::Baseline;
use crate::fairness::Aggressor;
use crate::persona::Persona;
use crate::shard::Shard;
use crate::threshold::Rule;
use crate::workload::{Workload, WorkloadError};

/// The profiles there are.
const PROFILES: &str = include_str!("../profiles.toml");

/// The word for all of them.
const ALL: &str = "all";
/// What is sent to an endpoint that costs nothing: it measures the generator.
const OF_GENERATOR: &str = "generator";

/// A profile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No such profile.
    #[error("no load profile '{name}'; known: {known}, and all of them as 'all'")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A broken file.
    #[error("suites/load/profiles.toml is not understood: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A rate for users who wait for answers.
    #[error(
        "--rate offers requests at a rate, and '{profile}' has {users} users, who wait for answers; profiles with a rate: {with}"
    )]
    NoRate {
        /// The profile.
        profile: String,
        /// How many it has.
        users: usize,
        /// Those that have one.
        with: String,
    },
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
    /// Concurrent users, each of whom waits for an answer before the next request.
    #[serde(default)]
    pub users: usize,
    /// Users started per second.
    #[serde(default)]
    pub spawn_rate: f32,
    /// In the place of users: requests that arrive at a rate, however long answers take.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// A tenant more, which asks for too much in the middle third: beside arrivals, for what the others feel of it.
    #[serde(default)]
    pub aggressor: Option<Aggressor>,
    /// Seconds from the last user's start that are not counted.
    pub warm_up_seconds: u64,
    /// Seconds that are.
    pub run_seconds: u64,
    /// Counts from the first user's start, not only from the last one's.
    #[serde(default)]
    pub from_start: bool,
    /// Tenants the users belong to.
    pub tenants: usize,
    /// What the waits are multiplied with.
    #[serde(default = "unscaled")]
    pub wait_scale: f64,
    /// The shortest and longest wait of every workload, in the place of its own.
    #[serde(default)]
    pub wait_seconds: Option<[f64; 2]>,
    /// Tasks a user does between two waits. With more than one, the first is `cold` and the others are `warm`.
    #[serde(default = "one")]
    pub visit: usize,
    /// What is sent, and what must hold of it, by the kind of system.
    pub program: Vec<Program>,
    /// What must hold whatever is sent.
    pub thresholds: Vec<Rule>,
    /// The seconds it has in the file, where it was told to last another time.
    #[serde(skip)]
    pub lasts_instead_of: Option<u64>,
    /// The rate of its arrivals in the file, where it was told to offer another.
    #[serde(skip)]
    pub offers_instead_of: Option<f64>,
    /// What it is held against besides.
    #[serde(skip)]
    pub baseline: Option<Baseline>,
    /// The part of it that is run here, where several machines run it together.
    #[serde(skip)]
    pub shard: Option<Shard>,
    /// The first user starts then, so that several machines start theirs together; as soon as possible without.
    #[serde(skip)]
    pub start_at: Option<OffsetDateTime>,
    /// Runs to its end also when a threshold cannot hold any more.
    #[serde(skip)]
    pub to_the_end: bool,
}

/// Workloads that are sent to one kind of system, and what must hold there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Which workloads, with their shares of the users.
    pub scenarios: Vec<ScenarioShare>,
    /// What must hold besides.
    #[serde(default)]
    pub thresholds: Vec<Rule>,
}

/// A workload and its share of the users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioShare {
    /// The workload's name.
    pub workload: String,
    /// Its share, in proportion to all weights.
    #[serde(default = "one")]
    pub weight: usize,
}

fn one() -> usize {
    1
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

    /// The profiles that a word asks for: the one of that name, or with `all` each that says something of a target.
    pub fn asked(word: &str) -> Result<Vec<Profile>, ProfileError> {
        if word != ALL {
            return Ok(vec![Profile::named(word)?]);
        }
        let mut profiles = Profile::all()?;
        profiles.retain(|profile| profile.name != OF_GENERATOR);
        Ok(profiles)
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

    /// Whether it has a workload for a system with this contract.
    pub fn is_for(&self, contract: &Contract) -> Result<bool, WorkloadError> {
        for share in self.program.iter().flat_map(|program| &program.scenarios) {
            if Workload::named(&share.workload)?.fits(contract) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses values that no run can have.
    pub(crate) fn check(&self) -> Result<(), ProfileError> {
        let positive = self.spawn_rate.is_finite() && self.spawn_rate > 0.0;
        let is_open = self.arrivals.is_some();
        let scenarios = || self.program.iter().flat_map(|program| &program.scenarios);
        let checks = [
            (is_open || self.users > 0, "at least one user, or arrivals", self.users.to_string()),
            (is_open || positive, "a spawn_rate above 0", self.spawn_rate.to_string()),
            (!is_open || self.users == 0, "users or arrivals, not both", self.users.to_string()),
            (
                self.arrivals.is_none_or(Arrivals::is_possible),
                "rates of 0 or more, the last above 0, in arrivals",
                format!("{:?}", self.arrivals),
            ),
            (
                self.aggressor.as_ref().is_none_or(|aggressor| is_open && aggressor.rate > 0.0),
                "arrivals and a rate above 0 with an aggressor",
                format!("{:?}", self.aggressor),
            ),
            (
                is_open || self.shard.is_none_or(|shard| self.users >= shard.of()),
                "a user for every shard",
                self.users.to_string(),
            ),
            (self.run_seconds > 0, "at least one second in run_seconds", self.run_seconds.to_string()),
            (
                self.tenants > 0 && self.tenants <= self.population(),
                "1 to `users` tenants",
                self.tenants.to_string(),
            ),
            (
                self.wait_scale.is_finite() && self.wait_scale >= 0.0,
                "a wait_scale of 0 or more",
                self.wait_scale.to_string(),
            ),
            (self.visit > 0, "at least one task in a visit", self.visit.to_string()),
            (scenarios().next().is_some(), "at least one scenario", "none".to_owned()),
            (scenarios().all(|share| share.weight > 0), "weights above 0", "0".to_owned()),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, expected, found)) => {
                Err(ProfileError::Invalid { profile: self.name.clone(), expected, found })
            }
        }
    }

    /// The profile, with so many requests a second offered; one that begins with another rate changes in proportion.
    /// Users who wait for answers are offered no rate: for a profile of theirs it is an error.
    pub fn offering(self, rate: f64) -> Result<Profile, ProfileError> {
        let Some(own) = self.arrivals else {
            let all = Profile::all()?.into_iter().filter(|profile| profile.arrivals.is_some());
            let with = all.map(|profile| profile.name).collect::<Vec<_>>().join(", ");
            return Err(ProfileError::NoRate { profile: self.name, users: self.users, with });
        };
        let arrivals = Arrivals { rate, from: own.from.map(|from| from * rate / own.rate) };
        let profile = Profile {
            arrivals: Some(arrivals),
            offers_instead_of: (arrivals != own).then_some(own.rate),
            ..self
        };
        profile.check()?;
        Ok(profile)
    }

    /// What a reader must know of its rate, where it is not its own.
    pub(crate) fn other_rate(&self) -> Option<String> {
        let own = self.offers_instead_of?;
        self.arrivals.map(|arrivals| format!("it offers {} requests/s instead of {own}", arrivals.rate))
    }

    /// What of it is run here. Every shard has tenants of its own, starts its users in the same time, and takes its
    /// turn of the arrivals.
    #[expect(clippy::cast_precision_loss, reason = "users are counted in hundreds")]
    pub(crate) fn part(self) -> Profile {
        let Some(shard) = self.shard else { return self };
        let users = shard.part(self.users);
        let tenants = shard.part(self.tenants).max(1);
        Profile {
            tenants: if self.arrivals.is_some() { tenants } else { tenants.min(users) },
            spawn_rate: self.spawn_rate * users as f32 / self.users.max(1) as f32,
            users,
            ..self
        }
    }

    /// Who asks for too much, if that is done here: it is one tenant, and so of the first shard alone.
    pub(crate) fn aggression(&self) -> Option<&Aggressor> {
        self.aggressor.as_ref().filter(|_| self.shard.is_none_or(Shard::is_first))
    }

    /// What its random choices are drawn for: others in every shard.
    pub(crate) fn purpose(&self) -> String {
        let shard = self.shard.map(|shard| format!("/{shard}")).unwrap_or_default();
        format!("load/{}{shard}", self.name)
    }

    /// How many people there are: the users, or one of each persona in every tenant to whom arrivals are dealt, but for
    /// an aggressor's.
    pub(crate) fn population(&self) -> usize {
        if self.arrivals.is_some() { self.tenants * Persona::ALL.len() } else { self.users }
    }

    /// From the first user's start to the last's.
    #[expect(clippy::cast_precision_loss, reason = "users are counted in hundreds")]
    pub(crate) fn ramp(&self) -> Duration {
        if self.arrivals.is_some() {
            return Duration::ZERO;
        }
        Duration::from_secs_f32(self.users as f32 / self.spawn_rate)
    }

    /// From the first user's start to where counting begins.
    pub(crate) fn uncounted(&self) -> Duration {
        if self.from_start { Duration::ZERO } else { self.before_plateau() }
    }

    fn before_plateau(&self) -> Duration {
        self.ramp() + Duration::from_secs(self.warm_up_seconds)
    }

    /// What is counted.
    pub(crate) fn counted(&self) -> Duration {
        self.length().saturating_sub(self.uncounted())
    }

    /// From the first user's start to the end of what is counted.
    pub(crate) fn length(&self) -> Duration {
        self.before_plateau() + Duration::from_secs(self.run_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::arrivals::Arrivals;
    use crate::workload::Workload;

    #[test]
    fn every_profile_can_run_and_judges_leaks() {
        for profile in Profile::all().unwrap() {
            profile.check().unwrap();
            let rules: Vec<String> = profile.thresholds.iter().map(ToString::to_string).collect();
            assert!(rules.contains(&"leaks=0".to_owned()), "{}", profile.name);
            for share in profile.program.iter().flat_map(|program| &program.scenarios) {
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
    fn another_rate_is_offered_where_there_is_one() {
        let offering = |name: &str, rate| Profile::named(name).unwrap().offering(rate);
        let slower = offering("tenant_requests", 250.0).unwrap();
        assert_eq!(slower.arrivals.map(|arrivals| (arrivals.rate, arrivals.from)), Some((250.0, None)));
        assert_eq!(slower.other_rate().unwrap(), "it offers 250 requests/s instead of 1000");
        assert_eq!(offering("tenant_requests", 1000.0).unwrap().other_rate(), None);
        let rising = Profile::named("tenant_requests").unwrap();
        let rising = Profile { arrivals: Some(Arrivals { rate: 100.0, from: Some(40.0) }), ..rising };
        assert_eq!(rising.offering(50.0).unwrap().arrivals.and_then(|arrivals| arrivals.from), Some(20.0));
        let users = offering("peak", 250.0).unwrap_err().to_string();
        assert!(users.contains("'peak' has 100 users") && users.contains("tenant_requests"), "{users}");
        assert!(offering("tenant_requests", 0.0).is_err());
    }

    #[test]
    fn all_asks_for_each_profile_but_the_generators_own() {
        let names = |word: &str| -> Vec<String> {
            Profile::asked(word).unwrap().into_iter().map(|profile| profile.name).collect()
        };
        let every: Vec<String> = Profile::all().unwrap().into_iter().map(|profile| profile.name).collect();
        let all = names("all");
        assert_eq!(all.len() + 1, every.len());
        assert!(every.contains(&"generator".to_owned()) && !all.contains(&"generator".to_owned()));
        assert_eq!(names("peak"), ["peak"]);
        assert!(Profile::asked("al").is_err());
    }

    #[test]
    fn the_seven_profiles_of_the_performance_plan_are_there_with_its_users_and_times() {
        let plan = [
            ("baseline", 10, 2.0, 5),
            ("normal", 50, 10.0, 15),
            ("peak", 100, 20.0, 10),
            ("stress", 200, 50.0, 5),
            ("soak", 30, 5.0, 60),
            ("authorizer_focus", 50, 25.0, 5),
            ("cold_start", 5, 1.0, 10),
        ];
        for (name, users, spawn_rate, minutes) in plan {
            let profile = Profile::named(name).unwrap();
            assert_eq!((profile.users, profile.spawn_rate), (users, spawn_rate), "{name}");
            assert_eq!(profile.run_seconds, minutes * 60, "{name}");
        }
    }

    #[test]
    fn a_profile_no_run_can_have_is_refused_with_what_it_has() {
        let profile = Profile { tenants: 9, ..Profile::named("demo").unwrap() };
        let error = profile.check().unwrap_err().to_string();
        assert!(error.contains("'demo'") && error.contains("got 9"), "{error}");
    }
}
