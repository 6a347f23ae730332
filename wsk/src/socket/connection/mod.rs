//! Connecting, and exchanging bytes.

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::PIRP;

use super::category::Connects;
use super::handle::remote;
use super::state::{Bound, Connected};
use super::{Handle, Socket};
use crate::address::Storage;
use crate::buffer::{BufResult, Buffer, IoBuf};
use crate::events::Callbacks;
use crate::flags::{DisconnectFlags, ReceiveFlags, SendFlags};
use crate::operation::Payload;
use crate::status::{Result, known};

/// Sending or receiving.
#[derive(Clone, Copy)]
enum Transfer {
    Send(SendFlags),
    Receive(ReceiveFlags),
}

impl<C: Connects, H: Callbacks<C>> Socket<C, Bound, H> {
    /// Connects the socket. Then events are enabled.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future ends the attempt and
    /// closes the socket.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_connect).
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address is not of the socket's family.
    /// - `STATUS_CONNECTION_REFUSED` if nothing listens there.
    /// - `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or `STATUS_IO_TIMEOUT` if the peer cannot be
    ///   reached.
    /// - What else `WskConnect` reports.
    pub async fn connect(self, remote: impl Into<SocketAddr>) -> Result<Socket<C, Connected, H>> {
        self.handle.connect(remote.into()).await?;
        // SAFETY: the socket is connected now.
        let socket: Socket<C, Connected, H> =
            unsafe { Socket::from_handle(self.into_handle(), Connected::NEW) };
        socket.handle.enable(H::WHEN_CONNECTED)?;
        Ok(socket)
    }
}

impl<C: Connects> Handle<C> {
    async fn connect(&self, address: SocketAddr) -> Result<()> {
        self.require_family(address)?;
        let prepare = |payload: &mut Payload| payload.remote = Storage::new(address);
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let remote = unsafe { remote(payload) };
            // SAFETY: the socket is bound, and the address is of its family (INV-32, INV-33).
            unsafe { C::connect(dispatch, remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.request(prepare, call, |_, _| ()) }.await
    }

    /// Sends or fills `start..end` of the buffer, which must be within it.
    async fn transfer_part(
        &self,
        transfer: Transfer,
        parts: (Buffer, usize, usize),
    ) -> (Result<usize>, Buffer) {
        let call = |dispatch, descriptor, irp: PIRP, _: *mut Payload| match transfer {
            // SAFETY: the socket is connected; the buffer stays until the request completes.
            Transfer::Send(flags) => unsafe { C::send(dispatch, descriptor, flags, irp) },
            // SAFETY: as above.
            Transfer::Receive(flags) => unsafe { C::receive(dispatch, descriptor, flags, irp) },
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe { self.transfer(parts, |_| (), call, |_, count| count) }.await
    }

    async fn transfer_whole<B: IoBuf>(&self, transfer: Transfer, buffer: B) -> BufResult<usize, B> {
        let (buffer, start, end) = buffer.into_parts();
        let (result, buffer) = self.transfer_part(transfer, (buffer, start, end)).await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    pub(crate) async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.transfer_whole(Transfer::Send(SendFlags::empty()), buffer).await
    }

    pub(crate) async fn receive<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.transfer_whole(Transfer::Receive(ReceiveFlags::empty()), buffer).await
    }

    pub(crate) async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let (mut buffer, start, end) = buffer.into_parts();
        let mut sent = start;
        let mut result = Ok(end - start);
        while sent < end {
            let part;
            let send = Transfer::Send(SendFlags::empty());
            (part, buffer) = self.transfer_part(send, (buffer, sent, end)).await;
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

    /// Ends the sending half, after everything that was sent.
    pub(crate) async fn disconnect(&self) -> Result<()> {
        let call = |dispatch, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is connected. No last buffer, and no flags: graceful.
            unsafe { C::disconnect(dispatch, ptr::null_mut(), DisconnectFlags::empty(), irp) }
        };
        // SAFETY: the call is given no memory.
        unsafe { self.request(|_| (), call, |_, _| ()) }.await
    }

    pub(crate) async fn remote_address(&self) -> Result<SocketAddr> {
        let prepare = |payload: &mut Payload| payload.remote = Storage::EMPTY;
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let remote = unsafe { remote(payload) };
            // SAFETY: the socket is connected (INV-36).
            unsafe { C::remote_address(dispatch, remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request = unsafe { self.request(prepare, call, |payload, _| payload.remote.address()) };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Receives into the buffer: at least one byte, or none if the peer has finished sending (INV-69) or the
    /// buffer has no room.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future cancels the request
    /// and drops the buffer; bytes that arrive meanwhile are lost.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive).
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceive` reports.
    pub async fn receive<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.handle.receive(buffer).await
    }

    /// Sends from the buffer, and returns how many bytes were sent: all of them, as WSK is documented.
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
        self.handle.send(buffer).await
    }

    /// Sends the whole buffer, in several requests if need be, and returns its size.
    ///
    /// Cancellation: as for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `STATUS_CONNECTION_ABORTED` if a request sends nothing.
    pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.handle.send_all(buffer).await
    }

    /// Finishes sending: the peer receives what was sent and then an end. Receiving goes on.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future cancels the request,
    /// which may have taken effect. WSK does not promise that the request completes (INV-50).
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_disconnect).
    ///
    /// # Errors
    ///
    /// What `WskDisconnect` reports. Wine does not implement it (kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported)); there, closing is graceful.
    pub async fn shutdown(&self) -> Result<()> {
        self.handle.disconnect().await
    }

    /// The address of the peer.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_get_remote_address).
    ///
    /// # Errors
    ///
    /// What `WskGetRemoteAddress` reports. Wine does not implement it.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.handle.remote_address().await
    }
}
