//! A network whose packets are written to a file.
//!
//! The networks of a host carry bytes and datagrams. [`CapturedNetwork`] passes every call on to one of them, and
//! writes the packets that carry the same over an Ethernet: a handshake, segments and their acknowledgments, an end or
//! a reset.

#![expect(
    unsafe_code,
    reason = "received bytes are read from a buffer that the network has filled"
)]

mod connections;
mod frames;
mod pcapng;

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::ptr;
use std::task::Poll;

use rustc_hash::{FxHashMap, FxHashSet};
use wsk_sys::{NTSTATUS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET};

use super::{
    Binding, EndpointKind, IncomingConnection, IncomingDatagram, NetworkBackend, Outgoing,
    ReadableData,
};
use crate::kernel::schedule::Ticks;
use crate::wsk::options::Setting;
use connections::{Connections, SegmentSink};
use frames::{Route, Segment};
use pcapng::PacketFile;

pub(in crate::wsk) struct CapturedNetwork {
    network: Box<dyn NetworkBackend>,
    connections: Connections,
    /// The listeners whose connections are established later than they are accepted.
    conditional: FxHashSet<u64>,
    /// The sockets for datagrams at each port. Between two of this host a datagram is written when it is sent.
    datagram_sockets: FxHashMap<u16, Vec<u64>>,
    capture: PacketCapture,
}

/// The file of a capture, and what its next packet says of itself.
pub(in crate::wsk) struct PacketCapture {
    /// None when a write has failed.
    file: Option<PacketFile>,
    /// The kernel's time zero, since the Unix epoch.
    epoch: Ticks,
    now: Ticks,
    /// The socket whose call is being carried out.
    socket: u64,
}

impl PacketCapture {
    /// Creates the file. `epoch` is the kernel's time zero since the Unix epoch, and `comment` says how the run is
    /// repeated.
    pub(in crate::wsk) fn create(path: &Path, epoch: Ticks, comment: &str) -> io::Result<Self> {
        let file = Some(PacketFile::create(path, comment)?);
        Ok(Self { file, epoch, now: 0, socket: 0 })
    }

    fn write(&mut self, frame: io::Result<Vec<u8>>) {
        let Some(file) = &mut self.file else {
            return;
        };
        let comment = format!("socket {}", self.socket);
        let time = self.epoch.saturating_add(self.now);
        let written = frame.and_then(|frame| file.packet(time, &frame, &comment));
        if let Err(error) = written {
            eprintln!(
                "wsk-host: the capture of packets ends here, a packet cannot be written: {error}"
            );
            self.file = None;
        }
    }
}

impl SegmentSink for PacketCapture {
    fn segment(&mut self, route: Route, segment: &Segment<'_>) {
        self.write(route.tcp(segment));
    }
}

impl CapturedNetwork {
    pub(in crate::wsk) fn new(network: Box<dyn NetworkBackend>, capture: PacketCapture) -> Self {
        Self {
            network,
            connections: Connections::default(),
            conditional: FxHashSet::default(),
            datagram_sockets: FxHashMap::default(),
            capture,
        }
    }

    /// What a call says about its socket's connection: whether it is lost.
    fn note_loss<T>(&mut self, id: u64, result: &Poll<Result<T, NTSTATUS>>) {
        let lost = [STATUS_CONNECTION_RESET, STATUS_CONNECTION_REFUSED];
        if matches!(result, Poll::Ready(Err(status)) if lost.contains(status)) {
            self.connections.lose(id, &mut self.capture);
        }
    }

    /// Whether one of this host's sockets has sent a datagram.
    fn is_from_here(&self, from: SocketAddr) -> bool {
        let sockets = self.datagram_sockets.get(&from.port()).into_iter().flatten();
        let mut locals = sockets.filter_map(|id| self.network.local(*id));
        let ip = from.ip().to_canonical();
        locals.any(|local| {
            let bound = local.ip().to_canonical();
            bound == ip || (bound.is_unspecified() && self.network.has_address(ip))
        })
    }

    fn write_datagrams(&mut self, local: SocketAddr, datagram: &Outgoing<'_>) {
        let to = canonical(datagram.to);
        let bound = canonical(local);
        let from = datagram.from.map_or(bound.ip(), |ip| ip.to_canonical());
        let from = SocketAddr::new(or_loopback(from, to.ip()), bound.port());
        let traffic_class = datagram.traffic_class.unwrap_or(0);
        let route = Route { traffic_class, hop_limit: datagram.hop_limit, ..Route::new(from, to) };
        self.write_segments(route, datagram.bytes, datagram.segment);
    }

    fn write_segments(&mut self, route: Route, bytes: &[u8], segment: Option<usize>) {
        let size = segment.unwrap_or(bytes.len()).max(1);
        if bytes.is_empty() {
            self.capture.write(route.udp(&[]));
        }
        for part in bytes.chunks(size) {
            self.capture.write(route.udp(part));
        }
    }

    fn write_incoming(&mut self, local: SocketAddr, datagram: &IncomingDatagram) {
        let local = canonical(local);
        let from = canonical(datagram.from);
        let to = datagram.to.map_or(local.ip(), |ip| ip.to_canonical());
        let to = SocketAddr::new(or_loopback(to, from.ip()), local.port());
        let IncomingDatagram { traffic_class, hop_limit, .. } = *datagram;
        let route = Route { traffic_class, hop_limit, ..Route::new(from, to) };
        match datagram.error {
            Some(error) => self.capture.write(route.icmp_error(error, &datagram.bytes)),
            None if self.is_from_here(from) => {}
            None => self.write_segments(route, &datagram.bytes, datagram.segment),
        }
    }
}

impl NetworkBackend for CapturedNetwork {
    fn set_time(&mut self, now: Ticks) {
        self.capture.now = now;
        self.network.set_time(now);
    }

    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS> {
        self.network.bind(id, binding)?;
        match binding.kind {
            EndpointKind::Listener { conditional } => {
                if conditional {
                    self.conditional.insert(id);
                }
            }
            EndpointKind::Stream => {}
            EndpointKind::IncomingDatagram => {
                if let Some(local) = self.network.local(id) {
                    self.datagram_sockets.entry(local.port()).or_default().push(id);
                }
            }
        }
        Ok(())
    }

    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS> {
        self.network.listen(id)
    }

    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>> {
        let result = self.network.accept(id, number);
        if let Poll::Ready(Ok(incoming)) = &result {
            self.capture.socket = id;
            let addresses = (canonical(incoming.remote), canonical(incoming.local));
            self.connections.arrive(number, addresses, &mut self.capture);
            if !self.conditional.contains(&id) {
                self.connections.establish(number, &mut self.capture);
            }
        }
        result
    }

    fn establish(&mut self, id: u64) -> bool {
        let is_established = self.network.establish(id);
        if is_established {
            self.capture.socket = id;
            self.connections.establish(id, &mut self.capture);
        }
        is_established
    }

    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS> {
        self.network.connect(id, remote)?;
        self.capture.socket = id;
        if let Some(local) = self.network.local(id) {
            let (local, remote) = (canonical(local), canonical(remote));
            let remote = SocketAddr::new(or_loopback(remote.ip(), remote.ip()), remote.port());
            let local = SocketAddr::new(or_loopback(local.ip(), remote.ip()), local.port());
            self.connections.request(id, (local, remote), &mut self.capture);
        }
        Ok(())
    }

    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>> {
        let result = self.network.connected(id);
        self.capture.socket = id;
        if result == Poll::Ready(Ok(())) {
            self.connections.establish(id, &mut self.capture);
        }
        self.note_loss(id, &result);
        result
    }

    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        let result = self.network.send(id, bytes);
        self.capture.socket = id;
        if let Poll::Ready(Ok(count)) = result {
            self.connections.send(id, &bytes[..count], &mut self.capture);
        }
        self.note_loss(id, &result);
        result
    }

    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS> {
        self.network.finish(id)?;
        self.capture.socket = id;
        self.connections.finish(id, &mut self.capture);
        Ok(())
    }

    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>> {
        let result = self.network.readable(id);
        self.capture.socket = id;
        if result == Poll::Ready(Ok(ReadableData::End)) {
            self.connections.receive_end(id, &mut self.capture);
        }
        self.note_loss(id, &result);
        result
    }

    fn backlog(&mut self, id: u64) -> usize {
        self.network.backlog(id)
    }

    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>> {
        let result = self.network.receive(id, room);
        self.capture.socket = id;
        match result {
            Poll::Ready(Ok(0)) => self.connections.receive_end(id, &mut self.capture),
            Poll::Ready(Ok(count)) => {
                // SAFETY: a network initializes as many bytes as it says that it has received.
                let bytes = unsafe { &*(ptr::from_ref(&room[..count]) as *const [u8]) };
                self.connections.receive(id, bytes, &mut self.capture);
            }
            _ => self.note_loss(id, &result),
        }
        result
    }

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        let result = self.network.send_to(id, datagram);
        self.capture.socket = id;
        if let (Poll::Ready(Ok(())), Some(local)) = (&result, self.network.local(id)) {
            self.write_datagrams(local, datagram);
        }
        result
    }

    fn receive_from(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        let result = self.network.receive_from(id);
        self.capture.socket = id;
        if let (Poll::Ready(Ok(datagram)), Some(local)) = (&result, self.network.local(id)) {
            self.write_incoming(local, datagram);
        }
        result
    }

    fn watch(&mut self, id: u64, read: bool, write: bool) {
        self.network.watch(id, read, write);
    }

    fn close(&mut self, id: u64, abort: bool) {
        self.capture.socket = id;
        self.connections.close(id, abort, &mut self.capture);
        self.conditional.remove(&id);
        let port = self.network.local(id).map(|local| local.port());
        if let Some(sockets) = port.and_then(|port| self.datagram_sockets.get_mut(&port)) {
            sockets.retain(|socket| *socket != id);
        }
        self.network.close(id, abort);
    }

    fn local(&self, id: u64) -> Option<SocketAddr> {
        self.network.local(id)
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        self.network.remote(id)
    }

    fn set(&mut self, id: u64, setting: &Setting) -> Result<(), NTSTATUS> {
        self.network.set(id, setting)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.network.addresses()
    }

    fn add_address(&mut self, ip: IpAddr) {
        self.network.add_address(ip);
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        self.network.has_address(ip)
    }

    fn has_interface(&self, index: u32) -> bool {
        self.network.has_interface(index)
    }

    fn wakeups(&mut self) -> Vec<(Ticks, u64)> {
        self.network.wakeups()
    }
}

/// An address as its packets name it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The loopback address of the other side's family in the place of no address.
fn or_loopback(ip: IpAddr, other: IpAddr) -> IpAddr {
    match other {
        _ if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
