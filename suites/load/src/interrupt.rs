//! Ctrl-C: stops a load run, which then removes its tenants; otherwise it is the program's.
//!
//! Goose takes Ctrl-C for the whole process and never gives it back. A handler that is there before it stays,
//! so this one is set first. It replaces one that was set earlier, `tokio::signal`'s for instance; one that
//! is set later and calls the earlier one, as `tokio::signal`'s does, works besides it.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static SET: Once = Once::new();
static RUNNING: AtomicBool = AtomicBool::new(false);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a shell makes of a program that Ctrl-C ended: 128 and the number of SIGINT.
const ENDED_BY_INTERRUPT: i32 = 130;

/// Says what Ctrl-C does while no load run is under way, or when it is pressed again during one. The first
/// call counts; without any, the first load run makes it end the process.
pub fn otherwise(act: impl Fn() + Send + 'static) {
    SET.call_once(|| {
        let handler = move || {
            if RUNNING.load(Ordering::Relaxed) && !INTERRUPTED.swap(true, Ordering::Relaxed) {
                goose::trigger_killswitch("interrupted");
            } else {
                act();
            }
        };
        // Fails when the program has set one with the same crate: then Ctrl-C is wholly the program's.
        ctrlc::set_handler(handler).ok();
    });
}

/// A load run under way.
#[derive(Debug)]
pub(crate) struct Watch(());

impl Watch {
    pub(crate) fn begin() -> Watch {
        otherwise(|| std::process::exit(ENDED_BY_INTERRUPT));
        INTERRUPTED.store(false, Ordering::Relaxed);
        RUNNING.store(true, Ordering::Relaxed);
        Watch(())
    }

    /// Whether Ctrl-C came meanwhile.
    #[expect(clippy::unused_self, reason = "only a run under way can be interrupted")]
    pub(crate) fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        RUNNING.store(false, Ordering::Relaxed);
    }
}
