//! WSK's event callbacks as methods.
//!
//! A type says with an implementation of a trait which events it wants; [`events`](macro@crate::events)
//! makes the C table of it. Only what is implemented is in the table, and in the mask of what can be
//! enabled.
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use wsk::events::{Datagrams, DatagramEvents, DatagramTable, Disposition, EventMask};
//!
//! #[derive(Default)]
//! struct Counter(AtomicUsize);
//!
//! #[wsk::events]
//! impl DatagramEvents for Counter {
//!     fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
//!         self.0.fetch_add(datagrams.iter().count(), Ordering::Relaxed);
//!         Disposition::Accepted
//!     }
//! }
//!
//! assert!(Counter::TABLE.WskReceiveFromEvent.is_some());
//! assert_eq!(Counter::EVENTS, EventMask::RECEIVE_FROM);
//! ```
//!
//! # When and where they are called
//!
//! At any time while they are enabled, in any thread, several at once (but [`ConnectionEvents::receive`],
//! which is serial for each socket), and at `DISPATCH_LEVEL` or below (INV-63). They must not wait, not even
//! at `PASSIVE_LEVEL` (INV-16), and cannot: what waits in this crate takes a
//! [`Passive`](crate::irql::Passive), which is not to be had there. What they are given is WSK's, for as long
//! as the call (INV-58); received data can be [retained](Data::retain). A panic in one stops the system
//! (INV-64).
//!
//! # Sockets with events
//!
//! A socket's context is a [`Handler`], which has the value and knows its socket. The tables are for
//! [`dispatch`](crate::dispatch), whose contract they fulfil as far as types can; what is left is with
//! [`Handler`]'s functions.

mod data;
mod datagrams;
mod handler;
#[doc(hidden)]
pub mod thunks;

use core::net::SocketAddr;

use bitflags::bitflags;
use wsk_sys::{
    PSOCKADDR, PWSK_SOCKET, ULONG, WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH,
    WSK_CLIENT_LISTEN_DISPATCH, WSK_CLIENT_STREAM_DISPATCH, WSK_EVENT_ACCEPT, WSK_EVENT_DISCONNECT,
    WSK_EVENT_RECEIVE, WSK_EVENT_RECEIVE_FROM, WSK_EVENT_SEND_BACKLOG, WSK_FLAG_AT_DISPATCH_LEVEL,
};

use crate::address;

pub use data::{Chunks, Data, RetainedData};
pub use datagrams::{
    ControlMessage, ControlMessages, Datagram, DatagramIter, Datagrams, RetainedDatagrams,
};
pub use handler::Handler;

bitflags! {
    /// Events that can be enabled.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventMask: ULONG {
        /// [`ListenEvents::accept`].
        const ACCEPT = WSK_EVENT_ACCEPT;
        /// [`DatagramEvents::receive_from`].
        const RECEIVE_FROM = WSK_EVENT_RECEIVE_FROM;
        /// [`ConnectionEvents::receive`].
        const RECEIVE = WSK_EVENT_RECEIVE;
        /// [`ConnectionEvents::disconnected`].
        const DISCONNECT = WSK_EVENT_DISCONNECT;
        /// [`ConnectionEvents::send_backlog`].
        const SEND_BACKLOG = WSK_EVENT_SEND_BACKLOG;
    }
}

/// What is known of the IRQL in a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is `DISPATCH_LEVEL`.
    Dispatch,
    /// It is `DISPATCH_LEVEL` or below.
    Unknown,
}

impl Level {
    const fn from_flags(flags: ULONG) -> Self {
        if flags & WSK_FLAG_AT_DISPATCH_LEVEL != 0 { Self::Dispatch } else { Self::Unknown }
    }
}

/// What becomes of datagrams that were not retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// They were taken.
    Accepted,
    /// None was taken. If the event was enabled dynamically, it is disabled now, and WSK keeps what it can
    /// until it is enabled again (INV-56); if statically, they are lost.
    Refused,
}

/// What becomes of received data that was not retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// All of it was taken.
    All,
    /// The first so many bytes were taken; more than there are count as all. There is no further event
    /// until a receive has completed, which may be one of zero bytes (INV-56).
    Partial(usize),
    /// None was taken. As above, there is no further event until a receive has completed.
    Refused,
}

/// A connection that a listener is offered. Its handshake is done.
#[derive(Debug)]
pub struct Incoming<'a> {
    socket: PWSK_SOCKET,
    /// Both are null, or valid during the call.
    local: PSOCKADDR,
    remote: PSOCKADDR,
    level: Level,
    of_the_call: core::marker::PhantomData<&'a ()>,
}

impl Incoming<'_> {
    /// The socket, of the connection category. Who accepts it owns it, and closes it (INV-20); who rejects
    /// it must not use it any more (INV-59).
    #[must_use]
    pub const fn socket(&self) -> PWSK_SOCKET {
        self.socket
    }

    /// The local address, if its family is known here.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.local) }
    }

    /// The peer's address, if its family is known here.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.remote) }
    }

    /// What is known of the IRQL.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }
}

/// A connection that is asked for, before its handshake.
#[derive(Debug)]
pub struct Inspection<'a> {
    id: InspectId,
    /// Both are null, or valid during the call.
    local: PSOCKADDR,
    remote: PSOCKADDR,
    of_the_call: core::marker::PhantomData<&'a ()>,
}

impl Inspection<'_> {
    /// What identifies it: to be kept by who pends it.
    #[must_use]
    pub const fn id(&self) -> InspectId {
        self.id
    }

    /// The local address, if its family is known here.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.local) }
    }

    /// The address of who asks, if its family is known here.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.remote) }
    }
}

/// What identifies an inspected connection: a copy of WSK's `WSK_INSPECT_ID`, compared by its contents
/// (INV-61).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InspectId {
    key: usize,
    serial_number: u32,
}

impl InspectId {
    /// As `WskInspectComplete` takes it.
    #[must_use]
    pub const fn to_raw(self) -> wsk_sys::WSK_INSPECT_ID {
        wsk_sys::WSK_INSPECT_ID { Key: self.key, SerialNumber: self.serial_number }
    }

    const fn from_raw(raw: &wsk_sys::WSK_INSPECT_ID) -> Self {
        Self { key: raw.Key, serial_number: raw.SerialNumber }
    }
}

/// What becomes of an inspected connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be established, and is accepted afterwards, if it still is there.
    Accept,
    /// It is refused.
    Reject,
    /// It waits until `WskInspectComplete` is called, once, unless it is
    /// [aborted](ConditionalListenEvents::aborted) before (INV-61).
    Pend,
}

/// The events of a listening socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_listen_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ListenEvents: Send + Sync + 'static {
    /// What the connections that are accepted call back with.
    type Connection: ConnectionTable + Send + Sync + 'static;

    /// A connection has come: its handler accepts it, none rejects it.
    fn accept(&self, incoming: Incoming<'_>) -> Option<Handler<Self::Connection>> {
        None
    }

    /// The socket is no longer functional, and is to be closed soon (INV-42).
    fn dead(&self) {}
}

/// The events of a listening socket that inspects connections first. Its socket has
/// `SO_CONDITIONAL_ACCEPT` set before it is bound.
///
/// A stream socket cannot have them, since it could not complete what was pended (INV-41).
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_inspect_event).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ConditionalListenEvents: Send + Sync + 'static {
    /// What the connections that are accepted call back with.
    type Connection: ConnectionTable + Send + Sync + 'static;

    /// Somebody asks for a connection. It is inspected whether or not events are enabled.
    fn inspect(&self, inspection: Inspection<'_>) -> Decision;

    /// A connection that was not rejected has gone before it was established.
    fn aborted(&self, id: InspectId) {}

    /// An inspected connection is there: its handler accepts it, none rejects it.
    fn accept(&self, incoming: Incoming<'_>) -> Option<Handler<Self::Connection>> {
        None
    }

    /// The socket is no longer functional, and is to be closed soon (INV-42).
    fn dead(&self) {}
}

/// The events of a datagram socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_datagram_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait DatagramEvents: Send + Sync + 'static {
    /// Datagrams have come.
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Refused
    }

    /// The socket is no longer functional, and is to be closed soon (INV-42).
    fn dead(&self) {}
}

/// The events of a connection.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_connection_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ConnectionEvents: Send + Sync + 'static {
    /// Data has come. The calls for one socket are serial.
    fn receive(&self, data: Data<'_>) -> Receipt {
        Receipt::Refused
    }

    /// The peer has finished, or if it is `abortive`, the connection is lost: then nothing can be sent
    /// any more either.
    fn disconnected(&self, abortive: bool, level: Level) {}

    /// So many bytes are best on their way at once.
    fn send_backlog(&self, ideal: usize) {}

    /// The socket is no longer functional, and is to be closed soon (INV-42).
    fn dead(&self) {}
}

/// A type whose listening events are in a table. [`events`](macro@crate::events) implements it.
///
/// # Safety
///
/// The functions of the table take a [`Handler`] of this type as their context, or null.
pub unsafe trait ListenTable: Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH;

    /// The events in it that can be enabled.
    const EVENTS: EventMask;

    /// Whether connections are inspected, which `SO_CONDITIONAL_ACCEPT` decides.
    const IS_CONDITIONAL: bool;
}

/// A type whose datagram events are in a table. [`events`](macro@crate::events) implements it.
///
/// # Safety
///
/// The functions of the table take a [`Handler`] of this type as their context, or null.
pub unsafe trait DatagramTable: Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH;

    /// The events in it.
    const EVENTS: EventMask;
}

/// A type whose connection events are in a table. [`events`](macro@crate::events) implements it.
///
/// # Safety
///
/// The functions of the table take a [`Handler`] of this type as their context, or null.
pub unsafe trait ConnectionTable: Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH;

    /// The events in it.
    const EVENTS: EventMask;
}

/// A type whose events are those of a stream socket, in both of its roles.
///
/// Every type is that has [`ListenEvents`] and [`ConnectionEvents`], and not conditional ones.
pub trait StreamTable: ListenTable + ConnectionTable {
    /// The table.
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH;
}

impl<T: ListenEvents + ListenTable + ConnectionTable> StreamTable for T {
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH = &WSK_CLIENT_STREAM_DISPATCH {
        Listen: <T as ListenTable>::TABLE,
        Connect: <T as ConnectionTable>::TABLE,
    };
}

/// For sockets that call nobody back.
// SAFETY: the table has no functions.
unsafe impl ConnectionTable for () {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = &WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: None,
        WskDisconnectEvent: None,
        WskSendBacklogEvent: None,
    };
    const EVENTS: EventMask = EventMask::empty();
}
