//! `Io…CancelSpinLock`, and the end of an IRP that was not allocated.
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wsk_sys::{DISPATCH_LEVEL, KIRQL, PIRP};

use crate::kernel::current;
use crate::kernel::interrupt;
use crate::kernel::ke::irql::{KeLowerIrql, KfRaiseIrql, require_at_most};
use crate::verifier::kernel_violation;

/// The system's one lock over cancel routines.
static LOCK: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_HELD: Cell<bool> = const { Cell::new(false) };
}

#[wsk_host_macros::export]
pub(super) unsafe extern "C" fn IoAcquireCancelSpinLock(irql: *mut KIRQL) {
    require_at_most(DISPATCH_LEVEL, "IoAcquireCancelSpinLock");
    if IS_HELD.get() {
        kernel_violation("IoAcquireCancelSpinLock: the current thread already holds the lock");
    }
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    while LOCK.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        thread::yield_now();
    }
    IS_HELD.set(true);
    // SAFETY: the caller passes room for a level.
    unsafe { irql.write(old) };
}

#[wsk_host_macros::export]
pub(super) extern "C" fn IoReleaseCancelSpinLock(irql: KIRQL) {
    if !IS_HELD.replace(false) {
        kernel_violation("IoReleaseCancelSpinLock: the current thread does not hold the lock");
    }
    LOCK.store(false, Ordering::Release);
    KeLowerIrql(irql);
}

/// Ends an IRP in the caller's memory. Such an IRP owns nothing that must be freed.
#[wsk_host_macros::export]
extern "C" fn IoCleanupIrp(irp: PIRP) {
    require_at_most(DISPATCH_LEVEL, "IoCleanupIrp");
    current().usage().require_not_in_flight(irp, "IoCleanupIrp");
}
