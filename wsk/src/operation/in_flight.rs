//! A request in flight, as its owner sees it.
//!
//! # Safety
//!
//! An [`InFlight`] is the owner's half of a request: the operation stays in place until the owner leaves it, which
//! giving out the outcome and dropping do.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use wsk_sys::{IoCancelIrp, NTSTATUS, STATUS_NOT_IMPLEMENTED, STATUS_PENDING};

use super::completion::dispose;
use super::state::LeaveOutcome;
use super::{
    Budgeted, Idle, KeptReceives, Operation, OptionalFunction, Refusals, TargetHeader, kept,
};
use crate::status::{Error, Result, known};

/// A request that was just issued, and may have completed.
///
/// Not an [`InFlight`] yet: for a request that has completed by now, that would be stored only to be taken apart,
/// which costs some 10 instructions.
///
/// # Invariants
///
/// [`Idle::start`] put the operation in flight, or completed it as failed; this value is its owner.
#[must_use = "the operation leaks when this is dropped"]
pub(crate) struct Issued {
    operation: NonNull<Operation>,
    /// The status that the call returned.
    status: NTSTATUS,
}

impl Issued {
    #[inline]
    pub(super) const fn new(operation: NonNull<Operation>, status: NTSTATUS) -> Self {
        // INVARIANT: `Idle::start_as`, the only caller, has just put the operation in flight, or failed it.
        Self { operation, status }
    }

    /// The request, to be waited for.
    #[inline]
    pub(crate) const fn in_flight(self) -> InFlight {
        let Self { operation, status } = self;
        // INVARIANT: this value was the owner.
        InFlight { operation: Some(operation), status, on_drop: OnDrop::Cancel, is_budgeted: false }
    }

    /// The request, to be waited for. If the system refuses it, later calls of the function fail with
    /// [`Refusals::check`].
    ///
    /// # Errors
    ///
    /// `STATUS_NOT_IMPLEMENTED` if the system refuses it. Then the operation was left to its target: a future that is
    /// forgotten would not leave it, and the target would wait for it for ever.
    pub(crate) fn in_flight_of(
        self,
        function: OptionalFunction,
        refusals: &Refusals,
    ) -> Result<InFlight> {
        let operation = self.operation;
        let in_flight = self.in_flight();
        // SAFETY: `in_flight` is the operation's owner, and the call was refused.
        if in_flight.is_refused() && unsafe { orphan(operation) } == LeaveOutcome::Left {
            core::mem::forget(in_flight);
            refusals.add(function);
            return Err(known::STATUS_NOT_IMPLEMENTED);
        }
        Ok(in_flight)
    }

    /// The operation with its result, if the request has completed already: then no future has to be stored, polled
    /// and dropped.
    #[inline]
    pub(crate) fn try_complete(
        self,
        _budgeted: Budgeted,
    ) -> core::result::Result<(Idle, Result<usize>), InFlight> {
        // SAFETY: the operation stays in place until its owner, which this is, leaves it.
        if unsafe { self.operation.as_ref() }.state.is_completed() {
            // SAFETY: the request has completed, and this value gives the operation up.
            return Ok(unsafe { take_back(self.operation) });
        }
        let mut in_flight = self.in_flight();
        in_flight.is_budgeted = true;
        Err(in_flight)
    }
}

/// A request in flight, seen from its owner: a future of its outcome.
///
/// Dropping it asks the system to end the request, and leaves the operation to its completion routine.
///
/// WSK completes the IRP of every call, whatever the call returns ([INV-12](crate::rules#inv-12)). Wine does
/// not: for a function that it lacks, the call returns `STATUS_NOT_IMPLEMENTED` and the IRP never completes. So
/// if a call returns that status and no completion has come, the request is *refused*: its owner gets the error
/// at once, and the operation, which might still complete, is left to its target, whose end is the end of every
/// request.
///
/// # Invariants
///
/// If there is an `operation`, [`Idle::start`] put it in flight, or completed it as failed; its owner has not left it, and
/// this value is the owner.
#[must_use = "the request is cancelled when this is dropped"]
pub(crate) struct InFlight {
    /// None when the outcome was given out.
    operation: Option<NonNull<Operation>>,
    /// The status that the call returned.
    status: NTSTATUS,
    on_drop: OnDrop,
    /// Whether the task has spent budget for the request already.
    is_budgeted: bool,
}

// SAFETY: it is one of the two halves of an operation, whose state is shared.
unsafe impl Send for InFlight {}
// SAFETY: its methods on a shared reference read the state, or cancel, which any thread may do.
unsafe impl Sync for InFlight {}

/// The fate of a request whose future is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDrop {
    /// It is cancelled.
    Cancel,
    /// It is cancelled. If it still completes with data, its target [keeps](super::KeptReceives) the data.
    Keep,
    /// It continues, and takes effect.
    Continue,
}

/// The end of a request.
pub(crate) enum RequestOutcome {
    /// With a result. The operation can be reused after what its payload brought was taken out.
    Completed(Idle, Result<usize>),
    /// Not at all: the running system keeps the payload, since it does not implement the call, or does not
    /// cancel it.
    Refused(Error),
}

impl InFlight {
    /// For a call that every system implements, such as `WskSocket`: a completion is certain.
    pub(crate) const fn never_refused(mut self) -> Self {
        self.status = STATUS_PENDING;
        self
    }

    /// For a request that is to take effect even if the future is dropped.
    pub(crate) const fn never_cancelled(mut self) -> Self {
        self.on_drop = OnDrop::Continue;
        self
    }

    /// For a request whose futures spend budget themselves.
    pub(crate) const fn budgeted(mut self) -> Self {
        self.is_budgeted = true;
        self
    }

    /// For a receive, whose data must not be lost if the future is dropped. Right after it was issued, since this decides
    /// its place among other receives.
    pub(crate) fn kept(mut self) -> Self {
        self.on_drop = OnDrop::Keep;
        if let Some(operation) = self.operation {
            // SAFETY: this value is the request's owner, and its target stays as `Idle::start` requires.
            let number = unsafe { kept_by(operation) }.number();
            // SAFETY: this value is the request's owner.
            unsafe { kept::set_number(operation, number) };
        }
        self
    }

    const fn is_refused(&self) -> bool {
        self.status == STATUS_NOT_IMPLEMENTED
    }

    /// The operation, until its outcome was given out.
    fn request(&self) -> Option<&Operation> {
        // SAFETY: the operation stays in place until its owner, which this is, leaves it.
        self.operation.map(|operation| unsafe { operation.as_ref() })
    }

    /// Whether the outcome is available.
    pub(crate) fn is_completed(&self) -> bool {
        self.is_refused() || self.request().is_none_or(|request| request.state.is_completed())
    }

    /// Asks the system to end the request. The outcome still has to be waited for.
    pub(crate) fn cancel(&self) {
        if self.is_completed() {
            return;
        }
        if let Some(request) = self.request() {
            // It may complete at any moment, even within this call, but the operation is neither freed nor reused
            // before its owner has left it (INV-14).
            // SAFETY: this value is the owner, so the IRP's memory is valid; the IRQL is at most DISPATCH_LEVEL.
            unsafe { IoCancelIrp(request.irp()) };
        }
    }

    /// Leaves a [kept](Self::kept) receive to its target without cancelling it: the target's next receive takes its data.
    ///
    /// # Errors
    ///
    /// The request, if it cannot return data.
    pub(crate) fn leave_to_target(mut self) -> core::result::Result<(), Self> {
        if self.on_drop != OnDrop::Keep || self.is_refused() {
            return Err(self);
        }
        let Some(operation) = self.operation else {
            return Err(self);
        };
        // SAFETY: this value is the request's owner, and leaves it with this.
        if unsafe { keep(operation) } {
            self.operation = None;
            Ok(())
        } else {
            Err(self)
        }
    }

    /// Leaves a request whose outcome was not returned and is no longer needed.
    #[cold]
    fn leave(&self, operation: NonNull<Operation>) {
        let left = if self.is_refused() {
            // SAFETY: this value is the operation's owner, and the call was refused.
            unsafe { orphan(operation) }
        } else {
            if self.on_drop != OnDrop::Continue {
                self.cancel();
            }
            // SAFETY: this value is the request's owner, and leaves it with this.
            if self.on_drop == OnDrop::Keep && unsafe { keep(operation) } {
                return;
            }
            // SAFETY: the operation stays in place until its owner, which this is, leaves it.
            unsafe { operation.as_ref() }.state.abandon()
        };
        if left == LeaveOutcome::Completed {
            // SAFETY: the request has completed, so the operation is its owner's.
            unsafe { dispose(operation) };
        }
    }
}

impl Future for InFlight {
    type Output = RequestOutcome;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        self.poll_inline(context)
    }
}

impl InFlight {
    /// As [`poll`](Future::poll), inlined, for the most frequent requests.
    #[inline]
    pub(crate) fn poll_inline(&mut self, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        // Polled after it was ready, which no caller in this crate does.
        let Some(operation) = self.operation else {
            return Poll::Pending;
        };
        // SAFETY: the operation stays in place until its owner, which this is, leaves it.
        let request = unsafe { operation.as_ref() };
        if self.is_refused() {
            // SAFETY: this value is the operation's owner, and the call was refused.
            if unsafe { orphan(operation) } == LeaveOutcome::Left {
                self.operation = None;
                return Poll::Ready(RequestOutcome::Refused(known::STATUS_NOT_IMPLEMENTED));
            }
        } else if request.state.poll(context.waker()).is_pending() {
            return Poll::Pending;
        } else if !self.is_budgeted {
            // SAFETY: written before the request was issued, and only read since.
            let target: NonNull<TargetHeader> = unsafe { *request.target.get() };
            // SAFETY: the target's memory stays as long as this value, as `Idle::start` requires.
            let budget = unsafe { &(*target.as_ptr()).budget };
            if budget.poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.operation = None;
        // SAFETY: the request has completed, and this value has given the operation up.
        let (idle, result) = unsafe { take_back(operation) };
        Poll::Ready(RequestOutcome::Completed(idle, result))
    }
}

impl Drop for InFlight {
    #[inline]
    fn drop(&mut self) {
        if let Some(operation) = self.operation {
            self.leave(operation);
        }
    }
}

/// The receives that the target of a request keeps.
///
/// # Safety
///
/// The caller is the request's owner, and the target's memory stays as [`Idle::start`] requires.
unsafe fn kept_by<'a>(operation: NonNull<Operation>) -> &'a KeptReceives {
    // SAFETY: the operation stays in place until its owner leaves it.
    let request = unsafe { operation.as_ref() };
    // SAFETY: written before the request was issued, and only read since.
    let target: NonNull<TargetHeader> = unsafe { *request.target.get() };
    // SAFETY: the target's memory stays, by this function's contract.
    unsafe { &(*target.as_ptr()).kept }
}

/// Passes a receive to its target, unless it cannot return data.
///
/// # Safety
///
/// The caller is the request's owner, which leaves it if this returns true.
unsafe fn keep(operation: NonNull<Operation>) -> bool {
    // SAFETY: the operation stays in place until its owner leaves it.
    let request = unsafe { operation.as_ref() };
    let payload = request.payload.get();
    // SAFETY: neither the system nor the completion routine uses this field.
    let has_part = unsafe { (*payload).kept.before } != 0;
    // SAFETY: the system only reads the descriptor.
    let has_room = unsafe { (*payload).descriptor.Length } != 0;
    if !has_part {
        // SAFETY: if the request has completed, the operation is its owner's.
        let brings_nothing = || unsafe { request.result() } == Err(known::STATUS_CANCELLED);
        if !has_room || request.state.is_completed() && brings_nothing() {
            return false;
        }
    }
    request.state.forget_waker();
    // SAFETY: the caller is the request's owner; its target's memory stays, as `Idle::start` requires.
    let kept = unsafe { kept_by(operation) };
    // SAFETY: the request was issued on the target that keeps it, and its owner gives it up.
    unsafe { kept.keep(operation) };
    true
}

/// The operation of a completed request, and its result.
///
/// # Safety
///
/// The request has completed, and its owner gives up the operation.
#[inline]
pub(super) unsafe fn take_back(operation: NonNull<Operation>) -> (Idle, Result<usize>) {
    // SAFETY: the request has completed, and its owner gives the operation up, by this function's contract.
    let idle = unsafe { Idle::from_raw(operation) };
    // SAFETY: the request has completed, and `idle` owns the operation.
    let result = unsafe { idle.operation().result() };
    (idle, result)
}

/// Leaves a refused request to its target, unless it has completed after all.
///
/// # Safety
///
/// The caller owns the operation, and the call that received its IRP returned `STATUS_NOT_IMPLEMENTED`.
#[cold]
unsafe fn orphan(operation: NonNull<Operation>) -> LeaveOutcome {
    // SAFETY: the operation stays in place until its owner, the caller, leaves it.
    let request = unsafe { operation.as_ref() };
    // SAFETY: written before the request was issued, and only read since.
    let target: NonNull<TargetHeader> = unsafe { *request.target.get() };
    // Memory that the system does not use is dropped now: a failed call delivers no socket, whose memory would keep
    // the registration.
    // SAFETY: neither the completion routine nor the system uses the attachment's slot before the owner has left the
    // operation.
    let attachment = unsafe { &raw mut (*request.payload.get()).attachment };
    // SAFETY: the slot is valid, and this thread alone uses it.
    let unused = unsafe { (*attachment).take_unused() };
    let Some(has_reference) = request.state.orphan() else {
        if let Some(unused) = unused {
            // SAFETY: the request has completed, so the payload is the caller's alone.
            unsafe { *attachment = unused };
        }
        return LeaveOutcome::Completed;
    };
    drop(unused);
    // SAFETY: the request was orphaned just now, by its owner, and this is its target.
    unsafe { TargetHeader::keep_refused(target, operation, has_reference) };
    LeaveOutcome::Left
}
