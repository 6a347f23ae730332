//! The number of a client's calls that signal events and wait: the cost of a message in a client that uses threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a client's calls so far. From [`Kernel::event_calls`](crate::kernel::Kernel::event_calls).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCalls {
    /// Those of `KeSetEvent`.
    pub sets: u64,
    /// Those of `KeWaitForSingleObject` and `KeWaitForMultipleObjects`.
    pub waits: u64,
}

/// Counts the calls.
#[derive(Default)]
pub(crate) struct EventCallCounter {
    sets: AtomicU64,
    waits: AtomicU64,
}

impl EventCallCounter {
    /// Counts a call of `KeSetEvent`.
    pub(crate) fn count_set(&self) {
        self.sets.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that waits for objects.
    pub(crate) fn count_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> EventCalls {
        let Self { sets, waits } = self;
        EventCalls { sets: sets.load(Ordering::Relaxed), waits: waits.load(Ordering::Relaxed) }
    }
}
