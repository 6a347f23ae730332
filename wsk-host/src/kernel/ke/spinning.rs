//! Waiting for a spin lock, with an end: a thread that spins for its own lock, or for one that nothing releases, is
//! reported.

use std::thread;
use std::time::{Duration, Instant};

use crate::verifier::kernel_violation;

/// The time that a thread spins at most. A holder releases its lock within microseconds; on Windows, the watchdog of
/// deferred procedure calls ends a system whose processor spins for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Repeats an attempt to acquire a lock until it succeeds. Stops a client whose current thread holds the lock already,
/// and one whose lock is not released.
pub(crate) fn spin(
    function: &str,
    mut attempt: impl FnMut() -> bool,
    is_own: impl FnOnce() -> bool,
) {
    if attempt() {
        return;
    }
    if is_own() {
        kernel_violation(&format!(
            "{function}: the current thread already holds the lock, and would spin forever"
        ));
    }
    let start = Instant::now();
    while !attempt() {
        if start.elapsed() > PATIENCE {
            kernel_violation(&format!(
                "{function}: the lock was not released for {} s: its holder waits, or has ended without releasing it",
                PATIENCE.as_secs()
            ));
        }
        thread::yield_now();
    }
}
