//! The sockets of one machine, for a network that carries its packets: ports, options, and datagrams that have arrived.

use std::net::{IpAddr, SocketAddr};

use super::super::{EndpointKind, IcmpError, IncomingDatagram};
use super::SimulatedNetwork;
use super::endpoint::{EndpointState, seen_by};
use super::link::Link;
use crate::kernel::choices::Choices;
use crate::kernel::config::Timing;
use crate::wsk::config::{Config, Faults};

impl SimulatedNetwork {
    /// The sockets of a machine whose packets another network carries.
    pub(in super::super) fn of_machine(config: &Config, choices: Choices) -> Self {
        // Delays and faults are those of the links.
        let config = Config { faults: Faults::default(), ..*config };
        Self::new(Timing::Inline, choices, &config)
    }

    /// The listener at an address, and whether its client decides about each request.
    pub(in super::super) fn listener(&self, to: SocketAddr) -> Option<(u64, bool)> {
        self.endpoints.at_port(to.port()).find_map(|(id, endpoint)| {
            let listens = matches!(endpoint.role, EndpointState::Listening(_));
            let is_conditional =
                matches!(endpoint.binding.kind, EndpointKind::Listener { conditional: true });
            (listens && endpoint.receives(to)).then_some((id, is_conditional))
        })
    }

    /// The address of a socket, and whether the socket is one of IPv4.
    pub(in super::super) fn bound(&self, id: u64) -> Option<(SocketAddr, bool)> {
        let endpoint = self.endpoints.get(id)?;
        let local = SocketAddr::new(endpoint.local.ip().to_canonical(), endpoint.local.port());
        Some((local, endpoint.is_v4()))
    }

    /// Records that a socket is a connection, from an address.
    pub(in super::super) fn set_connected(&mut self, id: u64, from: IpAddr, remote: SocketAddr) {
        if self.endpoints.get(id).is_some_and(|endpoint| endpoint.local.ip().is_unspecified()) {
            self.endpoints.set_ip(id, from);
        }
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            endpoint.role = EndpointState::Connected(Link::new(0, remote));
        }
    }

    /// Records that a socket is no connection any more.
    pub(in super::super) fn set_bound(&mut self, id: u64) {
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            endpoint.role = EndpointState::Bound;
        }
    }

    /// Delivers a datagram. Returns false if no socket is bound at its destination.
    pub(in super::super) fn deliver(
        &mut self,
        to: SocketAddr,
        datagram: &IncomingDatagram,
    ) -> bool {
        let receivers = self.receivers(datagram.from.ip(), to);
        for &receiver in &receivers {
            self.carry(receiver, datagram);
        }
        !receivers.is_empty()
    }

    /// Reports to a socket, if it asked for errors, that a datagram has not arrived. The report comes from `from`.
    pub(in super::super) fn deliver_error(
        &mut self,
        sender: u64,
        from: SocketAddr,
        datagram: IncomingDatagram,
        error: IcmpError,
    ) {
        let wants = self.endpoints.get(sender);
        if wants.is_some_and(|endpoint| endpoint.errors.contains(&from.is_ipv4())) {
            let to = Some(datagram.from.ip());
            let error = Some(error);
            let report = IncomingDatagram { from, to, error, hop_limit: None, ..datagram };
            self.carry(sender, &report);
        }
    }
}

/// An address as a socket of a family sees it.
pub(in super::super) fn as_seen(address: SocketAddr, is_v4: bool) -> SocketAddr {
    seen_by(address, is_v4)
}
