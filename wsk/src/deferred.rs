//! A thread for work that a completion routine must not do.
//!
//! A request that delivers a socket may complete after its future was dropped. The socket must be closed, or the
//! registration would wait for it forever ([INV-20](crate::rules#inv-20)); but a completion routine must not call WSK
//! ([INV-15](crate::rules#inv-15)). An event handler is user code, and is dropped at `PASSIVE_LEVEL`. Lists of addresses are
//! freed at `PASSIVE_LEVEL` ([INV-66](crate::rules#inv-66)), at whatever level they are dropped. Each registration has a
//! thread that does all of this.
//!
//! # Safety
//!
//! A job is a field of its object. The queue owns the object from the push until the job is done.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use core::time::Duration;

use crate::irql::Passive;
use crate::kernel::{Event, delay};
use crate::pool::PoolBox;

/// A job for the thread. It is a field of its object, so deferring it allocates nothing.
///
/// # Invariants
///
/// `next` is used by the queue only, between the push and the call of `run`. `run` may be called with a pointer to this
/// job that has the provenance of the whole object.
pub(crate) struct DeferredJob {
    next: AtomicPtr<DeferredJob>,
    run: unsafe fn(NonNull<DeferredJob>),
    /// Whether an event callback has queued it, and may not have returned yet.
    awaits_callback: AtomicBool,
}

impl DeferredJob {
    /// Creates a job. The thread calls `run` with it, at `PASSIVE_LEVEL`.
    pub(crate) const fn new(run: unsafe fn(NonNull<Self>)) -> Self {
        let awaits_callback = AtomicBool::new(false);
        Self { next: AtomicPtr::new(ptr::null_mut()), run, awaits_callback }
    }
}

/// A deferred call and its argument, in their own allocation.
#[repr(C)]
struct DeferredCall<T> {
    job: DeferredJob,
    function: fn(T),
    argument: T,
}

/// Memory for a job that makes a call: reserved where allocation may fail, for use where it must not.
pub(crate) struct ReservedCall<T>(PoolBox<MaybeUninit<DeferredCall<T>>>);

impl<T: Send> ReservedCall<T> {
    /// Allocates the memory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new() -> crate::status::Result<Self> {
        PoolBox::new_with(MaybeUninit::uninit).map(Self)
    }

    /// Creates a job that makes a call, and then frees itself.
    pub(crate) fn into_job(mut self, function: fn(T), argument: T) -> NonNull<DeferredJob> {
        self.0.write(DeferredCall { job: DeferredJob::new(run_call::<T>), function, argument });
        self.0.into_raw().cast()
    }
}

/// # Safety
///
/// The job is from [`ReservedCall::into_job`] for this type, and is done once.
unsafe fn run_call<T>(job: NonNull<DeferredJob>) {
    // SAFETY: the job is the beginning of a call that was written to memory of a `PoolBox` (this function's contract).
    let memory = unsafe { PoolBox::from_raw(job.cast::<MaybeUninit<DeferredCall<T>>>()) };
    // SAFETY: the call was written, and is read once.
    let DeferredCall { function, argument, .. } = unsafe { memory.assume_init_read() };
    drop(memory);
    function(argument);
}

/// The queue of jobs for one thread.
///
/// # Invariants
///
/// - Once [initialized](Self::initialize), it does not move, and its event is initialized.
/// - Every job in the list came from [`push`](Self::push), stays in place, and is owned by the queue until it is done.
pub(crate) struct DeferredQueue {
    /// The list of jobs, linked by their `next`.
    jobs: AtomicPtr<DeferredJob>,
    work: Event,
}

impl DeferredQueue {
    pub(crate) const fn new() -> Self {
        Self { jobs: AtomicPtr::new(ptr::null_mut()), work: Event::new() }
    }

    /// Initializes the queue, before any other use.
    ///
    /// # Safety
    ///
    /// The queue is in nonpaged memory, does not move afterwards, and was not initialized before.
    pub(crate) unsafe fn initialize(&self) {
        // INVARIANT: the queue does not move (this function's contract), and its event is initialized here.
        // SAFETY: the event is a field of the queue, which is nonpaged, does not move, and is initialized once (this
        // function's contract).
        unsafe { self.work.initialize() };
    }

    /// Queues a job, and wakes the thread. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// - The thread may call the job's function with it, once. Until then, the job stays in place, and no other code
    ///   uses it.
    /// - The queue is valid until this function has returned.
    pub(crate) unsafe fn push(&self, job: NonNull<DeferredJob>) {
        let mut head = self.jobs.load(Ordering::Relaxed);
        loop {
            // SAFETY: the job stays in place until it is done, and no other code uses it (this function's contract).
            unsafe { job.as_ref() }.next.store(head, Ordering::Relaxed);
            // INVARIANT: the queue owns the job if the exchange succeeds.
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

    /// Queues a job in the last step of an event callback: the thread waits for a tick of the system's clock before it
    /// does the job. During that tick, a callback that the thread has interrupted continues, whatever its priority.
    /// This is best effort: the return of a callback cannot be observed.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    pub(crate) unsafe fn push_after_callback(&self, job: NonNull<DeferredJob>) {
        // SAFETY: the job stays in place until it is done, and is published by the next step.
        unsafe { job.as_ref() }.awaits_callback.store(true, Ordering::Relaxed);
        // SAFETY: the job may be done once and stays in place until then, and the queue is valid until this function
        // has returned (this function's contract, which is that of `push`).
        unsafe { self.push(job) };
    }

    /// Wakes the thread. IRQL: <= `DISPATCH_LEVEL`.
    pub(crate) fn wake(&self) {
        // SAFETY: the event is initialized (Invariants).
        unsafe { self.work.set() };
    }

    /// Waits until [woken](Self::wake), and does every job that was queued by then.
    pub(crate) fn run_pending(&self, passive: Passive) {
        // SAFETY: the event is initialized (Invariants).
        unsafe { self.work.wait(passive) };
        let mut next = self.jobs.swap(ptr::null_mut(), Ordering::Acquire);
        let mut has_delayed = false;
        while let Some(job) = NonNull::new(next) {
            // SAFETY: a queued job stays in place until it is done (Invariants).
            let DeferredJob { next: following, run, awaits_callback } = unsafe { job.as_ref() };
            next = following.load(Ordering::Relaxed);
            if awaits_callback.swap(false, Ordering::Relaxed) && !has_delayed {
                delay(passive, Duration::from_millis(1));
                has_delayed = true;
            }
            // SAFETY: the contract of `push` allows this thread one call, and the exchange above took the job out of
            // the list, so that no other call follows.
            unsafe { run(job) };
        }
    }
}
