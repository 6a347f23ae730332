//! A request in flight, as its owner sees it.

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use wsk_sys::{IoCancelIrp, NTSTATUS, STATUS_NOT_IMPLEMENTED, STATUS_PENDING};

use super::state::Leave;
use super::{Idle, Operation, dispose};
use crate::rt::{self, Turn};
use crate::status::{Error, Result, known};

/// A request that was just made, and may have completed.
#[must_use = "the request is leaked when this is dropped"]
pub(crate) struct Started {
    pub(super) operation: NonNull<Operation>,
    /// What the call has returned.
    pub(super) status: NTSTATUS,
}

impl Started {
    /// The request, to be waited for.
    #[inline]
    pub(crate) const fn in_flight(self) -> InFlight {
        let Self { operation, status } = self;
        InFlight { operation: Some(operation), status, cancels: true, has_turn: false }
    }

    /// The request with its result, if it has completed already. Then no future has to be stored, polled and
    /// dropped.
    #[inline]
    pub(crate) fn look(self, _turn: Turn) -> core::result::Result<(Idle, Result<usize>), InFlight> {
        // SAFETY: the request is there until its owner, which this is, leaves it.
        if unsafe { self.operation.as_ref() }.state.is_completed() {
            // SAFETY: the request has completed, and this value gives it up.
            return Ok(unsafe { take_back(self.operation) });
        }
        let mut in_flight = self.in_flight();
        in_flight.has_turn = true;
        Err(in_flight)
    }
}

/// A request in flight, seen from its owner: a future of its outcome.
///
/// Dropping it asks the system to end the request, and leaves it to its completion routine.
///
/// WSK completes the IRP of every call, whatever the call returns (INV-12). Wine does not: of the
/// functions that it lacks, the call returns `STATUS_NOT_IMPLEMENTED` and the IRP never completes. So
/// if a call returns that status and no completion has come, the request is *refused*: its owner gets
/// the error at once, and the request, which might still complete, is left to its socket, whose close
/// is the end of every request.
#[must_use = "the request is cancelled when this is dropped"]
pub(crate) struct InFlight {
    /// None when the outcome was given out.
    operation: Option<NonNull<Operation>>,
    /// What the call has returned.
    status: NTSTATUS,
    /// Whether the system is asked to end the request when nobody waits for it any more.
    cancels: bool,
    /// Whether the task had its turn for the request, before it was made.
    has_turn: bool,
}

// SAFETY: it is one of the two halves of the request, whose state is shared.
unsafe impl Send for InFlight {}
// SAFETY: its methods on a shared reference look at the state, or cancel, which any thread may.
unsafe impl Sync for InFlight {}

/// How a request ended.
pub(crate) enum Outcome {
    /// With a result. The request can be used again, after what its payload brought was taken out.
    Completed(Idle, Result<usize>),
    /// Not at all: the running system keeps the payload, since it does not implement the call, or does not
    /// cancel it.
    Refused(Error),
}

impl InFlight {
    /// For a call that every system implements, such as `WskSocket`: the completion will come.
    pub(crate) const fn never_refused(mut self) -> Self {
        self.status = STATUS_PENDING;
        self
    }

    const fn is_refused(&self) -> bool {
        self.status == STATUS_NOT_IMPLEMENTED
    }

    /// The request, until its outcome was given out.
    fn request(&self) -> Option<&Operation> {
        // SAFETY: the request is there until its owner, which this is, leaves it.
        self.operation.map(|operation| unsafe { operation.as_ref() })
    }

    /// Whether the outcome is there.
    pub(crate) fn is_completed(&self) -> bool {
        self.is_refused() || self.request().is_none_or(|request| request.state.is_completed())
    }

    /// Asks the system to end the request, whose outcome is still to be waited for.
    pub(crate) fn cancel(&self) {
        if self.is_completed() {
            return;
        }
        if let Some(request) = self.request() {
            // It may complete at any moment, also within this call; but nobody frees or reuses it before its
            // owner has left it (INV-14).
            // SAFETY: the IRP's memory is valid, as said; the IRQL is at most DISPATCH_LEVEL.
            unsafe { IoCancelIrp(request.irp()) };
        }
    }

    /// For a request that is to take effect, whether or not somebody waits for it.
    pub(crate) const fn never_cancelled(mut self) -> Self {
        self.cancels = false;
        self
    }
}

impl Future for InFlight {
    type Output = Outcome;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        // Polled after it was ready, which no caller in this crate does.
        let Some(operation) = self.operation else {
            return Poll::Pending;
        };
        // SAFETY: the request is there until its owner, which this is, leaves it.
        let request = unsafe { operation.as_ref() };
        if self.is_refused() {
            // SAFETY: the request is this owner's, and was refused.
            if unsafe { orphan(operation) } == Leave::Left {
                self.operation = None;
                return Poll::Ready(Outcome::Refused(known::STATUS_NOT_IMPLEMENTED));
            }
        } else if request.state.poll(context.waker()).is_pending()
            || !self.has_turn && rt::proceed(context).is_pending()
        {
            return Poll::Pending;
        }
        self.operation = None;
        // SAFETY: the request has completed, and this value gave it up.
        let (idle, result) = unsafe { take_back(operation) };
        Poll::Ready(Outcome::Completed(idle, result))
    }
}

/// A request that has completed, and its result.
///
/// # Safety
///
/// The request has completed, and its owner gives it up.
#[inline]
unsafe fn take_back(operation: NonNull<Operation>) -> (Idle, Result<usize>) {
    // SAFETY: the caller's promise.
    let idle = unsafe { Idle::from_raw(operation) };
    // SAFETY: the request has completed, and is the owner's.
    let result = unsafe { idle.operation().result() };
    (idle, result)
}

impl Drop for InFlight {
    #[inline]
    fn drop(&mut self) {
        if let Some(operation) = self.operation {
            self.leave(operation);
        }
    }
}

impl InFlight {
    /// Ends a request whose outcome was not given out, and which nobody waits for any more.
    #[cold]
    fn leave(&self, operation: NonNull<Operation>) {
        let left = if self.is_refused() {
            // SAFETY: the request is this owner's, and was refused.
            unsafe { orphan(operation) }
        } else {
            if self.cancels {
                self.cancel();
            }
            // SAFETY: the request is there until its owner, which this is, leaves it.
            unsafe { operation.as_ref() }.state.abandon()
        };
        if left == Leave::Completed {
            // SAFETY: the request has completed, so it is the owner's, and nobody wants its result.
            unsafe { dispose(operation) };
        }
    }
}

/// Leaves a refused request to its socket, unless it has completed after all.
///
/// # Safety
///
/// The request is the caller's, and the call that it was given to returned
/// `STATUS_NOT_IMPLEMENTED`.
#[cold]
unsafe fn orphan(operation: NonNull<Operation>) -> Leave {
    // SAFETY: the caller's request is there until it is left.
    let request = unsafe { operation.as_ref() };
    // SAFETY: written before the request was started, and only read since.
    let target = unsafe { *request.target.get() };
    // A call that has failed delivers no socket, whose memory keeps the registration.
    // SAFETY: the completion routine has nothing to do with the payload before the request is left, and the system
    // nothing with this field.
    let place = unsafe { &raw mut (*request.payload.get()).delivered };
    // SAFETY: as above.
    let delivered = unsafe { place.replace(None) };
    let left = request.state.orphan();
    if left == Leave::Completed {
        // SAFETY: the request is the caller's alone now.
        unsafe { place.write(delivered) };
    } else {
        drop(delivered);
        // SAFETY: the hold of the request in flight keeps the target, which the request is left to here, once.
        unsafe { target.adopt(operation) };
        // The completion routine will not give up the hold, since it may never run.
        // SAFETY: the hold that `start` took is given up once.
        unsafe { target.release() };
    }
    left
}
