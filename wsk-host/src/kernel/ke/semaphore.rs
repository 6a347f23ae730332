//! Semaphores.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, FALSE, KPRIORITY, LONG, PRKSEMAPHORE};

use super::dispatcher::{SEMAPHORE, change, initialize};
use super::irql::require_at_most;
use crate::kernel::interrupt;
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeSemaphore(semaphore: PRKSEMAPHORE, count: LONG, limit: LONG) {
    // SAFETY: the caller passes memory for a semaphore that no thread uses.
    unsafe { initialize(&raw mut (*semaphore).Header, SEMAPHORE, count) };
    // SAFETY: the caller passes memory for a semaphore that no thread uses.
    unsafe { (&raw mut (*semaphore).Limit).write(limit) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateSemaphore(semaphore: PRKSEMAPHORE) -> LONG {
    // SAFETY: the caller passes an initialized semaphore.
    unsafe { change(&raw mut (*semaphore).Header, |count| count) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseSemaphore(
    semaphore: PRKSEMAPHORE,
    _increment: KPRIORITY,
    adjustment: LONG,
    wait: BOOLEAN,
) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeReleaseSemaphore");
    // SAFETY: the caller passes an initialized semaphore, whose limit does not change.
    let limit = unsafe { (*semaphore).Limit };
    // SAFETY: the caller passes an initialized semaphore.
    let former = unsafe {
        change(&raw mut (*semaphore).Header, |count| match count.checked_add(adjustment) {
            Some(count) if adjustment > 0 && count <= limit => count,
            _ => kernel_violation("KeReleaseSemaphore: the count would exceed the limit"),
        })
    };
    // A thread that has waited for it may run before this call returns.
    interrupt();
    former
}
