//! `Ex…PushLock…`: locks of one writer or many readers, for threads in a critical region.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{APC_LEVEL, ULONG, ULONG_PTR};

use crate::kernel::ex::queued_lock::{LockMode, acquire, release, require_free};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ke::region::are_apcs_disabled;
use crate::verifier::kernel_violation;

/// `EX_PUSH_LOCK`: a word, whose address stands for the lock.
type PushLock = ULONG_PTR;

#[wsk_host_macros::export]
unsafe extern "C" fn ExInitializePushLock(lock: *mut PushLock) {
    require_free(lock.addr(), "ExInitializePushLock");
    // SAFETY: the caller passes memory for a lock.
    unsafe { lock.write(0) };
}

fn require_region(function: &str) {
    require_at_most(APC_LEVEL, function);
    if !are_apcs_disabled() {
        kernel_violation(&format!(
            "{function}: normal kernel APCs are enabled; call KeEnterCriticalRegion first"
        ));
    }
}

#[wsk_host_macros::export]
extern "C" fn ExAcquirePushLockExclusiveEx(lock: *mut PushLock, _flags: ULONG) {
    require_region("ExAcquirePushLockExclusiveEx");
    acquire(lock.addr(), LockMode::Exclusive, "ExAcquirePushLockExclusiveEx");
}

#[wsk_host_macros::export]
extern "C" fn ExAcquirePushLockSharedEx(lock: *mut PushLock, _flags: ULONG) {
    require_region("ExAcquirePushLockSharedEx");
    acquire(lock.addr(), LockMode::Shared, "ExAcquirePushLockSharedEx");
}

#[wsk_host_macros::export]
extern "C" fn ExReleasePushLockExclusiveEx(lock: *mut PushLock, _flags: ULONG) {
    require_region("ExReleasePushLockExclusiveEx");
    release(lock.addr(), LockMode::Exclusive, "ExReleasePushLockExclusiveEx");
}

#[wsk_host_macros::export]
extern "C" fn ExReleasePushLockSharedEx(lock: *mut PushLock, _flags: ULONG) {
    require_region("ExReleasePushLockSharedEx");
    release(lock.addr(), LockMode::Shared, "ExReleasePushLockSharedEx");
}
