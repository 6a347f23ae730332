//! Calls on a datagram socket that do not wait for a datagram.
//!
//! # Safety
//!
//! The calls are made on a bound socket; the request owns the buffer, the address and the control data until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};

use super::super::kept::{copy_kept, now};
use super::{Datagram, Destination, Handle, call_send, received, whole};
use crate::buffer::{BufResult, Buffer, MdlChain, Slice, sealed::Sealed as _};
use crate::cmsg::SendControl;
use crate::operation::{InFlight, Payload, RARE, RequestKind};
use crate::status::{Result, known};
use crate::time::{Deadline, Never};

/// The size, in bytes, of the buffer that holds a datagram for the next receive: the size of the largest datagram.
const LARGEST: usize = 65_527;

impl Handle<Datagram> {
    /// Waits until a receive would complete at once.
    pub(crate) async fn readable(&self, deadline: &Deadline<'_>) -> Result<()> {
        self.keep_next(|| self.issue_receive(), deadline).await
    }

    /// Receives a datagram without waiting.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if none has arrived. A receive stays in flight then.
    pub(crate) fn try_receive_from(&self, to: &mut [u8]) -> Result<(usize, SocketAddr)> {
        now(async {
            let mut turn = self.turn(&Never).await?;
            loop {
                match self.first_kept(&mut turn, &Never).await? {
                    Some((idle, Err(known::STATUS_CANCELLED))) => self.put_kept(idle),
                    Some((idle, result)) => {
                        let copy = |payload: &mut Payload, count| copy_kept(payload, count, to);
                        let received = self.take_datagram(idle, result, copy)?;
                        return self.finish_in_turn(received, whole);
                    }
                    None => self.keep_issued(self.issue_receive()?).await?,
                }
            }
        })
    }

    /// Issues a receive with its own buffer, for the owner of the turn.
    fn issue_receive(&self) -> Result<InFlight> {
        let range = Buffer::new(LARGEST)?.into_parts();
        self.start_receive(range, received::CONTROL_ROOM).map_err(|(error, _)| error)
    }

    /// Sends without waiting. A request that does not complete at once continues. Returns the number of bytes, and the slice,
    /// which is empty if the request has it.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if another such send is in flight.
    pub(crate) fn try_send_to(&self, slice: Slice, to: Destination) -> BufResult<usize, Slice> {
        let (state, control) = (self.state(), &SendControl::new());
        if let Err(error) = self.check_destination(to, control) {
            return BufResult(Err(error), slice);
        }
        let budgeted = state.poll_permit(&Context::from_waker(Waker::noop()));
        let (Poll::Ready(budgeted), false) = (budgeted, state.is_sending()) else {
            return BufResult(Err(known::STATUS_DEVICE_NOT_READY), slice);
        };
        let range = slice.into_parts();
        let (start, end) = (range.1, range.2);
        let prepare = |payload: &mut Payload| to.prepare(control, payload);
        // SAFETY: the call is given the payload's descriptor, address and control data.
        let issued = unsafe {
            self.start_transfer::<RARE, Slice>(RequestKind::Sends, range, prepare, call_send(to))
        };
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
