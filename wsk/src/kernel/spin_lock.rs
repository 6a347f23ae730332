//! A spin lock that owns its value.
//!
//! # Safety
//!
//! The value is accessed only while the lock is held.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

#[cfg(loom)]
use super::model::{KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock};

#[cfg(not(loom))]
use wsk_sys::{KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock};

#[cfg(loom)]
const UNLOCKED: KSPIN_LOCK = KSPIN_LOCK::UNLOCKED;

#[cfg(not(loom))]
const UNLOCKED: KSPIN_LOCK = 0;

/// A value and the lock that protects it, usable at up to `DISPATCH_LEVEL`. It must be in nonpaged memory.
///
/// # Invariants
///
/// - `lock` is an initialized lock, in nonpaged memory.
/// - `value` is accessed only while `lock` is held, or through an exclusive reference.
pub(crate) struct SpinLock<T> {
    lock: UnsafeCell<KSPIN_LOCK>,
    value: UnsafeCell<T>,
}

// SAFETY: it owns a `T`, and a lock that is a number.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: one thread at a time accesses the value (Invariants), which moves the access between threads (`T: Send`).
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        // INVARIANT: zero is an initialized lock that no thread holds.
        Self { lock: UnsafeCell::new(UNLOCKED), value: UnsafeCell::new(value) }
    }

    /// Acquires the lock. The IRQL is `DISPATCH_LEVEL` until the guard is dropped. Meanwhile the thread must not wait,
    /// call foreign code, or acquire another lock. Locks that implement other crates' traits may: they hold at most one
    /// lock themselves.
    pub(crate) fn lock(&self) -> SpinLockGuard<'_, T> {
        // SAFETY: the lock is initialized and nonpaged (Invariants). A thread that holds it already waits for ever.
        let irql = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        // INVARIANT: this thread has acquired the lock, and `irql` is the previous IRQL.
        SpinLockGuard { lock: self, irql, not_send: PhantomData }
    }
}

/// An acquired [`SpinLock`]. Dropping it releases the lock.
///
/// # Invariants
///
/// The current thread holds the lock, and `irql` is its IRQL from before.
pub(crate) struct SpinLockGuard<'a, T> {
    lock: &'a SpinLock<T>,
    irql: KIRQL,
    /// Neither `Send` nor `Sync`: the IRQL belongs to the processor. The lock makes the type invariant in `T`.
    not_send: PhantomData<*mut ()>,
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock (Invariants), and the value is borrowed as the guard is.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread holds the lock (Invariants), and the value is borrowed as the guard is.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock, and `irql` is its IRQL from before (Invariants).
        unsafe { KeReleaseSpinLock(self.lock.lock.get(), self.irql) };
    }
}
