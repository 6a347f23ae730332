//! What `DriverEntry` leaves to `DriverUnload`.

use core::cell::UnsafeCell;

/// Room for what a driver has running, from its entry point to its unload routine.
pub struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: `put` and `take` are called one after the other, as their callers promise; in other threads than each other,
// which is what `Send` is for.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// Without anything in it.
    #[must_use]
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Keeps the value.
    ///
    /// # Safety
    ///
    /// Nobody else uses the slot meanwhile: this is `DriverEntry`, which the system calls once, before `DriverUnload`.
    pub unsafe fn put(&self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { *self.0.get() = Some(value) };
    }

    /// Gives the value out, if there is one.
    ///
    /// # Safety
    ///
    /// Nobody else uses the slot meanwhile: this is `DriverUnload`, which the system calls once, after `DriverEntry`.
    pub unsafe fn take(&self) -> Option<T> {
        // SAFETY: the caller's promise.
        let place = unsafe { &mut *self.0.get() };
        place.take()
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::empty()
    }
}
