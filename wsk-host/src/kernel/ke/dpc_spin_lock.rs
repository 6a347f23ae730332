//! `Ke…SpinLock…`: spin locks taken at `DISPATCH_LEVEL`, and queued ones.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::{BOOLEAN, DISPATCH_LEVEL, FALSE, KIRQL, PKSPIN_LOCK, TRUE};

use crate::kernel::interrupt;
use crate::kernel::ke::dispatcher::token;
use crate::kernel::ke::irql::{KeLowerIrql, KfRaiseIrql, current_irql};
use crate::kernel::ke::spinning::spin;
use crate::verifier::kernel_violation;

/// Stops a client that calls a function below `DISPATCH_LEVEL`, where a holder could lose the processor.
pub(crate) fn require_dispatch(function: &str) {
    if current_irql() < DISPATCH_LEVEL {
        kernel_violation(&format!(
            "{function}: called at IRQL {}, the minimum is {DISPATCH_LEVEL}",
            current_irql()
        ));
    }
}

/// The word of a spin lock: zero while it is free, and the number of the thread that holds it.
///
/// # Safety
///
/// The pointer is to a spin lock.
unsafe fn word<'a>(lock: PKSPIN_LOCK) -> &'a AtomicUsize {
    // SAFETY: the pointer is to a spin lock, an aligned word that is only used atomically (this function's contract).
    unsafe { AtomicUsize::from_ptr(lock.cast()) }
}

/// Acquires a lock when it is free.
///
/// # Safety
///
/// The pointer is to a spin lock.
pub(super) unsafe fn acquire(lock: PKSPIN_LOCK, function: &str) {
    // SAFETY: the pointer is to a spin lock (this function's contract).
    let word = unsafe { word(lock) };
    let me = token();
    let attempt = || word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok();
    spin(function, attempt, || word.load(Ordering::Relaxed) == me);
}

/// Releases a lock.
///
/// # Safety
///
/// The pointer is to a spin lock.
pub(super) unsafe fn release(lock: PKSPIN_LOCK, function: &str) {
    // SAFETY: the pointer is to a spin lock (this function's contract).
    if unsafe { word(lock) }.swap(0, Ordering::Release) == 0 {
        kernel_violation(&format!("{function}: the lock is not held"));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeAcquireSpinLockAtDpcLevel(lock: PKSPIN_LOCK) {
    const NAME: &str = "KeAcquireSpinLockAtDpcLevel";
    require_dispatch(NAME);
    // SAFETY: the caller passes a spin lock.
    unsafe { acquire(lock, NAME) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseSpinLockFromDpcLevel(lock: PKSPIN_LOCK) {
    require_dispatch("KeReleaseSpinLockFromDpcLevel");
    // SAFETY: the caller passes a spin lock.
    unsafe { release(lock, "KeReleaseSpinLockFromDpcLevel") };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeTryToAcquireSpinLockAtDpcLevel(lock: PKSPIN_LOCK) -> BOOLEAN {
    require_dispatch("KeTryToAcquireSpinLockAtDpcLevel");
    // SAFETY: the caller passes a spin lock.
    let word = unsafe { word(lock) };
    let is_taken = word.compare_exchange(0, token(), Ordering::Acquire, Ordering::Relaxed).is_ok();
    if is_taken { TRUE } else { FALSE }
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeTestSpinLock(lock: PKSPIN_LOCK) -> BOOLEAN {
    // SAFETY: the caller passes a spin lock.
    let is_free = unsafe { word(lock) }.load(Ordering::Relaxed) == 0;
    if is_free { TRUE } else { FALSE }
}

/// `KLOCK_QUEUE_HANDLE`: the entry of a thread in the queue of a lock.
///
/// # Invariants
///
/// While `lock` is not null, the thread of this entry holds that lock, and `old_irql` is its IRQL from before.
#[repr(C)]
pub(crate) struct QueueHandle {
    next: *mut QueueHandle,
    /// The lock that is held with this handle; null while it holds none.
    lock: PKSPIN_LOCK,
    old_irql: KIRQL,
}

const _: () = assert!(size_of::<QueueHandle>() == 24);

/// Acquires a lock with a handle.
///
/// # Safety
///
/// The pointers are to a spin lock, and to memory for a handle.
unsafe fn acquire_queued(
    lock: PKSPIN_LOCK,
    handle: *mut QueueHandle,
    old_irql: KIRQL,
    function: &str,
) {
    // SAFETY: the pointer is to a spin lock (this function's contract).
    unsafe { acquire(lock, function) };
    // SAFETY: the pointer is to memory for a handle, which only the caller uses (this function's contract).
    unsafe { handle.write(QueueHandle { next: ptr::null_mut(), lock, old_irql }) };
}

/// Releases the lock of a handle, and returns the IRQL from before its acquisition.
///
/// # Safety
///
/// The pointer is to a handle that a lock was taken with.
unsafe fn release_queued(handle: *mut QueueHandle, function: &str) -> KIRQL {
    // SAFETY: the handle is initialized, and only the caller uses it (this function's contract).
    let handle = unsafe { &mut *handle };
    let lock = std::mem::replace(&mut handle.lock, ptr::null_mut());
    if lock.is_null() {
        kernel_violation(&format!("{function}: no lock is held with this handle"));
    }
    // SAFETY: the handle has the lock that it was taken with.
    unsafe { release(lock, function) };
    handle.old_irql
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeAcquireInStackQueuedSpinLock(lock: PKSPIN_LOCK, handle: *mut QueueHandle) {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a spin lock and memory for a handle.
    unsafe { acquire_queued(lock, handle, old, "KeAcquireInStackQueuedSpinLock") };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseInStackQueuedSpinLock(handle: *mut QueueHandle) {
    // SAFETY: the caller passes the handle that it has taken a lock with.
    KeLowerIrql(unsafe { release_queued(handle, "KeReleaseInStackQueuedSpinLock") });
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeAcquireInStackQueuedSpinLockAtDpcLevel(
    lock: PKSPIN_LOCK,
    handle: *mut QueueHandle,
) {
    const NAME: &str = "KeAcquireInStackQueuedSpinLockAtDpcLevel";
    require_dispatch(NAME);
    // SAFETY: the caller passes a spin lock and memory for a handle.
    unsafe { acquire_queued(lock, handle, current_irql(), NAME) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut QueueHandle) {
    const NAME: &str = "KeReleaseInStackQueuedSpinLockFromDpcLevel";
    require_dispatch(NAME);
    // SAFETY: the caller passes the handle that it has taken a lock with.
    unsafe { release_queued(handle, NAME) };
}
