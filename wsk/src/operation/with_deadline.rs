//! A request in flight with a deadline.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::{InFlight, RequestOutcome};
use crate::status::known;
use crate::time::Timeout;

/// The time that a cancelled request may take to complete before it is abandoned. Windows completes it at once; Wine does
/// not cancel requests.
const GRACE: Duration = Duration::from_secs(1);

/// A future of the outcome of a request in flight, with a deadline.
///
/// At the deadline, the request is cancelled and still awaited: bytes transferred by then count, and its buffer is returned
/// ([INV-50](crate::rules#inv-50)).
#[must_use = "the request is cancelled when this is dropped"]
pub(crate) struct WithDeadline<D> {
    in_flight: InFlight,
    deadline: D,
    is_cancelled: bool,
}

impl InFlight {
    /// Waits for the outcome until a deadline.
    #[inline]
    pub(crate) const fn with_deadline<D: Timeout>(self, deadline: D) -> WithDeadline<D> {
        WithDeadline { in_flight: self, deadline, is_cancelled: false }
    }
}

/// Nothing in it is pinned.
impl<D> Unpin for WithDeadline<D> {}

impl<D: Timeout> WithDeadline<D> {
    /// Whether the request was cancelled at the deadline. If so, no other request may follow it.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_cancelled
    }

    #[inline]
    pub(crate) fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        match self.deadline.as_deadline() {
            None => self.in_flight.poll_inline(context),
            Some(deadline) => {
                poll_both(&mut self.in_flight, deadline, &mut self.is_cancelled, context)
            }
        }
    }
}

/// Out of line, and one function for all requests.
#[inline(never)]
fn poll_both(
    in_flight: &mut InFlight,
    deadline: &mut dyn Timeout,
    is_cancelled: &mut bool,
    context: &mut Context<'_>,
) -> Poll<RequestOutcome> {
    loop {
        if let Poll::Ready(outcome) = Pin::new(&mut *in_flight).poll(context) {
            return Poll::Ready(match outcome {
                RequestOutcome::Completed(idle, Err(known::STATUS_CANCELLED)) if *is_cancelled => {
                    RequestOutcome::Completed(idle, Err(known::STATUS_IO_TIMEOUT))
                }
                outcome => outcome,
            });
        }
        // It has completed, and the task yields or is being woken: that counts as in time.
        if in_flight.is_completed() {
            return Poll::Pending;
        }
        if deadline.poll(context).is_pending() {
            return Poll::Pending;
        }
        if *is_cancelled || deadline.extend(GRACE).is_err() {
            return Poll::Ready(RequestOutcome::Refused(known::STATUS_IO_TIMEOUT));
        }
        in_flight.cancel();
        *is_cancelled = true;
    }
}

/// For requests that are less frequent than those that call [`poll_outcome`](WithDeadline::poll_outcome), and have less code
/// where they are awaited.
impl<D: Timeout> Future for WithDeadline<D> {
    type Output = RequestOutcome;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        let this = &mut *self;
        match this.deadline.as_deadline() {
            None => Pin::new(&mut this.in_flight).poll(context),
            Some(deadline) => {
                poll_both(&mut this.in_flight, deadline, &mut this.is_cancelled, context)
            }
        }
    }
}
