//! A request that keeps its buffer, and outlives the future that waits for it.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use wsk_sys::PIRP;

use super::super::Handle;
use super::super::kept::copy_kept;
use super::receive_in_turn::TurnResult;
use crate::buffer::sealed::Sealed;
use crate::buffer::{Buffer, MdlChain};
use crate::category::Connects;
use crate::flags::{ReceiveFlags, SendFlags};
use crate::operation::{
    FREQUENT, Idle, InFlight, KeptReceive, Payload, RequestKind, RequestOutcome,
};
use crate::status::{Result, known};
use crate::time::Timeout;

/// A request with its buffer: idle, or in flight. A future that waits for it only polls it, so dropping the future loses
/// nothing.
///
/// Drop it before the handle that it is used with: dropping it cancels a request in flight.
pub(crate) struct ReusableRequest(RequestState);

enum RequestState {
    /// Neither a request nor a buffer exists.
    Empty,
    /// The payload has the buffer.
    Idle(Idle),
    /// With the number of bytes to send, or the size of the buffer to fill.
    InFlight(InFlight, usize),
}

impl ReusableRequest {
    pub(crate) const EMPTY: Self = Self(RequestState::Empty);

    pub(crate) const fn is_in_flight(&self) -> bool {
        matches!(self.0, RequestState::InFlight(..))
    }

    /// Whether the result is available.
    pub(crate) fn is_completed(&self) -> bool {
        matches!(&self.0, RequestState::InFlight(in_flight, _) if in_flight.is_completed())
    }

    /// The number of bytes being sent.
    pub(crate) const fn size(&self) -> usize {
        match self.0 {
            RequestState::InFlight(_, size) => size,
            RequestState::Empty | RequestState::Idle(_) => 0,
        }
    }

    /// The buffer, unless it is in flight or was never allocated.
    pub(crate) fn buffer(&mut self) -> Option<&mut [u8]> {
        match &mut self.0 {
            RequestState::Idle(idle) => idle.payload().buffer.as_mut().map(MdlChain::first_mut),
            RequestState::Empty | RequestState::InFlight(..) => None,
        }
    }

    /// The buffer of a request that is not in flight. If there is none, one of `capacity` bytes is allocated.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` or `STATUS_INVALID_BUFFER_SIZE`, as for [`Buffer::new`].
    pub(crate) fn prepare(&mut self, capacity: usize) -> Result<&mut [u8]> {
        if let RequestState::Empty = self.0 {
            let mut idle = Idle::allocate()?;
            idle.payload().buffer = Some(Buffer::new(capacity)?.into_parts().0);
            self.0 = RequestState::Idle(idle);
        }
        self.buffer().ok_or(known::STATUS_INTERNAL_ERROR)
    }

    /// Sends the first `count` bytes of a prepared request's buffer.
    ///
    /// # Errors
    ///
    /// `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    pub(crate) fn send<C: Connects>(
        &mut self,
        handle: &Handle<C>,
        count: usize,
        flags: SendFlags,
    ) -> Result<()> {
        let state = handle.state();
        let flags = flags | state.send_flags();
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { Payload::descriptor(payload) };
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::send(dispatch, descriptor, flags, irp) }
        };
        self.start(handle, count, RequestKind::Sends, call)
    }

    /// Starts a receive into a buffer of `capacity` bytes, unless one is in flight. If the socket has kept an earlier
    /// receive, its bytes are copied to the buffer instead. Returns their number, which is zero at the end of the data.
    ///
    /// # Errors
    ///
    /// - Those of [`prepare`](Self::prepare) and [`receive`](Self::receive).
    /// - `STATUS_IO_TIMEOUT` if an earlier receive has not completed in time, or the error of that receive.
    pub(crate) async fn begin<C: Connects>(
        &mut self,
        handle: &Handle<C>,
        capacity: usize,
        deadline: &impl Timeout,
    ) -> Result<Option<usize>> {
        if self.is_in_flight() {
            return Ok(None);
        }
        let buffer = self.prepare(capacity)?;
        handle.outside_routines().await;
        let turn = if handle.has_kept() {
            let copy = |payload: &mut Payload, count| copy_kept(payload, count, buffer);
            match handle.receive_kept(copy, deadline).await? {
                TurnResult::Received(count) => return Ok(Some(count)),
                TurnResult::Issue(turn) => Some(turn),
            }
        } else {
            None
        };
        self.receive(handle)?;
        drop(turn);
        Ok(None)
    }

    /// Receives into a prepared request's buffer.
    ///
    /// # Errors
    ///
    /// `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    fn receive<C: Connects>(&mut self, handle: &Handle<C>) -> Result<()> {
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { Payload::descriptor(payload) };
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
        };
        self.start(handle, usize::MAX, RequestKind::Receives, call)
    }

    /// Issues a request with the first `count` bytes of the buffer.
    fn start<C: Connects>(
        &mut self,
        handle: &Handle<C>,
        count: usize,
        kind: RequestKind,
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> wsk_sys::NTSTATUS,
    ) -> Result<()> {
        handle.state().check_alive()?;
        handle.state().client().check_outside_routines()?;
        self.0 = match core::mem::replace(&mut self.0, RequestState::Empty) {
            RequestState::Idle(mut idle) => {
                let payload = idle.payload();
                let size =
                    payload.buffer.as_ref().map_or(0, |buffer| buffer.first_size().min(count));
                if let Some(buffer) = &payload.buffer {
                    payload.descriptor = buffer.describe_first(0, size);
                }
                // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
                let in_flight = unsafe { handle.start::<FREQUENT>(idle, kind, call) }.in_flight();
                RequestState::InFlight(
                    if kind == RequestKind::Receives { in_flight.kept() } else { in_flight },
                    size,
                )
            }
            other => other,
        };
        Ok(())
    }

    /// Waits for the request in flight, and returns the number of bytes that it has sent or received.
    pub(crate) fn poll<C: Connects>(
        &mut self,
        handle: &Handle<C>,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        let RequestState::InFlight(in_flight, size) = &mut self.0 else {
            return Poll::Ready(Ok(0));
        };
        let size = *size;
        let Poll::Ready(outcome) = Pin::new(in_flight).poll(context) else {
            return Poll::Pending;
        };
        let state = handle.state();
        Poll::Ready(match outcome {
            RequestOutcome::Completed(mut idle, result) => {
                idle.payload().kept = KeptReceive::NONE;
                self.0 = RequestState::Idle(idle);
                // No system should report more than it was given room for.
                result.map(|count| count.min(size)).map_err(|error| state.note_error(error))
            }
            RequestOutcome::Refused(error) => {
                self.0 = RequestState::Empty;
                Err(error)
            }
        })
    }

    /// Drops the request. Bytes that it receives, or has received without being read, are kept for the socket's next
    /// receive.
    pub(crate) fn keep_unused<C: Connects>(self, handle: &Handle<C>, unused: Range<usize>) {
        if unused.is_empty() {
            return;
        }
        if let RequestState::Idle(mut idle) = self.0 {
            let payload = idle.payload();
            if let Some(buffer) = &payload.buffer {
                payload.descriptor = buffer.describe_first(0, buffer.first_size());
            }
            payload.kept = KeptReceive::NONE;
            payload.kept.taken = unused.start;
            handle.state().kept().keep_first(idle, Ok(unused.end));
        }
    }

    /// The result, if it is available.
    pub(crate) fn result<C: Connects>(&mut self, handle: &Handle<C>) -> Option<Result<usize>> {
        if !self.is_completed() {
            return None;
        }
        match self.poll(handle, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}
