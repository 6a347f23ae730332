//! An operation that is not in flight.
//!
//! # Safety
//!
//! An [`Idle`] owns its operation, and nothing else refers to it but a completion routine that is about to return
//! (see [`OperationState`](super::state::OperationState)). [`Idle::start`] is the one place from which IRPs go to WSK,
//! but for a socket's [close](super::once).

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use wsk_sys::{NTSTATUS, PIRP, STATUS_INSUFFICIENT_RESOURCES, fields};

use super::completion::completed;
use super::{Issued, Operation, Payload, Target, TargetHeader};
use crate::pool::PoolBox;
use crate::status::Result;

/// An operation that is not in flight. Dropping it frees its memory.
///
/// # Invariants
///
/// The pointer came from [`PoolBox::into_raw`], the operation is initialized and not in flight, and this value owns
/// it.
pub(crate) struct Idle(NonNull<Operation>);

// SAFETY: it owns the operation, which is `Send`.
unsafe impl Send for Idle {}
// SAFETY: a shared `Idle` gives access to the operation's shared parts only; the payload takes `&mut`.
unsafe impl Sync for Idle {}

impl Idle {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn allocate() -> Result<Self> {
        // SAFETY: `new_in_place` calls this with memory for an operation.
        let write = |place| unsafe { Operation::write(place) };
        // SAFETY: `Operation::write` initializes all of it.
        let operation = unsafe { PoolBox::new_in_place(write) }?;
        // SAFETY: the operation stays in this allocation, which is nonpaged.
        unsafe { operation.initialize() };
        // INVARIANT: the operation is initialized and not in flight.
        Ok(Self(operation.into_raw()))
    }

    pub(crate) fn into_raw(self) -> NonNull<Operation> {
        let operation = self.0;
        core::mem::forget(self);
        operation
    }

    /// # Safety
    ///
    /// `operation` came from [`Idle::into_raw`], its request, if one was started, has ended, and the caller gives up
    /// the ownership of it.
    pub(crate) const unsafe fn from_raw(operation: NonNull<Operation>) -> Self {
        // INVARIANT: by this function's contract.
        Self(operation)
    }

    pub(super) const fn operation(&self) -> &Operation {
        // SAFETY: this value owns the operation.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn payload(&mut self) -> &mut Payload {
        // SAFETY: the request is not in flight, so the payload is the owner's, which is borrowed for writing.
        unsafe { &mut *self.operation().payload.get() }
    }

    /// The information of the request that has completed last, whatever its status.
    pub(crate) fn information(&self) -> usize {
        // SAFETY: the request is not in flight, so the IRP is the owner's; its block is numbers.
        fields::information(&unsafe { (*self.operation().irp()).IoStatus })
    }

    /// Issues the request. `call` is given the IRP and the place of the payload, which the system may use until the
    /// request completes.
    ///
    /// If the driver has passed its device, and the allocation that [guards](Operation::ready_guarded) the completion
    /// routine fails, `call` is not called: the request completes with `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// - The caller holds a reference to `target`, whose pointer may be used to release one.
    /// - `call` hands the IRP to one function of WSK, on this target, and gives it no other memory for the duration of
    ///   the request than the payload's and what outlives the target.
    /// - An attachment of the payload is that of this kind of request.
    /// - The target's memory stays until the [`Issued`], or the `InFlight` that it becomes, has given its outcome out
    ///   or was dropped.
    #[inline]
    pub(crate) unsafe fn start<T: Target>(
        self,
        target: NonNull<T>,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Issued {
        // SAFETY: this function's contract is the other's.
        unsafe { self.start_as(target, call, true) }
    }

    /// Issues the request like [`start`](Self::start), but does not fail for lack of memory: if the allocation fails, the
    /// completion routine is not guarded.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start).
    pub(crate) unsafe fn start_surely<T: Target>(
        self,
        target: NonNull<T>,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Issued {
        // SAFETY: this function's contract is the other's.
        unsafe { self.start_as(target, call, false) }
    }

    /// # Safety
    ///
    /// As for [`start`](Self::start).
    #[inline]
    unsafe fn start_as<T: Target>(
        self,
        target: NonNull<T>,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
        may_fail: bool,
    ) -> Issued {
        let operation = self.into_raw();
        // SAFETY: the operation was owned, and stays until its completion routine or its owner frees it.
        let request = unsafe { operation.as_ref() };
        // SAFETY: the caller holds a reference to the target.
        unsafe { target.as_ref() }.retain();
        // INVARIANT: the request holds the reference that was just taken.
        // SAFETY: the request is not in flight, so the field is the owner's.
        unsafe { *request.target.get() = target.cast() };
        let (routine, context) = (completed::<T>, operation.as_ptr().cast());
        // SAFETY: a target begins with its header, and the request's reference keeps it.
        let device = unsafe { target.cast::<TargetHeader>().as_ref() }.device();
        if device.is_null() {
            // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight
            // on a `T`.
            unsafe { request.ready(routine, context) };
        // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight on a
        // `T`; the device stays as long as the target, and the IRP is passed on below.
        } else if unsafe { request.ready_guarded(routine, context, device) }.is_err() {
            if may_fail {
                request.state.fail();
                // SAFETY: the request's reference, which no completion routine will release, is released once. It is
                // not the last one, since the caller holds another.
                unsafe { T::release(target) };
                return Issued::new(operation, STATUS_INSUFFICIENT_RESOURCES);
            }
            // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight
            // on a `T`.
            unsafe { request.ready(routine, context) };
        }
        request.state.start();
        let status = call(request.irp(), request.payload.get());
        // Whatever the call returned, the owner keeps the operation until it leaves it (INV-12).
        Issued::new(operation, status)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // SAFETY: this value owns the operation, whose pointer came from a `PoolBox`.
        drop(unsafe { PoolBox::from_raw(self.0) });
    }
}
