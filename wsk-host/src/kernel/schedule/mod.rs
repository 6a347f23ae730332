//! Threads, time, and deferred jobs, natively or deterministically.
//!
//! [`Deterministic`]: one thread of a kernel runs at a time, and the seed decides which. [`Native`]: threads run
//! as the machine schedules them.
//!
//! # Safety
//!
//! `ClientPointer` only carries a pointer to another thread; each use of the pointer has its own proof.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

mod deterministic;
mod machine_thread;
mod native;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wsk_sys::DISPATCH_LEVEL;

pub(crate) use deterministic::Deterministic;
pub(crate) use native::Native;

use crate::kernel::choices::Run;
use crate::kernel::config::{Config, Threads};
use crate::kernel::ke::irql::{at_level, current_irql};

/// Units of 100 ns since a kernel was created.
pub(crate) type Ticks = u64;

/// The ticks of a duration, rounded up.
pub(crate) fn ticks(duration: std::time::Duration) -> Ticks {
    Ticks::try_from(duration.as_nanos().div_ceil(100)).unwrap_or(Ticks::MAX)
}

/// The real time that all threads of a kernel may wait before a hang is reported: 5 seconds, or the number of seconds in the
/// environment variable `WSK_HOST_PATIENCE`. `None` if that is zero.
pub(crate) fn patience() -> Option<Duration> {
    static PATIENCE: OnceLock<Option<Duration>> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let default = if cfg!(miri) { 3600 } else { 5 };
        let given = std::env::var("WSK_HOST_PATIENCE").ok();
        let seconds = given.and_then(|seconds| seconds.parse().ok()).unwrap_or(default);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    })
}

/// The time that a report waits for the other threads' places.
pub(crate) const TIME_FOR_PLACES: Duration = Duration::from_secs(3);

/// A deferred job: it runs at `DISPATCH_LEVEL`, in a thread of the kernel.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A job, identified by its due time and its order of deferral.
pub(crate) type JobId = (Ticks, u64);

/// A thread of a kernel, by number.
pub(crate) type ThreadId = u64;

/// A client's pointer that a job or another thread carries.
///
/// # Invariants
///
/// The call that passed the pointer allows any thread to use it.
pub(crate) struct ClientPointer<T>(pub(crate) *mut T);

// SAFETY: any thread may use the pointer (Invariants); each access proves that it is valid.
unsafe impl<T> Send for ClientPointer<T> {}

impl<T> ClientPointer<T> {
    /// The pointer. A method, so that a closure captures all of `self`, not only the field.
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

/// The scheduler of one kernel's threads.
pub(crate) enum Scheduler {
    Deterministic(Arc<Deterministic>),
    Native(Native),
}

impl Scheduler {
    pub(crate) fn new(config: &Config, run: Option<&Arc<Run>>) -> Self {
        match config.threads {
            Threads::Deterministic => Self::Deterministic(Deterministic::new(config, run.cloned())),
            Threads::Native => Self::Native(Native::new()),
        }
    }

    /// The same scheduler, for another kernel: its threads take turns with those of this one, and both have one clock.
    /// `None` for native threads.
    #[cfg(feature = "world")]
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Deterministic(scheduler) => Some(Self::Deterministic(Arc::clone(scheduler))),
            Self::Native(_) => None,
        }
    }

    /// Whether two kernels have one scheduler.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deterministic(one), Self::Deterministic(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    pub(crate) fn now(&self) -> Ticks {
        match self {
            Self::Deterministic(scheduler) => scheduler.now(),
            Self::Native(scheduler) => scheduler.now(),
        }
    }

    /// Announces a thread that is about to be started.
    pub(crate) fn announce(&self) -> ThreadId {
        match self {
            Self::Deterministic(scheduler) => scheduler.announce(),
            Self::Native(scheduler) => scheduler.announce(),
        }
    }

    /// The announced thread, which is the current one, begins.
    pub(crate) fn begin(&self, thread: ThreadId) {
        match self {
            Self::Deterministic(scheduler) => scheduler.begin(thread),
            Self::Native(scheduler) => scheduler.begin(),
        }
    }

    /// The current thread leaves the kernel.
    pub(crate) fn end(&self, thread: ThreadId) {
        match self {
            Self::Deterministic(scheduler) => scheduler.end(thread),
            Self::Native(scheduler) => scheduler.end(),
        }
    }

    /// Withdraws an announced thread that has not begun.
    pub(crate) fn withdraw(&self, thread: ThreadId) {
        if let Self::Deterministic(scheduler) = self {
            scheduler.end(thread);
        }
    }

    /// The current thread begins to block elsewhere than in the kernel, or has returned.
    pub(crate) fn set_blocking(&self, thread: ThreadId, is_blocking: bool) {
        match self {
            Self::Deterministic(scheduler) => scheduler.set_blocking(thread, is_blocking),
            Self::Native(scheduler) => scheduler.set_blocking(is_blocking),
        }
    }

    /// Runs a job at a time.
    pub(crate) fn at(&self, due: Ticks, job: Job) {
        match self {
            Self::Deterministic(scheduler) => scheduler.at(due, job),
            Self::Native(scheduler) => _ = scheduler.at(due, job),
        }
    }

    /// Runs a job at a time that the client has chosen. [`settle`](Self::settle) does not wait for it.
    pub(crate) fn set_timer(&self, due: Ticks, job: Job) -> JobId {
        match self {
            Self::Deterministic(scheduler) => scheduler.set_timer(due, job),
            Self::Native(scheduler) => scheduler.at(due, job),
        }
    }

    /// Cancels a job of [`set_timer`](Self::set_timer), unless it has begun.
    pub(crate) fn cancel_timer(&self, id: JobId) -> Option<Job> {
        match self {
            Self::Deterministic(scheduler) => scheduler.cancel_timer(id),
            Self::Native(scheduler) => scheduler.cancel(id),
        }
    }

    /// Runs until no deferred job is left. The current thread has entered the kernel.
    pub(crate) fn settle(&self, me: ThreadId) {
        match self {
            Self::Deterministic(scheduler) => scheduler.settle(me),
            Self::Native(scheduler) => scheduler.settle(),
        }
    }

    /// Counts an event of the trace.
    pub(crate) fn count_event(&self) {
        if let Self::Deterministic(scheduler) = self {
            scheduler.count_event();
        }
    }

    /// A point where a processor could run another thread first. The deterministic scheduler sometimes does, as
    /// the seed decides.
    pub(crate) fn interrupt(&self, me: ThreadId) {
        if let Self::Deterministic(scheduler) = self {
            scheduler.interrupt(me);
        }
    }
}

/// Runs a job as a deferred procedure call.
fn run(job: Job) {
    at_level(DISPATCH_LEVEL.max(current_irql()), job);
}
