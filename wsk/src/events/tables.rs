//! The tables that WSK is given.
//!
//! All of them are built here, from the generic [thunks] of the handler's own type. An implementation
//! of an events trait states only [which methods](methods) it has. So no implementation, however it is
//! written, can put a function of another type into its table.
//!
//! # Safety
//!
//! The functions of a table take the memory of a socket with a handler of the type that the table is made for, or null.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;
use core::ptr;

use wsk_sys::{
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH, WSK_CLIENT_LISTEN_DISPATCH,
    WSK_CLIENT_STREAM_DISPATCH, ctypes::c_void,
};

use super::defaults::FilledTable;
use super::forwarding::FORWARDING;
use super::methods::{self, Methods, has};
use super::{
    ConditionalListenEvents, ConnectionEvents, DatagramEvents, EventMask, ListenEvents, thunks,
};
use crate::category::{Basic, Connection, Datagram, Listen, Stream};

/// The table of a listening socket's handler: of each type with [`ListenEvents`] or [`ConditionalListenEvents`].
pub trait ListenTable: sealed::Listener {
    /// The table.
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH;

    /// The events in the table that can be enabled.
    const EVENTS: EventMask;

    /// The events that connections accepted in a callback inherit ([INV-60](crate::rules#inv-60)).
    const INHERITED: EventMask;

    /// Whether connections are inspected, which requires `SO_CONDITIONAL_ACCEPT`.
    const IS_CONDITIONAL: bool;
}

/// The table of a datagram socket's handler: of each type with [`DatagramEvents`].
// Because of the supertrait, the implementation below is the only possible one.
pub trait DatagramTable: DatagramEvents + Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH;

    /// The events in the table.
    const EVENTS: EventMask;
}

/// The table of a connection's handler: of each type with [`ConnectionEvents`].
// Because of the supertrait, the implementation below is the only possible one.
pub trait ConnectionTable: ConnectionEvents + Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH;

    /// The events in the table.
    const EVENTS: EventMask;
}

/// The table of a stream socket's handler, for both of its roles: of each type with [`ListenEvents`] and
/// [`ConnectionEvents`].
///
/// A stream socket cannot complete an inspection that was pended ([INV-41](crate::rules#inv-41)), so its table never has
/// `WskInspectEvent`, even if the type implements [`ConditionalListenEvents`] as well.
// Because of the supertraits, the implementation below is the only possible one.
pub trait StreamTable: ListenEvents + ConnectionEvents + Sized {
    /// The table.
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH;
}

/// Selects the trait with which a type listens. [`events`](macro@crate::events) implements it.
///
/// Either choice yields a table of the type's own thunks, or none if the type lacks the trait.
#[doc(hidden)]
pub trait Listens {
    /// [`Accepting`] or [`Inspecting`].
    type By;
}

/// Listens by [`ListenEvents`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Accepting {}

/// Listens by [`ConditionalListenEvents`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Inspecting {}

mod sealed {
    use super::{EventMask, WSK_CLIENT_LISTEN_DISPATCH};

    /// How a handler `H` listens. Implemented in this file only, for tables of `H`'s own thunks.
    pub trait ListenMode<H> {
        const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH;
        const EVENTS: EventMask;
        const INHERITED: EventMask;
        const IS_CONDITIONAL: bool;
    }

    /// A type that listens in one of the two ways.
    pub trait Listener: Sized {
        type ListenMode: ListenMode<Self>;
    }

    impl<H: super::Listens<By: ListenMode<H>>> Listener for H {
        type ListenMode = H::By;
    }
}

use sealed::ListenMode;

const fn event_if(is_in_table: bool, event: EventMask) -> EventMask {
    if is_in_table { event } else { EventMask::empty() }
}

/// The events that a listener's accepted connections inherit. It has no values, so its variance is irrelevant.
struct InheritedEvents<K>(PhantomData<K>);

impl<K: Callbacks<Connection>> InheritedEvents<K> {
    const EVENTS: EventMask = K::WHEN_CONNECTED;
}

impl<H: ListenEvents> ListenMode<H> for Accepting {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = &WSK_CLIENT_LISTEN_DISPATCH {
        WskAcceptEvent: if has::<H::WskEventsAttribute>(methods::ACCEPT) {
            Some(thunks::accept::<H>)
        } else {
            None
        },
        WskInspectEvent: None,
        WskAbortEvent: None,
    };
    const EVENTS: EventMask =
        event_if(has::<H::WskEventsAttribute>(methods::ACCEPT), EventMask::ACCEPT);
    const INHERITED: EventMask = InheritedEvents::<H::Connection>::EVENTS;
    const IS_CONDITIONAL: bool = false;
}

impl<H: ConditionalListenEvents> ListenMode<H> for Inspecting {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = &WSK_CLIENT_LISTEN_DISPATCH {
        WskAcceptEvent: if has::<H::WskEventsAttribute>(methods::ACCEPT) {
            Some(thunks::conditional_accept::<H>)
        } else {
            None
        },
        // WSK calls both for every connection, whether or not events are enabled.
        WskInspectEvent: Some(thunks::inspect::<H>),
        WskAbortEvent: Some(thunks::abort::<H>),
    };
    const EVENTS: EventMask =
        event_if(has::<H::WskEventsAttribute>(methods::ACCEPT), EventMask::ACCEPT);
    const INHERITED: EventMask = InheritedEvents::<H::Connection>::EVENTS;
    const IS_CONDITIONAL: bool = true;
}

impl<H: sealed::Listener> ListenTable for H {
    const TABLE: &'static WSK_CLIENT_LISTEN_DISPATCH = <H::ListenMode as ListenMode<H>>::TABLE;
    const EVENTS: EventMask = <H::ListenMode as ListenMode<H>>::EVENTS;
    const INHERITED: EventMask = <H::ListenMode as ListenMode<H>>::INHERITED;
    const IS_CONDITIONAL: bool = <H::ListenMode as ListenMode<H>>::IS_CONDITIONAL;
}

impl<H: DatagramEvents> DatagramTable for H {
    const TABLE: &'static WSK_CLIENT_DATAGRAM_DISPATCH = &WSK_CLIENT_DATAGRAM_DISPATCH {
        WskReceiveFromEvent: if has::<H::WskEventsAttribute>(methods::RECEIVE_FROM) {
            Some(thunks::receive_from::<H>)
        } else {
            None
        },
    };
    const EVENTS: EventMask =
        event_if(has::<H::WskEventsAttribute>(methods::RECEIVE_FROM), EventMask::RECEIVE_FROM);
}

/// The table of a connection's handler that is in the socket's memory. It has no values, so its variance is irrelevant.
struct EmbeddedTable<H>(PhantomData<H>);

impl<H: ConnectionEvents> EmbeddedTable<H> {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH = &WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: if has::<H::WskEventsAttribute>(methods::RECEIVE) {
            Some(thunks::receive::<H>)
        } else {
            None
        },
        WskDisconnectEvent: if has::<H::WskEventsAttribute>(methods::DISCONNECTED) {
            Some(thunks::disconnect::<H>)
        } else {
            None
        },
        WskSendBacklogEvent: if has::<H::WskEventsAttribute>(methods::SEND_BACKLOG) {
            Some(thunks::send_backlog::<H>)
        } else {
            None
        },
    };
}

impl<H: ConnectionEvents> ConnectionTable for H {
    const TABLE: &'static WSK_CLIENT_CONNECTION_DISPATCH =
        if has::<H::WskEventsAttribute>(methods::ATTACHED_LATER) {
            &FORWARDING
        } else {
            EmbeddedTable::<H>::TABLE
        };
    const EVENTS: EventMask =
        event_if(has::<H::WskEventsAttribute>(methods::RECEIVE), EventMask::RECEIVE)
            .union(event_if(
                has::<H::WskEventsAttribute>(methods::DISCONNECTED),
                EventMask::DISCONNECT,
            ))
            .union(event_if(
                has::<H::WskEventsAttribute>(methods::SEND_BACKLOG),
                EventMask::SEND_BACKLOG,
            ));
}

impl<H: ListenEvents + ConnectionEvents> StreamTable for H {
    const TABLE: &'static WSK_CLIENT_STREAM_DISPATCH = &WSK_CLIENT_STREAM_DISPATCH {
        Listen: <Accepting as ListenMode<H>>::TABLE,
        Connect: <H as ConnectionTable>::TABLE,
    };
}

/// A handler of the events of category `C`'s sockets: each type that implements the events of the category, and `()`
/// for sockets without callbacks.
///
/// # Safety
///
/// - Each table is null, or static and of the category's type in C. Its functions accept a null context, and the
///   memory of a socket whose handler is of this type.
/// - Each event in a mask has a function in the tables.
/// - A table for [`Stream`] has no `WskInspectEvent` ([INV-41](crate::rules#inv-41)).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the events of `{C}` sockets",
    note = "write `#[wsk::events]` on an `impl` of the events of that category; those of a stream socket are \
            `ListenEvents` and `ConnectionEvents`"
)]
pub unsafe trait Callbacks<C>: Send + Sync + 'static {
    /// The table.
    const RAW_TABLE: *const c_void;

    /// The table, with a function for every event of a connection, for events that are
    /// [static](crate::RegistrationBuilder::static_events).
    const FILLED_TABLE: *const c_void = Self::RAW_TABLE;

    /// The events that are enabled when the socket is bound, or listens.
    const WHEN_BOUND: EventMask;

    /// The events that are enabled when the socket is connected.
    const WHEN_CONNECTED: EventMask;

    /// Whether connections are inspected.
    const INSPECTS: bool;

    /// Whether the table may have a function.
    const CALLS_BACK: bool =
        !Self::WHEN_BOUND.is_empty() || !Self::WHEN_CONNECTED.is_empty() || Self::INSPECTS;
}

// SAFETY: `ListenTable` has one implementation, whose table and mask are built above from thunks of `H`.
unsafe impl<H: ListenTable + Send + Sync + 'static> Callbacks<Listen> for H {
    const RAW_TABLE: *const c_void = ptr::from_ref(<H as ListenTable>::TABLE).cast();
    const WHEN_BOUND: EventMask = <H as ListenTable>::EVENTS.union(H::INHERITED);
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const INSPECTS: bool = <H as ListenTable>::IS_CONDITIONAL;
}

// SAFETY: `DatagramTable` has one implementation, whose table and mask are built above from thunks of `H`.
unsafe impl<H: DatagramEvents> Callbacks<Datagram> for H {
    const RAW_TABLE: *const c_void = ptr::from_ref(<H as DatagramTable>::TABLE).cast();
    const WHEN_BOUND: EventMask = <H as DatagramTable>::EVENTS;
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const INSPECTS: bool = false;
}

// SAFETY: `ConnectionTable` has one implementation, whose table and mask are built above from thunks of `H`, or from
// functions that take the memory of any socket.
unsafe impl<H: ConnectionEvents> Callbacks<Connection> for H {
    const RAW_TABLE: *const c_void = ptr::from_ref(<H as ConnectionTable>::TABLE).cast();
    const FILLED_TABLE: *const c_void = ptr::from_ref(FilledTable::<H>::TABLE).cast();
    const WHEN_BOUND: EventMask = EventMask::empty();
    const WHEN_CONNECTED: EventMask = <H as ConnectionTable>::EVENTS;
    const INSPECTS: bool = false;
    // Includes the table that forwards to a handler attached later.
    const CALLS_BACK: bool = has_functions(<H as ConnectionTable>::TABLE);
}

const fn has_functions(table: &WSK_CLIENT_CONNECTION_DISPATCH) -> bool {
    table.WskReceiveEvent.is_some()
        || table.WskDisconnectEvent.is_some()
        || table.WskSendBacklogEvent.is_some()
}

// SAFETY: `StreamTable` has one implementation. Its listening part is `Accepting`'s, which has no `WskInspectEvent`
// (INV-41), and each part and mask is built above from thunks of `H`, or from functions that take any socket's memory.
unsafe impl<H: ListenEvents + ConnectionEvents> Callbacks<Stream> for H {
    const RAW_TABLE: *const c_void = ptr::from_ref(<H as StreamTable>::TABLE).cast();
    const FILLED_TABLE: *const c_void = ptr::from_ref(&WSK_CLIENT_STREAM_DISPATCH {
        Listen: <Accepting as ListenMode<H>>::TABLE,
        Connect: FilledTable::<H>::TABLE,
    })
    .cast();
    const WHEN_BOUND: EventMask =
        <Accepting as ListenMode<H>>::EVENTS.union(<Accepting as ListenMode<H>>::INHERITED);
    const WHEN_CONNECTED: EventMask = <H as ConnectionTable>::EVENTS;
    const INSPECTS: bool = false;
}

/// Basic sockets have no events.
// SAFETY: the table is null, and the masks are empty.
unsafe impl Callbacks<Basic> for () {
    const RAW_TABLE: *const c_void = ptr::null();
    const WHEN_BOUND: EventMask = EventMask::empty();
    const WHEN_CONNECTED: EventMask = EventMask::empty();
    const INSPECTS: bool = false;
}

/// For sockets without callbacks.
impl ListenEvents for () {
    type Connection = ();
    type WskEventsAttribute = Methods<0>;
}

impl Listens for () {
    type By = Accepting;
}

/// For sockets without callbacks.
impl DatagramEvents for () {
    type WskEventsAttribute = Methods<0>;
}

/// For connections without callbacks, until a handler is
/// [attached](crate::socket::ConnectionSocket::events).
impl ConnectionEvents for () {
    type WskEventsAttribute = Methods<{ methods::ATTACHED_LATER }>;
}
