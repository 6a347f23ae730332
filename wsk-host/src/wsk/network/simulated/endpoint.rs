//! The endpoints of the simulated network, by number and by port.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustc_hash::FxHashMap;
use wsk_sys::NTSTATUS;

use super::super::{Binding, EndpointKind, IncomingDatagram};
use super::dynamic_ports::DynamicPorts;
use super::link::{ConnectionRequest, Link};
use crate::kernel::schedule::Ticks;
use crate::wsk::membership::Memberships;

/// A socket of the network.
pub(super) struct Endpoint {
    pub(super) local: SocketAddr,
    pub(super) binding: Binding,
    pub(super) role: EndpointState,
    pub(super) datagrams: VecDeque<(Ticks, IncomingDatagram)>,
    pub(super) groups: Memberships,
    /// The other side of a connection that this one has asked for, when its listener has accepted it.
    pub(super) server: Option<u64>,
    /// The largest datagram that several are made one of; zero if none are.
    pub(super) coalesces: usize,
    /// The families whose errors are reported, indexed by whether they are IPv4.
    pub(super) errors: BTreeSet<bool>,
}

/// The state of an endpoint.
pub(super) enum EndpointState {
    Bound,
    /// The connections that wait to be accepted, with the time since when.
    Listening(VecDeque<(Ticks, ConnectionRequest)>),
    /// The result and the time when it arrives, once it is decided.
    Connecting(Option<(Ticks, Result<Link, NTSTATUS>)>),
    Connected(Link),
}

impl Endpoint {
    pub(super) fn new(local: SocketAddr, binding: Binding) -> Self {
        let role = match binding.kind {
            EndpointKind::Listener { .. } => EndpointState::Listening(VecDeque::new()),
            EndpointKind::Stream | EndpointKind::IncomingDatagram => EndpointState::Bound,
        };
        Self {
            local,
            role,
            datagrams: VecDeque::new(),
            groups: Memberships::default(),
            server: None,
            coalesces: 0,
            errors: BTreeSet::new(),
            binding,
        }
    }

    /// A connection that a listener has accepted.
    pub(super) fn accepted(local: SocketAddr, binding: Binding, link: Link) -> Self {
        Self { role: EndpointState::Connected(link), ..Self::new(local, binding) }
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.role, EndpointState::Connected(_))
    }

    /// The family that its socket was made with.
    pub(super) fn is_v4(&self) -> bool {
        self.binding.local.is_ipv4()
    }

    /// Whether a datagram or connection request to an address arrives at this endpoint.
    pub(super) fn receives(&self, to: SocketAddr) -> bool {
        let to_v4 = to.ip().to_canonical().is_ipv4();
        let family = if to_v4 { self.is_v4() || !self.binding.only_v6 } else { !self.is_v4() };
        let ip = self.local.ip().to_canonical();
        family
            && self.local.port() == to.port()
            && (ip.is_unspecified() || ip == to.ip().to_canonical())
    }
}

/// The loopback address of a family.
pub(super) fn loopback(is_v4: bool) -> IpAddr {
    if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// An address as a socket of a family sees it.
pub(super) fn seen_by(address: SocketAddr, is_v4: bool) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if !is_v4 => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        _ => address,
    }
}

/// The endpoints.
///
/// The index makes the cost of choosing a port, and of finding the receiver of a datagram or the listener of a
/// connection, independent of the number of endpoints at other ports. An endpoint's port does not change.
#[derive(Default)]
pub(super) struct Endpoints {
    by_id: FxHashMap<u64, Endpoint>,
    by_port: BTreeMap<u16, BTreeSet<u64>>,
    /// The dynamic ports of the endpoints in `by_port`.
    dynamic: DynamicPorts,
}

impl Endpoints {
    pub(super) fn get(&self, id: u64) -> Option<&Endpoint> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Endpoint> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: u64, endpoint: Endpoint) {
        // A connection that a listener has accepted is never looked for by its port.
        if !endpoint.is_accepted() {
            self.by_port.entry(endpoint.local.port()).or_default().insert(id);
            let (is_datagram, local) = (endpoint.binding.kind.is_datagram(), endpoint.local);
            self.dynamic.insert(is_datagram, local.ip(), local.port());
        }
        self.by_id.insert(id, endpoint);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Endpoint> {
        let endpoint = self.by_id.remove(&id)?;
        let port = endpoint.local.port();
        if let Some(ids) = self.by_port.get_mut(&port) {
            if ids.remove(&id) {
                let is_datagram = endpoint.binding.kind.is_datagram();
                self.dynamic.remove(is_datagram, endpoint.local.ip(), port);
            }
            if ids.is_empty() {
                self.by_port.remove(&port);
            }
        }
        Some(endpoint)
    }

    /// Moves an endpoint that was bound to the wildcard address to a specific one.
    pub(super) fn set_ip(&mut self, id: u64, ip: IpAddr) {
        let Some(endpoint) = self.by_id.get_mut(&id) else { return };
        let (is_datagram, former) = (endpoint.binding.kind.is_datagram(), endpoint.local);
        endpoint.local.set_ip(ip);
        if self.by_port.get(&former.port()).is_some_and(|ids| ids.contains(&id)) {
            self.dynamic.remove(is_datagram, former.ip(), former.port());
            self.dynamic.insert(is_datagram, ip, former.port());
        }
    }

    pub(super) fn dynamic_ports(&self) -> &DynamicPorts {
        &self.dynamic
    }

    /// The endpoints that were bound to a port, in the order of their creation.
    pub(super) fn at_port(&self, port: u16) -> impl Iterator<Item = (u64, &Endpoint)> {
        let ids = self.by_port.get(&port).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }
}
