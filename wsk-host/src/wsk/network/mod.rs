//! Networks: endpoints that are polled and never wait, like nonblocking sockets.
//!
//! The [`Stack`](super::stack::Stack) adds WSK's requests and callbacks, and their order.

pub(super) mod capture;
pub(super) mod null;
pub(super) mod real;
pub(super) mod simulated;
#[cfg(feature = "world")]
pub(super) mod world;

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use wsk_sys::NTSTATUS;

use super::options::{Setting, Sharing};
use crate::kernel::schedule::Ticks;

/// The parameters of a new endpoint.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) local: SocketAddr,
    pub(super) kind: EndpointKind,
    pub(super) sharing: Sharing,
    /// Whether the security descriptor of the address's first socket allows others.
    pub(super) has_security: bool,
    pub(super) only_v6: bool,
    /// The options set before the bind.
    pub(super) settings: Vec<Setting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointKind {
    /// Of bytes, for a listener: connections wait until they are let in if `conditional`.
    Listener {
        conditional: bool,
    },
    Stream,
    IncomingDatagram,
}

impl EndpointKind {
    pub(super) fn is_datagram(self) -> bool {
        self == Self::IncomingDatagram
    }
}

/// An incoming connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct IncomingConnection {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

/// An incoming datagram, or a coalesced sequence of datagrams.
#[derive(Clone, Debug)]
pub(super) struct IncomingDatagram {
    pub(super) bytes: Vec<u8>,
    pub(super) from: SocketAddr,
    /// Its destination, if that is known.
    pub(super) to: Option<IpAddr>,
    pub(super) interface: u32,
    /// The byte of service type and congestion notification, as it arrived.
    pub(super) traffic_class: u8,
    pub(super) hop_limit: Option<u8>,
    /// The size of each datagram, if several came as one.
    pub(super) segment: Option<usize>,
    /// It is not a datagram from a peer: it reports that one sent there has not arrived.
    pub(super) error: Option<IcmpError>,
}

/// An error of a datagram, as an ICMP or `ICMPv6` message reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IcmpError {
    pub(super) kind: u8,
    pub(super) code: u8,
    /// Further information, such as the largest packet of a path.
    pub(super) info: u32,
}

impl IcmpError {
    /// Nothing is bound at the destination.
    pub(super) const fn port_unreachable(is_v4: bool) -> Self {
        let (kind, code) = if is_v4 { (3, 3) } else { (1, 4) };
        Self { kind, code, info: 0 }
    }

    /// No machine has the destination's address.
    #[cfg(feature = "world")]
    pub(super) const fn host_unreachable(is_v4: bool) -> Self {
        let (kind, code) = if is_v4 { (3, 1) } else { (1, 3) };
        Self { kind, code, info: 0 }
    }
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) to: SocketAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) traffic_class: Option<u8>,
    pub(super) hop_limit: Option<u8>,
    /// The bytes are several datagrams of this size.
    pub(super) segment: Option<usize>,
}

/// The data that can be read from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadableData {
    Bytes,
    End,
}

/// A network. Endpoints have the numbers of their sockets.
pub(super) trait NetworkBackend: Send {
    /// Sets the current time.
    fn set_time(&mut self, now: Ticks);

    /// Makes an endpoint.
    fn bind(&mut self, id: u64, binding: &Binding) -> Result<(), NTSTATUS>;

    /// Lets an endpoint of bytes listen.
    fn listen(&mut self, id: u64) -> Result<(), NTSTATUS>;

    /// The next connection, which gets a number.
    fn accept(&mut self, id: u64, number: u64) -> Poll<Result<IncomingConnection, NTSTATUS>>;

    /// Establishes a connection that a conditional listener has accepted. Returns false if it was aborted.
    fn establish(&mut self, id: u64) -> bool;

    /// Begins to connect.
    fn connect(&mut self, id: u64, remote: SocketAddr) -> Result<(), NTSTATUS>;

    /// Whether a connection was made. After a failure the endpoint can connect again.
    fn connected(&mut self, id: u64) -> Poll<Result<(), NTSTATUS>>;

    /// Takes some of the bytes.
    fn send(&mut self, id: u64, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>>;

    /// Sends the end.
    fn finish(&mut self, id: u64) -> Result<(), NTSTATUS>;

    /// Whether something can be received.
    fn readable(&mut self, id: u64) -> Poll<Result<ReadableData, NTSTATUS>>;

    /// The number of bytes that can be received.
    fn backlog(&mut self, id: u64) -> usize;

    /// Gives some bytes; none are the end. There is room for at least one.
    fn receive(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Poll<Result<usize, NTSTATUS>>;

    fn send_to(&mut self, id: u64, datagram: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>>;

    fn receive_from(&mut self, id: u64) -> Poll<Result<IncomingDatagram, NTSTATUS>>;

    /// Asks for a [`Stack::progress`](super::stack::Stack) when something can be read or written.
    fn watch(&mut self, id: u64, read: bool, write: bool);

    /// Ends an endpoint, and resets its connection unless both sides have finished.
    fn close(&mut self, id: u64, abort: bool);

    fn local(&self, id: u64) -> Option<SocketAddr>;

    fn remote(&self, id: u64) -> Option<SocketAddr>;

    /// Sets an option of an endpoint.
    fn set(&mut self, id: u64, setting: &Setting) -> Result<(), NTSTATUS>;

    /// The addresses of the machine.
    fn addresses(&self) -> Vec<IpAddr>;

    /// Gives the machine another address, if that is not the system's decision.
    fn add_address(&mut self, ip: IpAddr);

    /// Whether the machine has an address.
    fn has_address(&self, ip: IpAddr) -> bool;

    /// Whether the machine has an interface with this index.
    fn has_interface(&self, index: u32) -> bool;

    /// When which sockets should look again, since this was asked last.
    fn wakeups(&mut self) -> Vec<(Ticks, u64)>;
}
