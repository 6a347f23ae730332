//! The time of day, and the time since the system was started.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wsk_sys::{LARGE_INTEGER, PLARGE_INTEGER, ULONGLONG};

use crate::kernel::schedule::{Scheduler, Ticks, ticks};
use crate::kernel::{Kernel, current};

/// The Unix epoch in system time: 1970, in units of 100 ns since 1601.
const UNIX: i64 = 116_444_736_000_000_000;

/// The time of day when a kernel with its own clock is created.
const CREATION: i64 = UNIX + 1_750_000_000 * 10_000_000;

/// The time of day, in units of 100 ns since 1601.
pub(super) fn system_time(kernel: &Kernel) -> i64 {
    match kernel.scheduler() {
        Scheduler::Deterministic(scheduler) => CREATION.saturating_add_unsigned(scheduler.now()),
        Scheduler::Native(_) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            UNIX.saturating_add_unsigned(ticks(since))
        }
    }
}

impl Kernel {
    /// When the kernel's clock began, in units of 100 ns since the Unix epoch.
    pub(crate) fn creation_time(&self) -> Ticks {
        let now = u64::try_from(system_time(self) - UNIX).unwrap_or(0);
        now.saturating_sub(self.now())
    }
}

/// The time until a due time: a negative one is relative, in units of 100 ns. The kernel adds it to its clock, so that a
/// sum beyond an `i64` has passed.
pub(crate) fn relative(time: i64) -> Duration {
    let kernel = current();
    let ticks = if time > 0 {
        u64::try_from(time - system_time(&kernel)).unwrap_or(0)
    } else {
        let ticks = time.unsigned_abs();
        let due = ticks.checked_add(kernel.now()).and_then(|due| i64::try_from(due).ok());
        due.map_or(0, |_| ticks)
    };
    Duration::from_nanos(ticks.saturating_mul(100))
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn KeQuerySystemTimePrecise(time: PLARGE_INTEGER) {
    let now = LARGE_INTEGER { QuadPart: system_time(&current()) };
    // SAFETY: the caller passes room for a time.
    unsafe { time.write(now) };
}

/// The system was started when the kernel was created.
#[wsk_host_macros::export]
pub(crate) extern "C" fn KeQueryUnbiasedInterruptTime() -> ULONGLONG {
    current().now()
}
