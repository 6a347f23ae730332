//! Calls on a connection that do not wait for data or for the peer.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::task::{Context, Poll, Waker};

use wsk_sys::PIRP;

use super::super::Handle;
use super::super::kept::{copy_kept, now};
use super::receive_in_turn::TurnResult;
use super::send;
use crate::buffer::{BufResult, Buffer, MdlChain, Slice, sealed::Sealed as _};
use crate::category::Connects;
use crate::flags::ReceiveFlags;
use crate::operation::{InFlight, Payload, RARE, RequestKind};
use crate::status::{Result, known};
use crate::time::{Deadline, Never};

/// The size, in bytes, of the buffer that holds data for the next receive.
const READ_AHEAD: usize = 2048;

impl<C: Connects> Handle<C> {
    /// Waits until a receive would complete at once.
    pub(crate) async fn readable(&self, deadline: &Deadline<'_>) -> Result<()> {
        self.keep_next(|| self.issue_receive(READ_AHEAD), deadline).await
    }

    /// Receives without waiting. `to` must not be empty.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if no data has arrived. A receive stays in flight then.
    pub(crate) fn try_receive(&self, to: &mut [u8], size: usize) -> Result<usize> {
        now(async {
            loop {
                let copy = |payload: &mut Payload, count| copy_kept(payload, count, to);
                match self.receive_kept(copy, &Never).await? {
                    TurnResult::Received(count) => return Ok(count),
                    TurnResult::Issue(turn) => {
                        self.keep_issued(self.issue_receive(size)?).await?;
                        drop(turn);
                    }
                }
            }
        })
    }

    /// Issues a receive with its own buffer, for the owner of the turn.
    fn issue_receive(&self, size: usize) -> Result<InFlight> {
        let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
        };
        let range = Buffer::new(size)?.into_parts();
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        let issued = unsafe {
            self.start_transfer::<RARE, Buffer>(RequestKind::Receives, range, |_| (), call)
        };
        issued.map(|issued| issued.in_flight().kept()).map_err(|(error, _)| error)
    }

    /// Sends without waiting. A request that does not complete at once continues, and a later request reports its
    /// error. Returns the number of bytes, and the buffer of a completed request.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if another send is in flight.
    pub(crate) fn try_send(&self, slice: Slice) -> BufResult<usize, Slice> {
        let state = self.state();
        let budgeted = state.poll_permit(&Context::from_waker(Waker::noop()));
        let (Poll::Ready(budgeted), false) = (budgeted, state.is_sending()) else {
            return BufResult(Err(known::STATUS_DEVICE_NOT_READY), slice);
        };
        let (range, call) = (slice.into_parts(), send::call::<C>(state.send_flags()));
        let (start, end) = (range.1, range.2);
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        let issued =
            unsafe { self.start_transfer::<RARE, Slice>(RequestKind::Sends, range, |_| (), call) };
        let (result, chain) = match issued {
            Ok(issued) => match issued.try_complete(budgeted) {
                Ok((idle, result)) => self.end_completed(idle, result, end - start, |_, sent| sent),
                Err(in_flight) => {
                    drop(in_flight.never_cancelled());
                    (Ok(end - start), MdlChain::empty())
                }
            },
            Err((error, chain)) => (Err(error), chain),
        };
        // SAFETY: the chain and the range are the slice's, or the chain is empty.
        BufResult(result, unsafe { Slice::from_parts(chain, start, end) })
    }
}
