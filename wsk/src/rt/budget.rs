//! How much a task may do before others have their turn.

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll};

use super::{block_on, task};

/// Of so many requests that a task finds completed, one makes it give way. Without that, a task whose requests
/// always complete at once, as those of a busy connection may, would never let its thread go.
///
/// One only: what else the task waits for at the same time has its turn at the same poll.
const REQUESTS: u32 = 128;

/// How many requests are left before a task gives way.
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(REQUESTS))
    }

    /// Whether something was left. What threads do that poll for one task at once need not add up.
    fn spend(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.checked_sub(1).unwrap_or(REQUESTS), Ordering::Relaxed);
        left > 0
    }
}

/// For who has found a request completed: whether to go on, or to be polled again after others were. Executors
/// of others have their own ways.
pub(crate) fn proceed(context: &Context<'_>) -> Poll<()> {
    let waker = context.waker();
    match task::budget(waker).or_else(|| block_on::budget(waker)) {
        Some(budget) if !budget.spend() => {
            waker.wake_by_ref();
            Poll::Pending
        }
        Some(_) | None => Poll::Ready(()),
    }
}
