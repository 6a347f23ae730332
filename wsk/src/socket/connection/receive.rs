//! Receiving.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)); the request owns the buffer until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::PIRP;

use super::super::state::Connected;
use super::super::transfer::{SubmittedTransfer, await_end};
use super::super::{Handle, Socket};
use crate::buffer::{BufResult, Buffer, IoBuf};
use crate::category::Connects;
use crate::flags::ReceiveFlags;
use crate::operation::{Budgeted, Payload, Turn};
use crate::status::{Result, known};
use crate::time::{Deadline, Never, Timeout};

impl<C: Connects> Handle<C> {
    /// Fills the buffer or a part of it, in the task's turn.
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
        let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::receive(dispatch, descriptor, ReceiveFlags::empty(), irp) }
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe {
            self.begin_transfer(budgeted, deadline, buffer, |_| (), call, |_, count| count, true)
        }
    }

    pub(crate) async fn receive_full<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        let (buffer, start, end) = buffer.into_parts();
        let (result, buffer) = self.fill((buffer, start, end), deadline).await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    pub(crate) async fn receive_exact<B: IoBuf>(
        &self,
        buffer: B,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<(), B> {
        let (buffer, start, end) = buffer.into_parts();
        let (result, buffer) = self.fill((buffer, start, end), deadline).await;
        let result = result.and_then(|received| {
            if received < end - start { Err(known::STATUS_GRACEFUL_DISCONNECT) } else { Ok(()) }
        });
        BufResult(result, B::from_parts(buffer, start, end))
    }

    /// A receive without room, which says nothing but that it is done.
    async fn receive_nothing(
        &self,
        flags: ReceiveFlags,
        turn: Option<Turn<'_>>,
        deadline: &mut Deadline<'_>,
    ) -> Result<()> {
        // Present, and of length zero, which a drain needs (INV-31).
        let prepare = |payload: &mut Payload| payload.descriptor = Buffer::empty().describe(0, 0);
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

    /// Discards what the peer still sends.
    pub(crate) async fn drain(&self, deadline: &mut Deadline<'_>) -> Result<()> {
        let mut turn = None;
        if self.has_kept() {
            let turn = turn.insert(self.turn(&*deadline).await?);
            while let Some((idle, result)) = self.first_kept(turn, &*deadline).await? {
                match result {
                    // The end, which every later receive finds as well.
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
    /// Receives into the buffer: at least one byte, or none if the peer has finished sending
    /// ([INV-69](crate::rules#inv-69)) or the buffer has no room.
    ///
    /// Several may be in flight; they are filled in the order in which they were begun, and complete in any
    /// ([INV-70](crate::rules#inv-70)). If
    /// [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) is enabled as well, data goes to
    /// one of them: to the receive, if there is one, but for races ([INV-54](crate::rules#inv-54)).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. The next receive that is begun returns the
    /// bytes that it receives all the same; receives that are in flight already do not wait for them. Its buffer is
    /// freed then, or when the socket is closed: at most as many buffers are kept as receives were in flight at once.
    ///
    /// If [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) is enabled as well, these bytes are not
    /// indicated: they wait for the next receive, while later data may be indicated.
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
        let budgeted = self.handle.state().budget().budgeted().await;
        await_end!(self.handle.receive(budgeted, buffer, Never))
    }

    /// Fills the whole buffer: `WSK_FLAG_WAITALL`. Returns how many bytes were received: fewer than there is room
    /// for if the peer has finished sending.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the next receive returns what was received before. See [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// How many bytes were received before is unknown.
    ///
    /// - `STATUS_NOT_SUPPORTED` if the transport cannot wait for all; TCP can.
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
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer has
    ///   finished sending before. What it has sent is in the buffer; how much that is says
    ///   [`receive_full`](Self::receive_full) only.
    /// - As for [`receive_full`](Self::receive_full).
    pub async fn receive_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        self.handle.receive_exact(buffer, &mut Deadline::never()).await
    }

    /// Discards what the peer still sends, until it has finished: `WSK_FLAG_DRAIN`. Then this side can
    /// [finish](Self::shutdown), too, and the close resets nobody.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request; what has come is lost, and what comes later
    /// can be received.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive), and `STATUS_NOT_SUPPORTED` if the transport cannot drain; TCP can.
    pub async fn drain(&self) -> Result<()> {
        self.handle.drain(&mut Deadline::never()).await
    }

    /// Lets [`ConnectionEvents::receive`](crate::events::ConnectionEvents::receive) be called again, which has
    /// refused data, or taken a part only ([INV-56](crate::rules#inv-56)): a receive of no bytes.
    ///
    /// It is ready when there is something to receive, at the latest; so it may wait if there is nothing.
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
