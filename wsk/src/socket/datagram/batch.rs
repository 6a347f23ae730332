//! Sending several datagrams at once.
//!
//! # Safety
//!
//! The request owns the batch, and with it the list that WSK reads, until it completes ([INV-28](crate::rules#inv-28)).

#![expect(unsafe_code, reason = "see Safety")]

use core::net::SocketAddr;

use wsk_sys::{PIRP, PWSK_BUF_LIST};

use super::{Datagram, Destination, Destined, Exchanges, Handle, Socket};
use crate::batch::Batch;
use crate::buffer::BufResult;
use crate::cmsg::SendControl;
use crate::dispatch::DatagramDispatch;
use crate::operation::{Attachment, ControlBuffer, FREQUENT, Payload, RequestKind, RequestOutcome};
use crate::status::{Result, known};
use crate::time::Deadline;

impl Attachment for Batch {
    const OUTLIVES_REFUSAL: bool = true;

    unsafe fn abandon(self, _result: Result<usize>, _output: &ControlBuffer) {}
}

impl Handle<Datagram> {
    pub(crate) async fn send_batch(
        &self,
        mut batch: Batch,
        to: Destination,
        control: &SendControl,
        deadline: &mut Deadline<'_>,
    ) -> BufResult<usize, Batch> {
        if let Err(error) = self.check_destination(to, control) {
            return BufResult(Err(error), batch);
        }
        let state = self.state();
        // WSK's documentation does not allow an empty list.
        if batch.is_empty() {
            return BufResult(state.check_alive().map(|()| 0), batch);
        }
        let Some(has) = state.client().capabilities().send_messages() else {
            return BufResult(Err(known::STATUS_NOT_SUPPORTED), batch);
        };
        let size = batch.bytes();
        self.outside_routines().await;
        let in_flight = {
            // SAFETY: this future borrows the handle, which keeps the socket's memory.
            let mut idle = match unsafe { state.idle() } {
                Ok(idle) => idle,
                Err(error) => return BufResult(Err(error), batch),
            };
            let list: PWSK_BUF_LIST = batch.link();
            let payload = idle.payload();
            payload.attachment.put(batch);
            to.prepare(control, payload);
            let call = |dispatch: DatagramDispatch, irp: PIRP, payload: *mut Payload| {
                // SAFETY: the payload is the request's, and was prepared.
                let (remote, length, data) = unsafe { to.arguments(payload) };
                // SAFETY: the socket is bound; the list, its buffers and the control data stay until the request
                // completes (INV-21, INV-26, INV-28); the address is of the socket's family, or the socket has a
                // destination.
                unsafe { dispatch.send_messages(has, list, remote, length, data, irp) }
            };
            // SAFETY: the call is given the payload's batch, whose memory does not move with it, and the payload's
            // address and control data.
            unsafe { self.start::<FREQUENT>(idle, RequestKind::Transmits, call) }.in_flight()
        };
        match in_flight.with_deadline(deadline).await {
            RequestOutcome::Completed(mut idle, result) => {
                let batch = idle.payload().attachment.take::<Batch>().unwrap_or_default();
                let result = state.completed(idle, result).map(|(idle, information)| {
                    state.requests.put(idle);
                    information.min(size)
                });
                BufResult(result, batch)
            }
            // The system may still use the batch.
            RequestOutcome::Refused(error) => BufResult(Err(error), Batch::empty()),
        }
    }
}

impl<S: Exchanges, H> Socket<Datagram, S, H> {
    /// Sends every buffer of a batch as a datagram, in one request, and returns their total size in bytes.
    ///
    /// If the request fails, some of the datagrams may have been sent.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Minimum Windows: Windows 8.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send_messages).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the batch. Some of the datagrams
    /// may have been sent.
    ///
    /// # Errors
    ///
    /// - `STATUS_NOT_SUPPORTED` on older Windows, without having sent a datagram:
    ///   [`Capabilities::send_messages`](crate::Capabilities::send_messages) returns whether it is supported.
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSendMessages`.
    ///
    /// ```
    /// use wsk::{Batch, Buffer, UdpSocket};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?.into_socket();
    /// let mut batch = Batch::with_capacity(10)?;
    /// for number in 0..10 {
    ///     // There is room for ten.
    ///     let _: Result<(), Buffer> = batch.push(Buffer::try_from(&[number; 100][..])?);
    /// }
    /// let address = socket.local_addr().await?;
    /// let (sent, batch) = socket.send_batch_to(batch, address).await.into_result()?;
    /// assert_eq!((sent, batch.len()), (1000, 10));
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub async fn send_batch_to(
        &self,
        batch: Batch,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, Batch> {
        self.send_batch_to_with(batch, remote, &SendControl::new()).await
    }

    /// Sends a batch like [`send_batch_to`](Self::send_batch_to), with control messages for all of its datagrams.
    ///
    /// # Cancel safety
    ///
    /// As for [`send_batch_to`](Self::send_batch_to).
    ///
    /// # Errors
    ///
    /// As for [`send_batch_to`](Self::send_batch_to) and [`send_to_with`](Self::send_to_with).
    pub async fn send_batch_to_with(
        &self,
        batch: Batch,
        remote: impl Into<SocketAddr>,
        control: &SendControl,
    ) -> BufResult<usize, Batch> {
        let to = Destination::Address(remote.into());
        self.handle.send_batch(batch, to, control, &mut Deadline::never()).await
    }
}

impl<S: Destined, H> Socket<Datagram, S, H> {
    /// Sends a batch like [`send_batch_to`](Self::send_batch_to), to the socket's peer or default destination.
    ///
    /// # Cancel safety
    ///
    /// As for [`send_batch_to`](Self::send_batch_to).
    ///
    /// # Errors
    ///
    /// As for [`send_batch_to`](Self::send_batch_to).
    pub async fn send_batch(&self, batch: Batch) -> BufResult<usize, Batch> {
        self.send_batch_with(batch, &SendControl::new()).await
    }

    /// Sends a batch like [`send_batch_to_with`](Self::send_batch_to_with), to the socket's peer or default destination.
    ///
    /// # Cancel safety
    ///
    /// As for [`send_batch_to_with`](Self::send_batch_to_with).
    ///
    /// # Errors
    ///
    /// As for [`send_batch_to_with`](Self::send_batch_to_with).
    pub async fn send_batch_with(
        &self,
        batch: Batch,
        control: &SendControl,
    ) -> BufResult<usize, Batch> {
        let to = Destination::Destination(self.state.destination());
        self.handle.send_batch(batch, to, control, &mut Deadline::never()).await
    }
}
