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
mod lent;
mod state;
mod within;

use core::cell::UnsafeCell;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::AtomicPtr;
use core::task::{Context, Poll, Waker};

use wsk_sys::{
    IO_STACK_LOCATION, IRP, IoCancelIrp, IoInitializeIrp, IoReuseIrp, IoSetCompletionRoutine,
    IoSizeOfIrp, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED,
    STATUS_NOT_IMPLEMENTED, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, TRUE, WSK_BUF,
    WSK_SOCKET,
};

pub(crate) use self::cache::Cache;
pub(crate) use self::control::ControlArea;
pub(crate) use self::lent::{Lent, callback_ends};
use self::state::{Completion, Leave, Seen, State};
pub(crate) use self::within::Within;
use crate::address::Storage;
use crate::batch::Batch;
use crate::buffer::Buffer;
use crate::pool::{PoolBox, write_fields};
use crate::registration::Core;
use crate::resolve::LookUp;
use crate::rt::{self, Turn};
use crate::security::CachedSecurityDescriptor;
use crate::socket::{NewSocket, Sending, Shared};
use crate::status::{Error, Result, check, known};

/// An IRP followed by its only stack location, as [`IoSizeOfIrp`]`(1)` has them.
#[repr(C)]
struct Packet {
    irp: IRP,
    location: IO_STACK_LOCATION,
}

const _: () = assert!(core::mem::offset_of!(Packet, location) == size_of::<IRP>());

/// What the system reads and writes while the request is in flight, and what the request owns.
pub(crate) struct Payload {
    pub(crate) local: Storage,
    pub(crate) remote: Storage,
    pub(crate) buffer: Option<Buffer>,
    /// Several buffers, with the list of them that WSK reads (INV-28).
    pub(crate) batch: Option<Batch>,
    /// Where an ioctl writes to.
    pub(crate) output: Option<Buffer>,
    /// The security descriptor that the request uses, or that it is to bring.
    pub(crate) security: Option<CachedSecurityDescriptor>,
    /// What describes the buffer to WSK, which may read it as long as it uses the buffer.
    pub(crate) descriptor: WSK_BUF,
    /// Control data of a datagram, or the value of an option or of an ioctl.
    pub(crate) control: ControlArea,
    /// What a socket that the request delivers will live in, made before it can arrive.
    pub(crate) delivered: Option<NewSocket>,
    /// What the look-up of a name reads and writes.
    pub(crate) look_up: Option<LookUp>,
    /// That the request sends, for its socket to know.
    pub(crate) sending: Option<Sending>,
}

/// Whom a request is made to: who is kept while it is in flight.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Nobody,
    Socket(NonNull<Shared>),
    /// The client itself, as for the resolution of a name.
    Client(NonNull<Core>),
}

impl Target {
    /// # Safety
    ///
    /// The caller has a hold on it.
    #[inline]
    unsafe fn retain(self) {
        match self {
            Self::Nobody => {}
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { shared.as_ref() }.retain(),
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { core.as_ref() }.begin_request(),
        }
    }

    /// # Safety
    ///
    /// The caller has a hold, gives it up, and does not use the target any more.
    #[inline]
    unsafe fn release(self) {
        match self {
            Self::Nobody => {}
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { Shared::release(shared) },
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { Core::end_request(core) },
        }
    }

    /// Keeps a request that was refused.
    ///
    /// # Safety
    ///
    /// The caller has a hold, the request was made to this target and orphaned, and nobody else adopts it.
    unsafe fn adopt(self, operation: NonNull<Operation>) {
        let requests = match self {
            Self::Nobody => return,
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { &(*shared.as_ptr()).requests },
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { &(*core.as_ptr()).requests },
        };
        // SAFETY: the caller's promise.
        unsafe { requests.adopt(operation) };
    }
}

impl Payload {
    /// As [`clear`](Self::clear), of a request with a buffer and nothing else, which was taken out.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    unsafe fn clear_transfer(&mut self) {
        if let Some(sending) = self.sending.take() {
            // SAFETY: the caller's promise.
            unsafe { sending.end() };
        }
    }

    /// Drops what a completed request has no use for any more.
    ///
    /// # Safety
    ///
    /// If the request was sending, its socket's memory is there.
    pub(crate) unsafe fn clear(&mut self) {
        self.buffer = None;
        self.batch = None;
        self.output = None;
        self.security = None;
        self.delivered = None;
        self.look_up = None;
        if let Some(sending) = self.sending.take() {
            // SAFETY: the caller's promise.
            unsafe { sending.end() };
        }
    }

    /// Writes one that is empty.
    ///
    /// # Safety
    ///
    /// The place is memory for it, and nobody else's.
    unsafe fn write(place: *mut Self) {
        // SAFETY: the caller's promise.
        write_fields!(
            place,
            Payload {
                local: Storage::EMPTY,
                remote: Storage::EMPTY,
                buffer: None,
                batch: None,
                output: None,
                security: None,
                descriptor: WSK_BUF { Mdl: core::ptr::null_mut(), Offset: 0, Length: 0 },
                control: ControlArea::EMPTY,
                delivered: None,
                look_up: None,
                sending: None,
            }
        );
    }
}

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
        if block.Status == STATUS_SUCCESS {
            return Ok(block.Information);
        }
        rare_result(block.Status, block.Information)
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

/// A request that was just made, and may have completed.
#[must_use = "the request is leaked when this is dropped"]
pub(crate) struct Started {
    operation: NonNull<Operation>,
    /// What the call has returned.
    status: NTSTATUS,
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

/// The result of a request with another status than success itself.
#[cold]
fn rare_result(status: NTSTATUS, information: usize) -> Result<usize> {
    check(status).map(|()| information)
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
