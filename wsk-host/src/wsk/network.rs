//! TCP in memory: what sockets do to one another.
//!
//! Everything happens under the network's lock and yields the IRPs that are to be completed, which is
//! done when the lock is released. A socket's close waits for all of its IRPs' completion routines.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wsk_sys::{
    NTSTATUS, PIRP, PSOCKADDR, PWSK_BUF, STATUS_ADDRESS_ALREADY_EXISTS, STATUS_CANCELLED,
    STATUS_CONNECTION_ACTIVE, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET,
    STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS, WSK_BUF,
};

use super::completer::Completed;
use super::sockets::{ClosedSocket, Object, cancel, write_address};
use crate::io::{claim, set_cancel_routine};
use crate::violation;

/// A request that waits.
pub(super) struct Waiting {
    pub(super) irp: PIRP,
    pub(super) what: What,
}

pub(super) enum What {
    Accept { local: PSOCKADDR, remote: PSOCKADDR },
    Receive(Bytes),
    Send { bytes: Bytes, sent: usize },
    Disconnect,
}

/// Memory of an MDL, and the buffer that describes it.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    pub(super) start: *mut u8,
    pub(super) length: usize,
    pub(super) buffer: PWSK_BUF,
    /// What the buffer said when the call was made.
    pub(super) descriptor: WSK_BUF,
    pub(super) function: &'static str,
}

impl Bytes {
    /// Where the bytes are. The client must still have the buffer: nothing says that WSK copies it.
    ///
    /// # Safety
    ///
    /// The request has not completed.
    unsafe fn start(&self) -> *mut u8 {
        // SAFETY: a client that keeps the rules has not freed it; this is to find the others.
        let now = unsafe { self.buffer.read_volatile() };
        let facts = |buffer: &WSK_BUF| (buffer.Mdl, buffer.Offset, buffer.Length);
        if facts(&now) != facts(&self.descriptor) {
            violation(&format!(
                "{}: the buffer changed before the request completed (INV-21)",
                self.function
            ));
        }
        self.start
    }
}

// SAFETY: the IRP and the memory are the provider's until the IRP is completed.
unsafe impl Send for Waiting {}

#[derive(Default)]
struct Socket {
    local: Option<SocketAddr>,
    listening: bool,
    waiting: VecDeque<Waiting>,
    /// Connections to a listener that were not accepted yet.
    backlog: VecDeque<u64>,
    connection: Option<Connection>,
    /// IRPs that were given to their completion routines, or are about to be.
    undelivered: usize,
    /// The close's IRP, and what is freed when it completes.
    closing: Option<ClosedSocket>,
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

/// The sockets of one host.
pub(crate) struct Network {
    sockets: HashMap<u64, Socket>,
    last: u64,
    last_port: u16,
    window: usize,
}

/// What a call is answered with: IRPs to be completed, the call's own among them unless it waits.
pub(super) type Answer = Vec<Completed>;

impl Network {
    pub(crate) fn new(window: usize) -> Self {
        Self { sockets: HashMap::new(), last: 0, last_port: 49_151, window: window.max(1) }
    }

    pub(super) fn create(&mut self) -> u64 {
        self.last += 1;
        self.sockets.insert(self.last, Socket::default());
        self.last
    }

    fn socket(&mut self, id: u64) -> &mut Socket {
        self.sockets.entry(id).or_default()
    }

    fn done(&mut self, id: u64, irp: PIRP, status: NTSTATUS, information: usize) -> Completed {
        self.socket(id).undelivered += 1;
        Completed { irp, status, information, socket: id }
    }

    /// Completes a call's IRP at once.
    pub(super) fn answer(&mut self, id: u64, irp: PIRP, status: NTSTATUS) -> Answer {
        vec![self.done(id, irp, status, 0)]
    }

    pub(super) fn bind(
        &mut self,
        id: u64,
        irp: PIRP,
        mut local: SocketAddr,
        listen: bool,
    ) -> Answer {
        if self.socket(id).local.is_some() {
            return self.answer(id, irp, STATUS_INVALID_DEVICE_STATE);
        }
        if local.port() == 0 {
            local.set_port(self.free_port());
        } else if self
            .sockets
            .values()
            .any(|socket| socket.local.is_some_and(|l| overlap(l, local)))
        {
            return self.answer(id, irp, STATUS_ADDRESS_ALREADY_EXISTS);
        }
        let socket = self.socket(id);
        socket.local = Some(local);
        socket.listening = listen;
        self.answer(id, irp, STATUS_SUCCESS)
    }

    fn free_port(&mut self) -> u16 {
        loop {
            self.last_port = self.last_port.checked_add(1).unwrap_or(49_152);
            let port = self.last_port;
            if !self.sockets.values().any(|s| s.local.is_some_and(|local| local.port() == port)) {
                return port;
            }
        }
    }

    pub(super) fn connect(&mut self, id: u64, irp: PIRP, remote: SocketAddr) -> Answer {
        let Some(mut local) = self.socket(id).local else {
            return self.answer(id, irp, STATUS_INVALID_DEVICE_STATE);
        };
        if self.socket(id).connection.is_some() {
            return self.answer(id, irp, STATUS_CONNECTION_ACTIVE);
        }
        let listener = self.sockets.iter().find_map(|(&listener, socket)| {
            let open = socket.listening && socket.closing.is_none();
            (open && socket.local.is_some_and(|local| reaches(remote, local))).then_some(listener)
        });
        let Some(listener) = listener else {
            return self.answer(id, irp, STATUS_CONNECTION_REFUSED);
        };
        if local.ip().is_unspecified() {
            local.set_ip(loopback(remote));
            self.socket(id).local = Some(local);
        }
        let accepted = self.create();
        let server = self.socket(accepted);
        server.local = Some(SocketAddr::new(loopback(remote), remote.port()));
        server.connection = Some(Connection::new(id, local));
        self.socket(id).connection = Some(Connection::new(accepted, remote));
        let mut answer = self.answer(id, irp, STATUS_SUCCESS);
        self.socket(listener).backlog.push_back(accepted);
        answer.extend(self.accept_all(listener));
        answer
    }

    /// Lets a request wait, and does what can be done.
    pub(super) fn wait(&mut self, id: u64, waiting: Waiting) -> Answer {
        let socket = self.socket(id);
        let right_state = match waiting.what {
            What::Accept { .. } => socket.listening,
            What::Receive(_) => socket.connection.is_some(),
            What::Send { .. } | What::Disconnect => {
                socket.connection.as_ref().is_some_and(|connection| !connection.sent_end)
            }
        };
        if !right_state {
            return self.answer(id, waiting.irp, STATUS_INVALID_DEVICE_STATE);
        }
        let irp = waiting.irp;
        let listening = socket.listening;
        socket.waiting.push_back(waiting);
        // SAFETY: the IRP is the provider's. Its routine takes the lock that is held here.
        let is_cancelled = unsafe { set_cancel_routine(irp, cancel) };
        // SAFETY: as above.
        if is_cancelled && unsafe { claim(irp) } {
            return self.cancelled(id, irp);
        }
        if listening { self.accept_all(id) } else { self.transfer(id) }
    }

    fn accept_all(&mut self, id: u64) -> Answer {
        let mut answer = Vec::new();
        while !self.socket(id).backlog.is_empty() {
            let is_accept = |what: &What| matches!(what, What::Accept { .. });
            let Some(Waiting { irp, what: What::Accept { local, remote } }) =
                self.take(id, is_accept)
            else {
                break;
            };
            let Some(accepted) = self.socket(id).backlog.pop_front() else {
                break;
            };
            let server = self.socket(accepted);
            let addresses = server.local.zip(server.connection.as_ref().map(|c| c.remote));
            if let Some((ours, theirs)) = addresses {
                // SAFETY: the caller's memory has room for the addresses until the IRP is completed.
                unsafe { write_address(local, ours) };
                // SAFETY: as above.
                unsafe { write_address(remote, theirs) };
            }
            // SAFETY: the listener's IRP, by which the accepted socket has its client.
            let object = unsafe { Object::accepted(irp, accepted) };
            answer.push(self.done(id, irp, STATUS_SUCCESS, object));
        }
        answer
    }

    /// Takes the first waiting request of a kind that is not being cancelled.
    fn take(&mut self, id: u64, wanted: impl Fn(&What) -> bool) -> Option<Waiting> {
        let waiting = &mut self.socket(id).waiting;
        // SAFETY: the IRPs are the provider's, and were made cancellable when they began to wait.
        let place = waiting.iter().position(|w| wanted(&w.what) && unsafe { claim(w.irp) })?;
        waiting.remove(place)
    }

    /// Moves bytes, ends and resets between a connection and its peer, both ways, as far as it goes.
    fn transfer(&mut self, id: u64) -> Answer {
        let mut answer = Vec::new();
        let peer = self.socket(id).connection.as_ref().map(|connection| connection.peer);
        let mut both = vec![id];
        both.extend(peer);
        loop {
            let before = answer.len();
            let mut moved = false;
            for &side in &both {
                moved |= self.send_waiting(side, &mut answer);
                self.receive_waiting(side, &mut answer);
            }
            if !moved && answer.len() == before {
                return answer;
            }
        }
    }

    /// Moves what waits to be sent into the peer's window.
    fn send_waiting(&mut self, id: u64, answer: &mut Answer) -> bool {
        let window = self.window;
        let mut moved = false;
        loop {
            let Some(connection) = self.socket(id).connection.as_ref() else {
                return moved;
            };
            let (peer, reset) = (connection.peer, connection.reset);
            let peer_room = self
                .sockets
                .get(&peer)
                .and_then(|peer| peer.connection.as_ref())
                .filter(|connection| !connection.reset)
                .map(|connection| window.saturating_sub(connection.incoming.len()));
            let is_output = |what: &What| matches!(what, What::Send { .. } | What::Disconnect);
            if reset || peer_room.is_none() {
                let Some(waiting) = self.take(id, is_output) else {
                    return moved;
                };
                answer.push(self.done(id, waiting.irp, STATUS_CONNECTION_RESET, 0));
                continue;
            }
            let room = peer_room.unwrap_or(0);
            let waiting = &mut self.socket(id).waiting;
            let Some(place) = waiting.iter().position(|waiting| is_output(&waiting.what)) else {
                return moved;
            };
            match &mut waiting[place].what {
                What::Send { bytes, sent } => {
                    let count = room.min(bytes.length - *sent);
                    // SAFETY: the request has not completed.
                    let start = unsafe { bytes.start() };
                    // SAFETY: the memory is the provider's until the IRP is completed.
                    let part = unsafe { std::slice::from_raw_parts(start.add(*sent), count) };
                    let part = part.to_vec();
                    *sent += count;
                    moved |= count > 0;
                    let (all, length) = (*sent == bytes.length, bytes.length);
                    if let Some(to) = self.socket(peer).connection.as_mut() {
                        to.incoming.extend(part);
                    }
                    if !all {
                        return moved;
                    }
                    let Some(waiting) = self.take(id, is_output) else {
                        return moved;
                    };
                    answer.push(self.done(id, waiting.irp, STATUS_SUCCESS, length));
                }
                What::Disconnect => {
                    if let Some(to) = self.socket(peer).connection.as_mut() {
                        to.received_end = true;
                    }
                    if let Some(from) = self.socket(id).connection.as_mut() {
                        from.sent_end = true;
                    }
                    let Some(waiting) = self.take(id, is_output) else {
                        return moved;
                    };
                    answer.push(self.done(id, waiting.irp, STATUS_SUCCESS, 0));
                }
                What::Accept { .. } | What::Receive(_) => return moved,
            }
        }
    }

    fn receive_waiting(&mut self, id: u64, answer: &mut Answer) {
        loop {
            let Some(connection) = self.socket(id).connection.as_ref() else {
                return;
            };
            let (available, end, reset) =
                (connection.incoming.len(), connection.received_end, connection.reset);
            if available == 0 && !end && !reset {
                return;
            }
            let is_receive = |what: &What| matches!(what, What::Receive(_));
            let Some(Waiting { irp, what: What::Receive(bytes) }) = self.take(id, is_receive)
            else {
                return;
            };
            if reset {
                answer.push(self.done(id, irp, STATUS_CONNECTION_RESET, 0));
                continue;
            }
            let count = available.min(bytes.length);
            // SAFETY: the request has not completed.
            let start = unsafe { bytes.start() };
            if let Some(connection) = self.socket(id).connection.as_mut() {
                for (offset, byte) in connection.incoming.drain(..count).enumerate() {
                    // SAFETY: the memory is the provider's until the IRP is completed.
                    unsafe { start.add(offset).write(byte) };
                }
            }
            answer.push(self.done(id, irp, STATUS_SUCCESS, count));
        }
    }

    /// An IRP whose cancel routine has run: only the completion is left.
    pub(super) fn cancelled(&mut self, id: u64, irp: PIRP) -> Answer {
        let waiting = &mut self.socket(id).waiting;
        waiting.retain(|waiting| waiting.irp != irp);
        self.answer(id, irp, STATUS_CANCELLED)
    }

    /// Cancels what waits, resets the peer unless both sides have finished, and completes the close when
    /// all completion routines have returned.
    pub(super) fn close(
        &mut self,
        id: u64,
        closed: ClosedSocket,
    ) -> (Answer, Option<ClosedSocket>) {
        let mut answer = Vec::new();
        while let Some(waiting) = self.take(id, |_| true) {
            answer.push(self.done(id, waiting.irp, STATUS_CANCELLED, 0));
        }
        let socket = self.socket(id);
        socket.closing = Some(closed);
        for accepted in std::mem::take(&mut socket.backlog) {
            answer.extend(self.reset_peer(accepted));
            self.sockets.remove(&accepted);
        }
        answer.extend(self.reset_peer(id));
        (answer, self.closed(id))
    }

    fn reset_peer(&mut self, id: u64) -> Answer {
        let Some(connection) = self.socket(id).connection.take() else {
            return Vec::new();
        };
        let finished =
            connection.sent_end && connection.received_end && connection.incoming.is_empty();
        let Some(peer) = self.sockets.get_mut(&connection.peer) else { return Vec::new() };
        match &mut peer.connection {
            Some(peer) if !finished => {
                peer.reset = true;
                peer.incoming.clear();
            }
            _ => {}
        }
        self.transfer(connection.peer)
    }

    /// A completion routine has returned. Gives the socket whose close can complete now.
    pub(super) fn delivered(&mut self, id: u64) -> Option<ClosedSocket> {
        self.sockets.get_mut(&id)?.undelivered -= 1;
        self.closed(id)
    }

    fn closed(&mut self, id: u64) -> Option<ClosedSocket> {
        let socket = self.sockets.get_mut(&id)?;
        if socket.undelivered > 0 || !socket.waiting.is_empty() {
            return None;
        }
        let closed = socket.closing.take()?;
        self.sockets.remove(&id);
        Some(closed)
    }

    pub(super) fn local(&self, id: u64) -> Option<SocketAddr> {
        self.sockets.get(&id)?.local
    }

    pub(super) fn remote(&self, id: u64) -> Option<SocketAddr> {
        Some(self.sockets.get(&id)?.connection.as_ref()?.remote)
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

/// Whether two bound addresses exclude each other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Whether a connection to `remote` arrives at a listener on `local`.
fn reaches(remote: SocketAddr, local: SocketAddr) -> bool {
    overlap(remote, local)
}

fn loopback(family_of: SocketAddr) -> IpAddr {
    match family_of {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
