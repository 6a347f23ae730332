//! The completion routine of every request, and the clean-up of an abandoned one.
//!
//! # Safety
//!
//! A completion routine owns the operation's result until the step in
//! [`OperationState::complete`](super::state::OperationState::complete), which hands the operation to its owner, or
//! leaves it to the routine if the owner has abandoned it. After a hand-over to the owner, the routine does not access the
//! operation.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use wsk_sys::{NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED};

use super::state::{FoundState, Handover};
use super::{Idle, Operation, Target};
use crate::executor;

/// The completion routine of every request on a `T`.
///
/// Runs in any thread, at any IRQL up to `DISPATCH_LEVEL`, possibly before the call returns.
///
/// # Safety
///
/// `context` points to an operation that [`Idle::start`] put in flight on a `T`.
pub(super) unsafe extern "C" fn completed<T: Target>(
    _device: PDEVICE_OBJECT,
    _irp: PIRP,
    context: PVOID,
) -> NTSTATUS {
    // SAFETY: `context` points to an operation.
    let operation = unsafe { NonNull::new_unchecked(context.cast::<Operation>()) };
    // SAFETY: the operation is in flight, and so in place.
    let request = unsafe { operation.as_ref() };
    // SAFETY: the request has completed, and the operation is this routine's until the hand-over below.
    unsafe { request.counted.count(&request.packet) };
    match request.state.complete_unseen() {
        Ok(()) => STATUS_MORE_PROCESSING_REQUIRED,
        // SAFETY: this is the completion routine, and this is its last step.
        Err(seen) => unsafe { complete_seen::<T>(operation, seen) },
    }
}

/// Completes a request that has its own reference, or whose owner waits for it, or has left it. Returns what the
/// completion routine returns.
///
/// # Safety
///
/// Called by the completion routine, once, as its last step. The request was issued on a `T`, and was not handed over.
#[inline]
unsafe fn complete_seen<T: Target>(operation: NonNull<Operation>, seen: FoundState) -> NTSTATUS {
    // SAFETY: the request is in flight; the step below is the last access if it hands over to the owner.
    let request = unsafe { operation.as_ref() };
    // Read before the hand-over, after which the owner may start the operation anew.
    // SAFETY: the owner wrote the target before it started the request, and no one writes it until the hand-over.
    let target: NonNull<T> = unsafe { *request.target.get() }.cast();
    // SAFETY: called before the hand-over, until which the request's reference or the borrowed one keeps the target.
    let retain = || unsafe { target.as_ref() }.retain();
    match request.state.complete_waiting(seen, retain) {
        Ok(waker) => {
            executor::wake_in_completion_routine(waker);
            // The last step of the routine: it may end the target, and let the driver unload.
            // SAFETY: the reference was taken by `retain`, and is released once.
            unsafe { T::release(target) };
        }
        // SAFETY: the request was issued on this target; the rest is this function's contract.
        Err(seen) => unsafe { complete_rest(operation, seen, target) },
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Completes any other request.
///
/// # Safety
///
/// As for [`complete_seen`]. The request was issued on `target`.
#[cold]
#[inline(never)]
unsafe fn complete_rest<T: Target>(
    operation: NonNull<Operation>,
    seen: FoundState,
    target: NonNull<T>,
) {
    // SAFETY: the request is in flight; the step below is the last access if it hands over to the owner.
    let request = unsafe { operation.as_ref() };
    if seen.is_counted() {
        // Before the hand-over, after which the owner may look at the count.
        // SAFETY: the request's reference keeps the target; if it was orphaned, its target waits for it.
        if let Some(sends) = unsafe { target.as_ref() }.sends() {
            sends.remove();
        }
    }
    // SAFETY: called before the hand-over, until which the request's reference or the borrowed one keeps the target.
    let retain = || unsafe { target.as_ref() }.retain();
    let (handover, references) = request.state.complete_seen(seen, retain);
    match handover {
        Handover::Owner(waker) => {
            if let Some(waker) = waker {
                executor::wake_in_completion_routine(waker);
            }
        }
        // SAFETY: the owner has left the operation to this routine. If it has a home, the references that are released
        // below keep that.
        Handover::Abandoned => unsafe { dispose(operation) },
        // The target owns the memory, and the request's reference to that was released when it was orphaned.
        // SAFETY: the request has completed, and its owner has left the payload to this routine.
        Handover::Orphaned => unsafe { abandon_result(request) },
    }
    // The last step of the routine: it may end the target, and let the driver unload.
    for _ in 0..references {
        // SAFETY: the references are the request's own and the one that was taken above; each is released once.
        unsafe { T::release(target) };
    }
}

/// Cleans up after a completed request whose result is abandoned, and frees it.
///
/// # Safety
///
/// The request has completed, and the caller owns the operation.
#[cold]
pub(super) unsafe fn dispose(operation: NonNull<Operation>) {
    // SAFETY: the operation is the caller's, and so in place.
    let request = unsafe { operation.as_ref() };
    // SAFETY: the request has completed, and its payload is the caller's.
    unsafe { abandon_result(request) };
    // SAFETY: the request has completed, and the caller gives the operation up.
    drop(unsafe { Idle::from_raw(operation) });
}

/// Drops everything that a completed request owned and delivered, as its [attachment](super::Attachment) defines
/// ([INV-20](crate::rules#inv-20)).
///
/// # Safety
///
/// The request has completed, and the caller owns its payload.
pub(super) unsafe fn abandon_result(request: &Operation) {
    // SAFETY: the request has completed, and the operation is the caller's.
    let result = unsafe { request.result() };
    // SAFETY: the payload is the caller's.
    let payload = unsafe { &mut *request.payload.get() };
    let mut attachment = payload.attachment.take_all();
    payload.clear();
    // SAFETY: the attachment is that of this kind of request, as `start` requires, and these are the request's result
    // and output.
    unsafe { attachment.abandon(result, &payload.control) };
}
