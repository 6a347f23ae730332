//! WSK's event callbacks as methods.
//!
//! A type implements one of the traits for the events that it handles, with [`events`](macro@crate::events) on the
//! `impl`. Its table has a function for each method of the `impl`, and its mask has these events, which can be
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
//! # extern crate wsk_host;
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
//! A [socket's builder](crate::socket::Builder::events) takes the value that handles them, and enables what its
//! type implements. The value lives in the socket's memory, where callbacks find it, and is dropped after the
//! socket's close has completed (INV-46), at `PASSIVE_LEVEL`.

mod attached;
mod context;
mod data;
mod datagrams;
mod defaults;
mod forwarding;
mod incoming;
mod inspection;
#[doc(hidden)]
pub mod methods;
mod tables;
#[doc(hidden)]
pub mod thunks;

use wsk_sys::{ULONG, WSK_FLAG_AT_DISPATCH_LEVEL};

pub use crate::event_mask::EventMask;
pub(crate) use attached::{AttachedHandler, NewHandler};
pub(crate) use context::{callbacks, check_static_events};
pub use data::{Chunks, Data, RetainedData};
pub use datagrams::{Datagram, DatagramIter, Datagrams, RetainedDatagrams};
pub use incoming::Incoming;
pub use inspection::{InspectId, Inspection, PendingInspection};
#[doc(hidden)]
pub use tables::{Accepting, Inspecting, Listens};
pub use tables::{Callbacks, ConnectionTable, DatagramTable, ListenTable, StreamTable};

use methods::MethodSet;

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

/// The events of a listening socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_listen_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ListenEvents: Send + Sync + 'static {
    /// What the connections that are accepted call back with.
    type Connection: Callbacks<crate::category::Connection>;

    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// A connection has come: [`Incoming::accept`] takes it, and without that it is rejected.
    fn accept(&self, incoming: Incoming<'_, Self::Connection>) {}

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
    type Connection: Callbacks<crate::category::Connection>;

    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// Somebody asks for a connection: [`Inspection::accept`] lets it be established, [`Inspection::pend`] leaves
    /// the decision for later, and without either it is rejected. This is called whether or not events are
    /// enabled.
    fn inspect(&self, inspection: Inspection<'_>);

    /// A connection that was not rejected has gone before it was established. If it is pended still, there is
    /// nothing to decide any more; to decide nevertheless is harmless (INV-61).
    fn aborted(&self, id: InspectId) {}

    /// An inspected connection is there: [`Incoming::accept`] takes it, and without that it is rejected.
    fn accept(&self, incoming: Incoming<'_, Self::Connection>) {}

    /// The socket is no longer functional, and is to be closed soon (INV-42).
    fn dead(&self) {}
}

/// The events of a datagram socket.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_datagram_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait DatagramEvents: Send + Sync + 'static {
    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

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
    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

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
