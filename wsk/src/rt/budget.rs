//! How much a task may do before others have their turn.
//!
//! # Safety
//!
//! The data of a waker with one of this crate's tables begin with a [`Budget`].

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::Pin;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, RawWakerVTable, Waker};

use super::{block_on, task};

/// Of so many requests that a task finds completed, or begins in its [`turn`], one makes it give way. Without that, a task whose requests
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
    #[inline]
    fn spend(&self) -> bool {
        match self.0.load(Ordering::Relaxed).checked_sub(1) {
            Some(left) => {
                self.0.store(left, Ordering::Relaxed);
                true
            }
            None => self.renew(),
        }
    }

    #[cold]
    fn renew(&self) -> bool {
        self.0.store(REQUESTS, Ordering::Relaxed);
        false
    }
}

/// The tables of this crate's own wakers, side by side, so that one comparison finds them. The data of each begin with
/// a budget.
pub(super) static TABLES: [RawWakerVTable; 2] = [task::TABLE, block_on::TABLE];

/// What is left to the task of a waker, if it is one of this crate's.
#[inline]
fn budget(waker: &Waker) -> Option<&Budget> {
    let place = ptr::from_ref(waker.vtable()).addr().wrapping_sub(TABLES.as_ptr().addr());
    if place >= size_of_val(&TABLES) {
        return None;
    }
    // SAFETY: the table says that the data begin with a budget, and the waker keeps them.
    Some(unsafe { &*waker.data().cast::<Budget>() })
}

/// For who has found a request completed: whether to go on, or to be polled again after others were. Executors
/// of others have their own ways.
#[inline]
pub(crate) fn poll_budget(context: &Context<'_>) -> Poll<()> {
    let waker = context.waker();
    match budget(waker) {
        Some(budget) if !budget.spend() => give_way(waker),
        Some(_) | None => Poll::Ready(()),
    }
}

#[cold]
fn give_way(waker: &Waker) -> Poll<()> {
    waker.wake_by_ref();
    Poll::Pending
}

/// What a task has that may look for the end of one request as soon as it was made, without being polled for that.
#[must_use]
pub(crate) struct Budgeted(());

/// Waits for the task's turn to make a request: mostly it has it.
#[inline]
pub(crate) const fn budgeted() -> AwaitBudget {
    AwaitBudget(())
}

/// A future of the task's turn.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitBudget(());

impl Future for AwaitBudget {
    type Output = Budgeted;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Budgeted> {
        poll_budget(context).map(|()| Budgeted(()))
    }
}
