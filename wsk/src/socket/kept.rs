//! Receives that follow those whose futures were dropped: see [`KeptReceives`](crate::operation::KeptReceives).

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use wsk_sys::fields::length;

use super::handle::Handle;
use crate::buffer::MdlChain;
use crate::category::Category;
use crate::operation::{Idle, InFlight, KeptReceive, Payload, ReceiveTurn, RequestOutcome};
use crate::status::{Result, known};
use crate::time::{Timeout, in_time};

impl<C: Category> Handle<C> {
    /// Whether a receive has to wait for its [turn](Self::turn), since earlier ones are kept.
    #[inline]
    pub(crate) fn has_kept(&self) -> bool {
        self.state().kept().is_active()
    }

    /// Waits for the turn to receive, after the receives that already wait.
    ///
    /// # Errors
    ///
    /// `STATUS_IO_TIMEOUT`, or `STATUS_INSUFFICIENT_RESOURCES` if allocating the place in the queue fails.
    pub(super) async fn turn(&self, deadline: &impl Timeout) -> Result<ReceiveTurn<'_>> {
        let _ = self.state().permit().await;
        let mut turn = self.state().kept().turn();
        poll_fn(|context| {
            in_time(
                context,
                |context| Pin::new(&mut turn).poll(context),
                |context| deadline.poll(context),
            )
        })
        .await?
    }

    /// Waits for the first kept receive, and takes it with its result; none if no receive is left.
    ///
    /// # Errors
    ///
    /// `STATUS_IO_TIMEOUT`.
    pub(super) async fn first_kept(
        &self,
        turn: &mut ReceiveTurn<'_>,
        deadline: &impl Timeout,
    ) -> Result<Option<(Idle, Result<usize>)>> {
        poll_fn(|context| {
            in_time(context, |context| turn.poll_first(context), |context| deadline.poll(context))
        })
        .await
    }

    /// Waits until the socket keeps the result of a receive for the next one: of an earlier receive, or of one that `issue`
    /// makes. If the future is dropped, that receive stays in flight.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT`.
    /// - Those of `issue`, and of a request that returned no data. The next receive reports the error of a kept one.
    pub(super) async fn keep_next(
        &self,
        issue: impl Fn() -> Result<InFlight>,
        deadline: &impl Timeout,
    ) -> Result<()> {
        let mut turn = self.turn(deadline).await?;
        loop {
            match self.first_kept(&mut turn, deadline).await? {
                Some((idle, Err(known::STATUS_CANCELLED))) => self.put_kept(idle),
                Some((idle, result)) => {
                    turn.put_back(idle, result);
                    return Ok(());
                }
                None => {
                    self.outside_routines().await;
                    self.keep_issued(issue()?).await?;
                }
            }
        }
    }

    /// Keeps a receive that the owner of the turn has just issued, for the next receive.
    ///
    /// # Errors
    ///
    /// Those of a request that returned no data.
    pub(super) async fn keep_issued(&self, in_flight: InFlight) -> Result<()> {
        let Err(in_flight) = in_flight.leave_to_target() else {
            return Ok(());
        };
        match in_flight.await {
            RequestOutcome::Completed(idle, result) => {
                self.put_kept(idle);
                result.map(drop).map_err(|error| self.state().note_error(error))
            }
            RequestOutcome::Refused(error) => Err(error),
        }
    }

    /// Keeps the operation of a receive that was kept, for another request.
    pub(super) fn put_kept(&self, mut idle: Idle) {
        idle.payload().kept = KeptReceive::NONE;
        self.state().requests.put(idle);
    }
}

/// The result of a call that does not wait.
///
/// # Errors
///
/// `STATUS_DEVICE_NOT_READY` if it would have to wait.
pub(super) fn now<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(known::STATUS_DEVICE_NOT_READY),
    }
}

/// Copies the bytes of a kept receive with a result of `count` bytes that were not taken yet, as many as fit. Returns their
/// number, and the number of all.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if lent memory cannot be mapped.
pub(super) fn copy_kept(
    payload: &mut Payload,
    count: usize,
    to: &mut [u8],
) -> Result<(usize, usize)> {
    let Some((buffer, start, end)) = kept_range(payload, count) else {
        return Ok((0, 0));
    };
    Ok((buffer.copy_to(start, end, to)?, end - start))
}

/// Copies the bytes of a kept receive like [`copy_kept`], to a range of another buffer.
///
/// # Errors
///
/// As for [`copy_kept`].
pub(super) fn copy_kept_to(
    payload: &mut Payload,
    count: usize,
    (to, to_start, to_end): (&mut MdlChain, usize, usize),
) -> Result<(usize, usize)> {
    let Some((buffer, start, end)) = kept_range(payload, count) else {
        return Ok((0, 0));
    };
    Ok((buffer.copy_to_chain((start, end), to, (to_start, to_end))?, end - start))
}

/// The bytes of a kept receive that were not taken yet.
fn kept_range(payload: &mut Payload, count: usize) -> Option<(&mut MdlChain, usize, usize)> {
    let buffer = payload.buffer.as_mut()?;
    let own = buffer.position(&payload.descriptor);
    // A correct system never reports more bytes than the request had room for.
    let end = own.saturating_add(count.min(length(payload.descriptor.Length)));
    let start = own.saturating_sub(payload.kept.before).saturating_add(payload.kept.taken);
    (start < end).then_some((buffer, start, end))
}
