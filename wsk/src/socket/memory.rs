//! A socket's memory: what its handles, its close, its requests and its callbacks have together.
//!
//! One allocation, made before the socket exists, with the IRP of its close in it: a close needs no memory
//! and cannot fail (INV-44). The handler of its events is in it, too, since callbacks may begin before the
//! creation has returned (INV-53).
//!
//! How long each part is there is counted: see [`Counts`]. When the last hold goes, the handler is dropped, and
//! only then does the registration stop waiting for the socket (INV-5, INV-18, INV-46).

use core::mem::{ManuallyDrop, needs_drop};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use wsk_sys::{ADDRESS_FAMILY, PVOID, PWSK_SOCKET, STATUS_FILE_FORCED_CLOSED, WSK_SOCKET};

use super::attached::Slot;
use super::closing::begin_close;
use super::counts::Counts;
use super::handle::Handle;
use crate::flags::SocketFlags;
use crate::operation::{Cache, Idle, Operation};
use crate::pool::{PoolBox, write_fields};
use crate::reaper::Job;
use crate::registration::Core;
use crate::status::{Error, Result, known};

/// The memory of a socket, with the handler of its events. What WSK is given as the socket's context.
#[repr(C)]
pub(crate) struct Memory<H> {
    pub(crate) shared: Shared,
    /// Dropped with the last hold, before the memory is freed.
    pub(crate) handler: ManuallyDrop<H>,
}

/// What every socket's memory begins with.
pub(crate) struct Shared {
    /// The whole memory, of which a reference to this is a part: who may be the last to end a use or a hold must
    /// have come by a pointer that may free it.
    whole: NonNull<Shared>,
    pub(super) close: Operation,
    pub(super) counts: Counts,
    /// Null until the socket was delivered.
    socket: AtomicPtr<WSK_SOCKET>,
    /// The socket no longer works, and only a close is legal (INV-42).
    dead: AtomicBool,
    /// Requests that send or disconnect, and may not have completed yet (INV-43).
    sends: AtomicUsize,
    pub(crate) requests: Cache,
    /// The registration that the socket belongs to, which waits for the last hold.
    core: NonNull<Core>,
    category: SocketFlags,
    family: ADDRESS_FAMILY,
    /// The handler that a connection got later.
    pub(crate) attached: Slot,
    /// Drops the handler, if there is something to be dropped. That is the user's code, which is not to run in a
    /// completion routine (INV-15).
    drop_handler: Option<unsafe fn(NonNull<Shared>)>,
    /// Frees the whole of the memory, but does not drop the handler.
    free: unsafe fn(NonNull<Shared>),
    /// For the reaper, and what that is to do.
    job: Job,
    is_closed: AtomicBool,
}

// SAFETY: every field is shared by atomics or by its own rules, and the registration outlives it.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// For a use or a hold that lasts longer than this reference.
    pub(super) const fn whole(&self) -> NonNull<Self> {
        self.whole
    }

    #[inline]
    pub(crate) fn retain(&self) {
        self.counts.hold();
    }

    /// Gives up one hold; the last one ends the socket. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and does not use the socket any more.
    #[inline]
    pub(crate) unsafe fn release(shared: NonNull<Self>) {
        // SAFETY: the caller's hold keeps the memory until the next step.
        let counts = unsafe { &(*shared.as_ptr()).counts };
        if counts.release() {
            // SAFETY: this was the last hold.
            unsafe { Self::released(shared) };
        }
    }

    /// What is due when the last hold was given up.
    ///
    /// # Safety
    ///
    /// The last hold was given up for this.
    #[cold]
    unsafe fn released(shared: NonNull<Self>) {
        // SAFETY: the last hold keeps the memory.
        let memory = unsafe { shared.as_ref() };
        if memory.drop_handler.is_some() || memory.attached.get().is_some() {
            memory.is_closed.store(true, Ordering::Relaxed);
            // SAFETY: nobody else has the handler.
            unsafe { Self::hand_to_reaper(shared) };
        } else {
            // SAFETY: as above.
            unsafe { Self::end(shared) };
        }
    }

    /// Drops the handler, and lets the registration end.
    ///
    /// # Safety
    ///
    /// The last hold was given up for this, its weak hold was not. If there is something to be dropped, the IRQL
    /// is `PASSIVE_LEVEL`.
    unsafe fn end(shared: NonNull<Self>) {
        // SAFETY: the weak hold keeps the memory.
        let memory = unsafe { shared.as_ref() };
        let (drop_handler, core) = (memory.drop_handler, memory.core);
        if let Some(drop_handler) = drop_handler {
            // SAFETY: it is the function for this memory, whose handler nobody uses any more.
            unsafe { drop_handler(shared) };
        }
        // SAFETY: as above.
        let memory = unsafe { shared.as_ref() };
        // SAFETY: nobody uses the attached handler any more either.
        unsafe { memory.attached.drop_handler() };
        // SAFETY: the weak hold of all holds ends here.
        unsafe { Self::release_weakly(shared) };
        // SAFETY: the registration waits for this very call, which is the socket's only one.
        unsafe { Core::release(core) };
    }

    /// Gives up a weak hold; the last one frees the memory. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a weak hold, and does not use the memory any more.
    pub(super) unsafe fn release_weakly(shared: NonNull<Self>) {
        // SAFETY: the caller's weak hold keeps the memory until the next step.
        let counts = unsafe { &(*shared.as_ptr()).counts };
        if counts.release_weakly() {
            // SAFETY: nobody else has the memory.
            let free = unsafe { shared.as_ref() }.free;
            // SAFETY: it is the function for this memory, of which nothing is used any more.
            unsafe { free(shared) };
        }
    }

    /// Has the reaper close a socket that was delivered, or free one that is closed.
    ///
    /// # Safety
    ///
    /// The socket was delivered, and its last use is given up for this; or its last hold was given up.
    unsafe fn hand_to_reaper(shared: NonNull<Self>) {
        // SAFETY: the caller's promise; the socket's memory keeps its registration.
        let core = unsafe { shared.as_ref() }.core;
        // SAFETY: the memory is there.
        let job = unsafe { &raw mut (*shared.as_ptr()).job };
        // SAFETY: derived from a pointer that is not null.
        let job = unsafe { NonNull::new_unchecked(job) };
        // SAFETY: the registration is kept by the memory, which was given up for this.
        unsafe { Core::hand_to_reaper(core, job) };
    }

    /// Ends a use, where the close must not begin in this thread: the reaper begins it.
    ///
    /// # Safety
    ///
    /// As for [`end_use`](Self::end_use).
    pub(crate) unsafe fn end_use_elsewhere(shared: NonNull<Self>) {
        // SAFETY: the use keeps the memory until the next step.
        let counts = unsafe { &(*shared.as_ptr()).counts };
        if counts.end_use_unless_last() {
            // SAFETY: the last use is given up for this.
            unsafe { Self::hand_to_reaper(shared) };
        }
    }

    /// For the reaper: closes a socket that arrived when nobody waited for it, or ends one that is closed.
    ///
    /// # Safety
    ///
    /// The job is a socket's that was handed over, and is done once.
    unsafe fn reap(job: NonNull<Job>) {
        // SAFETY: the job lies at this offset of its socket's memory.
        let shared: NonNull<Self> =
            unsafe { job.byte_sub(core::mem::offset_of!(Self, job)) }.cast();
        // SAFETY: it was handed over, and so is still there.
        if unsafe { shared.as_ref() }.is_closed.load(Ordering::Relaxed) {
            // SAFETY: `release` gave the last hold up for this, and the reaper runs at PASSIVE_LEVEL.
            unsafe { Self::end(shared) };
        } else {
            // SAFETY: who handed it over gave up its use for this.
            unsafe { Self::end_use(shared) };
        }
    }

    /// One more use of a socket that is in use.
    pub(crate) fn begin_use(&self) {
        self.counts.begin_use();
    }

    /// Ends a use; the last one begins the close. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a use, of a socket that was delivered, and makes no call to it any more.
    pub(crate) unsafe fn end_use(shared: NonNull<Self>) {
        // SAFETY: the use keeps the memory until the next step.
        let counts = unsafe { &(*shared.as_ptr()).counts };
        if counts.end_use() {
            // SAFETY: no use is left, and so no call is executing or follows (INV-45); the uses' hold is the
            // close's.
            unsafe { begin_close(shared) };
        }
    }

    /// Whether nothing is being sent, and there is one use of the socket, which is the caller's: nobody else can
    /// begin anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.counts.is_only_use() && self.sends.load(Ordering::Acquire) == 0
    }

    /// Counts a request that sends, until [`Sending::end`].
    #[inline]
    pub(crate) fn begin_send(&self) -> Sending {
        self.sends.fetch_add(1, Ordering::Relaxed);
        Sending(NonNull::from(self))
    }

    pub(crate) fn socket(&self) -> PWSK_SOCKET {
        self.socket.load(Ordering::Acquire)
    }

    pub(crate) const fn category(&self) -> SocketFlags {
        self.category
    }

    /// What every address of the socket is of (INV-32).
    pub(crate) const fn family(&self) -> ADDRESS_FAMILY {
        self.family
    }

    pub(crate) const fn core(&self) -> &Core {
        // SAFETY: the socket's memory keeps its registration.
        unsafe { self.core.as_ref() }
    }

    /// Remembers that the socket is dead if that is what the error says (INV-42).
    pub(crate) fn note(&self, error: Error) -> Error {
        if error.status() == STATUS_FILE_FORCED_CLOSED {
            self.note_death();
        }
        error
    }

    /// Remembers that the socket no longer works (INV-42).
    #[inline]
    pub(crate) fn note_death(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Fails if the socket no longer works (INV-42).
    #[inline]
    pub(crate) fn require_life(&self) -> Result<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(known::STATUS_FILE_FORCED_CLOSED);
        }
        Ok(())
    }

    /// A request to be made, unless the socket is dead.
    #[inline]
    pub(crate) fn idle(&self) -> Result<Idle> {
        self.require_life()?;
        self.requests.take()
    }

    /// Keeps the request of a failure for the next use, and notes what it says about the socket.
    #[inline]
    pub(crate) fn completed(&self, idle: Idle, result: Result<usize>) -> Result<(Idle, usize)> {
        match result {
            Ok(information) => Ok((idle, information)),
            Err(error) => Err(self.failed(idle, error)),
        }
    }

    #[cold]
    pub(super) fn failed(&self, idle: Idle, error: Error) -> Error {
        self.requests.put(idle);
        self.note(error)
    }
}

/// A request that sends, and is counted among its socket's. It ends by [`end`](Self::end) only: one that the
/// system has kept for good has not ended.
pub(crate) struct Sending(NonNull<Shared>);

impl Sending {
    /// # Safety
    ///
    /// The socket's memory is there.
    #[inline]
    pub(crate) unsafe fn end(self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.as_ref() }.sends.fetch_sub(1, Ordering::Release);
    }
}

/// Drops the handler in a socket's memory.
///
/// # Safety
///
/// It is the beginning of a `Memory<H>` of [`NewSocket::allocate`], whose handler nobody uses any more.
unsafe fn drop_handler<H>(shared: NonNull<Shared>) {
    // Only this part: the rest is shared with weak holds.
    // SAFETY: the caller's promise.
    let handler = unsafe { &raw mut (*shared.cast::<Memory<H>>().as_ptr()).handler };
    // SAFETY: as above; a `ManuallyDrop` is laid out as what is in it.
    unsafe { handler.cast::<H>().drop_in_place() };
}

/// Frees a socket's memory.
///
/// # Safety
///
/// It is the beginning of a `Memory<H>` of [`NewSocket::allocate`], of which nothing is used any more.
unsafe fn free<H>(shared: NonNull<Shared>) {
    // SAFETY: the caller's promise.
    drop(unsafe { PoolBox::from_raw(shared.cast::<Memory<H>>()) });
}

/// The memory of a socket that is still to be delivered: its first hold, which is that of its first use.
pub(crate) struct NewSocket(NonNull<Shared>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl Send for NewSocket {}

impl NewSocket {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory; the handler is dropped.
    pub(crate) fn allocate<H: Send + Sync + 'static>(
        core: &Core,
        category: SocketFlags,
        family: ADDRESS_FAMILY,
        handler: H,
    ) -> Result<Self> {
        let shared = |place: *mut Shared| {
            // SAFETY: the place is memory, and not null.
            let whole = unsafe { NonNull::new_unchecked(place) };
            // SAFETY: the place is the new memory's.
            let close = |place| unsafe { Operation::write(place) };
            // SAFETY: as above.
            write_fields!(
                place,
                Shared {
                    whole: whole,
                    close => close,
                    counts: Counts::new(),
                    socket: AtomicPtr::new(ptr::null_mut()),
                    dead: AtomicBool::new(false),
                    sends: AtomicUsize::new(0),
                    requests: Cache::new(),
                    core: NonNull::from(core),
                    category: category,
                    family: family,
                    attached: Slot::new(),
                    drop_handler: if needs_drop::<H>() { Some(drop_handler::<H> as _) } else { None },
                    free: free::<H>,
                    job: Job::new(Shared::reap),
                    is_closed: AtomicBool::new(false),
                }
            );
        };
        // If there is no memory, the handler is still the closure's.
        let write = |place: *mut Memory<H>| {
            // SAFETY: the memory is new.
            write_fields!(
                place,
                Memory {
                    shared => shared,
                    handler: ManuallyDrop::new(handler),
                }
            );
        };
        // SAFETY: this writes all of it.
        let memory = unsafe { PoolBox::new_in_place(write) }?;
        core.retain();
        // SAFETY: it stays in this allocation, which is nonpaged.
        unsafe { memory.shared.close.initialise() };
        Ok(Self(memory.into_raw().cast()))
    }

    fn shared(&self) -> &Shared {
        // SAFETY: it is a hold.
        unsafe { self.0.as_ref() }
    }

    /// What WSK is given as the socket's context, and gives to the callbacks.
    pub(crate) const fn context(&self) -> PVOID {
        self.0.as_ptr().cast()
    }

    pub(crate) fn hold(&self) -> Hold {
        self.shared().retain();
        Hold(self.0)
    }

    /// # Safety
    ///
    /// `socket` is of category `C`, was delivered to a request or to a callback of this client, and nobody
    /// else has it.
    pub(crate) unsafe fn open<C>(self, socket: NonNull<WSK_SOCKET>) -> Handle<C> {
        self.shared().socket.store(socket.as_ptr(), Ordering::Release);
        let shared = self.0;
        core::mem::forget(self);
        // SAFETY: the first use is the handle's now.
        unsafe { Handle::from_raw(shared) }
    }

    /// Has the reaper close a socket that arrived when nobody waited for it any more. For completion
    /// routines, which must not make the call themselves (INV-15).
    ///
    /// # Safety
    ///
    /// `socket` was delivered to a request of this client, and nobody else has it.
    pub(crate) unsafe fn reap(self, socket: NonNull<WSK_SOCKET>) {
        let shared = self.0;
        self.shared().socket.store(socket.as_ptr(), Ordering::Release);
        core::mem::forget(self);
        // SAFETY: the use was given up for this.
        unsafe { Shared::hand_to_reaper(shared) };
    }
}

impl Drop for NewSocket {
    fn drop(&mut self) {
        // There is no socket to be closed.
        // SAFETY: it is a hold, and ends here.
        unsafe { Shared::release(self.0) };
    }
}

/// A hold on a socket's memory, for as long as it takes.
pub(crate) struct Hold(NonNull<Shared>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl Send for Hold {}
// SAFETY: as above.
unsafe impl Sync for Hold {}

impl Hold {
    pub(crate) const fn as_ptr(&self) -> NonNull<Shared> {
        self.0
    }
}

impl core::ops::Deref for Hold {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: it is a hold.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: it is a hold, and ends here.
        unsafe { Shared::release(self.0) };
    }
}
