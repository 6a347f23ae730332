//! Mutexes: dispatcher objects with an owner, which may acquire them repeatedly.
//!
//! # Safety
//!
//! The exported functions require of their callers what Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, FALSE, LONG, ULONG};

use super::dispatcher::{Mutant, change, initialize_mutant, release_mutant};
use super::irql::require_at_most;
use crate::kernel::interrupt;
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeInitializeMutex(mutex: *mut Mutant, _level: ULONG) {
    // SAFETY: the caller passes memory for a mutex that no thread uses.
    unsafe { initialize_mutant(mutex) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReadStateMutex(mutex: *mut Mutant) -> LONG {
    // SAFETY: the caller passes an initialized mutex, which begins with its header.
    unsafe { change(mutex.cast(), |state| state) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseMutex(mutex: *mut Mutant, wait: BOOLEAN) -> LONG {
    require_at_most(if wait == FALSE { DISPATCH_LEVEL } else { APC_LEVEL }, "KeReleaseMutex");
    // SAFETY: the caller passes an initialized mutex.
    let Some(former) = (unsafe { release_mutant(mutex) }) else {
        kernel_violation("KeReleaseMutex: the current thread does not own the mutex");
    };
    // A thread that has waited for it may run before this call returns.
    interrupt();
    former
}
