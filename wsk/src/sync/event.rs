//! An event that releases one waiting thread.
//!
//! # Safety
//!
//! The kernel's object is initialized in the place where it stays.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;

use wsk_sys::{
    Executive, FALSE, IO_NO_INCREMENT, KEVENT, KPRIORITY, KeInitializeEvent, KeSetEvent,
    KeWaitForSingleObject, KernelMode, LARGE_INTEGER, PRKEVENT, STATUS_TIMEOUT,
    SynchronizationEvent,
};

use super::ticks;
use crate::irql::Passive;

/// A `KEVENT` of the kind that resets itself when it releases a thread.
pub(crate) struct Event(UnsafeCell<MaybeUninit<KEVENT>>);

// SAFETY: the kernel synchronizes every access.
unsafe impl Send for Event {}
// SAFETY: the kernel synchronizes every access.
unsafe impl Sync for Event {}

impl Event {
    /// Room for an event; see [`Event::initialize`].
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Makes it an event that is not signaled. Before any other use; afterwards it must not move,
    /// since an event has pointers into itself.
    ///
    /// # Safety
    ///
    /// The event is where it stays, in nonpaged memory, and was not initialized before.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: the memory is an event's, nonpaged, and nobody uses it yet.
        unsafe { KeInitializeEvent(self.as_ptr(), SynchronizationEvent, FALSE) };
    }

    /// Signals the event. IRQL: <= `DISPATCH_LEVEL`. The event may be gone when this returns, if the
    /// thread that waited frees it.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn set(&self) {
        const INCREMENT: KPRIORITY = IO_NO_INCREMENT as KPRIORITY;
        // SAFETY: the event is valid; with Wait false the IRQL may be DISPATCH_LEVEL.
        unsafe { KeSetEvent(self.as_ptr(), INCREMENT, FALSE) };
    }

    /// Waits until the event is signaled, and resets it.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn wait(&self, _passive: Passive) {
        // The status says nothing: the wait has no time-out and is not alertable.
        // SAFETY: the event is valid, and the token says that this thread may wait.
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

    /// As [`Event::wait`], at most so long. Whether the event was signaled.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn wait_for(&self, _passive: Passive, timeout: Duration) -> bool {
        // Negative is relative.
        let mut timeout = LARGE_INTEGER { QuadPart: -ticks(timeout) };
        // SAFETY: the event is valid, and the token says that this thread may wait.
        let status = unsafe {
            KeWaitForSingleObject(
                self.as_ptr().cast(),
                Executive,
                KernelMode,
                FALSE,
                &raw mut timeout,
            )
        };
        // A wait that is not alertable ends in one of two ways.
        status != STATUS_TIMEOUT
    }

    const fn as_ptr(&self) -> PRKEVENT {
        self.0.get().cast()
    }
}
