//! TCP in memory: what sockets of one host do to one another.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wsk_sys::{
    NTSTATUS, PIRP, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CONNECTION_ACTIVE,
    STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_SUCCESS,
};

use super::requests::{Answer, Requests, Waiting, What};
use super::sockets::{Object, write_address};
use super::stack::Transport;

struct Socket {
    local: SocketAddr,
    listening: bool,
    /// Connections to a listener that were not accepted yet.
    backlog: VecDeque<u64>,
    connection: Option<Connection>,
}

struct Connection {
    peer: u64,
    remote: SocketAddr,
    incoming: VecDeque<u8>,
    /// This side has finished sending.
    sent_end: bool,
    /// The peer has finished sending.
    received_end: bool,
    reset: bool,
}

/// The sockets that are bound.
pub(super) struct Simulated {
    sockets: HashMap<u64, Socket>,
    last_port: u16,
    /// Bytes that a connection takes from its sender before the receiver has room.
    window: usize,
}

impl Transport for Simulated {
    fn bind(&mut self, id: u64, mut local: SocketAddr, listen: bool) -> NTSTATUS {
        if local.port() == 0 {
            local.set_port(self.free_port());
        } else if self.sockets.values().any(|socket| overlap(socket.local, local)) {
            return STATUS_ADDRESS_ALREADY_EXISTS;
        }
        self.sockets.insert(id, Socket::new(local, listen));
        STATUS_SUCCESS
    }

    fn connect(
        &mut self,
        requests: &mut Requests,
        id: u64,
        irp: PIRP,
        remote: SocketAddr,
    ) -> Answer {
        if self.connection(id).is_some() {
            return requests.answer(id, irp, STATUS_CONNECTION_ACTIVE);
        }
        let listener = self.sockets.iter().find_map(|(&listener, socket)| {
            (socket.listening && overlap(remote, socket.local)).then_some(listener)
        });
        let (Some(listener), Some(client)) = (listener, self.sockets.get_mut(&id)) else {
            return requests.answer(id, irp, STATUS_CONNECTION_REFUSED);
        };
        if client.local.ip().is_unspecified() {
            client.local.set_ip(loopback(remote));
        }
        let accepted = requests.create();
        client.connection = Some(Connection::new(accepted, remote));
        let mut server = Socket::new(SocketAddr::new(loopback(remote), remote.port()), false);
        server.connection = Some(Connection::new(id, client.local));
        self.sockets.insert(accepted, server);
        if let Some(listener) = self.sockets.get_mut(&listener) {
            listener.backlog.push_back(accepted);
        }
        let mut answer = requests.answer(id, irp, STATUS_SUCCESS);
        self.accept_all(requests, listener, &mut answer);
        answer
    }

    fn takes(&self, id: u64, what: &What) -> bool {
        let Some(socket) = self.sockets.get(&id) else {
            return false;
        };
        match what {
            What::Accept { .. } => socket.listening,
            What::Connect => false,
            What::Receive(_) => socket.connection.is_some(),
            What::Send { .. } | What::Disconnect => {
                socket.connection.as_ref().is_some_and(|connection| !connection.sent_end)
            }
        }
    }

    /// Moves bytes, ends and resets between a connection and its peer, both ways, as far as it goes.
    fn progress(&mut self, requests: &mut Requests, id: u64) -> Answer {
        let mut answer = Vec::new();
        self.accept_all(requests, id, &mut answer);
        let mut both = vec![id];
        both.extend(self.connection(id).map(|connection| connection.peer));
        loop {
            let before = answer.len();
            let mut moved = false;
            for &side in &both {
                moved |= self.send_waiting(requests, side, &mut answer);
                self.receive_waiting(requests, side, &mut answer);
            }
            if !moved && answer.len() == before {
                return answer;
            }
        }
    }

    /// Resets the peer, unless both sides have finished. The address stays in use to the end.
    fn close(&mut self, requests: &mut Requests, id: u64) -> Answer {
        let mut answer = Vec::new();
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.listening = false;
            for accepted in std::mem::take(&mut socket.backlog) {
                answer.extend(self.reset_peer(requests, accepted));
                self.sockets.remove(&accepted);
            }
        }
        answer.extend(self.reset_peer(requests, id));
        answer
    }

    fn forget(&mut self, id: u64) {
        self.sockets.remove(&id);
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        Some(self.sockets.get(&id)?.local)
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        Some(self.connection(id)?.remote)
    }
}

impl Simulated {
    pub(super) fn new(window: usize) -> Self {
        Self { sockets: HashMap::new(), last_port: 49_151, window: window.max(1) }
    }

    fn connection(&self, id: u64) -> Option<&Connection> {
        self.sockets.get(&id)?.connection.as_ref()
    }

    fn connection_mut(&mut self, id: u64) -> Option<&mut Connection> {
        self.sockets.get_mut(&id)?.connection.as_mut()
    }

    fn free_port(&mut self) -> u16 {
        loop {
            self.last_port = self.last_port.checked_add(1).unwrap_or(49_152);
            if !self.sockets.values().any(|socket| socket.local.port() == self.last_port) {
                return self.last_port;
            }
        }
    }

    fn accept_all(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        while let Some(&accepted) =
            self.sockets.get(&id).and_then(|listener| listener.backlog.front())
        {
            let Some(Waiting { irp, what: What::Accept { local, remote } }) =
                requests.take(id, What::is_accept)
            else {
                return;
            };
            if let Some(listener) = self.sockets.get_mut(&id) {
                listener.backlog.pop_front();
            }
            if let (Some(ours), Some(theirs)) = (self.local(accepted), self.remote(accepted)) {
                // SAFETY: the caller's memory has room for the addresses until the IRP is completed.
                unsafe { write_address(local, ours) };
                // SAFETY: as above.
                unsafe { write_address(remote, theirs) };
            }
            // SAFETY: the listener's IRP, by which the accepted socket has its client.
            let object = unsafe { Object::accepted(irp, accepted) };
            answer.push(requests.done(id, irp, STATUS_SUCCESS, object));
        }
    }

    /// Moves what waits to be sent into the peer's window.
    fn send_waiting(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) -> bool {
        let mut moved = false;
        loop {
            let Some(connection) = self.connection(id) else {
                return moved;
            };
            let (peer, reset) = (connection.peer, connection.reset);
            let room = self
                .connection(peer)
                .filter(|peer| !peer.reset && !reset)
                .map(|peer| self.window.saturating_sub(peer.incoming.len()));
            let Some(room) = room else {
                if requests.end(id, What::is_output, (STATUS_CONNECTION_RESET, 0), answer) {
                    continue;
                }
                return moved;
            };
            let length = match requests.first(id, What::is_output) {
                Some(What::Send { bytes, sent }) => {
                    let count = room.min(bytes.length - *sent);
                    // SAFETY: the request has not completed.
                    let start = unsafe { bytes.start() };
                    // SAFETY: the memory is the provider's until the IRP is completed.
                    let part = unsafe { std::slice::from_raw_parts(start.add(*sent), count) };
                    if let Some(to) = self.connection_mut(peer) {
                        to.incoming.extend(part);
                    }
                    *sent += count;
                    moved |= count > 0;
                    if *sent < bytes.length {
                        return moved;
                    }
                    bytes.length
                }
                Some(What::Disconnect) => {
                    if let Some(to) = self.connection_mut(peer) {
                        to.received_end = true;
                    }
                    if let Some(from) = self.connection_mut(id) {
                        from.sent_end = true;
                    }
                    0
                }
                _ => return moved,
            };
            if !requests.end(id, What::is_output, (STATUS_SUCCESS, length), answer) {
                return moved;
            }
        }
    }

    fn receive_waiting(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        loop {
            let Some(connection) = self.connection_mut(id) else {
                return;
            };
            if connection.incoming.is_empty() && !connection.received_end && !connection.reset {
                return;
            }
            let Some(Waiting { irp, what: What::Receive(bytes) }) =
                requests.take(id, What::is_receive)
            else {
                return;
            };
            if connection.reset {
                answer.push(requests.done(id, irp, STATUS_CONNECTION_RESET, 0));
                continue;
            }
            let count = connection.incoming.len().min(bytes.length);
            // SAFETY: the request has not completed.
            let start = unsafe { bytes.start() };
            for (offset, byte) in connection.incoming.drain(..count).enumerate() {
                // SAFETY: the memory is the provider's until the IRP is completed.
                unsafe { start.add(offset).write(byte) };
            }
            answer.push(requests.done(id, irp, STATUS_SUCCESS, count));
        }
    }

    fn reset_peer(&mut self, requests: &mut Requests, id: u64) -> Answer {
        let socket = self.sockets.get_mut(&id);
        let Some(connection) = socket.and_then(|socket| socket.connection.take()) else {
            return Vec::new();
        };
        let finished =
            connection.sent_end && connection.received_end && connection.incoming.is_empty();
        match self.connection_mut(connection.peer) {
            Some(peer) if !finished => {
                peer.reset = true;
                peer.incoming.clear();
            }
            Some(_) => {}
            None => return Vec::new(),
        }
        self.progress(requests, connection.peer)
    }
}

impl Socket {
    fn new(local: SocketAddr, listening: bool) -> Self {
        Self { local, listening, backlog: VecDeque::new(), connection: None }
    }
}

impl Connection {
    fn new(peer: u64, remote: SocketAddr) -> Self {
        Self {
            peer,
            remote,
            incoming: VecDeque::new(),
            sent_end: false,
            received_end: false,
            reset: false,
        }
    }
}

/// Whether two bound addresses exclude each other, or a connection to the one arrives at the other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn loopback(family_of: SocketAddr) -> IpAddr {
    match family_of {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
