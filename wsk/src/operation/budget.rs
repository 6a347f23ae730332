//! How many requests an object completes before the task that makes them yields.
//!
//! Counted at the object, a socket or a client, and not at the task: the executor's wakers are unknown, and combinators
//! such as `FuturesUnordered` have wakers of their own for a part of a task.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll};

/// The task that makes an object's request of this number yields; otherwise a task whose requests always complete at
/// once would monopolise its thread.
///
/// It yields once: what else the task waits for at the same time is polled in the same turn. A task with `n` busy
/// sockets yields after `n` times as many requests at the latest.
const REQUESTS: u32 = 128;

/// The requests of an object, counted.
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// For a task that has found a request completed, or makes one: ready to go on, or pending until other tasks were
    /// polled.
    #[inline]
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Threads that do this at once may count less than they should, which costs no exchange.
        let count = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(count, Ordering::Relaxed);
        if count % REQUESTS == 0 { yield_now(context) } else { Poll::Ready(()) }
    }

    /// Waits for the task's turn to make a request.
    #[inline]
    pub(crate) const fn budgeted(&self) -> AwaitBudget<'_> {
        AwaitBudget(self)
    }
}

#[cold]
fn yield_now(context: &Context<'_>) -> Poll<()> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Proof that a task has its turn for one request, whose completion it may look for as soon as it was issued.
#[must_use]
pub(crate) struct Budgeted(());

/// A future of the task's turn.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitBudget<'a>(&'a Budget);

impl Future for AwaitBudget<'_> {
    type Output = Budgeted;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Budgeted> {
        self.0.poll(context).map(|()| Budgeted(()))
    }
}
