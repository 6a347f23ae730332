//! Storage for the driver's state, from `DriverEntry` to `DriverUnload`.
//!
//! # Safety
//!
//! [`Slot`] is `Sync` without a lock: the callers of its methods vouch that calls do not overlap.

#![expect(unsafe_code, reason = "Sync without a lock; see Safety")]

use core::cell::UnsafeCell;

/// A static that `DriverEntry` fills and `DriverUnload` empties.
///
/// # Invariants
///
/// The calls of `put` and `take` do not overlap: the contract of both.
pub struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: calls of `put` and `take` do not overlap (the invariant of Slot), so the value is never accessed from two threads
// at once. They may run on different threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// Creates an empty slot.
    #[must_use]
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Stores the value.
    ///
    /// # Safety
    ///
    /// No other call on the slot is in progress. Calling it from `DriverEntry` suffices: the system calls that once, before
    /// `DriverUnload`.
    pub unsafe fn put(&self, value: T) {
        // SAFETY: no other call accesses the value at the same time (this function's contract).
        unsafe { *self.0.get() = Some(value) };
    }

    /// Removes and returns the value.
    ///
    /// # Safety
    ///
    /// No other call on the slot is in progress. Calling it from `DriverUnload` suffices: the system calls that once, after
    /// `DriverEntry`.
    pub unsafe fn take(&self) -> Option<T> {
        // SAFETY: no other call accesses the value at the same time (this function's contract).
        let value = unsafe { &mut *self.0.get() };
        value.take()
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::empty()
    }
}
