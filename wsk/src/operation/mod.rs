//! One request to WSK: an IRP, its result, and everything that the system touches meanwhile.
//!
//! All of it is one allocation in nonpaged memory, which is used again for the next request of the
//! same socket. The rules kept here:
//!
//! - the IRP is in place, with one stack location, and set up anew for every request (INV-10);
//! - one completion routine, for every outcome, that keeps the IRP (INV-11);
//! - the result comes from the IRP alone; what the call returns is not one (INV-12), with one
//!   exception: see [`InFlight`];
//! - nobody touches an IRP in flight but to cancel it (INV-14);
//! - the completion routine makes no call to WSK (INV-15): a socket or a list that nobody waits for any
//!   more is handed to the reaper (INV-20);
//! - a request in flight keeps its socket's memory, and through it the registration (INV-18).

mod cache;
mod client;
mod control;
mod in_flight;
mod lent;
mod payload;
mod state;
mod target;
mod within;

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::AtomicPtr;
use core::task::{Context, Poll, Waker};

use wsk_sys::{
    IO_STACK_LOCATION, IRP, IoInitializeIrp, IoReuseIrp, IoSetCompletionRoutine, IoSizeOfIrp,
    NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL, TRUE, WSK_SOCKET, fields,
};

pub(crate) use self::cache::Cache;
pub(crate) use self::control::ControlArea;
pub(crate) use self::in_flight::{InFlight, Outcome, Started};
pub(crate) use self::lent::{Lent, callback_ends};
pub(crate) use self::payload::Payload;
use self::state::{Completion, Leave, Seen, State};
pub(crate) use self::target::Target;
pub(crate) use self::within::Within;
use crate::pool::{PoolBox, write_fields};
use crate::status::{Result, check};

/// An IRP followed by its only stack location, as [`IoSizeOfIrp`]`(1)` has them.
#[repr(C)]
struct Packet {
    irp: IRP,
    location: IO_STACK_LOCATION,
}

const _: () = assert!(core::mem::offset_of!(Packet, location) == size_of::<IRP>());

/// A request and its IRP.
///
/// Every field is a cell: the completion routine may hold a reference while the owner, who has just
/// become the only one, frees the memory. Only references to cells may dangle.
pub(crate) struct Operation {
    packet: UnsafeCell<Packet>,
    state: State,
    payload: UnsafeCell<Payload>,
    /// Whom the request in flight was made to.
    target: UnsafeCell<Target>,
    /// The next request in its target's list of orphans.
    next_orphan: AtomicPtr<Operation>,
}

// SAFETY: the state says who may touch the rest, and is itself shared.
unsafe impl Send for Operation {}
// SAFETY: as above.
unsafe impl Sync for Operation {}

impl Operation {
    /// Writes a request to where it stays; see [`Operation::initialise`].
    ///
    /// # Safety
    ///
    /// The place is memory for it, and nobody else's.
    pub(crate) unsafe fn write(place: *mut Self) {
        // An IRP is numbers and pointers, for which zero is a value; the kernel initialises it.
        // SAFETY: the caller's promise; a cell is laid out as what is in it.
        let packet = |place: *mut UnsafeCell<Packet>| unsafe { place.write_bytes(0, 1) };
        let payload = |place: *mut UnsafeCell<Payload>| {
            // SAFETY: as above.
            unsafe { Payload::write(place.cast()) }
        };
        // SAFETY: as above.
        write_fields!(
            place,
            Operation {
                packet => packet,
                state: State::new(),
                payload => payload,
                target: UnsafeCell::new(Target::Nobody),
                next_orphan: AtomicPtr::new(core::ptr::null_mut()),
            }
        );
    }

    /// Makes the memory an IRP. Afterwards the request must not move, since an IRP has pointers into
    /// itself.
    ///
    /// # Safety
    ///
    /// The request is where it stays, in nonpaged memory, and idle.
    pub(crate) unsafe fn initialise(&self) {
        // SAFETY: the packet is an IRP with one stack location, and nobody uses it yet.
        unsafe { IoInitializeIrp(self.irp(), IoSizeOfIrp(1), 1) };
    }

    pub(crate) fn irp(&self) -> PIRP {
        self.packet.get().cast()
    }

    /// Readies the IRP for a call: fresh, and with the completion routine for every outcome.
    ///
    /// # Safety
    ///
    /// The request is the caller's and not in flight. `routine` may be called with `context`.
    #[inline]
    unsafe fn ready(&self, routine: CompletionRoutine, context: PVOID) {
        let irp = self.irp();
        // SAFETY: the IRP was initialised, and is not in flight.
        unsafe { IoReuseIrp(irp, STATUS_UNSUCCESSFUL) };
        // SAFETY: the IRP is fresh and so has its stack location left; the caller promises the rest.
        unsafe { IoSetCompletionRoutine(irp, Some(routine), context, TRUE, TRUE, TRUE) };
    }

    /// The status and information of a completed request (INV-19: what the information means depends
    /// on the request, and it means nothing unless the request succeeded).
    ///
    /// # Safety
    ///
    /// The request has completed, and is the caller's.
    #[inline]
    unsafe fn result(&self) -> Result<usize> {
        let irp = self.irp();
        // SAFETY: a completed IRP is the caller's to read.
        let block = unsafe { (*irp).IoStatus };
        let (status, information) = (fields::status(&block), fields::information(&block));
        if status == STATUS_SUCCESS {
            return Ok(information);
        }
        rare_result(status, information)
    }

    /// For a close that somebody will wait for, before it begins.
    pub(crate) fn await_close(&self) {
        self.state.start();
    }

    /// Readies the IRP of a socket's close. Unless [`await_close`](Self::await_close) was called, nobody
    /// waits for it.
    ///
    /// # Safety
    ///
    /// - The request was not in flight before, its IRP is initialised, and its memory stays until `routine`
    ///   has returned, which may be called with `context`.
    /// - The IRP is handed to `WskCloseSocket` next.
    pub(crate) unsafe fn ready_close(&self, routine: CompletionRoutine, context: PVOID) -> PIRP {
        // SAFETY: the caller's promise.
        unsafe { self.ready(routine, context) };
        self.state.start_abandoned_unless_started();
        self.irp()
    }

    /// For the routine of a close: who to wake.
    pub(crate) fn close_completed(&self) -> Option<Waker> {
        match self.state.complete() {
            Completion::Owned(waker) => waker,
            Completion::Abandoned | Completion::Orphaned => None,
        }
    }

    /// For who waits for a close.
    pub(crate) fn poll_close(&self, context: &Context<'_>) -> Poll<()> {
        self.state.poll(context.waker())
    }

    /// For who waited for a close: nobody waits for it any more.
    pub(crate) fn detach_close(&self) {
        // It makes no difference: the routine has a hold of its own on the memory.
        let (Leave::Left | Leave::Completed) = self.state.abandon();
    }
}

pub(crate) type CompletionRoutine = unsafe extern "C" fn(PDEVICE_OBJECT, PIRP, PVOID) -> NTSTATUS;

/// A request that is not in flight, and that frees its memory.
pub(crate) struct Idle(NonNull<Operation>);

// SAFETY: it owns the request.
unsafe impl Send for Idle {}
// SAFETY: who shares it sees the request, which may be shared; its payload is only for who has all of it.
unsafe impl Sync for Idle {}

impl Idle {
    pub(crate) fn allocate() -> Result<Self> {
        // SAFETY: the place is the new memory's.
        let write = |place| unsafe { Operation::write(place) };
        // SAFETY: this writes all of it.
        let operation = unsafe { PoolBox::new_in_place(write) }?;
        // SAFETY: it stays in this allocation, which is nonpaged.
        unsafe { operation.initialise() };
        Ok(Self(operation.into_raw()))
    }

    pub(crate) fn into_raw(self) -> NonNull<Operation> {
        let operation = self.0;
        core::mem::forget(self);
        operation
    }

    /// # Safety
    ///
    /// `operation` came from [`Idle::into_raw`], or its request has ended for good, and nobody else has
    /// it.
    pub(crate) const unsafe fn from_raw(operation: NonNull<Operation>) -> Self {
        Self(operation)
    }

    const fn operation(&self) -> &Operation {
        // SAFETY: it owns the request.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn payload(&mut self) -> &mut Payload {
        // SAFETY: the request is not in flight, so the payload is the owner's alone.
        unsafe { &mut *self.operation().payload.get() }
    }

    /// Makes the request. `call` is given the IRP, and the place of the payload, which the system may use
    /// until the request completes.
    ///
    /// # Safety
    ///
    /// - The caller has a hold on the target.
    /// - `call` hands the IRP to one function of WSK, for this target, and gives it no other memory for the
    ///   duration of the request than the payload's and what lives longer than the target.
    #[inline]
    pub(crate) unsafe fn start(
        self,
        target: Target,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> InFlight {
        // SAFETY: the caller's promise.
        unsafe { self.start_to_look(target, call) }.in_flight()
    }

    /// As [`start`](Self::start), for who looks for the end at once.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(crate) unsafe fn start_to_look(
        self,
        target: Target,
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Started {
        let operation = self.into_raw();
        // SAFETY: the request was owned; it stays until its completion, or its owner, frees it.
        let request = unsafe { operation.as_ref() };
        // SAFETY: the caller has a hold.
        unsafe { target.retain() };
        // SAFETY: the request is not in flight, so the field is the owner's.
        unsafe { *request.target.get() = target };
        let routine: CompletionRoutine = match target {
            Target::Socket(_) => completed_for_socket,
            Target::Client(_) | Target::Nobody => completed,
        };
        // SAFETY: the request is idle, and the routine takes a pointer to it.
        unsafe { request.ready(routine, operation.as_ptr().cast()) };
        request.state.start();
        let status = call(request.irp(), request.payload.get());
        // The request stays this owner's until the owner leaves it, whatever the call returned.
        Started { operation, status }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // SAFETY: it owns the request, which came from a `PoolBox`.
        drop(unsafe { PoolBox::from_raw(self.0) });
    }
}

/// The result of a request with another status than success itself.
#[cold]
fn rare_result(status: NTSTATUS, information: usize) -> Result<usize> {
    check(status).map(|()| information)
}

/// The completion routine of every request but a close.
///
/// Runs in any thread, at any IRQL up to `DISPATCH_LEVEL`, possibly before the call returns.
unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `ready` set this context.
    let operation = unsafe { NonNull::new_unchecked(context.cast::<Operation>()) };
    // SAFETY: the request is in flight.
    let target = unsafe { target_of(operation) };
    // SAFETY: as above, and was made to this target.
    unsafe { complete(operation, target) };
    STATUS_MORE_PROCESSING_REQUIRED
}

/// As [`completed`], of a request to a socket: what most are.
unsafe extern "C" fn completed_for_socket(
    _device: PDEVICE_OBJECT,
    _irp: PIRP,
    context: PVOID,
) -> NTSTATUS {
    // SAFETY: `ready` set this context.
    let operation = unsafe { NonNull::new_unchecked(context.cast::<Operation>()) };
    // SAFETY: the request is in flight.
    let target = unsafe { target_of(operation) };
    if let Target::Socket(_) = target {
        // SAFETY: as above.
        unsafe { complete(operation, target) };
    } else {
        // SAFETY: `start` takes this routine for sockets only.
        unsafe { core::hint::unreachable_unchecked() };
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Whom a request was made to.
///
/// # Safety
///
/// The request is in flight.
#[inline]
unsafe fn target_of(operation: NonNull<Operation>) -> Target {
    // SAFETY: the caller's promise.
    let request = unsafe { operation.as_ref() };
    // SAFETY: the owner wrote it before the request was started, and it is only read since.
    unsafe { *request.target.get() }
}

/// Completes a request.
///
/// # Safety
///
/// For the completion routine, once. The target is the one that the request was made to.
#[inline]
unsafe fn complete(operation: NonNull<Operation>, target: Target) {
    // SAFETY: the request is in flight; this is the only access to it.
    match unsafe { operation.as_ref() }.state.complete_unseen() {
        // The last thing that the routine does: it may end the socket, and let the driver unload.
        // SAFETY: the hold that `start` took is given up once.
        Ok(()) => unsafe { target.release() },
        // SAFETY: this is the completion routine, and the last thing that it does.
        Err(seen) => unsafe { complete_seen(operation, seen, target) },
    }
}

/// Completes a request that its owner waits for, or has left.
///
/// # Safety
///
/// For the completion routine, once. The target is the one that the request was made to.
#[inline(never)]
unsafe fn complete_seen(operation: NonNull<Operation>, seen: Seen, target: Target) {
    // SAFETY: the request is in flight; this is the only access to it until the step to completed.
    let request = unsafe { operation.as_ref() };
    match request.state.complete_seen(seen) {
        Completion::Owned(waker) => {
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        // SAFETY: the owner has left the request to this routine.
        Completion::Abandoned => unsafe { dispose(operation) },
        Completion::Orphaned => {
            // The memory is the target's, and the request's hold on that was given up.
            // SAFETY: the request has completed, and nobody else touches its payload.
            unsafe { drop_payload(request) };
            return;
        }
    }
    // The last thing that the completion routine does: it may end the socket, and let the driver unload.
    // SAFETY: the hold that `start` took is given up once.
    unsafe { target.release() };
}

/// Ends a completed request whose result nobody wants.
///
/// # Safety
///
/// The request has completed, and is the caller's.
#[cold]
unsafe fn dispose(operation: NonNull<Operation>) {
    // SAFETY: the request is the caller's, and so is there.
    let request = unsafe { operation.as_ref() };
    // SAFETY: the caller promises a completed request of its own.
    unsafe { drop_payload(request) };
    // SAFETY: as above.
    drop(unsafe { Idle::from_raw(operation) });
}

/// Drops what a completed request brought: a socket that it delivered is closed, and a list freed, by the reaper
/// (INV-20).
///
/// # Safety
///
/// The request has completed, and its payload is the caller's.
unsafe fn drop_payload(request: &Operation) {
    // SAFETY: the caller promises a completed request.
    let result = unsafe { request.result() };
    // SAFETY: the caller promises the payload.
    let payload = unsafe { &mut *request.payload.get() };
    let delivered = payload.delivered.take();
    if let Some(look_up) = payload.look_up.take() {
        look_up.dispose(result.is_ok());
    }
    if let Some(descriptor) = payload.security.take() {
        if let (true, Ok(size)) = (descriptor.is_unset(), &result) {
            let written = payload.control.output().get(..*size).unwrap_or_default();
            // SAFETY: the request was made for it, and has written this.
            unsafe { descriptor.receive(written) };
        }
        // Dropped, it goes to the reaper, if it was the last.
    }
    // SAFETY: the completion routine has a hold on the target still, or the socket waits for the request; its owner
    // has a use.
    unsafe { payload.clear() };
    if let (Some(new), Ok(information)) = (delivered, result) {
        // CAST: the information of a request that delivers a socket is its address.
        let socket = core::ptr::with_exposed_provenance_mut::<WSK_SOCKET>(information);
        if let Some(socket) = NonNull::new(socket) {
            // SAFETY: the request delivered this socket, and nobody else has it.
            unsafe { new.reap(socket) };
        }
    }
}

const _: () = assert!(align_of::<Operation>() == 16);
