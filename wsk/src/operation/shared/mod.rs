//! A request that several futures wait for, and whose result one of them gets: a listener's accept.
//!
//! One request at a time is in flight. It belongs to the object, not to a future: dropping or forgetting a future leaves it
//! in flight, and its result is that of the next future that is polled. Its completion wakes every future that waits, so
//! none depends on another one being polled.
//!
//! | a future is | the others |
//! |---|---|
//! | dropped | wait on: each is woken by the completion itself |
//! | forgotten, or not polled any more | wait on, likewise; its place in the queue is pinned memory, which stays valid |
//! | polled by another task than before | wait on |
//! | the future that got the result | they were woken as well: the first one polled starts the next request |
//!
//! The futures wait in a queue that is linked through them, so waiting allocates nothing.

use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use super::{Budgeted, InFlight};
use crate::executor::shared_waker::{SharedWaker, WakeAll};
use crate::executor::wait_queue::{Wait, WaitList, WaitQueue, Waiter};
use crate::status::Result;

/// A request in flight that can be shared.
pub(crate) trait Shareable: Future + Unpin + Send + 'static {
    /// Whether the outcome is available: the next poll is ready.
    fn is_completed(&self) -> bool;
}

impl Shareable for InFlight {
    fn is_completed(&self) -> bool {
        Self::is_completed(self)
    }
}

/// A request that several futures share, again and again.
pub(crate) struct SharedRequest<R: Shareable = InFlight>(SharedWaker<WaitQueue<SharedWait<R>>>);

pub(crate) struct SharedState<R> {
    phase: Phase<R>,
    /// Counts the wakes of all futures.
    wakes: usize,
}

enum Phase<R> {
    /// No request is in flight. The future that finds this starts one.
    Idle,
    /// A future is starting a request, in its poll.
    Starting,
    /// The request, which has the shared waker, or has completed.
    InFlight(R),
}

/// A future that waits.
pub(crate) struct SharedWait<R> {
    /// The number of wakes when it was queued: the next one is for it.
    wakes: usize,
    request: PhantomData<R>,
}

impl<R: Shareable> Wait for SharedWait<R> {
    type State = SharedState<R>;

    fn serve(state: &mut SharedState<R>, waiting: &mut WaitList<Self>) -> Option<Waker> {
        // Later futures have the same number, or a later one.
        if waiting.first()?.wakes == state.wakes { None } else { waiting.pop() }
    }

    /// A future has nothing until it returns it.
    fn give_up(&mut self, _: &mut SharedState<R>) {}
}

impl<R: Shareable> WakeAll for WaitQueue<SharedWait<R>> {
    fn wake_all(&self) {
        self.change(|state| state.wakes = state.wakes.wrapping_add(1));
    }
}

impl<R: Shareable> SharedState<R> {
    /// The request if it has completed, or none if the caller is to start one. Pending if another future starts one, or if
    /// it is in flight.
    fn take(&mut self, waiting: &mut SharedWait<R>) -> Poll<Option<R>> {
        match &self.phase {
            Phase::Idle => {
                self.phase = Phase::Starting;
                Poll::Ready(None)
            }
            Phase::InFlight(request) if request.is_completed() => {
                match core::mem::replace(&mut self.phase, Phase::Idle) {
                    Phase::InFlight(request) => Poll::Ready(Some(request)),
                    // Not reached: it was in flight just now.
                    Phase::Idle | Phase::Starting => Poll::Pending,
                }
            }
            Phase::Starting | Phase::InFlight(_) => {
                waiting.wakes = self.wakes;
                Poll::Pending
            }
        }
    }
}

impl<R: Shareable> SharedRequest<R> {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new() -> Result<Self> {
        SharedWaker::new(WaitQueue::new(SharedState { phase: Phase::Idle, wakes: 0 })).map(Self)
    }

    /// Waits for the outcome of the request in flight, or of one that `start` issues.
    ///
    /// # Errors
    ///
    /// Those of `start`, to the future that called it. Another future calls it again.
    pub(crate) async fn outcome(
        &self,
        _budgeted: Budgeted,
        start: impl Fn() -> Result<R>,
    ) -> Result<R::Output> {
        let queue = self.0.value();
        let waiting = SharedWait { wakes: 0, request: PhantomData };
        let mut waiter = pin!(Waiter::new(queue, waiting));
        poll_fn(|context| self.poll(waiter.as_mut(), context, &start)).await
    }

    fn poll(
        &self,
        mut waiter: Pin<&mut Waiter<'_, SharedWait<R>>>,
        context: &Context<'_>,
        start: &impl Fn() -> Result<R>,
    ) -> Poll<Result<R::Output>> {
        // Whether this poll has started a request, and that request, to be put in flight.
        let (mut has_started, mut pending) = (false, None);
        loop {
            let taken = waiter.as_mut().poll(context, |state, waiting, _| {
                if let Some(request) = pending.take() {
                    state.phase = Phase::InFlight(request);
                }
                state.take(waiting)
            });
            let request = match taken {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(request) => request,
            };
            let is_starting = request.is_none();
            has_started |= is_starting;
            let mut request = match request.map_or_else(start, Ok) {
                Ok(request) => request,
                Err(error) => {
                    self.end_start(is_starting);
                    return Poll::Ready(Err(error));
                }
            };
            let poll = |waker: &Waker| Pin::new(&mut request).poll(&mut Context::from_waker(waker));
            match self.0.with_waker(poll) {
                Poll::Ready(outcome) => {
                    if has_started {
                        self.end_start(is_starting);
                    }
                    return Poll::Ready(Ok(outcome));
                }
                // A request that was taken had completed.
                Poll::Pending => pending = Some(request),
            }
        }
    }

    /// Wakes the futures that have waited for a request to be started: its starter has got its outcome at once, or could not
    /// start it.
    fn end_start(&self, is_starting: bool) {
        self.0.value().change(|state| {
            if is_starting {
                state.phase = Phase::Idle;
            }
            state.wakes = state.wakes.wrapping_add(1);
        });
    }
}

impl<R: Shareable> Drop for SharedRequest<R> {
    /// Cancels the request in flight, which owns a waker, and so the memory of this.
    fn drop(&mut self) {
        let take = |state: &mut SharedState<R>| core::mem::replace(&mut state.phase, Phase::Idle);
        drop(self.0.value().change(take));
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
