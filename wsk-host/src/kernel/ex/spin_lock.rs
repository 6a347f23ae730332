//! `Ex…ExSpinLock…`: spin locks of one writer or many readers.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wsk_sys::{DISPATCH_LEVEL, FALSE, KIRQL, LONG, TRUE};

use crate::kernel::interrupt;
use crate::kernel::ke::dispatcher::{Token, token};
use crate::kernel::ke::dpc_spin_lock::require_dispatch;
use crate::kernel::ke::irql::{KeLowerIrql, KfRaiseIrql};
use crate::kernel::ke::spinning::spin;
use crate::verifier::kernel_violation;

/// The bit of a writer, which also keeps further readers out while it waits. Below it is the number of readers.
const WRITER: u32 = 1 << 31;

/// `EX_SPIN_LOCK`.
type ExSpinLock = LONG;

/// The threads that hold each lock, by its address: its word has room for their number only.
static HOLDERS: Mutex<Option<HashMap<usize, Vec<Token>>>> = Mutex::new(None);

/// A lock.
struct Lock<'a> {
    address: usize,
    word: &'a AtomicU32,
}

impl Lock<'_> {
    /// The lock behind a pointer.
    ///
    /// # Safety
    ///
    /// The pointer is to a lock, which outlives the result.
    unsafe fn new(lock: *mut ExSpinLock) -> Self {
        // SAFETY: the pointer is to a lock, an aligned word of 32 bits that is only used atomically (this function's
        // contract).
        Self { address: lock.addr(), word: unsafe { AtomicU32::from_ptr(lock.cast()) } }
    }

    fn holders() -> MutexGuard<'static, Option<HashMap<usize, Vec<Token>>>> {
        HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own(&self) -> bool {
        let holders = Self::holders();
        let of_lock = holders.as_ref().and_then(|holders| holders.get(&self.address));
        of_lock.is_some_and(|of_lock| of_lock.contains(&token()))
    }

    /// Records that the current thread holds the lock.
    fn own(&self) {
        Self::holders().get_or_insert_default().entry(self.address).or_default().push(token());
    }

    /// Records that a holder is about to release the lock: the current thread, or another if it holds none.
    fn disown(&self) {
        let mut holders = Self::holders();
        let Some(holders) = holders.as_mut() else { return };
        let Some(of_lock) = holders.get_mut(&self.address) else { return };
        let own = of_lock.iter().position(|holder| *holder == token());
        of_lock.swap_remove(own.unwrap_or(0));
        if of_lock.is_empty() {
            holders.remove(&self.address);
        }
    }

    fn acquire_exclusive(&self, function: &str) {
        let is_first = || self.word.fetch_or(WRITER, Ordering::Acquire) & WRITER == 0;
        spin(function, is_first, || self.is_own());
        let is_alone = || self.word.load(Ordering::Acquire) == WRITER;
        spin(function, is_alone, || self.is_own());
        self.own();
    }

    fn acquire_shared(&self, function: &str) {
        let attempt = || {
            let readers = self.word.load(Ordering::Relaxed) & !WRITER;
            let (new, success) = (readers + 1, Ordering::Acquire);
            self.word.compare_exchange(readers, new, success, Ordering::Relaxed).is_ok()
        };
        spin(function, attempt, || self.is_own());
        self.own();
    }

    fn release_exclusive(&self, function: &str) {
        self.disown();
        if self.word.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            kernel_violation(&format!("{function}: the lock is not held exclusively"));
        }
    }

    fn release_shared(&self, function: &str) {
        self.disown();
        let taken = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            (word & !WRITER != 0).then(|| word - 1)
        });
        if taken.is_err() {
            kernel_violation(&format!("{function}: the lock is not held shared"));
        }
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockExclusive(lock: *mut ExSpinLock) -> KIRQL {
    const NAME: &str = "ExAcquireSpinLockExclusive";
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.acquire_exclusive(NAME);
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockShared(lock: *mut ExSpinLock) -> KIRQL {
    const NAME: &str = "ExAcquireSpinLockShared";
    interrupt();
    let old = KfRaiseIrql(DISPATCH_LEVEL);
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.acquire_shared(NAME);
    old
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockExclusive(lock: *mut ExSpinLock, irql: KIRQL) {
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.release_exclusive("ExReleaseSpinLockExclusive");
    KeLowerIrql(irql);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockShared(lock: *mut ExSpinLock, irql: KIRQL) {
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.release_shared("ExReleaseSpinLockShared");
    KeLowerIrql(irql);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockExclusiveAtDpcLevel(lock: *mut ExSpinLock) {
    const NAME: &str = "ExAcquireSpinLockExclusiveAtDpcLevel";
    require_dispatch(NAME);
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.acquire_exclusive(NAME);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireSpinLockSharedAtDpcLevel(lock: *mut ExSpinLock) {
    const NAME: &str = "ExAcquireSpinLockSharedAtDpcLevel";
    require_dispatch(NAME);
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.acquire_shared(NAME);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockExclusiveFromDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExReleaseSpinLockExclusiveFromDpcLevel");
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.release_exclusive("ExReleaseSpinLockExclusiveFromDpcLevel");
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseSpinLockSharedFromDpcLevel(lock: *mut ExSpinLock) {
    require_dispatch("ExReleaseSpinLockSharedFromDpcLevel");
    // SAFETY: the caller passes a lock.
    unsafe { Lock::new(lock) }.release_shared("ExReleaseSpinLockSharedFromDpcLevel");
}

/// Makes the only reader the writer. Fails while others read or a writer waits.
#[wsk_host_macros::export]
unsafe extern "C" fn ExTryConvertSharedSpinLockExclusive(lock: *mut ExSpinLock) -> LONG {
    require_dispatch("ExTryConvertSharedSpinLockExclusive");
    // SAFETY: the caller passes a lock.
    let Lock { word, .. } = unsafe { Lock::new(lock) };
    if word.load(Ordering::Relaxed) & !WRITER == 0 {
        kernel_violation("ExTryConvertSharedSpinLockExclusive: the lock is not held shared");
    }
    let converted = word.compare_exchange(1, WRITER, Ordering::Acquire, Ordering::Relaxed);
    LONG::from(if converted.is_ok() { TRUE } else { FALSE })
}
