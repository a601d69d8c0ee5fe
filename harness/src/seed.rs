//! The run's seed: every random choice is drawn from it, so the same seed replays the run.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// A 64-bit seed, printed and read as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub u64);

/// The text is no seed.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a seed of 1 to 16 hexadecimal digits in WATERTIGHT_SEED, found '{0}': take the one a run printed, or leave it out"
)]
pub struct NotASeed(String);

impl Seed {
    /// A fresh seed from the operating system.
    pub fn fresh() -> Seed {
        Seed(rand::random())
    }

    /// A generator of its own for one purpose. Two purposes never disturb each other's draws, so a test
    /// replays alone as it ran among others.
    pub fn rng(self, purpose: &str) -> StdRng {
        let mut hasher = DefaultHasher::new();
        (self.0, purpose).hash(&mut hasher);
        StdRng::seed_from_u64(hasher.finish())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Seed {
    type Err = NotASeed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim();
        u64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() <= 16 && !digits.starts_with('+'))
            .map(Seed)
            .ok_or_else(|| NotASeed(text.to_owned()))
    }
}

impl TryFrom<String> for Seed {
    type Error = NotASeed;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngCore;

    use super::Seed;

    #[test]
    fn a_printed_seed_replays_the_same_draws() {
        let seed = Seed::fresh();
        let again: Seed = seed.to_string().parse().unwrap();
        assert_eq!(seed.rng("team").next_u64(), again.rng("team").next_u64());
        assert_ne!(seed.rng("team").next_u64(), again.rng("role").next_u64());
    }

    #[test]
    fn what_is_no_seed_is_refused_with_the_text() {
        let error = "+1f".parse::<Seed>().unwrap_err().to_string();
        assert!(error.contains("'+1f'"), "{error}");
    }
}
