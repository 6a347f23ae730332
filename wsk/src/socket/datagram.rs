//! Exchanging datagrams.

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{MSG_TRUNC, PIRP, SIO_WSK_SET_REMOTE_ADDRESS, SOCKADDR_IN, SOCKADDR_IN6, WskIoctl};

use super::category::Datagram;
use super::handle::remote;
use super::state::Bound;
use super::{Handle, Socket};
use crate::address::Storage;
use crate::buffer::{BufResult, IoBuf};
use crate::dispatch::DatagramDispatch;
use crate::operation::{ControlArea, Payload};
use crate::status::{Result, known};

impl Handle<Datagram> {
    /// Sends to an address, or if there is none, to the socket's peer (INV-37).
    pub(crate) async fn send_to<B: IoBuf>(
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
        let call = |dispatch: DatagramDispatch, descriptor, irp: PIRP, payload| {
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
        let sent = unsafe { self.transfer(parts, prepare, call, |_, count| count) };
        let (result, buffer) = sent.await;
        BufResult(result, B::from_parts(buffer, start, end))
    }

    /// Receives a datagram, and says where it came from.
    pub(crate) async fn receive_from<B: IoBuf>(
        &self,
        buffer: B,
    ) -> BufResult<(usize, SocketAddr), B> {
        let (buffer, start, end) = buffer.into_parts();
        let prepare = |payload: &mut Payload| {
            payload.remote = Storage::EMPTY;
            payload.control.length = 0;
            payload.control.flags = 0;
        };
        let call = |dispatch: DatagramDispatch, descriptor, irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25, INV-26).
            let (from, control) = unsafe { (remote(payload), &raw mut (*payload).control) };
            // SAFETY: as above. Without a length, WSK would not tell of truncation.
            let (length, flags) =
                unsafe { (ControlArea::length(control), ControlArea::flags(control)) };
            // SAFETY: the socket is bound; everything stays until the request completes.
            unsafe { dispatch.receive_from(descriptor, from, length, ptr::null_mut(), flags, irp) }
        };
        let finish = |payload: &mut Payload, count: usize| {
            (count, payload.remote.address(), payload.control.flags & MSG_TRUNC != 0)
        };
        // SAFETY: the call is given the payload's descriptor, address and control fields.
        let received = unsafe { self.transfer((buffer, start, end), prepare, call, finish) };
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
        let call = |dispatch: DatagramDispatch, irp: PIRP, payload| {
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
        unsafe { self.request(prepare, call, |_, _| ()) }.await
    }
}

impl<H> Socket<Datagram, Bound, H> {
    /// Sends a datagram, and returns how many bytes it has.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future cancels the request
    /// and drops the buffer; whether it was sent is unknown then.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send_to).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address is not of the socket's family.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSendTo` reports.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, B> {
        self.handle.send_to(buffer, Some(remote.into())).await
    }

    /// Receives a datagram: how many bytes it has, and where it came from.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future cancels the request
    /// and drops the buffer; a datagram that arrives meanwhile is lost.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive_from).
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if it has more bytes than there is room for; the buffer is filled, and the
    ///   rest is lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceiveFrom` reports.
    pub async fn receive_from<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        self.handle.receive_from(buffer).await
    }
}
