//! `Ex…SpinLock…`: spin locks of one writer or many readers.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use wsk_sys::{DISPATCH_LEVEL, FALSE, KIRQL, LONG, TRUE};

use crate::kernel::interrupt;
use crate::kernel::ke::dpc_spin_lock::require_dispatch;
use crate::kernel::ke::irql::{KeLowerIrql, KfRaiseIrql};
use crate::verifier::kernel_violation;

/// The bit of a writer, which also keeps further readers out while it waits. Below it is the number of readers.
const WRITER: u32 = 1 << 31;

/// `EX_SPIN_LOCK`.
type ExSpinLock = LONG;

/// The word of a lock.
///
/// # Safety
///
/// The pointer is to such a lock.
unsafe fn word<'a>(lock: *mut ExSpinLock) -> &'a AtomicU32 {
    // SAFETY: the pointer is to a lock, an aligned word of 32 bits that is only used atomically (this function's
    // contract).
    unsafe { AtomicU32::from_ptr(lock.cast()) }
}

fn acquire_exclusive(word: &AtomicU32) {
    while word.fetch_or(WRITER, Ordering::Acquire) & WRITER != 0 {
        thread::yield_now();
    }
    while word.load(Ordering::Acquire) != WRITER {
        thread::yield_now();
    }
}

fn acquire_shared(word: &AtomicU32) {
    loop {
        let readers = word.load(Ordering::Relaxed) & !WRITER;
        let taken =
            word.compare_exchange_weak(readers, readers + 1, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            return;
        }
        thread::yield_now();
    }
}

fn release_exclusive(word: &AtomicU32, function: &str) {
    if word.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed).is_err() {
        kernel_violation(&format!("{function}: the lock is not held exclusively"));
    }
}

fn release_shared(word: &AtomicU32, function: &str) {
    let taken = word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
        (word & !WRITER != 0).then(|| word - 1)
    });
    if taken.is_err() {
        kernel_violation(&format!("{function}: the lock is not held shared"));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockExclusive(lock: *mut ExSpinLock) -> KIRQL {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a lock.
    acquire_exclusive(unsafe { word(lock) });
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockShared(lock: *mut ExSpinLock) -> KIRQL {
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a lock.
    acquire_shared(unsafe { word(lock) });
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockExclusive(lock: *mut ExSpinLock, irql: KIRQL) {
    // SAFETY: the caller passes a lock.
    release_exclusive(unsafe { word(lock) }, "ExReleaseSpinLockExclusive");
    KeLowerIrql(irql);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockShared(lock: *mut ExSpinLock, irql: KIRQL) {
    // SAFETY: the caller passes a lock.
    release_shared(unsafe { word(lock) }, "ExReleaseSpinLockShared");
    KeLowerIrql(irql);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockExclusiveAtDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExAcquireSpinLockExclusiveAtDpcLevel");
    // SAFETY: the caller passes a lock.
    acquire_exclusive(unsafe { word(lock) });
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockSharedAtDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExAcquireSpinLockSharedAtDpcLevel");
    // SAFETY: the caller passes a lock.
    acquire_shared(unsafe { word(lock) });
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockExclusiveFromDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExReleaseSpinLockExclusiveFromDpcLevel");
    // SAFETY: the caller passes a lock.
    release_exclusive(unsafe { word(lock) }, "ExReleaseSpinLockExclusiveFromDpcLevel");
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockSharedFromDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExReleaseSpinLockSharedFromDpcLevel");
    // SAFETY: the caller passes a lock.
    release_shared(unsafe { word(lock) }, "ExReleaseSpinLockSharedFromDpcLevel");
}

/// Makes the only reader the writer. Fails while others read or a writer waits.
#[wsk_host_macros::export]
unsafe extern "C" fn ExTryConvertSharedSpinLockExclusive(lock: *mut ExSpinLock) -> LONG {
    require_dispatch("ExTryConvertSharedSpinLockExclusive");
    // SAFETY: the caller passes a lock.
    let word = unsafe { word(lock) };
    if word.load(Ordering::Relaxed) & !WRITER == 0 {
        kernel_violation("ExTryConvertSharedSpinLockExclusive: the lock is not held shared");
    }
    let converted = word.compare_exchange(1, WRITER, Ordering::Acquire, Ordering::Relaxed);
    LONG::from(if converted.is_ok() { TRUE } else { FALSE })
}
