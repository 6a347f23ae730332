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
///
/// # Invariants
///
/// After [`initialize`](Self::initialize), it is a `KSEMAPHORE` in nonpaged memory that does not move, and only the
/// kernel's functions access it.
pub(crate) struct Semaphore(UnsafeCell<MaybeUninit<KSEMAPHORE>>);

// SAFETY: only the kernel's functions access it (Invariants), in any thread; before its initialization it is plain
// memory.
unsafe impl Send for Semaphore {}
// SAFETY: only the kernel's functions access it (Invariants), and they synchronize.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    /// Creates an uninitialized semaphore; see [`Semaphore::initialize`].
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Initializes the semaphore with a count of zero, before any other use. Afterwards it must not move, because a
    /// semaphore has pointers into itself.
    ///
    /// # Safety
    ///
    /// The semaphore is in nonpaged memory, does not move afterwards, and was not initialized before.
    pub(crate) unsafe fn initialize(&self) {
        // INVARIANT: the memory is nonpaged and does not move (this function's contract), and becomes a `KSEMAPHORE`
        // here.
        // SAFETY: the memory has the size of a semaphore, is nonpaged, and has no other user before the initialization.
        unsafe { KeInitializeSemaphore(self.as_ptr(), 0, LONG::MAX) };
    }

    /// Releases `count` waits. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The semaphore was initialized, and the number of releases does not exceed the number of waits.
    pub(crate) unsafe fn release(&self, count: LONG) {
        const INCREMENT: KPRIORITY = IO_NO_INCREMENT as KPRIORITY;
        if count > 0 {
            // SAFETY: the semaphore was initialized, and each release has its wait, so that the count stays below the
            // limit (this function's contract); with Wait false the IRQL may be DISPATCH_LEVEL.
            unsafe { KeReleaseSemaphore(self.as_ptr(), INCREMENT, count, FALSE) };
        }
    }

    /// Waits for a release.
    ///
    /// # Safety
    ///
    /// The semaphore was initialized.
    pub(crate) unsafe fn wait(&self, _passive: Passive) {
        // The status is ignored: a wait without a timeout that is not alertable has one outcome.
        // SAFETY: the semaphore was initialized (this function's contract), and the token proves that this thread may
        // wait.
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
