//! `Ke…CriticalRegion`.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

use std::cell::Cell;

use wsk_sys::{APC_LEVEL, BOOLEAN, FALSE, TRUE};

use crate::kernel::ke::dispatcher::owned_mutexes;
use crate::kernel::ke::irql::{current_irql, require_at_most};
use crate::verifier::kernel_violation;

thread_local! {
    /// The number of critical regions that the thread is in.
    static REGIONS: Cell<usize> = const { Cell::new(0) };
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn KeEnterCriticalRegion() {
    require_at_most(APC_LEVEL, "KeEnterCriticalRegion");
    REGIONS.set(REGIONS.get() + 1);
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn KeLeaveCriticalRegion() {
    require_at_most(APC_LEVEL, "KeLeaveCriticalRegion");
    let Some(left) = REGIONS.get().checked_sub(1) else {
        kernel_violation("KeLeaveCriticalRegion: the thread is not in a critical region");
    };
    REGIONS.set(left);
}

#[wsk_host_macros::export]
extern "C" fn KeAreApcsDisabled() -> BOOLEAN {
    if are_apcs_disabled() { TRUE } else { FALSE }
}

/// Whether no kernel APC can interrupt the current thread.
pub(crate) fn are_apcs_disabled() -> bool {
    REGIONS.get() > 0 || current_irql() >= APC_LEVEL || owned_mutexes() > 0
}

/// The number of critical regions that the current thread is in.
pub(crate) fn count() -> usize {
    REGIONS.get()
}

/// Stops a thread that ends in a critical region, or with a mutex.
pub(crate) fn require_none(function: &str) {
    let owned = owned_mutexes();
    if owned > 0 {
        let mutexes = if owned == 1 { "mutex" } else { "mutexes" };
        kernel_violation(&format!("{function}: the thread has not released {owned} {mutexes}"));
    }
    let left = REGIONS.get();
    if left > 0 {
        kernel_violation(&format!("{function}: the thread has not left {left} critical regions"));
    }
}
