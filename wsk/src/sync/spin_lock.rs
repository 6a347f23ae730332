//! A spin lock that owns what it protects.
//!
//! # Safety
//!
//! The value is accessed only while the lock is held.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use wsk_sys::{KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock};

/// Protects a value that code at `DISPATCH_LEVEL` uses, too. Must be in nonpaged memory.
pub(crate) struct SpinLock<T> {
    lock: UnsafeCell<KSPIN_LOCK>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time to the value.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: the lock lets one thread at a time to the value.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        // Zero is an unlocked lock.
        Self { lock: UnsafeCell::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock, at `DISPATCH_LEVEL` until the guard is dropped. While it is held: no waits,
    /// no calls to code that is not this crate's, and no other lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: the lock was initialized, is nonpaged, and no thread takes two locks.
        let irql = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        Guard { lock: self, irql, not_send: PhantomData }
    }
}

pub(crate) struct Guard<'a, T> {
    lock: &'a SpinLock<T>,
    irql: KIRQL,
    /// The IRQL is this processor's.
    /// Neither `Send` nor `Sync`. Invariance in `T` comes from the lock.
    not_send: PhantomData<*mut ()>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread holds the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock, and the IRQL is the one from before.
        unsafe { KeReleaseSpinLock(self.lock.lock.get(), self.irql) };
    }
}
