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
    /// Waits for another request until the same deadline. The previous request completed [in time](Self::is_over).
    pub(crate) fn restart(&mut self, in_flight: InFlight) {
        self.in_flight = in_flight;
    }

    /// Whether the request was cancelled at the deadline. If so, no other request may follow it.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_cancelled
    }

    #[inline]
    pub(crate) fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        if self.deadline.is_never() {
            return Pin::new(&mut self.in_flight).poll(context);
        }
        self.poll_both(context)
    }

    #[inline(never)]
    fn poll_both(&mut self, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut self.in_flight).poll(context) {
                return Poll::Ready(match outcome {
                    RequestOutcome::Completed(idle, Err(known::STATUS_CANCELLED))
                        if self.is_cancelled =>
                    {
                        RequestOutcome::Completed(idle, Err(known::STATUS_IO_TIMEOUT))
                    }
                    outcome => outcome,
                });
            }
            // It has completed, and the task yields or is being woken: that counts as in time.
            if self.in_flight.is_completed() {
                return Poll::Pending;
            }
            if self.deadline.poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.is_cancelled || self.deadline.extend(GRACE).is_err() {
                return Poll::Ready(RequestOutcome::Refused(known::STATUS_IO_TIMEOUT));
            }
            self.in_flight.cancel();
            self.is_cancelled = true;
        }
    }
}

/// For requests that are less frequent than those that call [`poll_outcome`](WithDeadline::poll_outcome), and have less code
/// where they are awaited.
impl<D: Timeout> Future for WithDeadline<D> {
    type Output = RequestOutcome;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RequestOutcome> {
        #[inline(never)]
        fn poll_in_flight(
            in_flight: &mut InFlight,
            context: &mut Context<'_>,
        ) -> Poll<RequestOutcome> {
            Pin::new(in_flight).poll(context)
        }
        if self.deadline.is_never() {
            return poll_in_flight(&mut self.in_flight, context);
        }
        self.poll_both(context)
    }
}
