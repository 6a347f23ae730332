//! Sending.

use wsk_sys::PIRP;

use super::super::category::Connects;
use super::super::state::Connected;
use super::super::{Handle, Socket};
use crate::buffer::{BufResult, Buffer, IoBuf};
use crate::flags::SendFlags;
use crate::operation::Payload;
use crate::status::{Result, known};
use crate::time::Deadline;

impl<C: Connects> Handle<C> {
    /// Sends `start..end` of the buffer, which must be within it.
    async fn send_part(
        &self,
        flags: SendFlags,
        parts: (Buffer, usize, usize),
        deadline: &mut Deadline<'_>,
    ) -> (Result<usize>, Buffer) {
        if !SendFlags::all().contains(flags) {
            // What the header has besides is not documented (INV-31).
            return (Err(known::STATUS_NOT_SUPPORTED), parts.0);
        }
        let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected (INV-36); the buffer stays until the request completes.
            unsafe { C::send(dispatch, descriptor, flags, irp) }
        };
        let prepare = |payload: &mut Payload| payload.sending = Some(self.shared().begin_send());
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe { self.transfer_within(deadline, parts, prepare, call, |_, count| count) }.await
    }

    pub(crate) async fn send<B: IoBuf>(
        &self,
        buffer: B,
        flags: SendFlags,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        let (buffer, start, end) = buffer.into_parts();
        let (result, buffer) = self.send_part(flags, (buffer, start, end), deadline).await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    pub(crate) async fn send_all<B: IoBuf>(
        &self,
        buffer: B,
        flags: SendFlags,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, B> {
        let (mut buffer, start, end) = buffer.into_parts();
        let mut sent = start;
        let mut result = Ok(end - start);
        while sent < end {
            let part;
            (part, buffer) = self.send_part(flags, (buffer, sent, end), deadline).await;
            match part {
                Ok(0) => {
                    result = Err(known::STATUS_CONNECTION_ABORTED);
                    break;
                }
                Ok(count) => sent += count,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        BufResult(result, B::from_parts(buffer, start, end))
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Sends from the buffer, and returns how many bytes were sent: all of them, as WSK is documented.
    ///
    /// WSK has no buffer of its own: this is ready when the peer's system has the bytes, so that who sends much
    /// has several of these in flight. They are sent in the order in which they were begun.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future cancels the request
    /// and drops the buffer; how much was sent is unknown then.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send).
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSend` reports.
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::empty()).await
    }

    /// As [`send`](Self::send), with flags.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `STATUS_NOT_SUPPORTED` if the transport does not have the flag: TCP
    /// has all that are here.
    pub async fn send_with<B: IoBuf>(&self, buffer: B, flags: SendFlags) -> BufResult<usize, B> {
        self.handle.send(buffer, flags, &mut Deadline::never()).await
    }

    /// As [`send`](Self::send), without waiting for more to send: `WSK_FLAG_NODELAY`. What was sent before and
    /// still waits goes along.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn send_no_delay<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::NO_DELAY).await
    }

    /// Sends the whole buffer, in several requests if need be, and returns its size.
    ///
    /// Cancellation: as for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `STATUS_CONNECTION_ABORTED` if a request sends nothing.
    pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.handle.send_all(buffer, SendFlags::empty(), &mut Deadline::never()).await
    }
}
