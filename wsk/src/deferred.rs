//! The thread that does what a completion routine must not.
//!
//! A request that delivers a socket may complete after its future was dropped. The socket must be
//! closed, or the registration would wait for it for ever ([INV-20](crate::rules#inv-20)); but a completion routine must not
//! call WSK ([INV-15](crate::rules#inv-15)). The handler of a socket's events is dropped when the socket is closed, which the
//! user's code should not have to do at `DISPATCH_LEVEL`. And lists of addresses are freed at
//! `PASSIVE_LEVEL` ([INV-66](crate::rules#inv-66)), wherever they are dropped. So all of these are handed to this thread, which
//! every registration has.
//!
//! # Safety
//!
//! A job is a part of the object that it is for. The queue owns the object from the push until the job is done, and the
//! thread is joined before the queue is freed.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use wsk_sys::PVOID;

use crate::irql::Passive;
use crate::status::Result;
use crate::sync::{Event, Thread};

/// What the thread is to do with something: a field of it, so that to hand it over needs no memory.
pub(crate) struct Job {
    next: AtomicPtr<Job>,
    run: unsafe fn(NonNull<Job>),
}

impl Job {
    /// A job that is done by calling `run` with it, at `PASSIVE_LEVEL`.
    pub(crate) const fn new(run: unsafe fn(NonNull<Self>)) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), run }
    }
}

/// Jobs to be done, and the thread that does them.
pub(crate) struct DeferredQueue {
    /// A list, linked by the jobs.
    jobs: AtomicPtr<Job>,
    stopping: AtomicBool,
    work: Event,
}

impl DeferredQueue {
    pub(crate) const fn new() -> Self {
        Self {
            jobs: AtomicPtr::new(ptr::null_mut()),
            stopping: AtomicBool::new(false),
            work: Event::new(),
        }
    }

    /// Starts the thread, which [`DeferredQueue::stop`] ends.
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

    /// Ends the thread, which is to be joined. No job may follow.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // SAFETY: the event was initialised by `start`.
        unsafe { self.work.set() };
    }

    /// Has a job done. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// - The job's function may be called with it, once, by the deferred queue's thread. Until then it is there, and
    ///   no other code uses it.
    /// - This is there until the call has returned.
    pub(crate) unsafe fn push(&self, job: NonNull<Job>) {
        let mut head = self.jobs.load(Ordering::Relaxed);
        loop {
            // SAFETY: the job is there, and its link is only used here.
            unsafe { job.as_ref() }.next.store(head, Ordering::Relaxed);
            match self.jobs.compare_exchange_weak(
                head,
                job.as_ptr(),
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

    fn do_all(&self) {
        let mut next = self.jobs.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(job) = NonNull::new(next) {
            // SAFETY: the job is there until it is done.
            let Job { next: following, run } = unsafe { job.as_ref() };
            next = following.load(Ordering::Relaxed);
            // SAFETY: `push` was promised it, and the list was taken by this thread alone.
            unsafe { run(job) };
        }
    }
}

unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `start` gave the reaper, which stays until the thread was joined.
    let reaper = unsafe { &*context.cast::<DeferredQueue>().cast_const() };
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    while !reaper.stopping.load(Ordering::Acquire) {
        // SAFETY: the event was initialised by `start`.
        unsafe { reaper.work.wait(passive) };
        reaper.do_all();
    }
}
