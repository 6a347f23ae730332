//! Storage for a driver's state, from `DriverEntry` to `DriverUnload`.
//!
//! # Safety
//!
//! A state is stored as a pointer without its type, which the callers of `take` name again.

#![expect(unsafe_code, reason = "see Safety")]

use core::alloc::{GlobalAlloc as _, Layout};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use wsk::pool::NonPaged;
use wsk_sys::image::image_static;

/// The state of this driver, in nonpaged pool. Null unless the driver is loaded.
static STATE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

fn state() -> &'static AtomicPtr<()> {
    // SAFETY: a null pointer is zeroes, and this is the only call for this static.
    unsafe { image_static(&STATE) }
}

/// The alignment that pool memory has.
const MAX_ALIGNMENT: usize = 16;

/// A place in the pool for a state.
///
/// # Invariants
///
/// The pointer is to uninitialized memory of the pool for a `T`, which this value owns.
pub(crate) struct StateAllocation<T>(*mut T);

impl<T> StateAllocation<T> {
    /// `None` if allocation fails.
    pub(crate) fn allocate() -> Option<Self> {
        const { assert!(align_of::<T>() <= MAX_ALIGNMENT && size_of::<T>() != 0) };
        // SAFETY: the size is not zero.
        let memory: *mut T = unsafe { NonPaged.alloc(Layout::new::<T>()) }.cast();
        // INVARIANT: the memory was just allocated, with the size and the alignment of a `T`.
        (!memory.is_null()).then_some(Self(memory))
    }

    /// Stores the state.
    ///
    /// # Safety
    ///
    /// No state is stored, and no other call of this module is in progress.
    pub(crate) unsafe fn store(self, value: T) {
        // SAFETY: the memory is for a `T` (Invariants).
        unsafe { self.0.write(value) };
        state().store(self.0.cast(), Ordering::Release);
        core::mem::forget(self);
    }
}

impl<T> Drop for StateAllocation<T> {
    fn drop(&mut self) {
        // SAFETY: the memory is of the pool, and owned by this value (Invariants).
        unsafe { NonPaged.dealloc(self.0.cast(), Layout::new::<T>()) };
    }
}

/// Removes and returns the state. `None` if none is stored.
///
/// # Safety
///
/// `T` is the type of the stored state, and no other call of this module is in progress.
pub(crate) unsafe fn take<T: Send>() -> Option<T> {
    let memory: *mut T = state().swap(ptr::null_mut(), Ordering::Acquire).cast();
    if memory.is_null() {
        return None;
    }
    // SAFETY: `StateAllocation::store` has written a `T` (this function's contract), which is read once.
    let value = unsafe { memory.read() };
    // SAFETY: the memory is from `StateAllocation::allocate`, and its value was moved out.
    unsafe { NonPaged.dealloc(memory.cast(), Layout::new::<T>()) };
    Some(value)
}
