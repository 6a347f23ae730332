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

use wsk_sys::{DISPATCH_LEVEL, KIRQL, PKSPIN_LOCK};

use super::dpc_spin_lock::{acquire, release};
use super::irql::{KeLowerIrql, KfRaiseIrql};
use crate::kernel::interrupt;

#[wsk_host_macros::export]
unsafe extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a spin lock.
    unsafe { acquire(lock, "KeAcquireSpinLockRaiseToDpc") };
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, irql: KIRQL) {
    // SAFETY: the caller passes a spin lock.
    unsafe { release(lock, "KeReleaseSpinLock") };
    KeLowerIrql(irql);
    // A thread that became ready at the higher level may run first.
    interrupt();
}
