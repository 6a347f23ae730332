//! An operation that is embedded in another object and issued once, with a completion routine of its own: a
//! socket's close.
//!
//! # Safety
//!
//! The object around the operation keeps the memory until the routine has returned; every function that relies on
//! this says so.

#![expect(unsafe_code, reason = "see Safety")]

use core::task::{Context, Poll, Waker};

use wsk_sys::{PDEVICE_OBJECT, PIRP, PVOID};

use super::state::{Handover, Leave, RequestKind};
use super::{CompletionRoutine, Operation};

impl Operation {
    /// Declares that a future will wait for the completion. Before the request is issued.
    pub(crate) fn expect_waiter(&self) {
        self.state.start(RequestKind::Other);
    }

    /// Readies the IRP. Unless [`expect_waiter`](Self::expect_waiter) was called, no future waits for the completion.
    ///
    /// If `device` is not null, the driver is unloaded only after the routine has returned. This takes an allocation, and a
    /// close must not fail: if the allocation fails, the driver can be unloaded earlier, as without a device.
    ///
    /// # Safety
    ///
    /// - `device` is null or a device of the driver.
    /// - The operation was never in flight, its IRP is initialized, and its memory stays until `routine` has
    ///   returned, which may be called with `context`.
    /// - The caller hands the IRP to WSK next.
    pub(crate) unsafe fn ready_once(
        &self,
        routine: CompletionRoutine,
        context: PVOID,
        device: PDEVICE_OBJECT,
    ) -> PIRP {
        let is_guarded = !device.is_null()
            // SAFETY: the operation is initialized and was never in flight, `routine` takes `context`, and the caller
            // passes the IRP on, by this function's contract.
            && unsafe { self.ready_guarded(routine, context, device) }.is_ok();
        if !is_guarded {
            // SAFETY: the operation is initialized and was never in flight, and `routine` takes `context`, by this
            // function's contract.
            unsafe { self.ready(routine, context) };
        }
        self.state.start_abandoned_unless_started();
        self.irp()
    }

    /// For the completion routine: the waker to wake, if a future waits.
    pub(crate) fn complete_once(&self) -> Option<Waker> {
        match self.state.complete() {
            Handover::Owner(waker) => waker,
            Handover::Abandoned | Handover::Orphaned => None,
        }
    }

    /// For the future that waits.
    pub(crate) fn poll_once(&self, context: &Context<'_>) -> Poll<()> {
        self.state.poll(context.waker())
    }

    /// For the future that waited, when it is dropped.
    pub(crate) fn detach_waiter(&self) {
        // Either answer is fine: the completion routine has a reference of its own to the memory.
        let (Leave::Left | Leave::Completed) = self.state.abandon();
    }
}
