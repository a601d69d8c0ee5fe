//! What the service says of itself: per answer in `Server-Timing`, in sum on its second listener.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::client::Http;
use harness::metrics::Counted;
use http::header::HeaderMap;
use url::Url;

use crate::error::CommandError;

/// How long each part of one request took, by the names of `Server-Timing`.
#[derive(Clone, Debug, Default)]
pub(super) struct Timing(BTreeMap<String, Duration>);

impl Timing {
    /// What an answer says: `tenant;dur=1.203, feature;dur=0.004`, in milliseconds.
    pub(super) fn of(headers: &HeaderMap) -> Timing {
        let told = headers.get_all("server-timing").iter().filter_map(|value| value.to_str().ok());
        let part = |part: &str| {
            let (name, rest) = part.trim().split_once(';')?;
            let millis: f64 = rest.trim().strip_prefix("dur=")?.parse().ok()?;
            Some((name.to_owned(), Duration::try_from_secs_f64(millis / 1e3).ok()?))
        };
        Timing(told.flat_map(|told| told.split(',').filter_map(part).collect::<Vec<_>>()).collect())
    }

    /// One part; nothing where the request did not come so far.
    pub(super) fn part(&self, name: &str) -> Option<Duration> {
        self.0.get(name).copied()
    }
}

/// The service's second listener.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    http: Http,
    metrics: Url,
}

impl Listener {
    /// The one at this address.
    pub(super) fn at(internal: &Url, http: &Http) -> Listener {
        let mut metrics = internal.clone();
        metrics.set_path("/metrics");
        Listener { http: http.clone(), metrics }
    }

    /// What the service has counted until now.
    pub(super) async fn counters(&self) -> Result<Counters, CommandError> {
        let answer = self.http.get(&self.metrics).await?;
        if answer.status != 200 {
            return Err(CommandError::Metrics { url: self.metrics.clone(), status: answer.status });
        }
        Ok(Counters(Counted::read(&answer.body)))
    }
}

/// The service's counters at one moment.
#[derive(Clone, Debug)]
pub(super) struct Counters(Counted);

impl Default for Counters {
    fn default() -> Self {
        Counters(Counted::read(""))
    }
}

impl Counters {
    /// The share of the pool's connections in use.
    pub(super) fn pool_in_use(&self) -> Option<f64> {
        let of = |state| self.0.of("database_pool_connections", &[("state", state)]);
        let most = of("max");
        (most > 0.0).then(|| of("in_use") / most)
    }

    /// Resident memory, bytes.
    pub(super) fn memory(&self) -> f64 {
        self.0.of("process_resident_memory_bytes", &[])
    }

    /// Processor time since an earlier moment, seconds.
    pub(super) fn processor_since(&self, before: &Counters) -> f64 {
        let spent = |counters: &Counters| counters.0.of("process_cpu_seconds_total", &[]);
        spent(self) - spent(before)
    }

    /// How long the calls of the database of one step took in all since an earlier moment, seconds.
    pub(super) fn step_since(&self, before: &Counters, step: &str) -> f64 {
        let took = |counters: &Counters| counters.0.of("database_duration_seconds_sum", &[("step", step)]);
        took(self) - took(before)
    }

    /// The time below which a share of a step's calls since an earlier moment stayed, seconds: interpolated within a
    /// bucket, as Prometheus' `histogram_quantile` does.
    pub(super) fn step_quantile(&self, before: &Counters, step: &str, share: f64) -> Option<f64> {
        let buckets =
            |counters: &Counters| counters.0.buckets("database_duration_seconds", &[("step", step)]);
        let (earlier, later) = (buckets(before), buckets(self));
        let below = |bound: f64| {
            let found = earlier.iter().find(|(earlier, _)| earlier.total_cmp(&bound).is_eq());
            found.map_or(0.0, |(_, count)| *count)
        };
        let counts: Vec<(f64, f64)> =
            later.into_iter().map(|(bound, count)| (bound, count - below(bound))).collect();
        quantile(&counts, share)
    }
}

/// The quantile of a cumulative histogram.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let all = buckets.last().map(|(_, count)| *count).filter(|all| *all > 0.0)?;
    let rank = all * share;
    let at = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (bound, count) = buckets[at];
    let (lower, fewer) = at.checked_sub(1).map_or((0.0, 0.0), |at| buckets[at]);
    if bound.is_infinite() {
        return Some(lower);
    }
    Some(lower + (bound - lower) * ((rank - fewer) / (count - fewer)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::HeaderMap;

    use super::{Timing, quantile};

    #[test]
    fn parts_of_a_request_are_read_from_its_answer() {
        let mut headers = HeaderMap::new();
        headers.insert("server-timing", "tenant;dur=1.250, rbac;dur=0.004, odd".parse().unwrap());
        let timing = Timing::of(&headers);
        assert_eq!(timing.part("tenant"), Some(Duration::from_micros(1250)));
        assert_eq!(timing.part("rbac"), Some(Duration::from_micros(4)));
        assert_eq!(timing.part("odd"), None);
    }

    #[test]
    fn a_quantile_lies_within_the_bucket_that_holds_its_rank() {
        let buckets = [(1.0, 50.0), (2.0, 90.0), (4.0, 100.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(&buckets, 0.5), Some(1.0));
        assert_eq!(quantile(&buckets, 0.95), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
