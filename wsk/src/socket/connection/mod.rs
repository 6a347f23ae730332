//! Connections: connecting, sending, receiving and ending.
//!
//! # Safety
//!
//! The calls are made on a connected socket ([INV-36](crate::rules#inv-36)), through a handle that keeps it open.

#![expect(unsafe_code, reason = "see Safety")]

mod connect;
mod end;
mod readiness;
mod receive;
mod receive_in_turn;
mod reusable_request;
mod send;

use core::net::SocketAddr;

use wsk_sys::{
    PIRP, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, SIO_WSK_QUERY_RECEIVE_BACKLOG, ULONG, WskIoctl,
};

use super::control::ControlTarget;
use super::state::Connected;
use super::{Handle, Socket};
use crate::address::Storage;
use crate::category::Connects;
use crate::operation::{OptionalFunction, Payload, RequestKind};
use crate::status::{Result, known};
use crate::time::Never;

pub(crate) use self::reusable_request::ReusableRequest;

impl<C: Connects> Handle<C> {
    pub(crate) async fn remote_address(&self) -> Result<SocketAddr> {
        self.outside_routines().await;
        let prepare = |payload: &mut Payload| payload.remote = Storage::EMPTY;
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let remote = unsafe { Payload::remote(payload) };
            // SAFETY: the socket is connected (INV-36).
            unsafe { C::remote_address(dispatch, remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request = unsafe {
            let remote = |payload: &mut Payload, _| payload.remote.address();
            self.request_of(
                OptionalFunction::GetRemoteAddress,
                RequestKind::Other,
                Never,
                prepare,
                call,
                remote,
            )
        };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }

    /// Queries a number of bytes.
    async fn query_size(&self, code: ULONG) -> Result<usize> {
        self.outside_routines().await;
        let control = ControlTarget { kind: WskIoctl, code, level: 0 };
        let read = |value: &[u8]| value.try_into().ok().map(usize::from_ne_bytes);
        // SAFETY: the ioctl takes an IRP, has no input, and gives a number; the socket is connected (INV-35).
        let query = unsafe { self.control(control, &[], size_of::<usize>(), read) };
        query.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }
}

impl<C: Connects, H> Socket<C, Connected, H> {
    /// Creates another open reference to the socket, which is closed when the last reference is dropped. Only the last
    /// one may be [closed](Socket::close) explicitly, because only one may wait for the close.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: it is the same socket.
        unsafe { Self::from_handle(self.handle.clone(), Connected::NEW) }
    }

    /// Returns the peer's address.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_get_remote_address).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Nothing is changed.
    ///
    /// # Errors
    ///
    /// Any status of `WskGetRemoteAddress`. Wine does not implement it.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.handle.remote_address().await
    }

    /// Returns the ideal number of bytes in flight to the peer: `SIO_WSK_QUERY_IDEAL_SEND_BACKLOG`. More bytes do not
    /// increase the throughput, and fewer may reduce it. The number changes; the event
    /// [`send_backlog`](crate::events::ConnectionEvents::send_backlog) reports each change.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-query-ideal-send-backlog).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Nothing is changed.
    ///
    /// # Errors
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub async fn ideal_send_backlog(&self) -> Result<usize> {
        self.handle.query_size(SIO_WSK_QUERY_IDEAL_SEND_BACKLOG).await
    }

    /// Returns the number of bytes that have arrived and have not been received yet (`SIO_WSK_QUERY_RECEIVE_BACKLOG`).
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-query-receive-backlog).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As for [`ideal_send_backlog`](Self::ideal_send_backlog).
    pub async fn receive_backlog(&self) -> Result<usize> {
        self.handle.query_size(SIO_WSK_QUERY_RECEIVE_BACKLOG).await
    }
}
