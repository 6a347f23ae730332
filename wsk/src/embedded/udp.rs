//! `embedded-nal-async`: datagrams.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{ConnectedUdp, UdpStack, UnconnectedUdp};

use crate::buffer::{BufResult, BufferPool, Slice, copy};
use crate::cmsg::{PacketInfo, SendControl};
use crate::options::{ip, ipv6};
use crate::provider::Provider;
use crate::socket::{
    Bound, Datagram, DatagramSocket, Exchanges, Family, FixedPeer, Received, Receiver, Socket,
    Unbound,
};
use crate::status::{Error, Result, known};

/// As many bytes as any datagram has: 65,535, less the header of UDP. IPv4 has 20 less.
const MOST: usize = 65_527;

/// A UDP socket with a peer that sends from slices and receives into them, as
/// [`ConnectedUdp`] wants it. From [`Provider`]'s [`UdpStack::connect`], or from a socket of one's own.
///
/// With the first call that receives, it has a buffer for the largest datagram that there can be, 64 KiB of nonpaged
/// memory: the trait tells the size of a datagram that is larger than the slice. After that, and after the first
/// send, it allocates nothing.
///
/// Dropping a future that receives loses nothing: the request stays in flight, and the next call takes up what it
/// brings. Of one that sends, it is unknown whether the datagram was sent. Dropping the socket closes it without
/// waiting.
pub struct ConnectedUdpSocket {
    slices: Slices,
    socket: Socket<Datagram, FixedPeer>,
}

/// A UDP socket with an address that sends from slices and receives into them, as [`UnconnectedUdp`] wants it. From
/// [`Provider`]'s [`UdpStack::bind_single`] or [`UdpStack::bind_multiple`].
///
/// Buffers and dropped futures: as for [`ConnectedUdpSocket`].
///
/// A datagram can be sent from any of the addresses that the socket is bound to, and from none in particular, which
/// is an unspecified address or port. From any other it is an error, `STATUS_INVALID_ADDRESS_COMPONENT`.
pub struct UnconnectedUdpSocket {
    slices: Slices,
    /// Without an address if it is bound to all of them.
    local: SocketAddr,
    socket: DatagramSocket,
}

/// What a socket has for those who have no buffers.
struct Slices {
    // Beside the socket and before it, so that what it has in flight is cancelled before the socket is closed.
    receiver: Option<Receiver>,
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

    /// Takes back what was sent, or was not.
    fn put(&self, BufResult(result, slice): BufResult<usize, Slice>) -> Result<()> {
        self.kept.put(slice.into_inner());
        result.map(drop)
    }

    /// Receives a datagram, and copies as much of it as there is room for.
    async fn receive<S: Exchanges>(
        &mut self,
        socket: &Socket<Datagram, S>,
        room: &mut [u8],
    ) -> Result<Received> {
        let receiver = match &mut self.receiver {
            Some(receiver) => receiver,
            none => none.insert(socket.receiver(MOST)?),
        };
        let (bytes, received) = receiver.receive_message().await?;
        if received.is_truncated() {
            // Its size, which is to be told, is not known.
            return Err(known::STATUS_BUFFER_OVERFLOW);
        }
        copy(bytes, room);
        Ok(received)
    }
}

impl ConnectedUdpSocket {
    /// The socket, for its options. What is received with it goes past this.
    #[must_use]
    pub const fn as_socket(&self) -> &Socket<Datagram, FixedPeer> {
        &self.socket
    }
}

impl UnconnectedUdpSocket {
    /// The socket, for its options. What is received with it goes past this.
    #[must_use]
    pub const fn as_socket(&self) -> &DatagramSocket {
        &self.socket
    }

    /// How to send from an address of this side's.
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
            // It is bound to this one, and sends from no other.
            Ok(SendControl::new())
        }
    }

    /// Which address of this side a datagram was sent to.
    fn destination(&self, received: &Received) -> SocketAddr {
        // A socket with one address was not told to ask, and need not.
        let Some(info) = received.control_messages().packet_info() else {
            return self.local;
        };
        let mut local = SocketAddr::new(info.address, self.local.port());
        if let SocketAddr::V6(local) = &mut local
            && local.ip().is_unicast_link_local()
        {
            local.set_scope_id(info.interface);
        }
        local
    }
}

/// The interface of an address that is one's only together with it.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// A socket that has a peer, with its options as they are.
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
        self.slices.receive(&self.socket, buffer).await.map(|received| received.len())
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
        let received = self.slices.receive(&self.socket, buffer).await?;
        Ok((received.len(), self.destination(&received), received.peer()))
    }
}

/// Sockets are of the family of the address that they are made with.
///
/// A connected socket's own address is what the system says of it, which may be unspecified while it is bound to
/// none. Where one address is asked for and not said, it is the first of this machine's that is neither loopback nor
/// link-local, if there is such a one.
///
/// A socket with several addresses asks for control messages, to tell which of them a datagram was sent to. On the
/// few systems that strip those of some, it tells the address that it is bound to.
///
/// Cancellation: dropping the future closes the socket. Errors are those of
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
        // Before the bind, so that it is told of every datagram.
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

/// An address of this machine's of the socket's family, with a port.
fn one_address(socket: &Socket<Datagram, Unbound>, any: SocketAddr) -> Result<SocketAddr> {
    let addresses = socket.local_addresses()?;
    let of_family = || addresses.iter().filter(|found| found.is_ipv4() == any.is_ipv4());
    let reach = |found: &SocketAddr| match found.ip() {
        ip if ip.is_loopback() => 0,
        IpAddr::V4(ip) if ip.is_link_local() => 1,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 1,
        _ => 2,
    };
    // The first of those that reach farthest.
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
