//! Datagrams in memory: they are lost, doubled and overtaken, as the seed and the faults decide.

use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use wsk_sys::{NTSTATUS, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_INVALID_BUFFER_SIZE};

use super::super::{IcmpError, IncomingDatagram, NetworkBackend, Outgoing};
use super::endpoint::{Endpoint, loopback, seen_by};
use super::{INTERFACE, SimulatedNetwork};
use crate::kernel::choices::ChoiceKind;

/// The largest datagram of UDP over IPv4, without its headers.
const LARGEST: usize = 65_507;

/// Datagrams that a socket keeps for a client that does not receive them.
const QUEUE: usize = 1024;

impl SimulatedNetwork {
    pub(super) fn send_datagram(
        &mut self,
        id: u64,
        outgoing: &Outgoing<'_>,
    ) -> Result<(), NTSTATUS> {
        let source = loopback(outgoing.to.ip().to_canonical().is_ipv4());
        let (to, datagrams) = self.datagrams_of(id, outgoing, source)?;
        for datagram in datagrams {
            let receivers = self.receivers(datagram.from.ip(), to);
            for &receiver in &receivers {
                self.carry(receiver, &datagram);
            }
            if receivers.is_empty() {
                self.report_unreachable(id, to, datagram);
            }
        }
        Ok(())
    }

    /// The datagrams of a request, and their destination. They come from `source` unless the socket or the request has
    /// an address.
    pub(in super::super) fn datagrams_of(
        &self,
        id: u64,
        outgoing: &Outgoing<'_>,
        source: IpAddr,
    ) -> Result<(SocketAddr, Vec<IncomingDatagram>), NTSTATUS> {
        let size = outgoing.segment.unwrap_or(outgoing.bytes.len()).max(1);
        if size > LARGEST {
            return Err(STATUS_INVALID_BUFFER_SIZE);
        }
        let to = SocketAddr::new(outgoing.to.ip().to_canonical(), outgoing.to.port());
        let Some(sender) = self.endpoints.get(id) else {
            return Ok((to, Vec::new()));
        };
        let bound = sender.local.ip().to_canonical();
        let from = match outgoing.from.map(|ip| ip.to_canonical()) {
            Some(ip) => ip,
            None if !bound.is_unspecified() => bound,
            None => source,
        };
        // A socket for IPv6 only, or at an address of one family, reaches none of the other.
        let is_for_v4 = sender.is_v4() || !sender.binding.only_v6;
        if from.is_ipv4() != to.is_ipv4() || (to.is_ipv4() && !is_for_v4) {
            return Err(STATUS_INVALID_ADDRESS_COMPONENT);
        }
        let from = SocketAddr::new(from, sender.local.port());
        let segments: Vec<&[u8]> = if outgoing.bytes.is_empty() {
            vec![&[]]
        } else {
            outgoing.bytes.chunks(size).collect()
        };
        let datagram = |bytes: &[u8]| IncomingDatagram {
            bytes: bytes.to_vec(),
            from,
            to: Some(to.ip()),
            interface: INTERFACE,
            traffic_class: outgoing.traffic_class.unwrap_or(0),
            hop_limit: outgoing.hop_limit,
            segment: None,
            error: None,
        };
        Ok((to, segments.into_iter().map(datagram).collect()))
    }

    /// Reports to a sender that asked for errors that nothing is bound at a datagram's destination. The report comes
    /// from there, and quotes the datagram.
    fn report_unreachable(&mut self, sender: u64, to: SocketAddr, datagram: IncomingDatagram) {
        let wants = |endpoint: &Endpoint| endpoint.errors.contains(&to.is_ipv4());
        let is_here = self.addresses().contains(&to.ip());
        if is_here && self.endpoints.get(sender).is_some_and(wants) {
            let error = Some(IcmpError::port_unreachable(to.is_ipv4()));
            let report = IncomingDatagram {
                from: to,
                to: Some(datagram.from.ip()),
                error,
                hop_limit: None,
                ..datagram
            };
            self.carry(sender, &report);
        }
    }

    /// Whom a datagram reaches: a group all of its members that receive from the sender, one address the socket that is
    /// bound most closely to it.
    pub(super) fn receivers(&self, from: IpAddr, to: SocketAddr) -> Vec<u64> {
        let ip = to.ip();
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        let candidates = self.endpoints.at_port(to.port()).filter(|(_, endpoint)| {
            endpoint.binding.kind.is_datagram()
                && if is_broadcast {
                    endpoint.is_v4() || !endpoint.binding.only_v6
                } else if ip.is_multicast() {
                    endpoint.groups.receives(ip, from)
                } else {
                    endpoint.receives(to)
                }
        });
        let candidates: Vec<(u64, bool)> =
            candidates.map(|(id, endpoint)| (id, endpoint.local.ip().is_unspecified())).collect();
        if is_broadcast || ip.is_multicast() {
            return candidates.into_iter().map(|(id, _)| id).collect();
        }
        let closest = candidates.iter().min_by_key(|(_, is_wild)| *is_wild);
        closest.map(|(id, _)| *id).into_iter().collect()
    }

    pub(super) fn carry(&mut self, receiver: u64, datagram: &IncomingDatagram) {
        if self.choices.per_mille(ChoiceKind::Fault, self.faults.loss) {
            return;
        }
        let copies =
            if self.choices.per_mille(ChoiceKind::Fault, self.faults.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let due = self.arrival();
            let has_room = |endpoint: &&mut Endpoint| endpoint.datagrams.len() < QUEUE;
            if let Some(endpoint) = self.endpoints.get_mut(receiver).filter(has_room) {
                endpoint.datagrams.push_back((due, datagram.clone()));
                self.wake(due, receiver);
            }
        }
    }

    pub(super) fn receive_datagram(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(id) else {
            return Poll::Pending;
        };
        // The one that arrived first: a later one may have overtaken it.
        let arrived = endpoint.datagrams.iter().enumerate().filter(|(_, (due, _))| *due <= now);
        let Some((first, _)) = arrived.min_by_key(|(_, (due, _))| *due) else {
            return Poll::Pending;
        };
        let Some((_, mut datagram)) = endpoint.datagrams.remove(first) else {
            return Poll::Pending;
        };
        endpoint.coalesce(&mut datagram, now);
        datagram.from = seen_by(datagram.from, endpoint.is_v4());
        Poll::Ready(Ok(datagram))
    }
}

impl Endpoint {
    /// Appends later datagrams of the same sender to a datagram, if the client asked for that:
    /// all of one size, but for the last, which may be shorter.
    fn coalesce(&mut self, datagram: &mut IncomingDatagram, now: u64) {
        let size = datagram.bytes.len();
        if self.coalesces == 0 || size == 0 {
            return;
        }
        while let Some((due, next)) = self.datagrams.front() {
            let fits = *due <= now
                && next.error.or(datagram.error).is_none()
                && next.from == datagram.from
                && next.to == datagram.to
                && next.traffic_class == datagram.traffic_class
                && next.hop_limit == datagram.hop_limit
                && !next.bytes.is_empty()
                && next.bytes.len() <= size
                && datagram.bytes.len() + next.bytes.len() <= self.coalesces;
            if !fits {
                return;
            }
            let is_last = next.bytes.len() < size;
            datagram.bytes.extend_from_slice(&next.bytes);
            datagram.segment = Some(size);
            self.datagrams.pop_front();
            if is_last {
                return;
            }
        }
    }
}
