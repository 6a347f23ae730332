//! The counts of the driver's code that the kernel may still run.
//!
//! Unloading a driver whose code can still run crashes the system ([INV-18](crate::rules#inv-18)). So each object whose code
//! can run is counted in one static of the driver's image, from before its code can run until it no longer can.
//! [`unload`](crate::unload()) waits until every count is zero.
//!
//! | counted | from | until |
//! |---|---|---|
//! | registrations | before `WskRegister` | after `WskDeregister`, when the client's memory is freed |
//! | sockets | their memory is allocated | their memory is freed |
//! | providers | their capture | their release |
//! | timers | they are set | they are cancelled, or the last step of their DPC |
//! | threads | before they are created | a wait on their thread object has ended |
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

#![expect(unsafe_code, reason = "see Safety")]

mod ended_threads;

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::image::image_static;

pub(crate) use self::ended_threads::{EndedThreads, ThreadRecord};

/// A kind of counted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Registration,
    Provider,
    Socket,
    Timer,
    Thread,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Registration, "registrations"),
    (Kind::Provider, "providers"),
    (Kind::Socket, "sockets"),
    (Kind::Timer, "set timers"),
    (Kind::Thread, "threads"),
];

/// The counts of one load of the driver.
pub(crate) struct Rundown {
    counts: [AtomicUsize; KINDS.len()],
    /// The number of completion routines that are calling a waker of a foreign executor.
    foreign_wakers: AtomicUsize,
    /// The threads that end by themselves, for which no thread has waited.
    pub(crate) ended_threads: EndedThreads,
}

const _: () = assert!(align_of::<Rundown>() <= 8);

static RUNDOWN: Rundown = Rundown {
    counts: [const { AtomicUsize::new(0) }; KINDS.len()],
    foreign_wakers: AtomicUsize::new(0),
    ended_threads: EndedThreads::new(),
};

impl Rundown {
    /// The counts of the driver.
    pub(crate) fn current() -> &'static Self {
        // SAFETY: the static consists of atomic integers that are zero and of an atomic pointer that is null.
        unsafe { image_static(&RUNDOWN) }
    }

    /// Counts one object, until [`end`](Self::end).
    pub(crate) fn begin(&self, kind: Kind) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Uncounts one object that [`begin`](Self::begin) has counted.
    pub(crate) fn end(&self, kind: Kind) {
        // The accesses of the object happen before the driver is unloaded.
        self.counts[kind as usize].fetch_sub(1, Ordering::Release);
    }

    /// Whether every count is zero.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Acquire) == 0)
    }

    /// Runs a closure that calls a waker of a foreign executor in a completion routine.
    pub(crate) fn in_foreign_waker(&self, call: impl FnOnce()) {
        self.foreign_wakers.fetch_add(1, Ordering::Relaxed);
        call();
        self.foreign_wakers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the caller may run in a foreign waker in a completion routine, where it must not call WSK
    /// ([INV-15](crate::rules#inv-15)). True in each such waker; at times also true in other threads.
    pub(crate) fn may_be_in_foreign_waker(&self) -> bool {
        // A thread reads its own writes.
        self.foreign_wakers.load(Ordering::Relaxed) != 0
    }
}

impl fmt::Display for Rundown {
    /// Lists the counts that are not zero, such as "sockets: 2, threads: 1".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ((_, noun), count) in KINDS.iter().zip(&self.counts) {
            let count = count.load(Ordering::Relaxed);
            if count != 0 {
                write!(f, "{separator}{noun}: {count}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// A count of one object, until this is dropped.
pub(crate) struct Running {
    rundown: &'static Rundown,
    kind: Kind,
}

impl Running {
    pub(crate) fn new(kind: Kind) -> Self {
        let rundown = Rundown::current();
        rundown.begin(kind);
        Self { rundown, kind }
    }

    pub(crate) const fn rundown(&self) -> &'static Rundown {
        self.rundown
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.rundown.end(self.kind);
    }
}
