//! An operation that is not in flight.
//!
//! # Safety
//!
//! An [`Idle`] owns its operation, and nothing else refers to it but a completion routine that is about to return
//! (see [`OperationState`](super::state::OperationState)). [`Idle::start`] is the only place that passes IRPs to WSK,
//! but for a socket's [close](super::once).

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use wsk_sys::{NTSTATUS, PIRP, STATUS_INSUFFICIENT_RESOURCES};

use super::completion::completed;
use super::{Issued, KeptReceive, Operation, Payload, RequestKind, Target, TargetHeader};
use crate::pool::PoolBox;
use crate::status::Result;

/// A request that is worth more code for fewer instructions: sending and receiving.
pub(crate) const FREQUENT: bool = true;

/// Any other request, whose code is shared.
pub(crate) const RARE: bool = false;

/// An operation that is not in flight. Dropping it puts it back to its home, or frees it if it has none.
///
/// # Invariants
///
/// The pointer came from [`PoolBox::into_raw`], the operation is initialized and not in flight, and this value owns
/// it. Its home, if it has one, exists.
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
    /// its ownership.
    pub(crate) const unsafe fn from_raw(operation: NonNull<Operation>) -> Self {
        // INVARIANT: by this function's contract.
        Self(operation)
    }

    pub(super) const fn as_ptr(&self) -> NonNull<Operation> {
        self.0
    }

    pub(super) const fn operation(&self) -> &Operation {
        // SAFETY: this value owns the operation.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn payload(&mut self) -> &mut Payload {
        // SAFETY: the request is not in flight, so the payload is the owner's, which is borrowed for writing.
        unsafe { &mut *self.operation().payload.get() }
    }

    /// The `Information` of the last completed request, whatever its status.
    pub(crate) fn information(&self) -> usize {
        // SAFETY: the request is not in flight, so the IRP is the owner's.
        unsafe { self.operation().packet.information() }
    }

    /// Issues the request. `call` is given the IRP and the place of the payload, which the system may use until the
    /// request completes.
    ///
    /// If the driver has passed its device, and the allocation that [guards](super::packet::Packet::ready_guarded) the completion
    /// routine fails, `call` is not called: the request completes with `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// - The caller holds a reference to `target`, whose pointer may be used to release one.
    /// - `call` passes the IRP to one WSK function, on this target, and passes no other memory for the duration of
    ///   the request than the payload's and what outlives the target.
    /// - If the payload has an attachment, it is one for this kind of request.
    /// - The target's memory stays until the [`Issued`], or the `InFlight` that it becomes, has given its outcome out
    ///   or was dropped.
    pub(crate) unsafe fn start<T: Target>(
        self,
        target: NonNull<T>,
        kind: RequestKind,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Issued {
        // SAFETY: this function's contract is the other's.
        unsafe { self.start_as(target, kind, call, true) }
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
        unsafe { self.start_as(target, RequestKind::Other, call, false) }
    }

    /// # Safety
    ///
    /// As for [`start`](Self::start).
    #[inline]
    unsafe fn start_as<T: Target>(
        self,
        target: NonNull<T>,
        kind: RequestKind,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
        may_fail: bool,
    ) -> Issued {
        let operation = self.into_raw();
        // SAFETY: the operation was owned; the caller holds a reference to the target, and the IRP is passed on below.
        if let Err(status) = unsafe { Self::ready_retained(operation, target, kind, may_fail) } {
            return Issued::new(operation, status);
        }
        // SAFETY: the operation stays until its completion routine or its owner frees it.
        let request = unsafe { operation.as_ref() };
        let status = call(request.irp(), request.payload.get());
        // Whatever the call returned, the owner keeps the operation until it leaves it (INV-12).
        Issued::new(operation, status)
    }

    /// As [`start`](Self::start), for a request on an open socket, which is put in flight by inlined code if it is
    /// `FREQUENT`: if the operation has a home, the request borrows the
    /// memory reference of the open references, which costs no atomic exchange. See
    /// [`OperationState`](super::state::OperationState).
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start); and the caller's reference is an open one, after whose release the target calls
    /// [`Cache::end_borrowing`](super::Cache::end_borrowing) before it releases the reference that requests borrow.
    #[inline]
    pub(crate) unsafe fn start_borrowing<const FREQUENT: bool, T: Target>(
        self,
        target: NonNull<T>,
        kind: RequestKind,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Issued {
        let operation = self.into_raw();
        let ready = if FREQUENT {
            // SAFETY: the operation was owned; the caller holds a reference to the target, and the IRP is passed on below.
            unsafe { Self::ready_borrowing(operation, target, kind) }
        } else {
            // SAFETY: the operation was owned; the caller holds a reference to the target, and the IRP is passed on below.
            unsafe { Self::ready_borrowing_by_call(operation, target, kind) }
        };
        if let Err(status) = ready {
            return Issued::new(operation, status);
        }
        // SAFETY: the operation stays until its completion routine or its owner frees it.
        let request = unsafe { operation.as_ref() };
        let status = call(request.irp(), request.payload.get());
        // Whatever the call returned, the owner keeps the operation until it leaves it (INV-12).
        Issued::new(operation, status)
    }

    /// Puts a request in flight that borrows its reference, if it may, or retains it.
    ///
    /// # Errors
    ///
    /// As for [`ready_retained`](Self::ready_retained).
    ///
    /// # Safety
    ///
    /// As for [`ready_retained`](Self::ready_retained).
    #[inline]
    unsafe fn ready_borrowing<T: Target>(
        operation: NonNull<Operation>,
        target: NonNull<T>,
        kind: RequestKind,
    ) -> core::result::Result<(), NTSTATUS> {
        // SAFETY: the caller owns the operation, which stays until its completion routine or its owner frees it.
        let request = unsafe { operation.as_ref() };
        // SAFETY: the caller owns the operation, which is not in flight.
        unsafe { request.counted.set(kind) };
        if request.may_borrow.load(Ordering::Relaxed) {
            // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight
            // on a `T`, which `target` of this operation is since it has borrowed or been retained before.
            unsafe { request.packet.ready(completed::<T>, operation.as_ptr().cast()) };
            request.state.start_borrowing(kind);
            Ok(())
        } else {
            // SAFETY: this function's contract is the other's.
            unsafe { Self::ready_retained(operation, target, kind, true) }
        }
    }

    /// As [`ready_borrowing`](Self::ready_borrowing), out of line: one function for all rare requests.
    ///
    /// # Errors
    ///
    /// As for [`ready_retained`](Self::ready_retained).
    ///
    /// # Safety
    ///
    /// As for [`ready_retained`](Self::ready_retained).
    #[inline(never)]
    unsafe fn ready_borrowing_by_call<T: Target>(
        operation: NonNull<Operation>,
        target: NonNull<T>,
        kind: RequestKind,
    ) -> core::result::Result<(), NTSTATUS> {
        // SAFETY: this function's contract is the other's.
        unsafe { Self::ready_borrowing(operation, target, kind) }
    }

    /// Takes a reference for the request, and puts it in flight. Out of line, to keep the path of the others short.
    ///
    /// # Errors
    ///
    /// There is no memory to guard the completion routine, and the request may fail. So it has failed, and its
    /// reference to the target is released.
    ///
    /// # Safety
    ///
    /// The caller owns the operation, which is idle, holds a reference to `target` that may be used to release one, and
    /// passes the IRP on after a success.
    #[inline(never)]
    unsafe fn ready_retained<T: Target>(
        operation: NonNull<Operation>,
        target: NonNull<T>,
        kind: RequestKind,
        may_fail: bool,
    ) -> core::result::Result<(), NTSTATUS> {
        // SAFETY: the caller owns the operation, which stays until its completion routine or its owner frees it.
        let request = unsafe { operation.as_ref() };
        // SAFETY: the operation was owned, and is not in flight.
        unsafe { request.counted.set(kind) };
        // SAFETY: the caller holds a reference to the target.
        unsafe { target.as_ref() }.retain();
        // INVARIANT: the request holds the reference that was just taken.
        // SAFETY: the request is not in flight, so the field is the owner's.
        unsafe { *request.target.get() = target.cast() };
        let (routine, context) = (completed::<T>, operation.as_ptr().cast());
        // SAFETY: a target begins with its header, and the request's reference keeps it.
        let device = unsafe { target.cast::<TargetHeader>().as_ref() }.device();
        let is_guarded = !device.is_null()
            // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight
            // on a `T`; the device stays as long as the target, and the caller passes the IRP on after a success.
            && unsafe { request.packet.ready_guarded(routine, context, device) }.is_ok();
        if !is_guarded {
            if !device.is_null() && may_fail {
                request.state.fail();
                // SAFETY: the request's reference, which no completion routine will release, is released once. It is
                // not the last one, since the caller holds another.
                unsafe { T::release_one_of_several(target) };
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            // SAFETY: the operation is initialized and idle, and the routine takes a pointer to an operation in flight
            // on a `T`.
            unsafe { request.packet.ready(routine, context) };
        }
        // SAFETY: the caller owns the operation, and the target's reference keeps the cache.
        let has_home = unsafe { request.links.home() }.is_some();
        // A guard is set for each request.
        let may_borrow = T::LENDS && device.is_null() && has_home;
        // INVARIANT: an operation with a home is used for requests on one target only, which is a `T`.
        request.may_borrow.store(may_borrow, Ordering::Relaxed);
        if kind == RequestKind::Sends && !has_home {
            // SAFETY: the request's reference keeps the target.
            if let Some(sends) = unsafe { target.as_ref() }.sends() {
                // The completion routine uncounts it, and not the owner, which may forget it.
                sends.add();
                request.state.start_counted();
                return Ok(());
            }
        }
        request.state.start(kind);
        Ok(())
    }

    /// Frees the memory of an operation, and drops everything it owns.
    ///
    /// # Safety
    ///
    /// The operation came from [`Idle::into_raw`], and no other code uses it.
    pub(super) unsafe fn free(operation: NonNull<Operation>) {
        // SAFETY: the pointer came from a `PoolBox`, and no other code uses the operation.
        drop(unsafe { PoolBox::from_raw(operation) });
    }
}

impl Drop for Idle {
    /// Puts the operation back to its home. Without one, it is freed.
    fn drop(&mut self) {
        let operation = self.0;
        // SAFETY: this value owns the operation.
        let links = &unsafe { operation.as_ref() }.links;
        // SAFETY: this value owns the operation, whose home, if it has one, exists (Invariants).
        match unsafe { links.home() } {
            Some(home) => {
                let payload = self.payload();
                payload.kept = KeptReceive::NONE;
                payload.clear();
                home.put(operation);
            }
            // SAFETY: this value owns the operation, which no cache does without a home.
            None => unsafe { Self::free(operation) },
        }
    }
}
