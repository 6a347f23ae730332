//! One side of a TCP connection: a socket of smoltcp, with an interface of its own.

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};
use wsk_sys::{
    NTSTATUS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_INVALID_DEVICE_STATE,
    STATUS_IO_TIMEOUT,
};

use super::super::ReadableData;
use super::packet::TcpHeader;
use crate::kernel::schedule::{JobId, Ticks};

/// How long a connection waits for an answer of its peer, while it repeats its request, its data or its end: 21 seconds.
/// That is what Windows takes for a connection request, and about what it takes for data.
const PATIENCE: Ticks = 21 * 10_000_000;

/// The number of its packets without an answer before that: at a link with many losses, retransmissions are a minute apart.
const UNANSWERED: u32 = 4;

/// How long a closed connection waits for the end of its peer: the two minutes of Windows.
const PATIENCE_FOR_END: Ticks = 120 * 10_000_000;

/// The interval of keep-alive probes on an idle connection: the two hours of Windows.
const KEEP_ALIVE: Duration = Duration::from_secs(2 * 3600);

/// The size of the headers of TCP over IPv6.
const IP_AND_TCP: usize = 60;

/// The device of one connection.
struct Wire {
    mtu: usize,
    incoming: Option<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);

struct Sent<'a>(&'a mut Vec<Vec<u8>>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, consume: F) -> R {
        consume(&self.0)
    }
}

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut packet = vec![0; length];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}

impl phy::Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Sent<'_>)> {
        let packet = self.incoming.take()?;
        Some((Received(packet), Sent(&mut self.outgoing)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// The settings of a new connection.
pub(super) struct NewConnection {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) mtu: usize,
    /// The size of its buffers.
    pub(super) window: usize,
    /// Decides its first sequence number.
    pub(super) random: u64,
}

/// One side of a connection.
pub(super) struct Connection {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    wire: Wire,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// The number of its socket, once it has one.
    pub(super) socket: Option<u64>,
    /// Whether that socket is one of IPv4.
    pub(super) is_v4: bool,
    /// Its listener, until a socket takes it.
    pub(super) listener: Option<u64>,
    /// A request that the listener's client decides about.
    pub(super) request: Option<Vec<u8>>,
    pub(super) is_established: bool,
    /// Why it has ended early.
    pub(super) failure: Option<NTSTATUS>,
    /// Since when its peer owes an answer.
    waits_since: Option<Ticks>,
    /// How often it has sent since its peer last answered.
    unanswered: u32,
    pub(super) timer: Option<JobId>,
    /// Its socket was closed.
    pub(super) is_detached: bool,
}

/// What a socket of the stack can see of a connection.
#[derive(PartialEq, Eq)]
pub(super) struct Visible {
    state: State,
    received: usize,
    queued: usize,
    has_failed: bool,
}

fn instant(now: Ticks) -> Instant {
    Instant::from_micros(i64::try_from(now / 10).unwrap_or(i64::MAX))
}

fn endpoint(address: SocketAddr) -> IpEndpoint {
    IpEndpoint::new(IpAddress::from(address.ip()), address.port())
}

impl Connection {
    fn new(new: &NewConnection, now: Ticks) -> Self {
        let mut wire = Wire { mtu: new.mtu, incoming: None, outgoing: Vec::new() };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = new.random;
        let mut interface = Interface::new(config, &mut wire, instant(now));
        // Every address is on its link.
        let address = IpCidr::new(IpAddress::from(new.local.ip()), 0);
        interface.update_ip_addrs(|addresses| {
            // There is room: it is the first.
            let _ = addresses.push(address);
        });
        let buffer = || SocketBuffer::new(vec![0; new.window.max(new.mtu - IP_AND_TCP)]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self {
            interface,
            sockets,
            handle,
            wire,
            local: new.local,
            remote: new.remote,
            socket: None,
            is_v4: new.local.is_ipv4(),
            listener: None,
            request: None,
            is_established: false,
            failure: None,
            waits_since: None,
            unanswered: 0,
            timer: None,
            is_detached: false,
        }
    }

    /// A connection that sends its request at the next [`poll`](Self::poll).
    pub(super) fn connecting(new: &NewConnection, now: Ticks) -> Result<Self, NTSTATUS> {
        let mut connection = Self::new(new, now);
        let (local, remote) = (endpoint(new.local), endpoint(new.remote));
        let socket = connection.sockets.get_mut::<Socket<'_>>(connection.handle);
        let begun = socket.connect(connection.interface.context(), remote, local);
        begun.map(|()| connection).map_err(|_| STATUS_INVALID_DEVICE_STATE)
    }

    /// A connection that answers a request.
    pub(super) fn listening(new: &NewConnection, listener: u64, now: Ticks) -> Self {
        let mut connection = Self::new(new, now);
        connection.listener = Some(listener);
        connection.listen();
        connection
    }

    fn listen(&mut self) {
        let local = endpoint(self.local);
        // It was closed, and its port is not zero.
        let _ = self.tcp_mut().listen(local);
    }

    fn tcp(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    fn tcp_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn state(&self) -> State {
        self.tcp().state()
    }

    pub(super) fn visible(&self) -> Visible {
        let tcp = self.tcp();
        Visible {
            state: tcp.state(),
            received: tcp.recv_queue(),
            queued: tcp.send_queue(),
            has_failed: self.failure.is_some(),
        }
    }

    /// Whether nothing is left of it but its memory.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state(), State::Closed | State::Listen)
    }

    pub(super) fn waits_at_end(&self) -> bool {
        self.state() == State::TimeWait
    }

    /// Takes a packet, if one has arrived, and everything that is due. Returns the packets to be sent.
    pub(super) fn poll(&mut self, packet: Option<Vec<u8>>, now: Ticks) -> Vec<Vec<u8>> {
        let was_over = self.is_over();
        let has_answered = packet.is_some();
        let is_reset = packet.as_deref().and_then(TcpHeader::of).is_some_and(TcpHeader::is_reset);
        // RFC 1337: a reset does not end this wait.
        self.wire.incoming = packet.filter(|_| !(is_reset && self.waits_at_end()));
        self.interface.poll(instant(now), &mut self.wire, &mut self.sockets);
        match self.state() {
            State::Closed | State::Listen if !was_over && is_reset => {
                let refused = STATUS_CONNECTION_REFUSED;
                self.fail(if self.is_established { STATUS_CONNECTION_RESET } else { refused });
            }
            State::Closed | State::Listen | State::SynSent | State::SynReceived => {}
            _ => self.is_established = true,
        }
        self.limit_wait(has_answered, now);
        std::mem::take(&mut self.wire.outgoing)
    }

    /// Ends the connection if its peer owes an answer for too long.
    fn limit_wait(&mut self, has_answered: bool, now: Ticks) {
        if has_answered || self.patience().is_none() {
            (self.waits_since, self.unanswered) = (None, 0);
        }
        if self.patience().is_none() {
            return;
        }
        // Time counts from what it has sent: at a window of zero, the next probe may be far away.
        if !self.wire.outgoing.is_empty() {
            self.unanswered += 1;
            self.waits_since.get_or_insert(now);
        } else if self.state() == State::FinWait2 {
            self.waits_since.get_or_insert(now);
        }
        if self.limit().is_some_and(|limit| now >= limit) {
            self.fail(STATUS_IO_TIMEOUT);
            self.tcp_mut().abort();
            self.interface.poll(instant(now), &mut self.wire, &mut self.sockets);
        }
    }

    /// Whether data or the end was sent, or waits for room, and is not acknowledged.
    fn awaits_answer(&self) -> bool {
        match self.state() {
            State::FinWait1 | State::Closing | State::LastAck => true,
            State::Established | State::CloseWait => self.tcp().send_queue() > 0,
            _ => false,
        }
    }

    /// When it ends without an answer. None if it sends again before.
    fn limit(&self) -> Option<Ticks> {
        let is_enough = self.unanswered >= UNANSWERED || self.state() == State::FinWait2;
        let limit = self.waits_since.zip(self.patience()).filter(|_| is_enough);
        limit.map(|(since, patience)| since + patience)
    }

    /// How long it waits for its peer now.
    fn patience(&self) -> Option<Ticks> {
        match self.state() {
            State::SynSent | State::SynReceived => Some(PATIENCE),
            State::FinWait2 if self.is_detached => Some(PATIENCE_FOR_END),
            _ => self.awaits_answer().then_some(PATIENCE),
        }
    }

    /// When it must be polled again, if nothing arrives.
    pub(super) fn next_poll(&mut self, now: Ticks) -> Option<Ticks> {
        let own = self.interface.poll_at(instant(now), &self.sockets);
        let own = own.map(|at| u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(10));
        let limit = self.limit();
        // Time is in microseconds there: it passes.
        own.into_iter().chain(limit).min().map(|at| at.max(now + 10))
    }

    pub(super) fn fail(&mut self, status: NTSTATUS) {
        self.failure.get_or_insert(status);
    }

    /// Ends it because its packets reach nothing.
    pub(super) fn become_unreachable(&mut self, status: NTSTATUS) {
        if self.state() == State::SynSent {
            self.fail(status);
            self.tcp_mut().abort();
        }
    }

    pub(super) fn connected(&self) -> Poll<Result<(), NTSTATUS>> {
        match self.failure {
            _ if self.is_established => Poll::Ready(Ok(())),
            Some(status) => Poll::Ready(Err(status)),
            None => Poll::Pending,
        }
    }

    /// Takes some of the bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        if let Some(status) = self.failure {
            return Poll::Ready(Err(status));
        }
        if matches!(self.state(), State::SynSent | State::SynReceived | State::Listen) {
            return Poll::Pending;
        }
        match self.tcp_mut().send_slice(bytes) {
            Ok(0) if !bytes.is_empty() => Poll::Pending,
            Ok(count) => Poll::Ready(Ok(count)),
            Err(_) => Poll::Ready(Err(STATUS_CONNECTION_RESET)),
        }
    }

    /// Sends the end after the data.
    pub(super) fn finish(&mut self) -> Result<(), NTSTATUS> {
        if let Some(status) = self.failure {
            return Err(status);
        }
        self.tcp_mut().close();
        Ok(())
    }

    pub(super) fn abort(&mut self) {
        self.tcp_mut().abort();
    }

    pub(super) fn readable(&self) -> Poll<Result<ReadableData, NTSTATUS>> {
        let tcp = self.tcp();
        match self.failure {
            Some(status) => Poll::Ready(Err(status)),
            None if tcp.can_recv() => Poll::Ready(Ok(ReadableData::Bytes)),
            None if self.is_established && !tcp.may_recv() => Poll::Ready(Ok(ReadableData::End)),
            None => Poll::Pending,
        }
    }

    /// The number of bytes that can be received.
    pub(super) fn backlog(&self) -> usize {
        if self.failure.is_some() { 0 } else { self.tcp().recv_queue() }
    }

    pub(super) fn receive(
        &mut self,
        room: &mut [MaybeUninit<u8>],
    ) -> Poll<Result<usize, NTSTATUS>> {
        match self.readable() {
            Poll::Ready(Ok(ReadableData::Bytes)) => {}
            Poll::Ready(Ok(ReadableData::End)) => return Poll::Ready(Ok(0)),
            Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
            Poll::Pending => return Poll::Pending,
        }
        let mut count = 0;
        // Its buffer is a ring: the data may be in two parts.
        while count < room.len() {
            let rest = &mut room[count..];
            let taken = self.tcp_mut().recv(|bytes| {
                let taken = bytes.len().min(rest.len());
                for (to, from) in rest.iter_mut().zip(bytes) {
                    to.write(*from);
                }
                (taken, taken)
            });
            match taken {
                Ok(0) | Err(_) => break,
                Ok(taken) => count += taken,
            }
        }
        Poll::Ready(Ok(count))
    }

    pub(super) fn set_no_delay(&mut self, is_set: bool) {
        self.tcp_mut().set_nagle_enabled(!is_set);
    }

    pub(super) fn set_keep_alive(&mut self, is_set: bool) {
        self.tcp_mut().set_keep_alive(is_set.then_some(KEEP_ALIVE));
    }
}

/// The answer to a packet that belongs to no connection: a reset, or none.
pub(super) fn refusal(packet: Vec<u8>, local: IpAddr, mtu: usize, now: Ticks) -> Vec<Vec<u8>> {
    let mut wire = Wire { mtu, incoming: Some(packet), outgoing: Vec::new() };
    let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut wire, instant(now));
    interface.update_ip_addrs(|addresses| {
        // There is room: it is the first.
        let _ = addresses.push(IpCidr::new(IpAddress::from(local), 0));
    });
    interface.poll(instant(now), &mut wire, &mut SocketSet::new(Vec::new()));
    wire.outgoing
}
