//! The state of a socket in WSK, besides its endpoint in the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use wsk_sys::{ADDRESS_FAMILY, PFN_WSK_RECEIVE_EX_EVENT, ULONG, USHORT};

use super::action::{Arrival, ClosedSocket, InspectKey, Irp};
use super::callback_table::{AcceptOutputs, CallbackTable};
use super::category::Category;
use super::chain::IndicationChain;
use super::client::Client;
use super::descriptors::SocketDescriptor;
use super::network::IncomingDatagram;
use super::options::OptionValues;
use super::requests::Requests;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketPhase {
    Created,
    Bound,
    Listening,
    Connecting,
    Connected,
    /// `SIO_WSK_SET_TCP_SILENT_MODE` was set: no further segments are sent.
    Silent,
    /// The client has aborted its connection.
    Aborted,
    /// No longer functional ([INV-42](crate::rules#inv-42)).
    Dead,
}

/// Which callbacks are enabled, and which run.
#[derive(Default)]
pub(super) struct Events {
    pub(super) enabled: ULONG,
    /// Those that cannot be disabled: static ones, and those inherited from a listener.
    pub(super) fixed: ULONG,
    /// The number of calls of each event that run or are about to.
    pub(super) running: BTreeMap<ULONG, usize>,
    /// Events whose end-of-socket call waits until another call has returned.
    pub(super) postponed: ULONG,
    /// The requests to disable an event, which complete when none of its calls runs.
    pub(super) disabling: Vec<(ULONG, Irp)>,
}

impl Events {
    pub(super) fn is_running(&self, event: ULONG) -> bool {
        self.running.get(&event).is_some_and(|count| *count > 0)
    }

    pub(super) fn has(&self, event: ULONG) -> bool {
        self.enabled & event != 0
    }
}

/// The state of both directions of a connection.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Default)]
pub(super) struct StreamState {
    /// Data that was indicated and not accepted: received next.
    pub(super) rest: VecDeque<u8>,
    /// No data is indicated until something was received ([INV-56](crate::rules#inv-56)).
    pub(super) is_paused: bool,
    pub(super) sent_end: bool,
    pub(super) received_end: bool,
    /// The end was indicated to the client.
    pub(super) has_indicated_end: bool,
    /// Bytes that were sent since the ideal backlog changed.
    pub(super) sent: usize,
    pub(super) ideal_backlog: usize,
    pub(super) receive_ex: PFN_WSK_RECEIVE_EX_EVENT,
}

/// The destination and the source of datagrams.
#[derive(Default)]
pub(super) struct DatagramState {
    /// The data that was indicated and not accepted.
    pub(super) rest: VecDeque<IncomingDatagram>,
    /// The only peer, see `SIO_WSK_SET_REMOTE_ADDRESS`.
    pub(super) peer: Option<SocketAddr>,
    /// The destination of datagrams without an address: see `SIO_WSK_SET_SENDTO_ADDRESS`.
    pub(super) destination: Option<SocketAddr>,
}

pub(super) struct Socket {
    /// Its number, which the stack assigns.
    pub(super) id: u64,
    pub(super) client: Arc<Client>,
    /// The address of its `WSK_SOCKET`.
    pub(super) object: usize,
    pub(super) category: Category,
    pub(super) family: ADDRESS_FAMILY,
    pub(super) kind: USHORT,
    pub(super) callbacks: CallbackTable,
    pub(super) state: SocketPhase,
    pub(super) options: OptionValues,
    pub(super) security: Option<SocketDescriptor>,
    pub(super) requests: Requests,
    pub(super) closing: Option<ClosedSocket>,
    pub(super) events: Events,
    pub(super) streams: StreamState,
    pub(super) datagrams: DatagramState,
    /// The lists that the client has retained, by the address of their first element.
    pub(super) retained: BTreeMap<usize, Retained>,
    /// Those of their elements that the client has already released, by address.
    pub(super) released: BTreeSet<usize>,
    /// Those of them whose callback has not returned yet.
    pub(super) offered: BTreeSet<usize>,
    pub(super) arrivals: VecDeque<Arrival>,
    pub(super) inspected_as: Option<InspectKey>,
    /// Inspected connections that were aborted before the client has decided.
    pub(super) aborted: Vec<InspectKey>,
    /// The memory in which the client returns the table and context of an accepted socket, during its callback.
    pub(super) offer: Option<AcceptOutputs>,
    /// Whether something takes connections in, or bytes out, at this moment, in order.
    pub(super) is_indicating: bool,
}

/// The data or datagrams that a client has retained.
pub(super) enum Retained {
    Data(super::indication::IndicatedData),
    Datagrams(super::indication::IndicatedDatagrams),
}

/// A retained list, or elements of one, that the client has released.
pub(super) struct Released {
    /// The list, if none of it is still retained.
    list: Option<Retained>,
    /// Whether the client has divided the list.
    pub(super) is_part: bool,
}

impl Released {
    /// The addresses of the MDLs that the client has no more.
    pub(super) fn mdls(&self) -> Vec<usize> {
        self.list.as_ref().map(Retained::mdls).unwrap_or_default()
    }
}

impl Retained {
    /// The addresses of its elements.
    pub(super) fn elements(&self) -> Vec<usize> {
        match self {
            Self::Data(data) => data.elements(),
            Self::Datagrams(datagrams) => datagrams.elements(),
        }
    }

    /// The addresses of its MDLs with data.
    fn mdls(&self) -> Vec<usize> {
        let chains = match self {
            Self::Data(data) => data.chains(),
            Self::Datagrams(datagrams) => datagrams.chains(),
        };
        chains.iter().flat_map(IndicationChain::parts).map(|(mdl, ..)| mdl).collect()
    }

    /// The element behind another one, as the client has left them.
    fn next(&self, element: usize) -> usize {
        match self {
            Self::Data(data) => data.next(element),
            Self::Datagrams(datagrams) => datagrams.next(element),
        }
    }
}

impl Socket {
    /// The retained list of an element that is not released, identified by the list's first element.
    pub(super) fn retainer_of(&self, element: usize) -> Option<usize> {
        if self.released.contains(&element) {
            return None;
        }
        let (first, list) = self.retained.range(..=element).next_back()?;
        list.elements().contains(&element).then_some(*first)
    }

    /// Releases a retained element and those behind it. None if it is not retained.
    pub(super) fn release(&mut self, element: usize) -> Option<Released> {
        let first = self.retainer_of(element)?;
        let list = self.retained.get(&first)?;
        let elements = list.elements();
        let mut next = element;
        while elements.contains(&next) && self.released.insert(next) {
            next = list.next(next);
        }
        let is_over = elements.iter().all(|element| self.released.contains(element));
        let is_part = !is_over || element != first;
        let mut list = None;
        if is_over {
            list = self.retained.remove(&first);
            for element in &elements {
                self.released.remove(element);
            }
        }
        Some(Released { list, is_part })
    }

    pub(super) fn new(
        client: Arc<Client>,
        category: Category,
        family: ADDRESS_FAMILY,
        kind: USHORT,
        callbacks: CallbackTable,
    ) -> Self {
        Self {
            id: 0,
            client,
            object: 0,
            category,
            family,
            kind,
            callbacks,
            state: SocketPhase::Created,
            options: OptionValues::default(),
            security: None,
            requests: Requests::default(),
            closing: None,
            events: Events::default(),
            streams: StreamState { ideal_backlog: 64 << 10, ..StreamState::default() },
            datagrams: DatagramState::default(),
            retained: BTreeMap::new(),
            released: BTreeSet::new(),
            offered: BTreeSet::new(),
            arrivals: VecDeque::new(),
            inspected_as: None,
            aborted: Vec::new(),
            offer: None,
            is_indicating: false,
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        !matches!(self.state, SocketPhase::Created)
    }
}
