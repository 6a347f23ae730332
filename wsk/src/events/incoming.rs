//! Connections that arrive at a listener.
//!
//! # Safety
//!
//! The arguments of the accept event are valid during the call, and so is an [`Incoming`].

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::Cell;
use core::net::SocketAddr;
use core::ptr::NonNull;

use wsk_sys::{PSOCKADDR, PVOID, WSK_CLIENT_CONNECTION_DISPATCH, WSK_SOCKET};

use super::{CallbackIrql, Callbacks};
use crate::address;
use crate::flags::SocketFlags;
use crate::socket::{Connection, ConnectionSocket, NewSocket, SocketState};
use crate::status::Result;

/// An established connection that WSK offers to a listener. Dropping this rejects it.
///
/// # Invariants
///
/// WSK passed the pointers to the accept callback, which does not return before this value is dropped: `socket`
/// is the offered socket, which only this value may accept; the addresses are null or valid; `context` and `table` are
/// valid for writes.
#[derive(Debug)]
pub struct Incoming<'a, K> {
    pub(super) socket: NonNull<WSK_SOCKET>,
    /// Both are null, or valid during the call.
    pub(super) addresses: [PSOCKADDR; 2],
    pub(super) level: CallbackIrql,
    pub(super) listener: &'a SocketState,
    /// The output parameters for the connection's context and table, valid during the call.
    pub(super) context: *mut PVOID,
    pub(super) table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
    /// The accepted socket, with the callback's open reference to it.
    pub(super) accepted: &'a Cell<Option<NonNull<SocketState>>>,
    /// Invariant in `K`: `accept` takes the table and the inherited events ([INV-60](crate::rules#inv-60)) from
    /// it, as the listener did.
    pub(super) handler: core::marker::PhantomData<fn(K) -> K>,
}

impl<K: Callbacks<Connection>> Incoming<'_, K> {
    /// Accepts the connection. If the listener's events are enabled dynamically, those of the handler's type are
    /// enabled for the connection as well, once the callback has returned ([INV-60](crate::rules#inv-60)).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails: the handler is dropped, and the connection
    /// rejected.
    pub fn accept(self, handler: K) -> Result<ConnectionSocket<K>> {
        let new = NewSocket::allocate(
            self.listener.client(),
            SocketFlags::CONNECTION,
            self.listener.family(),
            handler,
        )?;
        // Both are set before the socket is used (INV-59).
        let (context, table) =
            super::callbacks::<Connection, K>(self.listener.client(), new.context());
        // SAFETY: WSK passes the address of a pointer to be written, valid until its callback returns; this value
        // cannot outlive the callback.
        unsafe { self.context.write(context) };
        // SAFETY: WSK passes the address of a pointer to be written, valid until its callback returns; this value
        // cannot outlive the callback.
        unsafe { self.table.write(table.cast()) };
        // SAFETY: WSK delivers this connection to the callback, which accepts it, with a memory that was allocated for
        // a handler of this type; this value is consumed, so it is accepted once.
        let (socket, state) = unsafe { ConnectionSocket::accepted(new, self.socket) };
        self.accepted.set(Some(state));
        Ok(socket)
    }
}

impl<K> Incoming<'_, K> {
    /// Returns the local address, if it is of IPv4 or IPv6.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.addresses[0]) }
    }

    /// Returns the peer's address, if it is of IPv4 or IPv6.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.addresses[1]) }
    }

    /// Returns the IRQL of the call, as far as WSK reports it.
    #[must_use]
    pub const fn level(&self) -> CallbackIrql {
        self.level
    }
}
