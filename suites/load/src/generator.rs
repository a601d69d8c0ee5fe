//! What the generator itself cost, so that nobody takes its limits for the target's.

use std::time::{Duration, Instant};

use harness::record::Arrivals;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::measured::Measured;

/// Later than this, requests are not sent when they are due: the clock that wakes the sender has steps of a millisecond.
const LATE: Duration = Duration::from_millis(20);

/// How a report begins to say that the generator was at its end, and not the target.
pub const BOTTLENECK: &str = "the generator was the bottleneck";

/// Looks at this process.
#[derive(Debug)]
pub(crate) struct Generator {
    system: Option<System>,
    pid: Option<Pid>,
    begun: Instant,
    before: Option<Duration>,
}

impl Generator {
    /// From now on.
    pub(crate) fn begin() -> Generator {
        let mut generator = Generator {
            system: System::new().ok(),
            pid: sysinfo::get_current_pid().ok(),
            begun: Instant::now(),
            before: None,
        };
        generator.before = generator.processor();
        generator
    }

    /// Processor time of this process until now.
    fn processor(&mut self) -> Option<Duration> {
        let only = [self.pid?];
        let only = ProcessesToUpdate::Some(&only);
        let system = self.system.as_mut()?;
        system.refresh_processes_specifics(only, true, ProcessRefreshKind::nothing().with_cpu());
        system.process(self.pid?).map(|process| Duration::from_millis(process.accumulated_cpu_time()))
    }

    /// Processor time by wall time since the beginning.
    pub(crate) fn cores(&mut self) -> Option<f64> {
        let spent = self.processor()?.checked_sub(self.before?)?;
        let cores = spent.as_secs_f64() / self.begun.elapsed().as_secs_f64();
        // To the thousandth, so that a record reads back as it was written.
        Some((cores * 1e3).round() / 1e3)
    }
}

/// What became of arrivals, and whose limit that was; `cores` is what the generator took.
#[expect(clippy::cast_precision_loss, reason = "counts of one run stay far below 2^52")]
pub(crate) fn arrivals(measured: &Measured, cores: Option<f64>) -> Option<Arrivals> {
    let offered = measured.offered?;
    let per_second = |count: u64| {
        let rate = if measured.seconds > 0.0 { count as f64 / measured.seconds } else { 0.0 };
        (rate * 1e3).round() / 1e3
    };
    let late_us = measured.late.percentile_us(99.0).unwrap_or_default();
    Some(Arrivals {
        offered_rps: per_second(offered.due),
        achieved_rps: per_second(offered.in_time),
        dropped: offered.dropped,
        late_p99_ms: late_us / 1e3,
        generator_cores: cores,
        generator_bound: late_us > LATE.as_secs_f64() * 1e6,
    })
}

/// What a reader must know of arrivals that did not go as they should.
pub(crate) fn notes(arrivals: &Arrivals, within: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if arrivals.generator_bound {
        let cores =
            arrivals.generator_cores.map(|cores| format!(", on {cores:.1} cores")).unwrap_or_default();
        let shared =
            if within { "; the target runs in the same process, and took its part of them" } else { "" };
        notes.push(format!(
            "{BOTTLENECK}: one request in a hundred was sent {:.0} ms late or more{cores}{shared}",
            arrivals.late_p99_ms
        ));
    }
    if arrivals.dropped > 0 {
        notes.push(format!(
            "{} requests were not sent: those of {SECONDS} seconds were still without an answer",
            arrivals.dropped,
            SECONDS = crate::arrivals::SECONDS_UNDER_WAY,
        ));
    }
    notes
}
