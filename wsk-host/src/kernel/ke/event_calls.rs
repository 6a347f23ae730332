//! The number of a client's calls that signal events and wait: what a message costs a client that uses threads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::kernel::Kernel;

/// The number of a client's calls so far. From [`Kernel::event_calls`](crate::kernel::Kernel::event_calls).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCalls {
    /// Those of `KeSetEvent`.
    pub sets: u64,
    /// Those of `KeWaitForSingleObject` and `KeWaitForMultipleObjects`.
    pub waits: u64,
}

impl Kernel {
    /// Returns how often the client has signaled an event and waited for an object so far: never for the messages of a client that
    /// uses no thread.
    #[must_use]
    pub fn event_calls(&self) -> EventCalls {
        let EventCallCounter { sets, waits } = &self.0.event_calls;
        EventCalls { sets: sets.load(Ordering::Relaxed), waits: waits.load(Ordering::Relaxed) }
    }
}

/// Counts the calls.
#[derive(Default)]
pub(crate) struct EventCallCounter {
    sets: AtomicU64,
    waits: AtomicU64,
}

/// Counts a call of `KeSetEvent`.
pub(super) fn count_set() {
    Kernel::current().0.event_calls.sets.fetch_add(1, Ordering::Relaxed);
}

/// Counts a call that waits for objects.
pub(super) fn count_wait() {
    Kernel::current().0.event_calls.waits.fetch_add(1, Ordering::Relaxed);
}
