//! Connections in memory: segments that arrive later, in order, and may be the last ones.

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::task::Poll;

use wsk_sys::{
    NTSTATUS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_INVALID_CONNECTION,
    STATUS_INVALID_DEVICE_STATE,
};

use super::super::{Binding, EndpointKind, IncomingConnection, ReadableData};
use super::SimulatedNetwork;
use super::endpoint::{Endpoint, EndpointState, loopback, seen_by};
use super::link::{ConnectionRequest, Link, Segment};
use crate::kernel::choices::ChoiceKind;
use crate::kernel::schedule::Ticks;

impl SimulatedNetwork {
    /// One side of a connection. Data arrives at the connecting side even before that side sees the connection.
    fn link(&mut self, id: u64) -> Option<&mut Link> {
        match &mut self.endpoints.get_mut(id)?.role {
            EndpointState::Connected(link) | EndpointState::Connecting(Some((_, Ok(link)))) => {
                Some(link)
            }
            _ => None,
        }
    }

    /// Requests a connection from the listener of an address.
    pub(super) fn request_link(&mut self, id: u64, remote: SocketAddr) {
        let to = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let to = if to.ip().is_unspecified() {
            SocketAddr::new(loopback(to.is_ipv4()), to.port())
        } else {
            to
        };
        let due = self.arrival();
        let mut at_port = self.endpoints.at_port(to.port());
        let listener = at_port.find_map(|(listener, endpoint)| {
            let listens = matches!(endpoint.role, EndpointState::Listening(_));
            (listens && endpoint.receives(to)).then_some(listener)
        });
        drop(at_port);
        let Some(client) = self.endpoints.get_mut(id) else {
            return;
        };
        let Some(listener) = listener else {
            client.role = EndpointState::Connecting(Some((due, Err(STATUS_CONNECTION_REFUSED))));
            self.wake(due, id);
            return;
        };
        let is_wildcard = client.local.ip().is_unspecified();
        if is_wildcard {
            self.endpoints.set_ip(id, loopback(to.is_ipv4()));
        }
        let Some(client) = self.endpoints.get_mut(id) else {
            return;
        };
        client.role = EndpointState::Connecting(None);
        client.server = None;
        let from = SocketAddr::new(client.local.ip().to_canonical(), client.local.port());
        let request = ConnectionRequest { from: id, local: to, remote: from };
        let is_conditional = match self.endpoints.get_mut(listener) {
            Some(Endpoint { role: EndpointState::Listening(backlog), binding, .. }) => {
                backlog.push_back((due, request));
                matches!(binding.kind, EndpointKind::Listener { conditional: true })
            }
            _ => false,
        };
        if !is_conditional {
            self.make_link_later(id, remote, due);
        }
        self.wake(due, listener);
    }

    /// Connects the requesting side when the answer arrives, before the listener accepts.
    fn make_link_later(&mut self, id: u64, remote: SocketAddr, since: Ticks) {
        let due = since.max(self.arrival());
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            // The peer is known when the connection is accepted; until then sent data is kept.
            let link = Link::new(0, remote);
            endpoint.role = EndpointState::Connecting(Some((due, Ok(link))));
            self.wake(due, id);
        }
    }

    pub(super) fn link_made(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(id) else {
            return Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE));
        };
        match std::mem::replace(&mut endpoint.role, EndpointState::Bound) {
            EndpointState::Connecting(Some((due, result))) if due <= now => match result {
                Ok(link) => {
                    endpoint.role = EndpointState::Connected(link);
                    Poll::Ready(Ok(()))
                }
                Err(status) => Poll::Ready(Err(status)),
            },
            role @ EndpointState::Connecting(_) => {
                endpoint.role = role;
                Poll::Pending
            }
            role => {
                endpoint.role = role;
                Poll::Ready(Ok(()))
            }
        }
    }

    pub(super) fn accept_request(
        &mut self,
        id: u64,
        number: u64,
    ) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        let now = self.now;
        let Some(listener) = self.endpoints.get_mut(id) else {
            return Poll::Pending;
        };
        let is_conditional =
            matches!(listener.binding.kind, EndpointKind::Listener { conditional: true });
        let is_v4 = listener.is_v4();
        let binding = Binding { kind: EndpointKind::Stream, ..listener.binding.clone() };
        let EndpointState::Listening(backlog) = &mut listener.role else {
            return Poll::Pending;
        };
        let Some(place) = backlog.iter().position(|(due, _)| *due <= now) else {
            return Poll::Pending;
        };
        let Some((_, ConnectionRequest { from, local, remote })) = backlog.remove(place) else {
            return Poll::Pending;
        };
        if self.choices.per_mille(ChoiceKind::Fault, self.faults.accept) {
            let due = self.arrival();
            self.lose(from, due);
            self.wake(now, id);
            return Poll::Ready(Err(STATUS_INVALID_CONNECTION));
        }
        let mut link = Link::new(from, remote);
        link.is_pending = is_conditional;
        self.endpoints.insert(number, Endpoint::accepted(local, binding, link));
        let client = self.endpoints.get_mut(from);
        let is_open = client.is_some();
        if let Some(client) = client {
            client.server = Some(number);
        }
        if !is_conditional {
            self.join_links(from, number);
        } else if !is_open {
            self.lose(number, now);
        }
        let incoming =
            IncomingConnection { local: seen_by(local, is_v4), remote: seen_by(remote, is_v4) };
        Poll::Ready(Ok(incoming))
    }

    /// Joins the two sides of a connection: each receives the data that the other has already sent.
    fn join_links(&mut self, client: u64, server: u64) {
        let now = self.now;
        let sent = self.link(client).map(|link| {
            link.peer = server;
            // Until now it was its own receiver.
            (std::mem::take(&mut link.incoming), std::mem::take(&mut link.held))
        });
        match sent {
            Some((sent, held)) => {
                for (due, _) in &sent {
                    self.wake(*due, server);
                }
                if let Some(link) = self.link(server) {
                    link.incoming = sent;
                    link.held = held;
                }
                self.wake(now, client);
            }
            // It was closed in the meantime.
            None => self.lose(server, now),
        }
    }

    pub(super) fn establish_link(&mut self, id: u64) -> bool {
        let now = self.now;
        let Some(link) = self.link(id) else {
            return false;
        };
        if link.lost.is_some() {
            return false;
        }
        link.is_pending = false;
        let client = link.peer;
        let Some(remote) = self.endpoints.get(id).map(|endpoint| endpoint.local) else {
            return false;
        };
        self.make_link_later(client, remote, now);
        self.join_links(client, id);
        self.link(id).is_some_and(|link| link.lost.is_none())
    }

    /// A connection is lost for one side.
    fn lose(&mut self, id: u64, due: Ticks) {
        if let Some(link) = self.link(id) {
            link.lost.get_or_insert((due, STATUS_CONNECTION_RESET));
            self.wake(due, id);
        }
    }

    /// Puts a segment on its way to a link's peer, behind those that are on it.
    fn push(&mut self, id: u64, segment: Segment) {
        let arrival = self.arrival();
        let Some(link) = self.link(id) else {
            return;
        };
        // A side that was not accepted yet keeps its own.
        let receiver = if link.peer == 0 { id } else { link.peer };
        if let Some(to) = self.link(receiver) {
            let due = to.incoming.back().map_or(arrival, |(last, _)| arrival.max(*last));
            if let Segment::Bytes(bytes) = &segment {
                to.held += bytes.len();
            }
            to.incoming.push_back((due, segment));
            self.wake(due, receiver);
        }
    }

    pub(super) fn send_segment(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        let (now, window) = (self.now, self.window);
        let Some(link) = self.link(id) else {
            return Poll::Ready(Err(STATUS_CONNECTION_RESET));
        };
        if let Some(status) = link.lost_at(now) {
            return Poll::Ready(Err(status));
        }
        let receiver = if link.peer == 0 { id } else { link.peer };
        let Some(to) = self.link(receiver) else {
            // The peer was closed, and its end is about to arrive.
            return Poll::Pending;
        };
        let room = window.saturating_sub(to.held);
        let count = room.min(bytes.len());
        if count == 0 {
            return Poll::Pending;
        }
        if self.choices.per_mille(ChoiceKind::Fault, self.faults.reset) {
            let due = self.arrival();
            self.lose(receiver, due);
            self.lose(id, now);
            return Poll::Ready(Err(STATUS_CONNECTION_RESET));
        }
        self.push(id, Segment::Bytes(bytes[..count].iter().copied().collect()));
        Poll::Ready(Ok(count))
    }

    pub(super) fn send_end(&mut self, id: u64) -> Result<(), NTSTATUS> {
        let now = self.now;
        match self.link(id) {
            Some(link) => match link.lost_at(now) {
                Some(status) => return Err(status),
                None => link.sent_end = true,
            },
            None => return Err(STATUS_CONNECTION_RESET),
        }
        self.push(id, Segment::End);
        Ok(())
    }

    pub(super) fn link_readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        let now = self.now;
        let Some(link) = self.link(id) else {
            return Poll::Ready(Err(STATUS_CONNECTION_RESET));
        };
        if let Some(status) = link.lost_at(now) {
            return Poll::Ready(Err(status));
        }
        match link.incoming.front() {
            Some((due, segment)) if *due <= now && link.peer != 0 => {
                Poll::Ready(Ok(match segment {
                    Segment::Bytes(_) => ReadableData::Bytes,
                    Segment::End => ReadableData::End,
                }))
            }
            _ => Poll::Pending,
        }
    }

    pub(super) fn link_backlog(&mut self, id: u64) -> usize {
        let now = self.now;
        let Some(link) = self.link(id).filter(|link| link.peer != 0) else {
            return 0;
        };
        let arrived = link.incoming.iter().take_while(|(due, _)| *due <= now);
        arrived
            .map(|(_, segment)| match segment {
                Segment::Bytes(bytes) => bytes.len(),
                Segment::End => 0,
            })
            .sum()
    }

    pub(super) fn receive_segments(
        &mut self,
        id: u64,
        room: &mut [MaybeUninit<u8>],
    ) -> Poll<Result<usize, NTSTATUS>> {
        match self.link_readable(id) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
            Poll::Ready(Ok(ReadableData::End)) => return Poll::Ready(Ok(0)),
            Poll::Ready(Ok(ReadableData::Bytes)) => {}
        }
        let now = self.now;
        let Some(link) = self.link(id) else {
            return Poll::Pending;
        };
        let mut count = 0;
        while let Some((due, Segment::Bytes(bytes))) = link.incoming.front_mut() {
            if *due > now || count == room.len() {
                break;
            }
            let taken = bytes.len().min(room.len() - count);
            for (to, from) in room[count..].iter_mut().zip(bytes.drain(..taken)) {
                to.write(from);
            }
            count += taken;
            if bytes.is_empty() {
                link.incoming.pop_front();
            }
        }
        link.held -= count;
        let peer = link.peer;
        // There is room again.
        self.wake(now, peer);
        Poll::Ready(Ok(count))
    }

    pub(super) fn close_endpoint(&mut self, id: u64, abort: bool) {
        let Some(endpoint) = self.endpoints.remove(id) else {
            return;
        };
        let now = self.now;
        match endpoint.role {
            EndpointState::Connected(link) if link.is_pending => {
                // It was not let in.
                let waits =
                    |client: &&mut Endpoint| matches!(client.role, EndpointState::Connecting(None));
                if let Some(client) = self.endpoints.get_mut(link.peer).filter(waits) {
                    let refused = Err(STATUS_CONNECTION_REFUSED);
                    client.role = EndpointState::Connecting(Some((now, refused)));
                    self.wake(now, link.peer);
                }
            }
            EndpointState::Connected(link) => {
                if abort {
                    let due = self.arrival();
                    self.lose(link.peer, due);
                }
            }
            EndpointState::Connecting(_) => {
                // A listener that has accepted it loses it.
                if let Some(server) = endpoint.server {
                    let due = self.arrival();
                    self.lose(server, due);
                }
            }
            EndpointState::Listening(backlog) => {
                for (_, request) in backlog {
                    self.refuse(request.from);
                }
            }
            EndpointState::Bound => {}
        }
    }

    /// A listener was closed before it accepted the connection.
    fn refuse(&mut self, client: u64) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(client) else {
            return;
        };
        match &mut endpoint.role {
            EndpointState::Connected(link) if link.peer == 0 => self.lose(client, now),
            EndpointState::Connecting(Some((_, Ok(link)))) => {
                link.lost = Some((now, STATUS_CONNECTION_RESET));
            }
            EndpointState::Connecting(result @ None) => {
                *result = Some((now, Err(STATUS_CONNECTION_REFUSED)));
                self.wake(now, client);
            }
            _ => {}
        }
    }
}
