//! A socket: what WSK remembers of it, beside its endpoint in the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ptr;
use std::sync::Arc;

use wsk_sys::{
    ADDRESS_FAMILY, PFN_WSK_RECEIVE_EX_EVENT, PIRP, PVOID, ULONG, USHORT,
    WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH, WSK_CLIENT_LISTEN_DISPATCH,
};

use super::category::Category;
use super::network::{Datagram, Incoming};
use super::objects::{ClosedSocket, origin};
use super::options::Options;
use super::registration::Client;
use super::requests::Requests;
use crate::host::Host;
use crate::kernel::usage::Keeper;
use crate::verifier::Rule;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Bound,
    Listening,
    Connecting,
    Connected,
    /// `SIO_WSK_SET_TCP_SILENT_MODE` was set: nothing is sent any more.
    Silent,
    /// The client has aborted its connection.
    Aborted,
    /// No longer functional (INV-42).
    Dead,
}

/// What the client gave to be called back with.
#[derive(Clone, Copy)]
pub(super) struct Callbacks {
    pub(super) context: usize,
    pub(super) listen: *const WSK_CLIENT_LISTEN_DISPATCH,
    pub(super) datagram: *const WSK_CLIENT_DATAGRAM_DISPATCH,
    pub(super) connection: *const WSK_CLIENT_CONNECTION_DISPATCH,
}

// SAFETY: the client's tables and contexts may be used in any thread (INV-39, INV-63).
unsafe impl Send for Callbacks {}

impl Callbacks {
    pub(super) const NONE: Self =
        Self { context: 0, listen: ptr::null(), datagram: ptr::null(), connection: ptr::null() };

    /// What they need.
    pub(super) fn parts(&self) -> [(&'static str, usize); 4] {
        [
            ("context", self.context),
            ("dispatch table", self.listen.addr()),
            ("dispatch table", self.datagram.addr()),
            ("dispatch table", self.connection.addr()),
        ]
    }

    /// A socket needs them until its close has completed (INV-46).
    pub(super) fn keep(&self, host: &Host, socket: u64, object: usize) {
        let Some(origin) = origin(object) else {
            return;
        };
        let mut in_flight = host.in_flight();
        for (what, address) in self.parts() {
            in_flight.keep(
                Keeper::Socket(socket),
                (what, Rule::CLOSE_COMPLETES_LAST),
                address,
                &origin,
            );
        }
    }
}

/// Which callbacks are enabled, and which run.
#[derive(Default)]
pub(super) struct Events {
    pub(super) enabled: ULONG,
    /// Those that cannot be disabled: static ones, and those inherited from a listener.
    pub(super) fixed: ULONG,
    /// How many calls of each have begun, or are about to.
    pub(super) running: BTreeMap<ULONG, usize>,
    /// Those that will be told of the socket's end when another has returned.
    pub(super) postponed: ULONG,
    /// Who waits until none of an event runs.
    pub(super) disabling: Vec<(ULONG, Irp)>,
}

/// What a client writes to in `WskAcceptEvent`.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) context: *mut PVOID,
    pub(super) dispatch: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
}

// SAFETY: it is read while the callback runs, or by whoever has called it.
unsafe impl Send for Offer {}

/// An IRP that is the provider's.
#[derive(Clone, Copy)]
pub(crate) struct Irp(pub(super) PIRP);

// SAFETY: see above.
unsafe impl Send for Irp {}

impl Events {
    pub(super) fn is_running(&self, event: ULONG) -> bool {
        self.running.get(&event).is_some_and(|count| *count > 0)
    }

    pub(super) fn has(&self, event: ULONG) -> bool {
        self.enabled & event != 0
    }
}

/// Both directions of a connection.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Default)]
pub(super) struct Streams {
    /// What was indicated, and not accepted: the next to be received.
    pub(super) rest: VecDeque<u8>,
    /// No data is indicated until something was received (INV-56).
    pub(super) is_paused: bool,
    pub(super) sent_end: bool,
    pub(super) received_end: bool,
    /// The client was told of the end.
    pub(super) told_end: bool,
    /// Bytes that were sent since the ideal backlog changed.
    pub(super) sent: usize,
    pub(super) ideal_backlog: usize,
    pub(super) receive_ex: PFN_WSK_RECEIVE_EX_EVENT,
}

/// Where datagrams go and come from.
#[derive(Default)]
pub(super) struct Datagrams {
    /// What was indicated, and not accepted.
    pub(super) rest: VecDeque<Datagram>,
    /// The only peer, see `SIO_WSK_SET_REMOTE_ADDRESS`.
    pub(super) peer: Option<SocketAddr>,
    /// Where datagrams without an address go, see `SIO_WSK_SET_SENDTO_ADDRESS`.
    pub(super) destination: Option<SocketAddr>,
}

/// A connection that a listener has not given to its client yet.
pub(super) struct Arrival {
    pub(super) id: u64,
    pub(super) incoming: Incoming,
    pub(super) stage: Stage,
    /// What identifies it to an inspecting client.
    pub(super) key: Option<InspectKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client is being asked.
    Inspected,
    /// The client will say later.
    Pended,
    /// It may be accepted.
    Established,
}

/// The contents of a `WSK_INSPECT_ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InspectKey {
    pub(super) key: usize,
    pub(super) serial: u32,
}

pub(super) struct Socket {
    pub(super) client: Arc<Client>,
    /// The address of its `WSK_SOCKET`.
    pub(super) object: usize,
    pub(super) category: Category,
    pub(super) family: ADDRESS_FAMILY,
    pub(super) kind: USHORT,
    pub(super) callbacks: Callbacks,
    pub(super) state: State,
    pub(super) options: Options,
    /// The cached security descriptor, or zero.
    pub(super) security: usize,
    pub(super) requests: Requests,
    pub(super) closing: Option<ClosedSocket>,
    pub(super) events: Events,
    pub(super) streams: Streams,
    pub(super) datagrams: Datagrams,
    /// The lists that the client has retained, by the address of their first element.
    pub(super) retained: BTreeMap<usize, Retained>,
    /// Those of them whose callback has not returned yet.
    pub(super) offered: BTreeSet<usize>,
    pub(super) arrivals: VecDeque<Arrival>,
    pub(super) inspected_as: Option<InspectKey>,
    /// Inspected connections that have gone before the client has decided.
    pub(super) aborted: Vec<InspectKey>,
    /// Where the client says what an accepted socket calls back with, while it is being asked.
    pub(super) offer: Option<Offer>,
    /// Whether something takes connections in, or bytes out, at this moment, in order.
    pub(super) is_indicating: bool,
}

/// What a client has retained: data, or datagrams.
pub(super) enum Retained {
    Data(super::indication::Data),
    Datagrams(super::indication::Datagrams),
}

impl Socket {
    pub(super) fn new(
        client: Arc<Client>,
        category: Category,
        family: ADDRESS_FAMILY,
        kind: USHORT,
        callbacks: Callbacks,
    ) -> Self {
        Self {
            client,
            object: 0,
            category,
            family,
            kind,
            callbacks,
            state: State::Created,
            options: Options::default(),
            security: 0,
            requests: Requests::default(),
            closing: None,
            events: Events::default(),
            streams: Streams { ideal_backlog: 64 << 10, ..Streams::default() },
            datagrams: Datagrams::default(),
            retained: BTreeMap::new(),
            offered: BTreeSet::new(),
            arrivals: VecDeque::new(),
            inspected_as: None,
            aborted: Vec::new(),
            offer: None,
            is_indicating: false,
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        !matches!(self.state, State::Created)
    }
}
