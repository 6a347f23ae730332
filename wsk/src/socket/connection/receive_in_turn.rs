//! Receives of a connection that follow kept ones, and those that fill a buffer.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;

use wsk_sys::PIRP;

use super::super::Handle;
use super::super::kept::copy_kept_to;
use super::super::transfer::{BufferRange, Completion};
use crate::buffer::{BufResult, IoBuf, MdlChain};
use crate::category::Connects;
use crate::flags::ReceiveFlags;
use crate::operation::{
    FREQUENT, Idle, KeptReceive, Payload, RARE, ReceiveTurn, RequestKind, RequestOutcome,
};
use crate::status::{Result, known};
use crate::time::{Deadline, Timeout};

/// The result of a receive's turn.
pub(crate) enum TurnResult<'a> {
    /// This many bytes of a kept receive; zero if the peer has finished sending.
    Received(usize),
    /// No kept receive is left, so the receive can be issued. It has the turn until then.
    Issue(ReceiveTurn<'a>),
}

impl<C: Connects> Handle<C> {
    /// Waits for the turn to receive, and copies the bytes of the first kept receive that has any, by `copy`, which is given the
    /// number of bytes that the request has received. It has room for at least one, and returns the number that it has copied and
    /// that of all. Dropping the future loses no data.
    ///
    /// # Errors
    ///
    /// The error of a kept receive, or of `copy`, after which the data is kept still; or `STATUS_IO_TIMEOUT`.
    pub(crate) async fn receive_kept(
        &self,
        mut copy: impl FnMut(&mut Payload, usize) -> Result<(usize, usize)>,
        deadline: &impl Timeout,
    ) -> Result<TurnResult<'_>> {
        let mut turn = self.turn(deadline).await?;
        while let Some((mut idle, result)) = self.first_kept(&mut turn, deadline).await? {
            let payload = idle.payload();
            let (copied, size) = match copy(payload, result.unwrap_or(0)) {
                Ok(copied) => copied,
                Err(error) => {
                    turn.put_back(idle, result);
                    return Err(error);
                }
            };
            if size > 0 {
                payload.kept.taken += copied;
                // The end of the data or an error follows the bytes.
                if copied < size || !matches!(result, Ok(1..)) {
                    turn.put_back(idle, result);
                } else {
                    self.put_kept(idle);
                }
                return Ok(TurnResult::Received(copied));
            }
            match result {
                Ok(_) => {
                    turn.put_back(idle, Ok(0));
                    return Ok(TurnResult::Received(0));
                }
                Err(known::STATUS_CANCELLED) => self.put_kept(idle),
                Err(error) => {
                    self.put_kept(idle);
                    return Err(self.state().note_error(error));
                }
            }
        }
        self.outside_routines().await;
        Ok(TurnResult::Issue(turn))
    }

    /// Receives into the buffer, after the kept receives if there are any.
    #[inline(never)]
    pub(crate) async fn receive_in_turn<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut impl Timeout,
    ) -> BufResult<usize, B> {
        if !buffer.is_writable() {
            return BufResult(Err(known::STATUS_ACCESS_DENIED), buffer);
        }
        let (mut buffer, start, end) = buffer.into_parts();
        let kept = if !self.has_kept() {
            self.outside_routines().await;
            Ok(None)
        } else if start == end {
            Ok(Some(TurnResult::Received(0)))
        } else {
            let copy = |payload: &mut Payload, count| {
                copy_kept_to(payload, count, (&mut buffer, start, end))
            };
            self.receive_kept(copy, &*deadline).await.map(Some)
        };
        let (result, buffer) = match kept {
            Ok(Some(TurnResult::Received(count))) => (Ok(count), buffer),
            Ok(turn) => {
                let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| {
                    // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
                    unsafe { C::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
                };
                // SAFETY: the range is of a `B`; the call is given the payload's descriptor, and through it the
                // payload's buffer.
                let issued = unsafe {
                    self.start_transfer::<RARE, B>(
                        RequestKind::Receives,
                        (buffer, start, end),
                        |_| (),
                        call,
                    )
                };
                match issued.map(|issued| issued.in_flight().kept()) {
                    Ok(in_flight) => {
                        drop(turn);
                        let outcome = in_flight.with_deadline(deadline).await;
                        self.end_transfer(outcome, end - start, |_, count| count)
                    }
                    Err((error, buffer)) => (Err(error), buffer),
                }
            }
            Err(error) => (Err(error), buffer),
        };
        // SAFETY: the memory and its range are from this `B`, or the memory is empty.
        BufResult(result, unsafe { B::from_parts(buffer, start, end) })
    }

    /// Fills `start..end` of the buffer, unless the peer finishes sending before.
    ///
    /// # Safety
    ///
    /// The range belongs to a `B`.
    pub(super) async unsafe fn fill<B: IoBuf>(
        &self,
        range: BufferRange,
        deadline: &mut Deadline<'_>,
    ) -> Completion<usize> {
        let mut filling = match Filling::<C, B>::new(self, range) {
            Ok(filling) => filling,
            Err(completion) => return completion,
        };
        let result = filling.run(deadline).await;
        (result, filling.into_buffer())
    }
}

/// A buffer that is being filled. If it is dropped, the bytes received so far are kept for the next receive.
///
/// # Invariants
///
/// The memory belongs to a `B`.
struct Filling<'a, C: Connects, B: IoBuf> {
    handle: &'a Handle<C>,
    /// The operation, with the buffer. `None` while it is in flight, and if the system has kept it.
    idle: Option<Idle>,
    start: usize,
    filled: usize,
    end: usize,
    /// The buffers of this crate, which are sealed, have no subtypes.
    buffer: PhantomData<fn() -> B>,
}

impl<'a, C: Connects, B: IoBuf> Filling<'a, C, B> {
    fn new(
        handle: &'a Handle<C>,
        (buffer, start, end): BufferRange,
    ) -> core::result::Result<Self, Completion<usize>> {
        // SAFETY: this value borrows the handle, which keeps the socket's memory.
        let idle = || unsafe { handle.state().requests.take() };
        match handle.state().check_alive().and_then(|()| idle()) {
            Ok(mut idle) => {
                idle.payload().buffer = Some(buffer);
                let (filled, idle) = (start, Some(idle));
                Ok(Self { handle, idle, start, filled, end, buffer: PhantomData })
            }
            Err(error) => Err((Err(error), buffer)),
        }
    }

    async fn run(&mut self, deadline: &mut Deadline<'_>) -> Result<usize> {
        while self.filled < self.end {
            let part = if self.handle.has_kept() {
                let (filled, end) = (self.filled, self.end);
                let own = self.idle.as_mut().and_then(|idle| idle.payload().buffer.as_mut());
                let own = own.ok_or(known::STATUS_INTERNAL_ERROR)?;
                let copy = |payload: &mut Payload, count| {
                    copy_kept_to(payload, count, (&mut *own, filled, end))
                };
                match self.handle.receive_kept(copy, &*deadline).await? {
                    TurnResult::Received(count) => count,
                    TurnResult::Issue(turn) => self.receive(Some(turn), deadline).await?,
                }
            } else {
                self.receive(None, deadline).await?
            };
            if part == 0 {
                break;
            }
            self.filled += part;
            // The request timed out and was cancelled, but had received a part.
            if self.filled < self.end && deadline.is_extended() {
                return Err(known::STATUS_IO_TIMEOUT);
            }
            // Fewer bytes than requested mean the end of the data, which the next receive confirms (INV-69): Wine does not
            // implement WSK_FLAG_WAITALL.
        }
        Ok(self.filled - self.start)
    }

    /// Receives into the part that is not filled.
    async fn receive(
        &mut self,
        turn: Option<ReceiveTurn<'_>>,
        deadline: &mut Deadline<'_>,
    ) -> Result<usize> {
        let state = self.handle.state();
        let budgeted = state.permit().await;
        state.check_alive()?;
        state.client().check_outside_routines()?;
        let Some(mut idle) = self.idle.take() else {
            return Err(known::STATUS_INTERNAL_ERROR);
        };
        let payload = idle.payload();
        if let Some(buffer) = &payload.buffer {
            payload.descriptor = B::describe(buffer, self.filled, self.end);
        }
        // If the future is dropped, the earlier parts are kept with this one.
        payload.kept.before = self.filled - self.start;
        let call = |dispatch, irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { Payload::descriptor(payload) };
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::receive(dispatch, descriptor, ReceiveFlags::WAIT_ALL, irp) }
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        let issued = unsafe { self.handle.start::<FREQUENT>(idle, RequestKind::Receives, call) };
        let outcome = match issued.try_complete(budgeted) {
            Ok((idle, result)) => {
                drop(turn);
                RequestOutcome::Completed(idle, result)
            }
            Err(in_flight) => {
                let in_flight = in_flight.kept();
                drop(turn);
                in_flight.with_deadline(deadline).await
            }
        };
        match outcome {
            RequestOutcome::Completed(idle, result) => {
                self.idle = Some(idle);
                let room = self.end - self.filled;
                // A correct system never reports more bytes than the buffer has room for.
                result.map(|count| count.min(room)).map_err(|error| state.note_error(error))
            }
            // The system may still use the buffer.
            RequestOutcome::Refused(error) => Err(error),
        }
    }

    /// Returns the buffer's memory, or an empty chain if the system has kept it.
    fn into_buffer(mut self) -> MdlChain {
        let Some(mut idle) = self.idle.take() else {
            return MdlChain::empty();
        };
        let payload = idle.payload();
        payload.kept = KeptReceive::NONE;
        let buffer = payload.buffer.take();
        self.handle.state().requests.put_transfer(idle);
        buffer.unwrap_or(MdlChain::empty())
    }
}

impl<C: Connects, B: IoBuf> Drop for Filling<'_, C, B> {
    fn drop(&mut self) {
        let Some(mut idle) = self.idle.take() else {
            return;
        };
        if self.filled == self.start {
            return self.handle.put_kept(idle);
        }
        let payload = idle.payload();
        if let Some(buffer) = &payload.buffer {
            payload.descriptor = B::describe(buffer, self.start, self.end);
        }
        payload.kept = KeptReceive::NONE;
        self.handle.state().kept().keep_first(idle, Ok(self.filled - self.start));
    }
}
