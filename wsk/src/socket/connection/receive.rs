//! Receiving.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::PIRP;

use super::super::state::Connected;
use super::super::transfer::{Submitted, SubmittedTransfer, await_end};
use super::super::{Handle, Socket};
use crate::buffer::{BufResult, IoBuf, MdlChain};
use crate::category::Connects;
use crate::flags::ReceiveFlags;
use crate::operation::{Budgeted, Payload, ReceiveTurn, RequestKind};
use crate::status::{Result, known};
use crate::time::{Deadline, Never, Timeout};

impl<C: Connects> Handle<C> {
    /// Receives into the buffer. The task's poll budget allows it (`budgeted`).
    #[inline]
    pub(crate) fn receive<D: Timeout, B: IoBuf>(
        &self,
        budgeted: Budgeted,
        buffer: B,
        deadline: D,
    ) -> SubmittedTransfer<
        '_,
        usize,
        D,
        C,
        B,
        impl FnMut(&mut Payload, usize) -> usize + use<D, C, B>,
    > {
        if !buffer.is_writable() {
            return Submitted::Completed(BufResult(Err(known::STATUS_ACCESS_DENIED), buffer));
        }
        let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe {
            self.begin_transfer(
                RequestKind::Receives,
                budgeted,
                deadline,
                buffer,
                |_| (),
                call,
                |_, count| count,
            )
        }
    }

    pub(crate) async fn receive_full<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        if !buffer.is_writable() {
            return BufResult(Err(known::STATUS_ACCESS_DENIED), buffer);
        }
        let (buffer, start, end) = buffer.into_parts();
        // SAFETY: the range is that of a `B`.
        let (result, buffer) = unsafe { self.fill::<B>((buffer, start, end), deadline) }.await;
        // SAFETY: the memory and its range are from this `B`, or the memory is empty.
        BufResult(result, unsafe { B::from_parts(buffer, start, end) })
    }

    pub(crate) async fn receive_exact<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<(), B> {
        if !buffer.is_writable() {
            return BufResult(Err(known::STATUS_ACCESS_DENIED), buffer);
        }
        let (buffer, start, end) = buffer.into_parts();
        // SAFETY: the range is that of a `B`.
        let (result, buffer) = unsafe { self.fill::<B>((buffer, start, end), deadline) }.await;
        let result = result.and_then(|received| {
            if received < end - start { Err(known::STATUS_GRACEFUL_DISCONNECT) } else { Ok(()) }
        });
        // SAFETY: the memory and its range are from this `B`, or the memory is empty.
        BufResult(result, unsafe { B::from_parts(buffer, start, end) })
    }

    /// Receives with a buffer of length zero, and returns no data.
    async fn receive_nothing(
        &self,
        flags: ReceiveFlags,
        turn: Option<ReceiveTurn<'_>>,
        deadline: &mut Deadline<'_>,
    ) -> Result<()> {
        self.outside_routines().await;
        // A drain needs a descriptor whose length is zero (INV-31).
        let prepare = |payload: &mut Payload| payload.descriptor = MdlChain::empty().describe(0, 0);
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let descriptor = unsafe { Payload::descriptor(payload) };
            // SAFETY: the socket is connected (INV-36), and the descriptor has no memory.
            unsafe { C::receive(dispatch, descriptor, flags, irp) }
        };
        // SAFETY: the call is given the payload's descriptor and nothing else.
        let request = unsafe { self.request(deadline, prepare, call, |_, _| ()) };
        drop(turn);
        request.await
    }

    /// Discards all data until the peer has finished sending.
    pub(crate) async fn drain(&self, deadline: &mut Deadline<'_>) -> Result<()> {
        let mut turn = None;
        if self.has_kept() {
            let turn = turn.insert(self.turn(&*deadline).await?);
            while let Some((idle, result)) = self.first_kept(turn, &*deadline).await? {
                match result {
                    // The peer has finished sending; every later receive returns zero as well.
                    Ok(0) => {
                        turn.put_back(idle, Ok(0));
                        return Ok(());
                    }
                    Ok(_) | Err(known::STATUS_CANCELLED) => self.put_kept(idle),
                    Err(error) => {
                        self.put_kept(idle);
                        return Err(self.state().note_error(error));
                    }
                }
            }
        }
        self.receive_nothing(ReceiveFlags::DRAIN, turn, deadline).await
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Receives into the buffer, waiting for at least one byte. Returns 0 if the peer has finished sending
    /// ([INV-69](crate::rules#inv-69)) or the buffer is empty.
    ///
    /// Several receives may be in flight. They are filled in the order in which they were started, and may complete in
    /// any order ([INV-70](crate::rules#inv-70)). If
    /// [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) is enabled as well, a receive in flight
    /// gets the data before the event does, except in a race ([INV-54](crate::rules#inv-54)).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. If the request receives data nevertheless, the
    /// next receive to be started returns it; receives already in flight do not wait for it. Until then, or until the socket
    /// is closed, the buffer is kept. At most as many buffers are kept as receives were in flight at once.
    ///
    /// If [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) is enabled as well, kept data is not
    /// indicated: it waits for the next receive, while later data may be indicated.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskReceive`.
    pub async fn receive<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        if self.handle.has_kept() {
            return self.handle.receive_in_turn(buffer, &mut Never).await;
        }
        let budgeted = self.handle.state().permit().await;
        await_end!(self.handle.receive(budgeted, buffer, Never))
    }

    /// Fills the whole buffer (`WSK_FLAG_WAITALL`). Returns the number of bytes received, which is less than the buffer's
    /// size only if the peer has finished sending.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the next receive returns the bytes received so far. See [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// After an error, the number of bytes received before is unknown.
    ///
    /// - `STATUS_NOT_SUPPORTED` if the transport does not support `WSK_FLAG_WAITALL`. TCP does.
    /// - As for [`receive`](Self::receive).
    pub async fn receive_full<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.handle.receive_full(buffer, &mut Deadline::never()).await
    }

    /// Fills the whole buffer, as `std::io::Read::read_exact` does.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe, as [`receive_full`](Self::receive_full) is.
    ///
    /// # Errors
    ///
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer finishes
    ///   sending before the buffer is full. The buffer contains the data received; to learn its length, use
    ///   [`receive_full`](Self::receive_full).
    /// - As for [`receive_full`](Self::receive_full).
    pub async fn receive_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        self.handle.receive_exact(buffer, &mut Deadline::never()).await
    }

    /// Discards incoming data until the peer has finished sending (`WSK_FLAG_DRAIN`). If this side then
    /// also [finishes](Self::shutdown), closing the socket does not reset the connection.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request; data that has arrived by then is discarded, and
    /// later data can be received.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive), and `STATUS_NOT_SUPPORTED` if the transport does not support draining. TCP does.
    pub async fn drain(&self) -> Result<()> {
        self.handle.drain(&mut Deadline::never()).await
    }

    /// Resumes [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) after it has refused data or
    /// accepted only part of it ([INV-56](crate::rules#inv-56)), by a receive of zero bytes.
    ///
    /// The future may wait until data has arrived.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive_event).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may have taken effect.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub async fn resume_events(&self) -> Result<()> {
        self.handle.receive_nothing(ReceiveFlags::empty(), None, &mut Deadline::never()).await
    }
}
