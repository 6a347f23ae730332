//! `Ex…FastMutex`: mutexes whose owner is at `APC_LEVEL`.
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

use wsk_sys::{APC_LEVEL, BOOLEAN, FALSE, KEVENT, LONG, PVOID, TRUE, ULONG};

use crate::kernel::ex::queued_lock::{LockMode, acquire, release, try_acquire};
use crate::kernel::ke::irql::{KeLowerIrql, KfRaiseIrql, current_irql, require_at_most};
use crate::kernel::ke::region::are_apcs_disabled;
use crate::verifier::kernel_violation;

/// `FAST_MUTEX`. `ExInitializeFastMutex` is inline code of the header; the host does not use its event.
///
/// # Invariants
///
/// In an initialized mutex, `count` is 1 and `owner` is null while no thread owns it; otherwise `owner` is the owning
/// thread, and `old_irql` its IRQL from before.
#[repr(C)]
pub(crate) struct FastMutex {
    /// 1 if it is free.
    count: LONG,
    owner: PVOID,
    contention: ULONG,
    event: KEVENT,
    /// The owner's IRQL before it acquired the mutex.
    old_irql: ULONG,
}

const _: () = assert!(size_of::<FastMutex>() == 0x38);

/// The mark of an initialized mutex: its event's header has the kind of a synchronization event, and no other function
/// changes it.
unsafe fn require_initialized(mutex: *mut FastMutex, function: &str) {
    // SAFETY: the caller's caller passes a mutex.
    let header = unsafe { &raw mut (*mutex).event.Header };
    // SAFETY: the header is within the mutex.
    let kind = unsafe { wsk_sys::fields::dispatcher_lock(header).read() };
    if kind != 1 {
        kernel_violation(&format!("{function}: the fast mutex is not initialized"));
    }
}

/// Records that the current thread owns a mutex.
///
/// # Safety
///
/// The mutex was just acquired.
unsafe fn own(mutex: *mut FastMutex, irql: u8) {
    // SAFETY: the owner alone uses these members.
    unsafe {
        (&raw mut (*mutex).count).write(0);
        (&raw mut (*mutex).owner).write(ptr::without_provenance_mut(1));
        (&raw mut (*mutex).old_irql).write(irql.into());
    }
}

/// Releases a mutex, and returns the IRQL from before it was acquired.
///
/// # Safety
///
/// The pointer is to a mutex.
unsafe fn give_back(mutex: *mut FastMutex, function: &str) -> u8 {
    // SAFETY: the pointer is to a mutex (this function's contract), which the current thread owns, or else is stopped
    // below.
    let irql = unsafe { (*mutex).old_irql };
    // SAFETY: the pointer is to a mutex, which the current thread owns, or else is stopped below.
    unsafe {
        (&raw mut (*mutex).owner).write(ptr::null_mut());
        (&raw mut (*mutex).count).write(1);
    }
    release(mutex.addr(), LockMode::Exclusive, function);
    u8::try_from(irql).unwrap_or(APC_LEVEL)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireFastMutex(mutex: *mut FastMutex) {
    const NAME: &str = "ExAcquireFastMutex";
    require_at_most(APC_LEVEL, NAME);
    // SAFETY: the caller passes a mutex.
    unsafe { require_initialized(mutex, NAME) };
    let old = KfRaiseIrql(APC_LEVEL);
    acquire(mutex.addr(), LockMode::Exclusive, NAME);
    // SAFETY: it was just acquired.
    unsafe { own(mutex, old) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExTryToAcquireFastMutex(mutex: *mut FastMutex) -> BOOLEAN {
    const NAME: &str = "ExTryToAcquireFastMutex";
    require_at_most(APC_LEVEL, NAME);
    // SAFETY: the caller passes a mutex.
    unsafe { require_initialized(mutex, NAME) };
    if !try_acquire(mutex.addr(), LockMode::Exclusive, NAME) {
        return FALSE;
    }
    let old = KfRaiseIrql(APC_LEVEL);
    // SAFETY: it was just acquired.
    unsafe { own(mutex, old) };
    TRUE
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseFastMutex(mutex: *mut FastMutex) {
    const NAME: &str = "ExReleaseFastMutex";
    if current_irql() != APC_LEVEL {
        kernel_violation(&format!(
            "{NAME}: called at IRQL {}, requires {APC_LEVEL}",
            current_irql()
        ));
    }
    // SAFETY: the caller passes a mutex.
    KeLowerIrql(unsafe { give_back(mutex, NAME) });
}

fn require_no_apcs(function: &str) {
    require_at_most(APC_LEVEL, function);
    if !are_apcs_disabled() {
        kernel_violation(&format!(
            "{function}: normal kernel APCs are enabled; call KeEnterCriticalRegion first"
        ));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireFastMutexUnsafe(mutex: *mut FastMutex) {
    const NAME: &str = "ExAcquireFastMutexUnsafe";
    require_no_apcs(NAME);
    // SAFETY: the caller passes a mutex.
    unsafe { require_initialized(mutex, NAME) };
    acquire(mutex.addr(), LockMode::Exclusive, NAME);
    // SAFETY: it was just acquired.
    unsafe { own(mutex, current_irql()) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseFastMutexUnsafe(mutex: *mut FastMutex) {
    const NAME: &str = "ExReleaseFastMutexUnsafe";
    require_no_apcs(NAME);
    // SAFETY: the caller passes a mutex.
    unsafe { give_back(mutex, NAME) };
}
