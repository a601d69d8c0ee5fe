//! A profile that lasts another time than its own. Shorter ones keep their load, and give up only as much of their
//! users' waits as it takes for every threshold to get its samples.

use std::time::Duration;

use harness::contract::Contract;

use crate::profile::Profile;
use crate::threshold::Rule;
use crate::workload::Workload;

/// What an answer is taken to need, when requests are counted beforehand.
const ANSWER: Duration = Duration::from_millis(20);
/// How many times the samples that a rule takes are aimed at.
const SPARE: f64 = 2.0;
/// From one attempt to the next, waits become this much shorter.
const STEP: f64 = 0.9;
/// Below a second nobody starts all users, and nothing warms up.
const SHORTEST: f64 = 1.0;

impl Profile {
    /// The profile, measured for so long. Starting its users and warming up become as much shorter.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "profiles last seconds to days, and have hundreds of users"
    )]
    pub fn lasting(self, time: Duration) -> Profile {
        let seconds = time.as_secs().max(1);
        let own = self.lasts_instead_of.unwrap_or(self.run_seconds);
        let factor = seconds as f64 / own as f64;
        let shorter = |own: f64| if factor < 1.0 { (own * factor).max(own.min(SHORTEST)) } else { own };
        let ramp = self.ramp().as_secs_f64();
        Profile {
            warm_up_seconds: shorter(self.warm_up_seconds as f64).round() as u64,
            spawn_rate: if ramp > 0.0 { (self.users as f64 / shorter(ramp)) as f32 } else { self.spawn_rate },
            run_seconds: seconds,
            lasts_instead_of: (seconds != own).then_some(own),
            ..self
        }
    }

    /// The profile with waits as short as its time and these rules need them, and what to say of it.
    #[expect(clippy::cast_precision_loss, reason = "profiles last seconds to days")]
    pub(crate) fn with_samples_for(
        self,
        rules: &[&Rule],
        workloads: &[(Workload, usize)],
        contract: &Contract,
    ) -> (Profile, Vec<String>) {
        let Some(own) = self.lasts_instead_of else { return (self, Vec::new()) };
        let time = format!("it lasts {} s instead of {own} s", self.run_seconds);
        let factor = self.run_seconds as f64 / own as f64;
        if self.arrivals.is_some() || factor >= 1.0 {
            return (self, vec![time]);
        }
        let enough = |scale: f64| {
            rules
                .iter()
                .all(|rule| self.expected(rule, scale, workloads, contract) >= SPARE * rule.least() as f64)
        };
        let mut scale = self.wait_scale;
        while scale > self.wait_scale * factor && !enough(scale) {
            scale *= STEP;
        }
        let waits = if scale < self.wait_scale {
            format!(
                "waits are {:.2} of the profile's, so that every threshold gets its samples",
                scale / self.wait_scale
            )
        } else {
            "waits are the profile's".to_owned()
        };
        (Profile { wait_scale: scale, ..self }, vec![format!("{time}: {waits}")])
    }

    /// How many requests a rule will look at, if answers come fast.
    #[expect(clippy::cast_precision_loss, reason = "users and weights are counted in hundreds")]
    fn expected(&self, rule: &Rule, scale: f64, workloads: &[(Workload, usize)], contract: &Contract) -> f64 {
        let weights: usize = workloads.iter().map(|(_, weight)| weight).sum();
        let visit = self.visit as f64;
        let of = |(workload, weight): &(Workload, usize)| {
            let pace = workload.pace(self.wait_seconds, scale).mean().as_secs_f64();
            let period = pace + visit * ANSWER.as_secs_f64();
            let requests = self.users as f64 * *weight as f64 / weights as f64 * visit / period;
            let share = match rule.of() {
                None => 1.0,
                Some("cold") => 1.0 / visit,
                Some("warm") => (visit - 1.0) / visit,
                Some(name) if name == workload.name() => 1.0,
                Some(name) => workload.share_of(contract, name),
            };
            requests * share
        };
        workloads.iter().map(of).sum::<f64>() * self.run_seconds as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harness::contract::Contract;

    use crate::profile::Profile;
    use crate::threshold::Rule;
    use crate::workload::Workload;

    fn shortened(name: &str, workload: &str, seconds: u64) -> (Profile, Vec<String>) {
        let profile = Profile::named(name).unwrap().lasting(Duration::from_secs(seconds));
        let thresholds = profile.thresholds.clone();
        let rules: Vec<&Rule> = thresholds.iter().collect();
        let workloads = [(Workload::named(workload).unwrap(), 1)];
        profile.with_samples_for(&rules, &workloads, &Contract::default())
    }

    #[test]
    fn a_shortened_run_keeps_its_load_where_it_has_samples_enough() {
        let (peak, notes) = shortened("peak", "mixed-workload", 30);
        assert_eq!((peak.run_seconds, peak.users, peak.wait_scale), (30, 100, 1.0));
        assert_eq!(peak.warm_up_seconds, 1);
        assert!((peak.spawn_rate - 100.0).abs() < 0.1, "{}", peak.spawn_rate);
        assert_eq!(notes, ["it lasts 30 s instead of 600 s: waits are the profile's"]);
    }

    #[test]
    fn waits_are_given_up_as_far_as_thresholds_need_samples() {
        let (cold, notes) = shortened("cold_start", "teams", 30);
        assert!(cold.wait_scale < 0.2 && cold.wait_scale >= 0.05 * 0.9, "{}", cold.wait_scale);
        assert!(notes[0].contains("every threshold gets its samples"), "{notes:?}");
    }

    #[test]
    fn a_run_of_its_own_time_is_the_profile_itself() {
        let (normal, notes) = shortened("normal", "mixed-workload", 900);
        assert_eq!((normal.spawn_rate, normal.warm_up_seconds, notes.len()), (10.0, 10, 0));
        let (longer, notes) = shortened("demo", "mixed-workload", 60);
        assert_eq!((longer.warm_up_seconds, longer.spawn_rate), (1, 16.0));
        assert_eq!(notes, ["it lasts 60 s instead of 6 s"]);
    }
}
