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
//! A job is a part of the object that it is for. The queue owns the object from the push until the job is done.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use core::time::Duration;

use crate::irql::Passive;
use crate::pool::PoolBox;
use crate::sync::{Event, delay};

/// What the thread is to do with something: a field of it, so that to hand it over needs no memory.
pub(crate) struct Job {
    next: AtomicPtr<Job>,
    run: unsafe fn(NonNull<Job>),
    /// A callback that may not have returned yet has queued it.
    awaits_callback: AtomicBool,
}

impl Job {
    /// A job that is done by calling `run` with it, at `PASSIVE_LEVEL`.
    pub(crate) const fn new(run: unsafe fn(NonNull<Self>)) -> Self {
        let awaits_callback = AtomicBool::new(false);
        Self { next: AtomicPtr::new(ptr::null_mut()), run, awaits_callback }
    }
}

/// A call that is deferred with its argument, in memory of its own.
#[repr(C)]
struct Call<T> {
    job: Job,
    function: fn(T),
    argument: T,
}

/// Makes a job of a call, in new memory, which the job frees. Returns the argument if allocation fails.
pub(crate) fn job_of_call<T: Send>(function: fn(T), argument: T) -> Result<NonNull<Job>, T> {
    let Ok(mut memory) = PoolBox::new_with(MaybeUninit::<Call<T>>::uninit) else {
        return Err(argument);
    };
    memory.write(Call { job: Job::new(run_call::<T>), function, argument });
    Ok(memory.into_raw().cast())
}

/// # Safety
///
/// The job is from [`job_of_call`] for this type, and is done once.
unsafe fn run_call<T>(job: NonNull<Job>) {
    // SAFETY: the job is the beginning of a call that was written to memory of a `PoolBox` (this function's contract).
    let memory = unsafe { PoolBox::from_raw(job.cast::<MaybeUninit<Call<T>>>()) };
    // SAFETY: the call was written, and is read once.
    let Call { function, argument, .. } = unsafe { memory.assume_init_read() };
    drop(memory);
    function(argument);
}

/// Jobs to be done, for a thread that does them.
///
/// # Invariants
///
/// Once [initialized](Self::initialize), it does not move.
pub(crate) struct DeferredQueue {
    /// A list, linked by the jobs.
    jobs: AtomicPtr<Job>,
    work: Event,
}

impl DeferredQueue {
    pub(crate) const fn new() -> Self {
        Self { jobs: AtomicPtr::new(ptr::null_mut()), work: Event::new() }
    }

    /// # Safety
    ///
    /// As for [`Event::initialize`].
    pub(crate) unsafe fn initialize(&self) {
        // INVARIANT: the queue stays where it is, by the event's contract.
        // SAFETY: this function's contract is the event's.
        unsafe { self.work.initialize() };
    }

    /// Has a job done. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// - The job's function may be called with it, once, by the thread that does the jobs. Until then the job stays in
    ///   place and is not used otherwise.
    /// - The queue stays until the call has returned.
    pub(crate) unsafe fn push(&self, job: NonNull<Job>) {
        let mut head = self.jobs.load(Ordering::Relaxed);
        loop {
            // SAFETY: the job stays in place until it is done, and its link is only used here.
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
            self.wake();
        }
    }

    /// As [`push`](Self::push), for the last step of an event callback: the job is not done before the callback has
    /// returned, as far as that can be known. The thread waits for a tick of the system's clock first, in which a
    /// callback that it has interrupted runs on, whatever its priority.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    pub(crate) unsafe fn push_after_callback(&self, job: NonNull<Job>) {
        // SAFETY: the job stays in place until it is done, and is published by the next step.
        unsafe { job.as_ref() }.awaits_callback.store(true, Ordering::Relaxed);
        // SAFETY: this function's contract is that of `push`.
        unsafe { self.push(job) };
    }

    /// Wakes the thread. IRQL: <= `DISPATCH_LEVEL`.
    pub(crate) fn wake(&self) {
        // SAFETY: the queue is initialized before it is used.
        unsafe { self.work.set() };
    }

    /// Waits until [woken](Self::wake), and does every job that was queued by then.
    pub(crate) fn wait_and_do(&self, passive: Passive) {
        // SAFETY: the queue is initialized before it is used.
        unsafe { self.work.wait(passive) };
        let mut next = self.jobs.swap(ptr::null_mut(), Ordering::Acquire);
        let mut has_delayed = false;
        while let Some(job) = NonNull::new(next) {
            // SAFETY: the job stays in place until it is done.
            let Job { next: following, run, awaits_callback } = unsafe { job.as_ref() };
            next = following.load(Ordering::Relaxed);
            if awaits_callback.swap(false, Ordering::Relaxed) && !has_delayed {
                delay(passive, Duration::from_millis(1));
                has_delayed = true;
            }
            // SAFETY: `push` was promised it, and the list was taken by this thread alone.
            unsafe { run(job) };
        }
    }
}
