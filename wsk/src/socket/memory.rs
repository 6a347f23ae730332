//! A socket's memory, which its handles, its close, its requests and its callbacks share.
//!
//! One allocation, made before the socket exists, with the IRP of its close in it: a close needs no memory and
//! cannot fail ([INV-44](crate::rules#inv-44)). It also contains the handler of the socket's events, since
//! callbacks may begin before the creation has returned ([INV-53](crate::rules#inv-53)).
//!
//! [`RefCounts`] decides how long each part exists. When the last memory reference is released, the handler is
//! dropped, and only then does the registration stop waiting for the socket ([INV-5](crate::rules#inv-5),
//! [INV-18](crate::rules#inv-18), [INV-46](crate::rules#inv-46)).
//!
//! # Safety
//!
//! A [`SocketState`] is the beginning of a larger allocation. Code that may release the last reference starts from a
//! pointer with provenance over all of it, never from `&SocketState`.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use core::task::{Context, Poll};

use wsk_sys::{ADDRESS_FAMILY, PWSK_SOCKET, STATUS_FILE_FORCED_CLOSED, WSK_SOCKET};

use super::close::begin_close;
use super::counts::RefCounts;
use crate::client::Client;
use crate::deferred::DeferredJob;
use crate::events::AttachedHandler;
use crate::flags::{SendFlags, SocketFlags};
use crate::operation::{
    Budget, Budgeted, Cache, Idle, KeptReceives, OnceOperation, SendCount, Target, TargetHeader,
};
use crate::rundown::ObjectKind;
use crate::status::{Error, Result, known};

/// The memory of a socket, with the handler of its events. What WSK is given as the socket's context.
#[repr(C)]
pub(crate) struct SocketMemory<H> {
    pub(crate) state: SocketState,
    /// Dropped when the last memory reference is released, before the memory is freed.
    pub(crate) handler: ManuallyDrop<H>,
}

/// The beginning of every socket's memory: all but the handler.
///
/// # Invariants
///
/// - It is the beginning of a [`SocketMemory`] that [`NewSocket::allocate`](super::NewSocket::allocate) made, with a
///   reference to `client`, and `whole` points to all of that memory.
/// - `drop_handler` and `free` are the functions for the memory's own type.
/// - Once `socket` is not null, the socket is open until the close that follows the last open reference.
#[repr(C)]
pub(crate) struct SocketState {
    pub(super) header: TargetHeader,
    /// Pointer with provenance over the whole allocation; code that may release the last reference must start here,
    /// not from `&SocketState`.
    pub(super) whole: NonNull<SocketState>,
    pub(super) close: OnceOperation,
    pub(super) counts: RefCounts,
    /// Null until the socket was delivered.
    pub(super) socket: AtomicPtr<WSK_SOCKET>,
    /// The number of requests that send or disconnect and have not completed yet ([INV-43](crate::rules#inv-43)), but for
    /// those that `requests` counts itself. The completion routine decrements the count for a request.
    pub(super) sends: SendCount,
    pub(crate) requests: Cache,
    /// The client that the socket belongs to, whose registration waits for the last reference.
    pub(super) client: NonNull<Client>,
    /// The handler that a connection got later.
    pub(crate) attached: AttachedHandler,
    /// Drops the handler, if it has something to drop. That is user code, which must not run in a completion
    /// routine ([INV-15](crate::rules#inv-15)).
    pub(super) drop_handler: Option<unsafe fn(NonNull<SocketState>)>,
    /// Frees the whole memory, but does not drop the handler.
    pub(super) free: unsafe fn(NonNull<SocketState>),
    /// For the deferred queue, which runs [`SocketState::run_deferred`].
    pub(super) job: DeferredJob,
    pub(super) category: SocketFlags,
    pub(super) family: ADDRESS_FAMILY,
    /// The socket no longer works, and only a close is legal ([INV-42](crate::rules#inv-42)).
    pub(super) is_dead: AtomicBool,
    /// Flags of every send: those that stand for an option that the system lacks.
    pub(super) send_flags: AtomicU32,
    /// The connection was shut down: it sends no more.
    pub(super) has_finished: AtomicBool,
    pub(super) is_closed: AtomicBool,
}

/// Each socket takes this much, without its handler and the requests that it keeps for reuse.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<SocketState>() <= 576);

// SAFETY: every field is an atomic, immutable, or shared by the rules of its own type; the client, which is `Sync`,
// outlives it.
unsafe impl Send for SocketState {}
// SAFETY: every field is an atomic, immutable, or shared by the rules of its own type; the client, which is `Sync`,
// outlives it.
unsafe impl Sync for SocketState {}

impl core::fmt::Debug for SocketState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SocketState").finish_non_exhaustive()
    }
}

// SAFETY: the type is `#[repr(C)]` and begins with its header; the memory stays until the last memory reference is
// released.
unsafe impl Target for SocketState {
    const LENDS: bool = true;

    #[inline]
    fn retain(&self) {
        self.counts.retain_memory();
    }

    /// The last reference ends the socket.
    #[inline]
    unsafe fn release(this: NonNull<Self>) {
        // Only the counts are borrowed, which are atomic: the rest may be freed during the call.
        // SAFETY: the caller's reference keeps the memory until the next step.
        let counts = unsafe { &(*this.as_ptr()).counts };
        if counts.release_memory() {
            // SAFETY: this was the last reference.
            unsafe { Self::released(this) };
        }
    }

    unsafe fn release_one_of_several(this: NonNull<Self>) {
        // SAFETY: the caller's references keep the memory, of which one is left.
        let was_last = unsafe { this.as_ref() }.counts.release_memory();
        debug_assert!(!was_last, "the caller has another reference");
    }

    fn requests(&self) -> &Cache {
        &self.requests
    }

    fn sends(&self) -> Option<&SendCount> {
        Some(&self.sends)
    }
}

impl SocketState {
    /// The steps that follow the release of the last memory reference.
    ///
    /// # Safety
    ///
    /// The last memory reference was released before this call, and its weak reference was not.
    #[cold]
    unsafe fn released(this: NonNull<Self>) {
        // SAFETY: the weak reference of the memory references keeps the memory.
        let state = unsafe { this.as_ref() };
        // SAFETY: each request in flight has a memory reference, and so has every future that receives.
        unsafe { state.header.kept.clear() };
        if state.drop_handler.is_some() || state.attached.get().is_some() {
            state.is_closed.store(true, Ordering::Relaxed);
            // SAFETY: the last memory reference was released for this.
            unsafe { Self::defer(this) };
        } else {
            // SAFETY: the last memory reference was released for this, and nothing has to be dropped.
            unsafe { Self::end(this) };
        }
    }

    /// Drops the handler, and lets the registration end.
    ///
    /// # Safety
    ///
    /// The last memory reference was released before this call, and its weak reference was not. If there is
    /// something to drop, the IRQL is `PASSIVE_LEVEL`.
    unsafe fn end(this: NonNull<Self>) {
        // SAFETY: the weak reference of the memory references keeps the memory.
        let state = unsafe { this.as_ref() };
        let (drop_handler, client) = (state.drop_handler, state.client);
        if let Some(drop_handler) = drop_handler {
            // SAFETY: it is the function for this memory, whose handler is not used without a memory reference.
            unsafe { drop_handler(this) };
        }
        // SAFETY: the weak reference of the memory references keeps the memory.
        let state = unsafe { this.as_ref() };
        // SAFETY: the attached handler is not used without a memory reference either.
        unsafe { state.attached.drop_handler() };
        #[cfg(feature = "counters")]
        if !state.socket().is_null() {
            crate::counters::socket_ended();
        }
        // SAFETY: the weak reference of the memory references is released here, once.
        unsafe { Self::release_weak(this) };
        // SAFETY: the socket's reference keeps the client until the next step.
        unsafe { client.as_ref() }.rundown().end(ObjectKind::Socket);
        // SAFETY: this is the socket's reference to the client, which is released here, once.
        unsafe { Client::release_reference(client) };
    }

    /// Releases a weak reference; the last one frees the memory. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a weak reference, with a pointer to the whole memory, and uses it no more.
    pub(super) unsafe fn release_weak(this: NonNull<Self>) {
        // SAFETY: the caller's weak reference keeps the memory until the next step.
        let counts = unsafe { &(*this.as_ptr()).counts };
        if counts.release_weak() {
            // SAFETY: no reference is left, so the memory is this call's.
            let free = unsafe { this.as_ref() }.free;
            // SAFETY: it is the function for this memory, which is not used any more.
            unsafe { free(this) };
        }
    }

    /// Defers the close of a socket that was delivered, or the end of one that is closed.
    ///
    /// # Safety
    ///
    /// The socket was delivered, and its last open reference is given up for this; or its last memory reference was
    /// released for this.
    pub(super) unsafe fn defer(this: NonNull<Self>) {
        // SAFETY: this function has the contract of `defer_by`, which `Client::defer` satisfies.
        unsafe { Self::defer_by(this, Client::defer) };
    }

    /// # Safety
    ///
    /// As for [`defer`](Self::defer), and `defer` is one of [`Client`]'s functions for that.
    unsafe fn defer_by(
        this: NonNull<Self>,
        defer: unsafe fn(NonNull<Client>, NonNull<DeferredJob>),
    ) {
        // SAFETY: the reference that the caller gives up keeps the memory.
        let client = unsafe { this.as_ref() }.client;
        // SAFETY: the memory exists, and the pointer stays within it.
        let job = unsafe { &raw mut (*this.as_ptr()).job };
        // SAFETY: derived from a pointer that is not null.
        let job = unsafe { NonNull::new_unchecked(job) };
        // SAFETY: the job has one user at a time, since the caller gives up the last reference of its kind; the
        // socket's memory keeps a reference to the client until the job is done.
        unsafe { defer(client, job) };
    }

    /// For the deferred queue: closes a delivered socket, or ends a closed one.
    ///
    /// # Safety
    ///
    /// The job belongs to a socket, was deferred, and runs once, at `PASSIVE_LEVEL`.
    pub(super) unsafe fn run_deferred(job: NonNull<DeferredJob>) {
        // SAFETY: the job lies at this offset of its socket's memory, and its pointer came from that memory's.
        let this: NonNull<Self> = unsafe { job.byte_sub(core::mem::offset_of!(Self, job)) }.cast();
        // SAFETY: the reference that was given up with the job keeps the memory.
        if unsafe { this.as_ref() }.is_closed.load(Ordering::Relaxed) {
            // SAFETY: the last memory reference was released for this, and the level is passive.
            unsafe { Self::end(this) };
        } else {
            // SAFETY: the weak reference that was given up with the job keeps the memory.
            let counts = unsafe { &(*this.as_ptr()).counts };
            // While the callback has its reference, no other reference is the last one, so the job belongs to the
            // callback.
            let is_last = if counts.is_delivering() {
                counts.release_delivering()
            } else {
                counts.release_open()
            };
            if is_last {
                // SAFETY: no open reference is left, so no call is executing or follows (INV-45); the memory reference
                // of the open ones is the close's now.
                unsafe { begin_close(this) };
            }
        }
    }

    /// Takes another open reference. The caller has one.
    pub(crate) fn retain_open(&self) {
        self.counts.retain_open();
    }

    /// Takes the open reference of the callback that delivers the socket. The caller has another one.
    pub(super) fn retain_delivering(&self) {
        self.counts.retain_delivering();
    }

    /// Releases an open reference; the last one begins the close, here or where it is allowed. IRQL: <=
    /// `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has an open reference, with a pointer to the whole memory, to a socket that was delivered, and makes
    /// no call to it any more.
    pub(crate) unsafe fn release_open(this: NonNull<Self>) {
        // SAFETY: the caller's open reference keeps the memory until the next step, and with it the client.
        let memory = unsafe { this.as_ref() };
        if memory.client().rundown().is_in_foreign_waker() {
            // The close must not begin in this thread.
            if memory.counts.release_open_unless_last() {
                // SAFETY: the last open reference is given up for this.
                unsafe { Self::defer(this) };
            }
        } else if memory.counts.release_open() {
            // SAFETY: no open reference is left, so no call is executing or follows (INV-45), and this is no completion
            // routine's waker (INV-15); the memory reference of the open ones is the close's now.
            unsafe { begin_close(this) };
        }
    }

    /// Gives up the open reference of the callback that delivers the socket, as its last step. It is released when the
    /// callback has returned, as far as that can be known; so no thread closes the socket before that.
    ///
    /// # Safety
    ///
    /// The callback has that reference, with a pointer to the whole memory, and makes no call to the socket any more.
    pub(crate) unsafe fn release_after_callback(this: NonNull<Self>) {
        // SAFETY: the callback's reference is given up for this. While it is held, no other open reference is the last
        // one, and memory references are left: so the job has no other user.
        unsafe { Self::defer_by(this, Client::defer_after_callback) };
    }

    /// Whether nothing is being sent, and the caller's open reference is the only one: no other thread can begin
    /// anything.
    pub(super) fn has_no_sends(&self) -> bool {
        self.counts.is_only_open_ref() && !self.is_sending()
    }

    /// Whether a request that [sends](crate::operation::RequestKind::Sends) is in flight.
    pub(crate) fn is_sending(&self) -> bool {
        !self.sends.is_zero() || self.requests.is_sending()
    }

    pub(crate) fn socket(&self) -> PWSK_SOCKET {
        self.socket.load(Ordering::Acquire)
    }

    /// Counts the socket's requests.
    #[inline]
    pub(crate) const fn budget(&self) -> &Budget {
        &self.header.budget
    }

    /// For a request that is about to be issued: ready if WSK may be called here, and the task's budget allows it.
    #[inline]
    pub(crate) fn poll_permit(&self, context: &Context<'_>) -> Poll<Budgeted> {
        if self.client().poll_outside_routines(context).is_pending() {
            return Poll::Pending;
        }
        self.budget().poll_budgeted(context)
    }

    /// Waits until a request may be issued, as [`poll_permit`](Self::poll_permit).
    #[inline]
    pub(crate) const fn permit(&self) -> AwaitPermit<'_> {
        AwaitPermit(self)
    }

    /// The receives whose futures were dropped.
    #[inline]
    pub(crate) const fn kept(&self) -> &KeptReceives {
        &self.header.kept
    }

    pub(crate) const fn category(&self) -> SocketFlags {
        self.category
    }

    /// The family of each of the socket's addresses ([INV-32](crate::rules#inv-32)).
    pub(crate) const fn family(&self) -> ADDRESS_FAMILY {
        self.family
    }

    pub(crate) const fn client(&self) -> &Client {
        // SAFETY: the socket's memory has a reference to its client.
        unsafe { self.client.as_ref() }
    }

    /// Marks the socket dead if the error is `STATUS_FILE_FORCED_CLOSED` ([INV-42](crate::rules#inv-42)).
    pub(crate) fn note_error(&self, error: Error) -> Error {
        if error.status() == STATUS_FILE_FORCED_CLOSED {
            self.mark_dead();
        }
        error
    }

    /// Marks the socket dead: it no longer works ([INV-42](crate::rules#inv-42)).
    #[inline]
    pub(crate) fn mark_dead(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    /// The flags of every send, beside its own.
    #[inline]
    pub(crate) fn send_flags(&self) -> SendFlags {
        SendFlags::from_bits_retain(self.send_flags.load(Ordering::Relaxed))
    }

    pub(crate) fn set_send_flags(&self, flags: SendFlags) {
        self.send_flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// Notes that the connection was shut down.
    pub(super) fn note_finished(&self) {
        self.has_finished.store(true, Ordering::Relaxed);
    }

    /// Whether the connection was shut down.
    pub(super) fn has_finished(&self) -> bool {
        self.has_finished.load(Ordering::Relaxed)
    }

    /// Fails if the socket no longer works ([INV-42](crate::rules#inv-42)).
    #[inline]
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.is_dead.load(Ordering::Relaxed) {
            return Err(known::STATUS_FILE_FORCED_CLOSED);
        }
        Ok(())
    }

    /// An operation for a request, unless the socket is dead, or WSK must not be called here.
    ///
    /// # Safety
    ///
    /// As for [`Cache::take`].
    #[inline(never)]
    pub(crate) unsafe fn idle(&self) -> Result<Idle> {
        // SAFETY: this function's contract is the other's.
        unsafe { self.idle_inline() }
    }

    /// As [`idle`](Self::idle), inlined, for the most frequent requests.
    ///
    /// # Safety
    ///
    /// As for [`Cache::take`].
    #[inline]
    pub(super) unsafe fn idle_inline(&self) -> Result<Idle> {
        self.check_alive()?;
        self.client().check_outside_routines()?;
        // SAFETY: this function's contract is the other's.
        unsafe { self.requests.take() }
    }

    /// The result of a completed request. If it is an error, the operation is kept for the next request.
    #[inline]
    pub(crate) fn completed(&self, idle: Idle, result: Result<usize>) -> Result<(Idle, usize)> {
        match result {
            Ok(information) => Ok((idle, information)),
            Err(error) => Err(self.failed(idle, error)),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn failed(&self, idle: Idle, error: Error) -> Error {
        self.requests.put(idle);
        self.note_error(error)
    }
}

/// A future that waits until a request may be issued.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitPermit<'a>(&'a SocketState);

impl Future for AwaitPermit<'_> {
    type Output = Budgeted;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Budgeted> {
        self.0.poll_permit(context)
    }
}
