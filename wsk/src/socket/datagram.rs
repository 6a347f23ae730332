//! Sockets for datagrams.

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{
    IPPROTO_UDP, MSG_TRUNC, SIO_WSK_SET_REMOTE_ADDRESS, SOCK_DGRAM, SOCKADDR_IN, SOCKADDR_IN6,
    WskIoctl,
};

use super::{Closing, Socket, Transport, local, remote};
use crate::address::{self, Storage};
use crate::buffer::{BufResult, IoBuf};
use crate::dispatch::DatagramDispatch;
use crate::operation::Payload;
use crate::registration::Provider;
use crate::status::{Result, known};

/// A bound socket for datagrams.
pub(crate) struct DatagramSocket {
    socket: Socket<DatagramDispatch>,
    /// Every address is of this one's family (INV-32).
    bound: SocketAddr,
}

impl DatagramSocket {
    /// Creates a socket, and binds it (INV-33).
    pub(crate) async fn bind(provider: &Provider, address: SocketAddr) -> Result<Self> {
        let transport = Transport {
            family: address::family(address),
            socket_type: SOCK_DGRAM,
            protocol: IPPROTO_UDP,
        };
        let socket = Socket::<DatagramDispatch>::create(provider, transport).await?;
        let prepare = |payload: &mut Payload| payload.local = Storage::new(address);
        let call = |dispatch: DatagramDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let local = unsafe { local(payload) };
            // SAFETY: the address is of the socket's family (INV-32).
            unsafe { dispatch.bind(local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { socket.request(prepare, call, |_| ()) }.await?;
        Ok(Self { socket, bound: address })
    }

    /// Fails for an address of another family than the socket's, which WSK would misread (INV-32).
    fn require_family(&self, address: SocketAddr) -> Result<()> {
        if address.is_ipv4() == self.bound.is_ipv4() {
            Ok(())
        } else {
            Err(known::STATUS_INVALID_ADDRESS_COMPONENT)
        }
    }

    /// Sends to an address, or if there is none, to the socket's peer (INV-37).
    pub(crate) async fn send<B: IoBuf>(
        &self,
        buffer: B,
        to: Option<SocketAddr>,
    ) -> BufResult<usize, B> {
        if let Some(Err(error)) = to.map(|to| self.require_family(to)) {
            return BufResult(Err(error), buffer);
        }
        let (buffer, start, end) = buffer.into_parts();
        let prepare = |payload: &mut Payload| {
            payload.remote = to.map_or(Storage::EMPTY, Storage::new);
        };
        let call = |dispatch: DatagramDispatch, descriptor, irp, payload| {
            let to = match to {
                // SAFETY: the payload is the request's, and stays until it completes.
                Some(_) => unsafe { remote(payload) },
                None => ptr::null_mut(),
            };
            // SAFETY: the socket is bound; the buffer stays until the request completes, and the address
            // is of the socket's family, or the socket has a peer. There is no control data.
            unsafe { dispatch.send_to(descriptor, to, 0, ptr::null_mut(), irp) }
        };
        let parts = (buffer, start, end);
        // SAFETY: the call is given the payload's descriptor and address.
        let sent = unsafe { self.socket.transfer(parts, prepare, call, |_, count| count) };
        let (result, buffer) = sent.await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    /// Receives a datagram, and says where it came from.
    pub(crate) async fn receive<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let (buffer, start, end) = buffer.into_parts();
        let prepare = |payload: &mut Payload| {
            payload.remote = Storage::EMPTY;
            payload.control_length = 0;
            payload.control_flags = 0;
        };
        let call = |dispatch: DatagramDispatch, descriptor, irp, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25, INV-26).
            let from = unsafe { remote(payload) };
            // SAFETY: as above. Without a length, WSK would not tell of truncation.
            let length = unsafe { &raw mut (*payload).control_length };
            // SAFETY: as above.
            let flags = unsafe { &raw mut (*payload).control_flags };
            // SAFETY: the socket is bound; everything stays until the request completes.
            unsafe { dispatch.receive_from(descriptor, from, length, ptr::null_mut(), flags, irp) }
        };
        let finish = |payload: &mut Payload, count: usize| {
            (count, payload.remote.address(), payload.control_flags & MSG_TRUNC != 0)
        };
        // SAFETY: the call is given the payload's descriptor, address and control fields.
        let received = unsafe { self.socket.transfer((buffer, start, end), prepare, call, finish) };
        let (result, buffer) = received.await;
        let result = result.and_then(|(count, from, is_truncated)| match from {
            _ if is_truncated => Err(known::STATUS_BUFFER_OVERFLOW),
            Some(from) => Ok((count, from)),
            None => Err(known::STATUS_INTERNAL_ERROR),
        });
        BufResult(result, B::from_parts(buffer, start, end))
    }

    /// Makes an address the only peer: the one that is sent to without an address, and received from.
    pub(crate) async fn set_peer(&self, peer: SocketAddr) -> Result<()> {
        self.require_family(peer)?;
        let size = match peer {
            SocketAddr::V4(_) => size_of::<SOCKADDR_IN>(),
            SocketAddr::V6(_) => size_of::<SOCKADDR_IN6>(),
        };
        let prepare = |payload: &mut Payload| payload.remote = Storage::new(peer);
        let call = |dispatch: DatagramDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-27).
            let input = unsafe { remote(payload) }.cast();
            let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
            let code = SIO_WSK_SET_REMOTE_ADDRESS;
            // SAFETY: the socket is bound (INV-35), and the address is of its family and this size.
            unsafe {
                dispatch.control_socket(WskIoctl, code, 0, size, input, 0, none, nowhere, irp)
            }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.socket.request(prepare, call, |_| ()) }.await
    }

    pub(crate) async fn local_address(&self) -> Result<SocketAddr> {
        let prepare = |payload: &mut Payload| payload.local = Storage::EMPTY;
        let call = |dispatch: DatagramDispatch, irp, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let local = unsafe { local(payload) };
            // SAFETY: the socket is bound.
            unsafe { dispatch.get_local_address(local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request =
            unsafe { self.socket.request(prepare, call, |payload| payload.local.address()) };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }

    pub(crate) fn close(self) -> Closing {
        self.socket.close()
    }
}
