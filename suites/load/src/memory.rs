//! The target's memory during a run, as its own metrics tell it, and how fast it grows.

use std::time::{Duration, Instant};

use harness::client::Http;
use harness::metrics::Counted;
use harness::target::Target;
use url::Url;

/// What a service calls its memory.
const RESIDENT: &str = "process_resident_memory_bytes";
/// A slope through fewer looks than this says nothing.
const LEAST: usize = 3;
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at a target's memory.
#[derive(Debug)]
pub(crate) struct Memory {
    at: Option<(Http, Url)>,
    looks: Vec<(f64, f64)>,
    since: Instant,
}

impl Memory {
    /// Of a target that tells metrics; of any other nothing will be known.
    pub(crate) fn of(target: &Target) -> Memory {
        let metrics = target.internal.clone().and_then(|mut url| {
            url.path_segments_mut().ok()?.pop_if_empty().push("metrics");
            Some((Http::of(target).ok()?.within(PATIENCE), url))
        });
        Memory { at: metrics, looks: Vec::new(), since: Instant::now() }
    }

    /// One look. Where nothing is told there is none.
    pub(crate) async fn look(&mut self) {
        let Some((http, url)) = &self.at else { return };
        let Ok(answer) = http.get(url).await else { return };
        let bytes = Counted::read(&answer.body).of(RESIDENT, &[]);
        if bytes > 0.0 {
            self.looks.push((self.since.elapsed().as_secs_f64(), bytes));
        }
    }

    /// What it grew by from the first look to the last, bytes: by the line through all looks, so that neither the first
    /// nor the last one decides.
    pub(crate) fn growth(&self) -> Option<f64> {
        growth(&self.looks)
    }
}

#[expect(clippy::cast_precision_loss, reason = "looks are counted in thousands")]
fn growth(looks: &[(f64, f64)]) -> Option<f64> {
    if looks.len() < LEAST {
        return None;
    }
    let count = looks.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (time, bytes) = (mean(|look| look.0), mean(|look| look.1));
    let together: f64 = looks.iter().map(|look| (look.0 - time) * (look.1 - bytes)).sum();
    let spread: f64 = looks.iter().map(|look| (look.0 - time).powi(2)).sum();
    let lasted = looks.last()?.0 - looks.first()?.0;
    (spread > 0.0).then(|| together / spread * lasted)
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_is_the_slope_times_the_time_whatever_single_looks_say() {
        let steady: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), 1e6 + 1e4 * f64::from(at))).collect();
        assert!((growth(&steady).unwrap() - 99e4).abs() < 1.0);
        let mut peak: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), 1e6)).collect();
        peak[50].1 = 9e6;
        assert!(growth(&peak).unwrap().abs() < 1e5, "a peak is no slope");
        assert_eq!(growth(&peak[..2]), None);
    }
}
