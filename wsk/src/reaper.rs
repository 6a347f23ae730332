//! The thread that does what a completion routine must not.
//!
//! A request that delivers a socket may complete after its future was dropped. The socket must be
//! closed, or the registration would wait for it for ever (INV-20); but a completion routine must not
//! call WSK (INV-15). And the handler of a socket's events is dropped when the socket is closed, which the
//! user's code should not have to do at `DISPATCH_LEVEL`. So both are handed to this thread, which every
//! registration has.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use wsk_sys::PVOID;

use crate::irql::Passive;
use crate::socket::Shared;
use crate::status::Result;
use crate::sync::{Event, Thread};

/// Sockets to be closed or freed, and the thread that does it.
pub(crate) struct Reaper {
    /// A list, linked by the sockets.
    sockets: AtomicPtr<Shared>,
    stopping: AtomicBool,
    work: Event,
}

impl Reaper {
    pub(crate) const fn new() -> Self {
        Self {
            sockets: AtomicPtr::new(ptr::null_mut()),
            stopping: AtomicBool::new(false),
            work: Event::new(),
        }
    }

    /// Starts the thread, which [`Reaper::stop`] ends.
    ///
    /// # Safety
    ///
    /// The reaper is where it stays, in nonpaged memory, until the thread was joined. It was not started
    /// before.
    pub(crate) unsafe fn start(&self, passive: Passive) -> Result<Thread> {
        // SAFETY: the caller promises the place.
        unsafe { self.work.initialise() };
        let context: PVOID = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the caller promises that the reaper stays until the thread was joined.
        unsafe { Thread::start(passive, run, context) }
    }

    /// Ends the thread, which is to be joined. No socket may follow.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // SAFETY: the event was initialised by `start`.
        unsafe { self.work.set() };
    }

    /// Has [`Shared::reap`] called. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The socket was delivered, and its last use is given up for this; or its last hold was given up. It
    /// keeps its registration, and so this.
    pub(crate) unsafe fn push(&self, socket: NonNull<Shared>) {
        let mut head = self.sockets.load(Ordering::Relaxed);
        loop {
            // SAFETY: the memory is there, and its link is only used here.
            unsafe { socket.as_ref() }.next_reaped.store(head, Ordering::Relaxed);
            match self.sockets.compare_exchange_weak(
                head,
                socket.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(found) => head = found,
            }
        }
        if head.is_null() {
            // SAFETY: the event was initialised by `start`.
            unsafe { self.work.set() };
        }
    }

    fn reap_all(&self) {
        let mut next = self.sockets.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(socket) = NonNull::new(next) {
            // SAFETY: the memory is there until it is reaped.
            next = unsafe { socket.as_ref() }.next_reaped.load(Ordering::Relaxed);
            // SAFETY: `push` was promised it, and the list was taken by this thread alone.
            unsafe { Shared::reap(socket) };
        }
    }
}

unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `start` gave the reaper, which stays until the thread was joined.
    let reaper = unsafe { &*context.cast::<Reaper>().cast_const() };
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    while !reaper.stopping.load(Ordering::Acquire) {
        // SAFETY: the event was initialised by `start`.
        unsafe { reaper.work.wait(passive) };
        reaper.reap_all();
    }
}
