//! An operation that is embedded in another object and issued once, with a completion routine of its own and nothing but an
//! IRP: a socket's close.
//!
//! # Safety
//!
//! The object around the operation keeps the memory until the routine has returned; every function that relies on
//! this says so.

#![expect(unsafe_code, reason = "see Safety")]

use core::task::{Context, Poll, Waker};

use wsk_sys::{PDEVICE_OBJECT, PIRP, PVOID};

use super::CompletionRoutine;
use super::packet::Packet;
use super::state::{Handover, LeaveOutcome, OperationState, RequestKind};
use crate::pool::write_fields;

/// An operation that is issued once.
///
/// # Invariants
///
/// The system owns the packet while the operation is in flight; otherwise the containing object does.
pub(crate) struct OnceOperation {
    packet: Packet,
    state: OperationState,
}

// SAFETY: `state` says which thread may access the packet, and is itself shared by atomics.
unsafe impl Send for OnceOperation {}
// SAFETY: `state` says which thread may access the packet, and is itself shared by atomics.
unsafe impl Sync for OnceOperation {}

impl OnceOperation {
    /// Writes an idle operation to its final place; [`initialize`](Self::initialize) comes next.
    ///
    /// # Safety
    ///
    /// `place` is valid for writes of an operation, and no one else uses it.
    pub(crate) unsafe fn write(place: *mut Self) {
        // SAFETY: `write_fields` calls this with the place of the field.
        let packet = |place| unsafe { Packet::write(place) };
        // SAFETY: `place` is valid for writes, by this function's contract.
        write_fields!(
            place,
            OnceOperation {
                packet => packet,
                state: OperationState::new(),
            }
        );
    }

    /// Initializes the packet as an IRP. From then on, the operation must not move.
    ///
    /// # Safety
    ///
    /// The operation is in the nonpaged memory where it stays, and was not issued.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: the IRP is not in use, and stays in its nonpaged memory.
        unsafe { self.packet.initialize() };
    }

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
            && unsafe { self.packet.ready_guarded(routine, context, device) }.is_ok();
        if !is_guarded {
            // SAFETY: the operation is initialized and was never in flight, and `routine` takes `context`, by this
            // function's contract.
            unsafe { self.packet.ready(routine, context) };
        }
        self.state.start_abandoned_unless_started();
        self.packet.irp()
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
        // Either result is fine: the completion routine has its own reference to the memory.
        let (LeaveOutcome::Left | LeaveOutcome::Completed) = self.state.abandon();
    }
}
