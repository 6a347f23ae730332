//! The number of sends in flight that are in no operation of a cache.

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering};

/// A target's count of its sends, each of which its completion routine uncounts.
#[derive(Debug)]
pub(crate) struct SendCount(AtomicUsize);

impl SendCount {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Before the send's call.
    pub(crate) fn add(&self) {
        // An owner that looks at the count has seen the end of the thread's open reference, and so this.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The system has finished with the send.
    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Whether the system has finished with every counted send.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}
