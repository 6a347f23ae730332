//! `Ke…CriticalRegion`, and processors.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::cell::Cell;

use wsk_sys::{APC_LEVEL, BOOLEAN, FALSE, TRUE, ULONG, USHORT};

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

/// `PROCESSOR_NUMBER`.
#[repr(C)]
pub(crate) struct ProcessorNumber {
    group: USHORT,
    number: u8,
    reserved: u8,
}

/// A host has one processor, as a client sees it.
#[wsk_host_macros::export]
unsafe extern "C" fn KeGetCurrentProcessorNumberEx(number: *mut ProcessorNumber) -> ULONG {
    if !number.is_null() {
        // SAFETY: the caller passes room for a number, or null.
        unsafe { number.write(ProcessorNumber { group: 0, number: 0, reserved: 0 }) };
    }
    0
}

const ALL_PROCESSOR_GROUPS: USHORT = 0xFFFF;

#[wsk_host_macros::export]
extern "C" fn KeQueryActiveProcessorCountEx(group: USHORT) -> ULONG {
    ULONG::from(group == 0 || group == ALL_PROCESSOR_GROUPS)
}

#[wsk_host_macros::export]
extern "C" fn KeQueryMaximumProcessorCountEx(group: USHORT) -> ULONG {
    KeQueryActiveProcessorCountEx(group)
}
