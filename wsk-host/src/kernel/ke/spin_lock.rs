//! Spin locks.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wsk_sys::{DISPATCH_LEVEL, KIRQL, PKSPIN_LOCK};

use super::irql::{KeLowerIrql, KfRaiseIrql};
use crate::kernel::interrupt;
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a spin lock, a word that is only accessed atomically.
    let lock = unsafe { AtomicUsize::from_ptr(lock.cast()) };
    while lock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        thread::yield_now();
    }
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, irql: KIRQL) {
    // SAFETY: the caller passes a spin lock, a word that is only accessed atomically.
    if unsafe { AtomicUsize::from_ptr(lock.cast()) }.swap(0, Ordering::Release) == 0 {
        kernel_violation("KeReleaseSpinLock: the lock is not held");
    }
    KeLowerIrql(irql);
    // A thread that became ready at the higher level may run first.
    interrupt();
}
