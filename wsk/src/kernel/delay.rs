//! A delay of the current thread.
//!
//! # Safety
//!
//! The kernel's function reads the interval only during the call, and may be called at `PASSIVE_LEVEL`, which the token
//! proves.

#![expect(unsafe_code, reason = "calls KeDelayExecutionThread")]

use core::time::Duration;

use wsk_sys::{FALSE, KeDelayExecutionThread, KernelMode, LARGE_INTEGER};

use super::ticks;
use crate::irql::Passive;

/// Waits for a duration, and at least until the next tick of the system's clock. Threads of any priority can run during
/// the delay.
pub(crate) fn delay(_passive: Passive, duration: Duration) {
    // Negative is relative.
    let mut interval = LARGE_INTEGER { QuadPart: -ticks(duration) };
    // SAFETY: the token proves that this thread may wait; the interval is valid during the call.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut interval) };
}
