//! How much a task may do before it yields.
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

/// A task yields after this many requests that completed without waiting, or were issued after [`budgeted`]; otherwise
/// a task whose requests always complete at once would monopolise its thread.
///
/// It yields once: what else the task waits for at the same time is polled in the same turn.
const REQUESTS: u32 = 128;

/// How many requests are left before a task yields.
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(REQUESTS))
    }

    /// Spends one request; false if none was left. Threads that poll for one task at once may spend less than they
    /// should.
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

/// For a task that has found a request completed: ready to go on, or pending until other tasks were polled. Foreign
/// executors have budgets of their own.
#[inline]
pub(crate) fn poll_budget(context: &Context<'_>) -> Poll<()> {
    let waker = context.waker();
    match budget(waker) {
        Some(budget) if !budget.spend() => yield_now(waker),
        Some(_) | None => Poll::Ready(()),
    }
}

#[cold]
fn yield_now(waker: &Waker) -> Poll<()> {
    waker.wake_by_ref();
    Poll::Pending
}

/// Proof that a task has spent budget for one request, whose completion it may look for as soon as it was issued.
#[must_use]
pub(crate) struct Budgeted(());

/// Spends budget for one request; waits for a turn if there is none left.
#[inline]
pub(crate) const fn budgeted() -> AwaitBudget {
    AwaitBudget(())
}

/// A future of the task's budget.
#[must_use = "it is to be awaited"]
pub(crate) struct AwaitBudget(());

impl Future for AwaitBudget {
    type Output = Budgeted;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Budgeted> {
        poll_budget(context).map(|()| Budgeted(()))
    }
}
