//! A semaphore.
//!
//! # Safety
//!
//! The kernel's object is initialized in the place where it stays.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;

use wsk_sys::{
    Executive, FALSE, IO_NO_INCREMENT, KPRIORITY, KSEMAPHORE, KeInitializeSemaphore,
    KeReleaseSemaphore, KeWaitForSingleObject, KernelMode, LONG, PRKSEMAPHORE,
};

use crate::irql::Passive;

/// A `KSEMAPHORE`.
pub(crate) struct Semaphore(UnsafeCell<MaybeUninit<KSEMAPHORE>>);

// SAFETY: the kernel synchronizes every access.
unsafe impl Send for Semaphore {}
// SAFETY: the kernel synchronizes every access.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    /// Room for a semaphore; see [`Semaphore::initialize`].
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Makes it a semaphore with a count of zero. Before any other use; afterwards it must not move,
    /// since a semaphore has pointers into itself.
    ///
    /// # Safety
    ///
    /// The semaphore is where it stays, in nonpaged memory, and was not initialized before.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: the memory is a semaphore's, nonpaged, and nobody uses it yet.
        unsafe { KeInitializeSemaphore(self.as_ptr(), 0, LONG::MAX) };
    }

    /// Releases `count` waits. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The semaphore was initialized, and is released at most as often as it is waited for.
    pub(crate) unsafe fn release(&self, count: LONG) {
        const INCREMENT: KPRIORITY = IO_NO_INCREMENT as KPRIORITY;
        if count > 0 {
            // SAFETY: the semaphore is valid, and its limit out of reach; with Wait false the IRQL may be
            // DISPATCH_LEVEL.
            unsafe { KeReleaseSemaphore(self.as_ptr(), INCREMENT, count, FALSE) };
        }
    }

    /// Waits for a release.
    ///
    /// # Safety
    ///
    /// The semaphore was initialized.
    pub(crate) unsafe fn wait(&self, _passive: Passive) {
        // The status says nothing: the wait has no time-out and is not alertable.
        // SAFETY: the semaphore is valid, and the token says that this thread may wait.
        unsafe {
            KeWaitForSingleObject(
                self.as_ptr().cast(),
                Executive,
                KernelMode,
                FALSE,
                ptr::null_mut(),
            )
        };
    }

    const fn as_ptr(&self) -> PRKSEMAPHORE {
        self.0.get().cast()
    }
}
