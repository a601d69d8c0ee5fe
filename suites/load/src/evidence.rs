//! What of a load run is kept as evidence: each leak once as a finding, failures up to a bound, and a sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use harness::client::{Api, Pending, Received};
use harness::leak::Leak;
use harness::run::RunError;

/// One passing exchange in so many is kept.
const ONE_IN: u64 = 100;
/// Failed exchanges kept of one operation. More say nothing new, and a failing target makes thousands.
const FAILURES_KEPT: usize = 100;

/// Decides, and records.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    passed: u64,
    failed: BTreeMap<String, usize>,
    leaks: BTreeSet<(String, String, String)>,
}

impl Evidence {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that passed.
    pub(crate) fn passed(
        &self,
        api: &Api,
        pending: &Pending,
        received: &Received,
        millis: f64,
    ) -> Result<(), RunError> {
        let mut seen = self.seen();
        let keep = seen.passed.is_multiple_of(ONE_IN);
        seen.passed += 1;
        drop(seen);
        if keep { api.record_exchange(&pending.exchange(Ok(received), millis)) } else { Ok(()) }
    }

    /// A request that failed, with an answer or the reason why there is none.
    pub(crate) fn failed(
        &self,
        api: &Api,
        pending: &Pending,
        operation: &str,
        answer: Result<&Received, &str>,
        millis: f64,
    ) -> Result<(), RunError> {
        let mut seen = self.seen();
        let failed = seen.failed.entry(operation.to_owned()).or_default();
        *failed += 1;
        let keep = *failed <= FAILURES_KEPT;
        drop(seen);
        if keep { api.record_exchange(&pending.exchange(answer, millis)) } else { Ok(()) }
    }

    /// A leak. The same kind of thing shown by the same operation to the same persona is one finding.
    pub(crate) fn leaked(
        &self,
        api: &Api,
        pending: &Pending,
        received: &Received,
        leak: &Leak,
        millis: f64,
    ) -> Result<(), RunError> {
        let exchange = pending.exchange(Ok(received), millis);
        let what = (exchange.operation.clone(), exchange.principal.clone(), leak.kind.clone());
        if self.seen().leaks.insert(what) {
            api.record_exchange(&exchange)?;
            api.record_leak(leak, &exchange)?;
        }
        Ok(())
    }
}
