//! The tables that WSK is given.

use core::ptr;

use wsk_sys::{
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH, WSK_CLIENT_LISTEN_DISPATCH,
    WSK_CLIENT_STREAM_DISPATCH, ctypes::c_void,
};

use super::defaults::Filled;
use super::forwarding::FORWARDING;
use super::{ConnectionEvents, EventMask, ListenEvents};
use crate::socket::{Basic, Connection, Datagram, Listen, Stream};

/// A type whose listening events are in a table. [`events`](macro@crate::events) implements it.
///
/// # Safety
///
/// The functions of the table take the memory of a socket with a handler of this type as their context, or
/// null.
pub unsafe trait ListenTable: Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH;

    /// The events in it that can be enabled.
    const EVENTS: EventMask;

    /// The events that the connections inherit that are accepted in a callback (INV-60).
    const INHERITED: EventMask;

    /// Whether connections are inspected, which `SO_CONDITIONAL_ACCEPT` decides.
    const IS_CONDITIONAL: bool;
}

/// A type whose datagram events are in a table. [`events`](macro@crate::events) implements it.
///
/// # Safety
///
/// The functions of the table take the memory of a socket with a handler of this type as their context, or
/// null.
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
/// The functions of the table take the memory of a socket with a handler of this type as their context, or
/// null.
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

/// What the sockets of a category call back: every type has it that has the events of the category, and `()`,
/// for sockets that call nobody back.
///
/// # Safety
///
/// The tables are null or the category's, static, and take the memory of a socket with a handler of this
/// type as the context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the events of `{C}` sockets",
    note = "`#[wsk::events]` on an `impl` of the events of that category makes it; of a stream socket they are \
            `ListenEvents` and `ConnectionEvents`"
)]
pub unsafe trait Callbacks<C>: Send + Sync + 'static {
    /// The table.
    const TABLE: *const c_void;

    /// The table, with a function for every event of a connection, for when some are
    /// [static](crate::RegistrationBuilder::static_events).
    const FILLED_TABLE: *const c_void = Self::TABLE;

    /// The events that are enabled when the socket is bound, or listens.
    const WHEN_BOUND: EventMask;

    /// The events that are enabled when the socket is connected.
    const WHEN_CONNECTED: EventMask;

    /// Whether connections are inspected.
    const IS_CONDITIONAL: bool;

    /// Whether there may be anything to be called.
    const CALLS_BACK: bool =
        !Self::WHEN_BOUND.is_empty() || !Self::WHEN_CONNECTED.is_empty() || Self::IS_CONDITIONAL;
}

// SAFETY: the table is the type's.
unsafe impl<H: ListenTable + Send + Sync + 'static> Callbacks<Listen> for H {
    const TABLE: *const c_void = ptr::from_ref(<H as ListenTable>::TABLE).cast();
    const WHEN_BOUND: EventMask = <H as ListenTable>::EVENTS.union(H::INHERITED);
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const IS_CONDITIONAL: bool = <H as ListenTable>::IS_CONDITIONAL;
}

// SAFETY: the table is the type's.
unsafe impl<H: DatagramTable + Send + Sync + 'static> Callbacks<Datagram> for H {
    const TABLE: *const c_void = ptr::from_ref(<H as DatagramTable>::TABLE).cast();
    const WHEN_BOUND: EventMask = <H as DatagramTable>::EVENTS;
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const IS_CONDITIONAL: bool = false;
}

// SAFETY: the table is the type's.
unsafe impl<H: ConnectionTable + Send + Sync + 'static> Callbacks<Connection> for H {
    const TABLE: *const c_void = ptr::from_ref(<H as ConnectionTable>::TABLE).cast();
    const FILLED_TABLE: *const c_void = ptr::from_ref(Filled::<H>::TABLE).cast();
    const WHEN_BOUND: EventMask = EventMask::empty();
    const WHEN_CONNECTED: EventMask = <H as ConnectionTable>::EVENTS;
    const IS_CONDITIONAL: bool = false;
    // Also those that a handler may be attached to.
    const CALLS_BACK: bool = has_functions(<H as ConnectionTable>::TABLE);
}

const fn has_functions(table: &WSK_CLIENT_CONNECTION_DISPATCH) -> bool {
    table.WskReceiveEvent.is_some()
        || table.WskDisconnectEvent.is_some()
        || table.WskSendBacklogEvent.is_some()
}

// SAFETY: the table is the type's, whose events are not conditional (INV-41).
unsafe impl<H: StreamTable + Send + Sync + 'static> Callbacks<Stream> for H {
    const TABLE: *const c_void = ptr::from_ref(<H as StreamTable>::TABLE).cast();
    const FILLED_TABLE: *const c_void = ptr::from_ref(&WSK_CLIENT_STREAM_DISPATCH {
        Listen: <H as ListenTable>::TABLE,
        Connect: Filled::<H>::TABLE,
    })
    .cast();
    const WHEN_BOUND: EventMask = <H as ListenTable>::EVENTS.union(<H as ListenTable>::INHERITED);
    const WHEN_CONNECTED: EventMask = <H as ConnectionTable>::EVENTS;
    const IS_CONDITIONAL: bool = false;
}

/// Basic sockets have no events.
// SAFETY: the table is null.
unsafe impl Callbacks<Basic> for () {
    const TABLE: *const c_void = ptr::null();
    const WHEN_BOUND: EventMask = EventMask::empty();
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const IS_CONDITIONAL: bool = false;
}

/// For sockets that call nobody back.
// SAFETY: the table has no functions.
unsafe impl ListenTable for () {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = &WSK_CLIENT_LISTEN_DISPATCH {
        WskAcceptEvent: None,
        WskInspectEvent: None,
        WskAbortEvent: None,
    };
    const EVENTS: EventMask = EventMask::empty();
    const INHERITED: EventMask = EventMask::empty();
    const IS_CONDITIONAL: bool = false;
}

impl ListenEvents for () {
    type Connection = ();
}

/// For sockets that call nobody back.
// SAFETY: the table has no functions.
unsafe impl DatagramTable for () {
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH =
        &WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: None };
    const EVENTS: EventMask = EventMask::empty();
}

/// For sockets that call nobody back, unless they get a handler
/// [later](crate::socket::ConnectionSocket::events).
// SAFETY: the functions take a memory with any handler.
unsafe impl ConnectionTable for () {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = &FORWARDING;
    const EVENTS: EventMask = EventMask::empty();
}

impl ConnectionEvents for () {}
