//! Sockets of a connection.

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{IPPROTO_TCP, SOCK_STREAM};

use super::{Closing, Socket, Transport, local, remote};
use crate::address::{self, Storage};
use crate::buffer::{BufResult, Buffer, IoBuf};
use crate::dispatch::ConnectionDispatch;
use crate::flags::{DisconnectFlags, ReceiveFlags, SendFlags};
use crate::operation::Payload;
use crate::registration::Provider;
use crate::status::{Result, known};

/// A connected socket.
pub(crate) struct ConnectionSocket(Socket<ConnectionDispatch>);

/// Sending or receiving.
#[derive(Clone, Copy)]
enum Transfer {
    Send,
    Receive,
}

impl ConnectionSocket {
    pub(crate) const fn new(socket: Socket<ConnectionDispatch>) -> Self {
        Self(socket)
    }

    /// Creates a socket, binds it to any local address (INV-33), and connects it.
    pub(crate) async fn connect(provider: &Provider, remote: SocketAddr) -> Result<Self> {
        let transport = Transport {
            family: address::family(remote),
            socket_type: SOCK_STREAM,
            protocol: IPPROTO_TCP,
        };
        let this = Self(Socket::create(provider, transport).await?);
        this.bind(address::unspecified(remote)).await?;
        this.connect_to(remote).await?;
        Ok(this)
    }

    async fn bind(&self, address: SocketAddr) -> Result<()> {
        let prepare = |payload: &mut Payload| payload.local = Storage::new(address);
        let call = |dispatch: ConnectionDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let local = unsafe { local(payload) };
            // SAFETY: the address is of the socket's family (INV-32).
            unsafe { dispatch.bind(local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.0.request(prepare, call, |_| ()) }.await
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<()> {
        let prepare = |payload: &mut Payload| payload.remote = Storage::new(address);
        let call = |dispatch: ConnectionDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let remote = unsafe { remote(payload) };
            // SAFETY: the socket is bound, and the address is of its family (INV-32, INV-33).
            unsafe { dispatch.connect(remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.0.request(prepare, call, |_| ()) }.await
    }

    pub(crate) async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.transfer(Transfer::Send, buffer).await
    }

    pub(crate) async fn receive<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.transfer(Transfer::Receive, buffer).await
    }

    async fn transfer<B: IoBuf>(&self, transfer: Transfer, buffer: B) -> BufResult<usize, B> {
        let (buffer, start, end) = buffer.into_parts();
        let (result, buffer) = self.transfer_part(transfer, buffer, start, end).await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    /// Sends `start..end` of the buffer, which must be within it.
    pub(crate) async fn send_part(
        &self,
        buffer: Buffer,
        start: usize,
        end: usize,
    ) -> (Result<usize>, Buffer) {
        self.transfer_part(Transfer::Send, buffer, start, end).await
    }

    /// Sends or fills `start..end` of the buffer, which must be within it.
    async fn transfer_part(
        &self,
        transfer: Transfer,
        buffer: Buffer,
        start: usize,
        end: usize,
    ) -> (Result<usize>, Buffer) {
        let call = |dispatch: ConnectionDispatch, descriptor, irp, _: *mut Payload| match transfer {
            // SAFETY: the socket is connected; the buffer stays until the request completes.
            Transfer::Send => unsafe { dispatch.send(descriptor, SendFlags::empty(), irp) },
            // SAFETY: as above.
            Transfer::Receive => unsafe {
                dispatch.receive(descriptor, ReceiveFlags::empty(), irp)
            },
        };
        // SAFETY: the call is given the payload's descriptor, and through it the payload's buffer.
        unsafe { self.0.transfer((buffer, start, end), |_| (), call, |_, count| count) }.await
    }

    /// Ends the sending half, after everything that was sent.
    pub(crate) async fn disconnect(&self) -> Result<()> {
        let call = |dispatch: ConnectionDispatch, irp, _| {
            // SAFETY: the socket is connected. No last buffer, and no flags: graceful.
            unsafe { dispatch.disconnect(ptr::null_mut(), DisconnectFlags::empty(), irp) }
        };
        // SAFETY: the call is given no memory.
        unsafe { self.0.request(|_| (), call, |_| ()) }.await
    }

    pub(crate) async fn local_address(&self) -> Result<SocketAddr> {
        let prepare = |payload: &mut Payload| payload.local = Storage::EMPTY;
        let call = |dispatch: ConnectionDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let local = unsafe { local(payload) };
            // SAFETY: the socket is bound.
            unsafe { dispatch.get_local_address(local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request = unsafe { self.0.request(prepare, call, |payload| payload.local.address()) };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }

    pub(crate) async fn remote_address(&self) -> Result<SocketAddr> {
        let prepare = |payload: &mut Payload| payload.remote = Storage::EMPTY;
        let call = |dispatch: ConnectionDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let remote = unsafe { remote(payload) };
            // SAFETY: the socket is connected (INV-36).
            unsafe { dispatch.get_remote_address(remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request = unsafe { self.0.request(prepare, call, |payload| payload.remote.address()) };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }

    pub(crate) fn close(self) -> Closing {
        self.0.close()
    }
}
