//! `KeQuery…Time`: the clocks that drivers read. All of them are emulated.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::time::{Duration, Instant};

use wsk_sys::{LARGE_INTEGER, LONGLONG, PLARGE_INTEGER, ULONG, ULONGLONG};

use crate::kernel::current;
use crate::kernel::ke::dpc_watchdog;
use crate::kernel::ke::time::KeQuerySystemTimePrecise;

/// The interval between clock interrupts, in units of 100 ns.
pub(super) const INCREMENT: u64 = 156_250;

#[wsk_host_macros::export]
unsafe extern "C" fn KeQuerySystemTime(time: PLARGE_INTEGER) {
    // SAFETY: the caller passes room for a time.
    unsafe { KeQuerySystemTimePrecise(time) };
}

fn ticks() -> u64 {
    current().now()
}

fn number(value: u64) -> LARGE_INTEGER {
    // SAFETY: zeroes are a number, whichever names its parts have.
    let mut number: LARGE_INTEGER = unsafe { std::mem::zeroed() };
    let place: *mut LONGLONG = (&raw mut number).cast();
    // SAFETY: the number has the size and the alignment of its whole.
    unsafe { place.write(LONGLONG::try_from(value).unwrap_or(LONGLONG::MAX)) };
    number
}

#[wsk_host_macros::export]
extern "C" fn KeQueryInterruptTime() -> ULONGLONG {
    ticks()
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeQueryInterruptTimePrecise(stamp: *mut u64) -> ULONGLONG {
    let now = ticks();
    // SAFETY: the caller passes room for the performance counter's value, which counts the same.
    unsafe { stamp.write(now) };
    now
}

#[wsk_host_macros::export]
extern "C" fn KeQueryTimeIncrement() -> ULONG {
    ULONG::try_from(INCREMENT).unwrap_or(ULONG::MAX)
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeQueryTickCount(count: PLARGE_INTEGER) {
    // SAFETY: the caller passes room for a count.
    unsafe { count.write(number(ticks() / INCREMENT)) };
}

/// Counts in units of 100 ns, as Windows does on most machines.
#[wsk_host_macros::export]
unsafe extern "C" fn KeQueryPerformanceCounter(frequency: PLARGE_INTEGER) -> LARGE_INTEGER {
    if !frequency.is_null() {
        // SAFETY: the caller passes room for a frequency, or null.
        unsafe { frequency.write(number(10_000_000)) };
    }
    number(ticks())
}

/// Keeps the processor busy, so that no other thread of the host runs.
#[wsk_host_macros::export]
extern "C" fn KeStallExecutionProcessor(microseconds: ULONG) {
    dpc_watchdog::count_stall(microseconds);
    let end = Instant::now() + Duration::from_micros(microseconds.into());
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
