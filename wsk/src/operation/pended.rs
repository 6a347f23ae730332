//! An operation that is prepared in a callback, for a decision that may be made before the callback has returned.
//!
//! WSK takes a pended decision by a call, but only after the callback has returned. A decision that comes earlier is
//! what the callback returns, and the operation is not needed. So the operation has two halves, as one in flight has:
//! the end of the callback is its completion, and a decision that comes before is its abandonment. [`OperationState`]
//! decides which half gets the operation.
//!
//! [`OperationState`]: super::state::OperationState
//!
//! # Safety
//!
//! The operation stays in place until both halves have left it. The decision is written by the one half before it
//! leaves, and read by the other after that.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use super::state::{Handover, LeaveOutcome, RequestKind};
use super::{Idle, Operation};

/// The half of the code that will decide. It must be given to [`PendedIrp::take`]; otherwise the operation leaks.
///
/// # Invariants
///
/// The pointer came from [`Idle::split`], and this half has not left the operation.
pub(crate) struct PendedIrp(NonNull<Operation>);

// SAFETY: it is one of the two halves of an operation, whose state is shared.
unsafe impl Send for PendedIrp {}
// SAFETY: it has no methods on a shared reference.
unsafe impl Sync for PendedIrp {}

impl Idle {
    /// Splits the operation: the pointer is the callback's half, for [`finish_callback`].
    pub(crate) fn split(self) -> (PendedIrp, NonNull<Operation>) {
        self.operation().state.start(RequestKind::Other);
        let operation = self.into_raw();
        // INVARIANT: neither half has left the operation, which was put in flight just now.
        (PendedIrp(operation), operation)
    }
}

impl PendedIrp {
    /// Takes the operation for a decision, if the callback has returned. If not, the callback returns the decision,
    /// and keeps the operation.
    pub(crate) fn take(self, decision: bool) -> Option<Idle> {
        // SAFETY: this half has not left the operation.
        let request = unsafe { self.0.as_ref() };
        // SAFETY: the callback's half uses the payload only after this half has left the operation.
        let payload = unsafe { &mut *request.payload.get() };
        payload.control.bytes_mut()[0] = decision.into();
        match request.state.abandon() {
            // SAFETY: the callback's half has left the operation.
            LeaveOutcome::Completed => Some(unsafe { Idle::from_raw(self.0) }),
            LeaveOutcome::Left => None,
        }
    }
}

/// Ends the callback's half. Returns the decision, if it was made, and the operation with it.
///
/// # Safety
///
/// The half came from [`Idle::split`], and is used once.
pub(crate) unsafe fn finish_callback(operation: NonNull<Operation>) -> Option<(bool, Idle)> {
    // SAFETY: the callback's half, which ends here, has not left the operation.
    match unsafe { operation.as_ref() }.state.complete() {
        // No future waits for this with a waker.
        Handover::Owner(_) => None,
        Handover::Abandoned | Handover::Orphaned => {
            // SAFETY: the other half has left the operation.
            let mut idle = unsafe { Idle::from_raw(operation) };
            let decision = idle.payload().control.bytes()[0] != 0;
            Some((decision, idle))
        }
    }
}
