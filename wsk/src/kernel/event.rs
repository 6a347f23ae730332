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

/// A `KEVENT` that resets itself when it releases a thread.
///
/// # Invariants
///
/// After [`initialize`](Self::initialize), it is a `KEVENT` in nonpaged memory that does not move, and only the kernel's
/// functions access it.
pub(crate) struct Event(UnsafeCell<MaybeUninit<KEVENT>>);

// SAFETY: only the kernel's functions access it (Invariants), in any thread; before its initialization it is plain
// memory.
unsafe impl Send for Event {}
// SAFETY: only the kernel's functions access it (Invariants), and they synchronize.
unsafe impl Sync for Event {}

impl Event {
    /// Creates an uninitialized event; see [`Event::initialize`].
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Initializes the event, not signaled, before any other use. Afterwards it must not move, because an event has
    /// pointers into itself.
    ///
    /// # Safety
    ///
    /// The event is in nonpaged memory, does not move afterwards, and was not initialized before.
    pub(crate) unsafe fn initialize(&self) {
        // INVARIANT: the memory is nonpaged and does not move (this function's contract), and becomes a `KEVENT` here.
        // SAFETY: the memory has the size of an event, is nonpaged, and has no other user before the initialization.
        unsafe { KeInitializeEvent(self.as_ptr(), SynchronizationEvent, FALSE) };
    }

    /// Signals the event. IRQL: <= `DISPATCH_LEVEL`. The released thread may free the event before this function
    /// returns.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn set(&self) {
        const INCREMENT: KPRIORITY = IO_NO_INCREMENT as KPRIORITY;
        // SAFETY: the event was initialized (this function's contract); with Wait false the IRQL may be DISPATCH_LEVEL.
        unsafe { KeSetEvent(self.as_ptr(), INCREMENT, FALSE) };
    }

    /// Waits until the event is signaled, and resets it.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn wait(&self, _passive: Passive) {
        // The status is ignored: a wait without a timeout that is not alertable has one outcome.
        // SAFETY: the event was initialized (this function's contract), and the token proves that this thread may wait.
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

    /// Waits until the event is signaled, and resets it; or until `timeout` has passed. Returns whether it was
    /// signaled.
    ///
    /// # Safety
    ///
    /// The event was initialized.
    pub(crate) unsafe fn wait_for(&self, _passive: Passive, timeout: Duration) -> bool {
        // Negative is relative.
        let mut timeout = LARGE_INTEGER { QuadPart: -ticks(timeout) };
        // SAFETY: the event was initialized (this function's contract), the timeout is valid during the call, and the
        // token proves that this thread may wait.
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
