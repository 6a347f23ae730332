//! The poll budget: the number of requests that an object completes before the task that makes them yields.
//!
//! Requests are counted per object (a socket or a client), not per task: the executor's wakers are unknown, and combinators
//! such as `FuturesUnordered` have their own wakers for parts of a task.

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll};

/// The task that makes an object's request with this number yields; otherwise a task whose requests always complete at
/// once would monopolize its thread.
///
/// It yields once per object: other futures of the same task are polled in the same turn. A task with `n` busy sockets
/// yields after at most `n` times as many requests.
const REQUESTS: u32 = 128;

/// The requests of an object, counted.
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// For a task that makes a request, or has found one completed: ready if the task may continue, or pending until other
    /// tasks were polled.
    #[inline]
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Threads that do this at once may count less than they should, which costs no exchange.
        let count = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(count, Ordering::Relaxed);
        if count % REQUESTS == 0 { yield_now(context) } else { Poll::Ready(()) }
    }

    /// As [`poll`](Self::poll), with a proof for one request.
    #[inline]
    pub(crate) fn poll_budgeted(&self, context: &Context<'_>) -> Poll<Budgeted> {
        self.poll(context).map(|()| Budgeted(()))
    }
}

#[cold]
#[inline(never)]
fn yield_now(context: &Context<'_>) -> Poll<()> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Proof that budget was spent for one request. The task may check for its completion right after issuing it.
#[must_use]
pub(crate) struct Budgeted(());
