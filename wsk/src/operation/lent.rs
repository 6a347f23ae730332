//! A request that is made ready in a callback, for a decision that may come before the callback has returned.
//!
//! Only when it has returned does WSK take the decision by a call. Until then the callback tells it, and the
//! request is not needed. So the request has two halves, like one in flight: the end of the callback is its
//! completion, and a decision that comes before is its abandonment. [`State`](super::state::State) says who has
//! the request in the end.

use core::ptr::NonNull;

use super::state::{Completion, Leave};
use super::{Idle, Operation};

/// The half of who will decide. To be given to [`Lent::take`], or the request is leaked.
pub(crate) struct Lent(NonNull<Operation>);

// SAFETY: it is one of the two halves of the request, whose state is shared.
unsafe impl Send for Lent {}
// SAFETY: it has no methods on a shared reference.
unsafe impl Sync for Lent {}

impl Idle {
    /// Divides the request: the pointer is the callback's half, for [`callback_ends`].
    pub(crate) fn lend(self) -> (Lent, NonNull<Operation>) {
        self.operation().state.start();
        let operation = self.into_raw();
        (Lent(operation), operation)
    }
}

impl Lent {
    /// Takes the request for a decision, if the callback has returned. If not, the callback is told the decision,
    /// and keeps the request.
    pub(crate) fn take(self, decision: bool) -> Option<Idle> {
        // SAFETY: the request is there until one of the halves has left it.
        let request = unsafe { self.0.as_ref() };
        // SAFETY: the callback's half uses the payload only after this one has left the request.
        let payload = unsafe { &mut *request.payload.get() };
        payload.control.bytes_mut()[0] = decision.into();
        match request.state.abandon() {
            // SAFETY: the callback has left the request.
            Leave::Completed => Some(unsafe { Idle::from_raw(self.0) }),
            Leave::Left => None,
        }
    }
}

/// Ends the callback's half: the decision, if there is one, and the request with it.
///
/// # Safety
///
/// The half came from [`Idle::lend`], and is used once.
pub(crate) unsafe fn callback_ends(operation: NonNull<Operation>) -> Option<(bool, Idle)> {
    // SAFETY: the request is there until one of the halves has left it.
    match unsafe { operation.as_ref() }.state.complete() {
        // Nobody waits for this with a waker.
        Completion::Owned(_) => None,
        Completion::Abandoned | Completion::Orphaned => {
            // SAFETY: the other half has left the request.
            let mut idle = unsafe { Idle::from_raw(operation) };
            let decision = idle.payload().control.bytes()[0] != 0;
            Some((decision, idle))
        }
    }
}
