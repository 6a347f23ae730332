//! Counts the objects whose code the kernel may still run.
//!
//! Unloading a driver whose code can still run crashes the system ([INV-18](crate::rules#inv-18)). So each object whose code
//! can run is counted in a static of the driver's image, from before its code can run until it no longer can.
//! [`unload`](crate::unload()) waits until every count is zero.
//!
//! | counted | from | until |
//! |---|---|---|
//! | threads | before they are created | a wait on their thread object has ended |
//! | the DPC queues of executors | they are created | the last step of the DPC that has dropped their tasks |
//! | registrations | before `WskRegister` | after `WskDeregister`, when the client's memory is freed |
//! | sockets | their memory is allocated | they are closed, no request is in flight, and their handler is dropped |
//! | providers | their capture | their release |
//! | timers | they are set | they are cancelled, or the last step of their DPC |
//!
//! Completion routines and callbacks are not counted individually, which would cost every request an atomic operation
//! on memory that all processors share. Each belongs to a socket or a client, which is counted as long as a routine
//! refers to it.
//!
//! The static has no lock and allocates nothing. A forgotten value stays counted, so that the driver stays loaded.
//!
//! # Safety
//!
//! The static is all zeroes at the beginning, as `image_static` requires.

#![cfg_attr(not(loom), expect(unsafe_code, reason = "see Safety"))]

mod counts;
mod ended_threads;
mod foreign_wakers;
mod report;

use core::fmt;

#[cfg(not(loom))]
use wsk_sys::image::image_static;

use self::counts::ObjectCounts;
pub(crate) use self::counts::ObjectKind;
pub(crate) use self::ended_threads::{EndedThreads, ThreadRecord};
use self::foreign_wakers::ForeignWakers;

/// The counts of one load of the driver.
pub(crate) struct Rundown {
    counts: ObjectCounts,
    /// The completion routines that are calling a waker of a foreign executor.
    foreign_wakers: ForeignWakers,
    /// The threads that ended on their own, for which no thread has waited.
    pub(crate) ended_threads: EndedThreads,
}

const _: () = assert!(align_of::<Rundown>() <= 8);

#[cfg(not(loom))]
static RUNDOWN: Rundown = Rundown {
    counts: ObjectCounts::new(),
    foreign_wakers: ForeignWakers::new(),
    ended_threads: EndedThreads::new(),
};

impl Rundown {
    /// The counts of the driver.
    #[cfg(not(loom))]
    pub(crate) fn current() -> &'static Self {
        // SAFETY: the static consists of atomic integers that are zero and of an atomic pointer that is null.
        unsafe { image_static(&RUNDOWN) }
    }

    /// New ones for each caller: the counts of a loom model belong to one of its runs.
    #[cfg(loom)]
    pub(crate) fn current() -> &'static Self {
        std::boxed::Box::leak(std::boxed::Box::new(Self {
            counts: ObjectCounts::new(),
            foreign_wakers: ForeignWakers::new(),
            ended_threads: EndedThreads::new(),
        }))
    }

    /// Counts one object, until [`end`](Self::end).
    pub(crate) fn begin(&self, kind: ObjectKind) {
        self.counts.begin(kind);
    }

    /// Uncounts one object that [`begin`](Self::begin) has counted.
    pub(crate) fn end(&self, kind: ObjectKind) {
        self.counts.end(kind);
    }

    /// Whether every count is zero.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Runs a closure that calls a waker of a foreign executor in a completion routine, or drops an owner of lent memory, possibly
    /// in one.
    pub(crate) fn in_foreign_waker(&self, call: impl FnOnce()) {
        let _entered = self.foreign_wakers.enter();
        call();
    }

    /// Whether the caller runs in a foreign waker in a completion routine, where it must not call WSK
    /// ([INV-15](crate::rules#inv-15)). True in each such waker, and rarely elsewhere.
    #[inline]
    pub(crate) fn is_in_foreign_waker(&self) -> bool {
        self.foreign_wakers.include_current_thread()
    }
}

impl fmt::Display for Rundown {
    /// Lists the counts that are not zero, such as "threads: 1, sockets: 2".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (noun, count) in self.counts.left() {
            write!(f, "{separator}{noun}: {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A count of one object, until this is dropped.
pub(crate) struct RundownGuard {
    rundown: &'static Rundown,
    kind: ObjectKind,
}

impl RundownGuard {
    pub(crate) fn new(kind: ObjectKind) -> Self {
        let rundown = Rundown::current();
        rundown.begin(kind);
        Self { rundown, kind }
    }

    pub(crate) const fn rundown(&self) -> &'static Rundown {
        self.rundown
    }
}

impl Drop for RundownGuard {
    fn drop(&mut self) {
        self.rundown.end(self.kind);
    }
}
