//! WSK's event callbacks as methods.
//!
//! A type implements one of the traits for its events, with [`events`](macro@crate::events) on the `impl`. Its table has a
//! function for each method of the `impl`, and its mask contains exactly these events.
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
//! # Calling context
//!
//! WSK calls enabled methods at any time, in any thread, concurrently, at `DISPATCH_LEVEL` or below
//! ([INV-63](crate::rules#inv-63)); only the calls of [`ConnectionEvents::receive`] are serialized, for each socket. They
//! must not wait, not even at `PASSIVE_LEVEL` ([INV-16](crate::rules#inv-16)): the waiting functions of this crate take a
//! [`Passive`](crate::irql::Passive), which safe code cannot pass to a callback. Indications are borrowed from WSK for the
//! duration of the call ([INV-58](crate::rules#inv-58)); received data can be [retained](Data::retain). A panic in a method
//! crashes the system ([INV-64](crate::rules#inv-64)).
//!
//! # Sockets with events
//!
//! A [socket's builder](crate::socket::Builder::events) takes the handler, and enables the events that its type implements.
//! The handler is stored in the socket's memory, and is dropped after the socket's close has completed
//! ([INV-46](crate::rules#inv-46)), at `PASSIVE_LEVEL`.

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
pub(crate) use data::release_chain;
pub use data::{Chunks, Data, RetainedData};
pub use datagrams::{DatagramIter, Datagrams, IndicatedDatagram, RetainedDatagrams};
pub use incoming::Incoming;
pub use inspection::{InspectId, Inspection, PendingInspection};
#[doc(hidden)]
pub use tables::{Accepting, Inspecting, Listens};
pub use tables::{Callbacks, ConnectionTable, DatagramTable, ListenTable, StreamTable};

use methods::MethodSet;

/// The IRQL in a callback, as far as WSK reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackIrql {
    /// It is `DISPATCH_LEVEL`.
    Dispatch,
    /// It is `DISPATCH_LEVEL` or below.
    Unknown,
}

impl CallbackIrql {
    const fn from_flags(flags: ULONG) -> Self {
        if flags & WSK_FLAG_AT_DISPATCH_LEVEL != 0 { Self::Dispatch } else { Self::Unknown }
    }
}

/// A callback's decision about datagrams that it has not retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The datagrams were processed.
    Accepted,
    /// The datagrams were not processed. If the event was enabled dynamically, WSK disables it and buffers datagrams
    /// until it is enabled again ([INV-56](crate::rules#inv-56)). If the event is static, these datagrams are lost.
    Refused,
}

/// A callback's decision about data that it has not retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// All of the data was processed.
    All,
    /// The first `n` bytes were processed; a number above the length counts as all. The next event follows a completed
    /// receive, which may be one of zero bytes ([INV-56](crate::rules#inv-56)).
    Partial(usize),
    /// No data was processed. The next event follows a completed receive, as after [`Partial`](Self::Partial).
    Refused,
}

/// The events of a listening socket. Write [`events`](macro@crate::events) on the `impl`.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_listen_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ListenEvents: Send + Sync + 'static {
    /// The handler of accepted connections.
    type Connection: Callbacks<crate::category::Connection>;

    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// A connection was established. [`Incoming::accept`] takes it; otherwise it is rejected.
    fn accept(&self, incoming: Incoming<'_, Self::Connection>) {}

    /// The socket is no longer functional. Close it soon ([INV-42](crate::rules#inv-42)).
    fn dead(&self) {}
}

/// The events of a listening socket that inspects connections first. `SO_CONDITIONAL_ACCEPT` is set on the socket
/// before it is bound. Write [`events`](macro@crate::events) on the `impl`.
///
/// A stream socket does not inspect, since it could not complete a pended inspection ([INV-41](crate::rules#inv-41)).
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_inspect_event).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ConditionalListenEvents: Send + Sync + 'static {
    /// The handler of accepted connections.
    type Connection: Callbacks<crate::category::Connection>;

    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// A peer requests a connection. [`Inspection::accept`] lets it be established, [`Inspection::pend`] postpones the
    /// decision; otherwise the connection is rejected. WSK calls this whether or not events are enabled.
    fn inspect(&self, inspection: Inspection<'_>);

    /// A connection that was not rejected was aborted before it was established. A decision about it that is still
    /// pended is no longer needed, and harmless ([INV-61](crate::rules#inv-61)).
    fn aborted(&self, id: InspectId) {}

    /// An inspected connection was established. [`Incoming::accept`] takes it; otherwise it is rejected.
    fn accept(&self, incoming: Incoming<'_, Self::Connection>) {}

    /// The socket is no longer functional. Close it soon ([INV-42](crate::rules#inv-42)).
    fn dead(&self) {}
}

/// The events of a datagram socket. Write [`events`](macro@crate::events) on the `impl`.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_datagram_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait DatagramEvents: Send + Sync + 'static {
    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// Datagrams were received.
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Refused
    }

    /// The socket is no longer functional. Close it soon ([INV-42](crate::rules#inv-42)).
    fn dead(&self) {}
}

/// The events of a connection. Write [`events`](macro@crate::events) on the `impl`.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_connection_dispatch).
#[expect(unused_variables, reason = "the names are for those who implement them")]
pub trait ConnectionEvents: Send + Sync + 'static {
    /// The methods that the implementation has, written by `#[wsk::events]`. See [`methods`].
    #[doc(hidden)]
    type WskEventsAttribute: MethodSet
    where
        Self: Sized;

    /// Data was received. WSK calls this serially for one socket.
    fn receive(&self, data: Data<'_>) -> Receipt {
        Receipt::Refused
    }

    /// The peer has disconnected. If `abortive`, the connection is lost and cannot send any more either.
    fn disconnected(&self, abortive: bool, level: CallbackIrql) {}

    /// The ideal number of bytes in flight is now `ideal`.
    fn send_backlog(&self, ideal: usize) {}

    /// The socket is no longer functional. Close it soon ([INV-42](crate::rules#inv-42)).
    fn dead(&self) {}
}
