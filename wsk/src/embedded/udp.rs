//! `embedded-nal-async`: datagrams.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{ConnectedUdp, UdpStack, UnconnectedUdp};

use crate::buffer::{BufResult, BufferPool, Slice, copy};
use crate::cmsg::{PacketInfo, SendControl};
use crate::options::{ip, ipv6};
use crate::provider::Provider;
use crate::socket::{
    Bound, Datagram, DatagramReceiver, DatagramSocket, Exchanges, Family, FixedPeer, Received,
    Socket, Unbound,
};
use crate::status::{Error, Result, known};

/// The largest datagram in bytes: 65,535, less the UDP header. With IPv4 it is 20 bytes smaller.
const MOST: usize = 65_527;

/// A connected UDP socket that sends from slices and receives into them, for [`ConnectedUdp`]. From [`Provider`]'s
/// [`UdpStack::connect`], or from a socket.
///
/// The first receive allocates a buffer for the largest possible datagram, 64 KiB of nonpaged memory: the trait reports
/// the size even of a datagram that exceeds the slice. After that, and after the first send, it allocates nothing.
///
/// Dropping a future that receives loses nothing: the request stays in flight, and the next call returns its
/// result. After dropping a future that sends, it is unknown whether the datagram was sent. Dropping the socket closes it
/// without waiting.
pub struct ConnectedUdpSocket {
    slices: Slices,
    socket: Socket<Datagram, FixedPeer>,
}

/// An unconnected UDP socket that sends from slices and receives into them, for [`UnconnectedUdp`]. From
/// [`Provider`]'s [`UdpStack::bind_single`] or [`UdpStack::bind_multiple`].
///
/// Buffers and dropped futures: as for [`ConnectedUdpSocket`].
///
/// A datagram can be sent from any address that the socket is bound to; an unspecified address or port leaves the choice
/// to the system. Any other source fails with `STATUS_INVALID_ADDRESS_COMPONENT`.
pub struct UnconnectedUdpSocket {
    slices: Slices,
    /// `None` if the socket is bound to all addresses.
    local: SocketAddr,
    socket: DatagramSocket,
}

/// The buffers of a socket for callers that pass slices.
struct Slices {
    // Dropped before the socket, so that its request is cancelled before the socket is closed.
    receiver: Option<DatagramReceiver>,
    kept: BufferPool,
}

impl Slices {
    const fn new() -> Self {
        Self { receiver: None, kept: BufferPool::new() }
    }

    fn take_copy(&self, bytes: &[u8]) -> Result<Slice> {
        if bytes.len() > MOST {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        self.kept.take_copy(bytes)
    }

    /// Returns a buffer of a finished send to the pool.
    fn put(&self, BufResult(result, slice): BufResult<usize, Slice>) -> Result<()> {
        self.kept.put(slice.into_inner());
        result.map(drop)
    }

    /// Receives a datagram, and copies its bytes, truncated to the slice. `finish` extracts the needed metadata, because the
    /// whole is too large to move through several futures.
    async fn receive<S: Exchanges, T>(
        &mut self,
        socket: &Socket<Datagram, S>,
        room: &mut [u8],
        finish: impl FnOnce(&Received) -> T,
    ) -> Result<T> {
        let receiver = match &mut self.receiver {
            Some(receiver) => receiver,
            none => none.insert(socket.receiver(MOST)?),
        };
        let whole = |received: Received| {
            if received.is_truncated() {
                // Its size, which the trait reports, is unknown.
                return Err(known::STATUS_BUFFER_OVERFLOW);
            }
            received.check_error()?;
            Ok((received.len(), finish(&received)))
        };
        let (count, finished) = receiver.receive_with(whole).await?;
        copy(receiver.first(count), room);
        Ok(finished)
    }
}

impl ConnectedUdpSocket {
    /// The socket, for its options. A datagram received with it directly is not returned here.
    #[must_use]
    pub const fn as_socket(&self) -> &Socket<Datagram, FixedPeer> {
        &self.socket
    }
}

impl UnconnectedUdpSocket {
    /// The socket, for its options. A datagram received with it directly is not returned here.
    #[must_use]
    pub const fn as_socket(&self) -> &DatagramSocket {
        &self.socket
    }

    /// The control messages that select a local source address.
    fn control(&self, from: SocketAddr) -> Result<SendControl> {
        let is_ours = |ip: IpAddr| self.local.ip().is_unspecified() || self.local.ip() == ip;
        let is_port_ours = from.port() == 0 || from.port() == self.local.port();
        if from.is_ipv4() != self.local.is_ipv4() || !is_port_ours {
            return Err(known::STATUS_INVALID_ADDRESS_COMPONENT);
        }
        let (from, interface) = (from.ip(), scope(from));
        if from.is_unspecified() {
            Ok(SendControl::new())
        } else if !is_ours(from) {
            Err(known::STATUS_INVALID_ADDRESS_COMPONENT)
        } else if self.local.ip().is_unspecified() {
            let info = PacketInfo { address: from, interface };
            Ok(SendControl::new().packet_info(info).keep_packet_info())
        } else {
            // The socket is bound to this address, and sends from no other.
            Ok(SendControl::new())
        }
    }
}

/// The local address that a datagram was sent to, of a socket that is bound to `bound`.
fn destination(received: &Received, bound: SocketAddr) -> SocketAddr {
    // A socket with one address does not request packet info.
    let Some(info) = received.control_messages().packet_info() else {
        return bound;
    };
    let mut local = SocketAddr::new(info.address, bound.port());
    if let SocketAddr::V6(local) = &mut local {
        if local.ip().is_unicast_link_local() {
            local.set_scope_id(info.interface);
        }
    }
    local
}

/// The interface of an address that is unique only within its interface.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// Wraps a connected socket, with its options unchanged.
impl From<Socket<Datagram, FixedPeer>> for ConnectedUdpSocket {
    fn from(socket: Socket<Datagram, FixedPeer>) -> Self {
        Self { slices: Slices::new(), socket }
    }
}

impl ConnectedUdp for ConnectedUdpSocket {
    type Error = Error;

    async fn send(&mut self, data: &[u8]) -> Result<()> {
        let slice = self.slices.take_copy(data)?;
        self.slices.put(self.socket.send(slice).await)
    }

    async fn receive_into(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.slices.receive(&self.socket, buffer, Received::len).await
    }
}

impl UnconnectedUdp for UnconnectedUdpSocket {
    type Error = Error;

    async fn send(&mut self, local: SocketAddr, remote: SocketAddr, data: &[u8]) -> Result<()> {
        let control = self.control(local)?;
        let slice = self.slices.take_copy(data)?;
        self.slices.put(self.socket.send_to_with(slice, remote, &control).await)
    }

    async fn receive_into(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr, SocketAddr)> {
        let local = self.local;
        let finish =
            |received: &Received| (received.len(), destination(received, local), received.peer());
        self.slices.receive(&self.socket, buffer, finish).await
    }
}

/// Sockets are of the family of the address that creates them.
///
/// The local address of a connected socket is the one that the system reports, which may be unspecified. If the trait
/// requires a single address and the caller gives none, it is this machine's first address that is neither loopback nor
/// link-local, if any.
///
/// A socket with several addresses enables packet info, to report the address that a datagram was sent to. On systems that
/// strip it, the socket reports the address that it is bound to.
///
/// Cancel safety: dropping the future closes the socket; nothing else is lost. Errors are those of
/// [`UdpSocket::bind`](crate::UdpSocket::bind) and [`Socket::connect`]; also `STATUS_INVALID_ADDRESS` if this machine
/// has no address of the family. Wine has no datagram sockets.
impl UdpStack for Provider {
    type Error = Error;
    type Connected = ConnectedUdpSocket;
    type UniquelyBound = UnconnectedUdpSocket;
    type MultiplyBound = UnconnectedUdpSocket;

    async fn connect_from(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(SocketAddr, ConnectedUdpSocket)> {
        let socket = create(self, local).await?.bind(local).await?.connect(remote).await?;
        let local = socket.local_addr().await?;
        Ok((local, ConnectedUdpSocket::from(socket)))
    }

    async fn bind_single(&self, local: SocketAddr) -> Result<(SocketAddr, UnconnectedUdpSocket)> {
        let socket = create(self, local).await?;
        let local = if local.ip().is_unspecified() { one_address(&socket, local)? } else { local };
        let socket = UnconnectedUdpSocket::new(socket.bind(local).await?).await?;
        Ok((socket.local, socket))
    }

    async fn bind_multiple(&self, local: SocketAddr) -> Result<UnconnectedUdpSocket> {
        let socket = create(self, local).await?;
        // Set before the bind, so that every datagram has packet info.
        match local {
            SocketAddr::V4(_) => socket.set(ip::PACKET_INFO, true).await?,
            SocketAddr::V6(_) => socket.set(ipv6::PACKET_INFO, true).await?,
        }
        UnconnectedUdpSocket::new(socket.bind(local).await?).await
    }
}

async fn create(wsk: &Provider, local: SocketAddr) -> Result<Socket<Datagram, Unbound>> {
    DatagramSocket::builder(wsk, Family::of(local)).create().await
}

impl UnconnectedUdpSocket {
    async fn new(socket: Socket<Datagram, Bound>) -> Result<Self> {
        let local = socket.local_addr().await?;
        Ok(Self { slices: Slices::new(), local, socket })
    }
}

/// An address of this machine in the socket's family, with a port.
fn one_address(socket: &Socket<Datagram, Unbound>, any: SocketAddr) -> Result<SocketAddr> {
    let addresses = socket.local_addresses()?;
    let of_family = || addresses.iter().filter(|found| found.is_ipv4() == any.is_ipv4());
    let reach = |found: &SocketAddr| match found.ip() {
        ip if ip.is_loopback() => 0,
        IpAddr::V4(ip) if ip.is_link_local() => 1,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 1,
        _ => 2,
    };
    // The first of those with the widest scope.
    let mut best: Option<(SocketAddr, u8)> = None;
    for found in of_family() {
        let reach = reach(&found);
        if best.is_none_or(|(_, known)| reach > known) {
            best = Some((found, reach));
        }
    }
    let (mut found, _) = best.ok_or(known::STATUS_INVALID_ADDRESS)?;
    found.set_port(any.port());
    Ok(found)
}

impl fmt::Debug for ConnectedUdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedUdpSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl fmt::Debug for UnconnectedUdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnconnectedUdpSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
