//! A UDP socket with a peer.

use core::fmt;
use core::net::SocketAddr;

use super::{ToSocketAddr, UdpSocket};
use crate::batch::Batch;
use crate::buffer::{BufResult, IoBuf};
use crate::socket::Destination;
use crate::status::Result;

/// A UDP socket with a fixed peer: owned, from [`UdpSocket::into_connected`], or borrowed, from [`UdpSocket::connect`].
///
/// Only a socket with a peer may send without an address ([INV-37](crate::rules#inv-37)); this type proves that it has one.
/// `S` is [`UdpSocket`] or `&UdpSocket`.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wsk::{Buffer, UdpSocket};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let server = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
/// let mut client = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
/// let client = client.connect(server.local_addr().await?).await?;
/// client.send(Buffer::try_from(&b"ping"[..])?).await.into_result()?;
///
/// let ((_, peer), buffer) = server.recv_from(Buffer::new(4)?).await.into_result()?;
/// server.send_to(buffer, peer).await.into_result()?;
/// let (received, _) = client.recv(Buffer::new(4)?).await.into_result()?;
/// assert_eq!(received, 4);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct ConnectedUdp<S = UdpSocket> {
    socket: S,
    peer: SocketAddr,
}

impl<S> ConnectedUdp<S> {
    /// The socket has this peer.
    pub(super) const fn new(socket: S, peer: SocketAddr) -> Self {
        Self { socket, peer }
    }

    /// Returns the peer's address.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}

impl<S: AsRef<UdpSocket>> ConnectedUdp<S> {
    /// Sends a datagram to the peer, and returns its size in bytes.
    ///
    /// # Cancel safety
    ///
    /// See [`UdpSocket::send_to`].
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::send_to`].
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.as_socket().send(buffer, Destination::Destination(self.peer)).await
    }

    /// Copies bytes into a buffer of the socket, and sends them to the peer as a datagram, like [`UdpSocket::send_copy_to`].
    ///
    /// # Cancel safety
    ///
    /// As for [`UdpSocket::send_copy_to`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn send_copy(&self, bytes: &[u8]) -> Result<usize> {
        self.as_socket().send_copy(bytes, Destination::Destination(self.peer)).await
    }

    /// Sends every buffer of a batch to the peer as a datagram, like [`UdpSocket::send_batch_to`].
    ///
    /// # Cancel safety
    ///
    /// As for [`UdpSocket::send_batch_to`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn send_batch(&self, batch: Batch) -> BufResult<usize, Batch> {
        self.as_socket().send_batch(batch, Destination::Destination(self.peer)).await
    }

    /// Receives a datagram from the peer, and returns its size in bytes.
    ///
    /// # Cancel safety
    ///
    /// See [`UdpSocket::recv_from`].
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::recv_from`].
    pub async fn recv<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let BufResult(result, buffer) = self.as_socket().recv_from(buffer).await;
        BufResult(result.map(|(received, _)| received), buffer)
    }

    /// Receives a datagram from the peer into a slice, and returns its size in bytes. It is copied, as by
    /// [`UdpSocket::recv_from_into`].
    ///
    /// # Cancel safety
    ///
    /// See [`UdpSocket::recv_from_into`].
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::recv_from_into`].
    pub async fn recv_into(&self, to: &mut [u8]) -> Result<usize> {
        self.as_socket().recv_from_into(to).await.map(|(received, _)| received)
    }

    /// Sends a datagram to the peer without waiting: see [`UdpSocket::try_send_to`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn try_send(&self, bytes: &[u8]) -> Result<usize> {
        self.as_socket().try_send_copy(bytes, Destination::Destination(self.peer))
    }

    /// Receives a datagram from the peer without waiting: see [`UdpSocket::try_recv_from`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn try_recv(&self, to: &mut [u8]) -> Result<usize> {
        self.as_socket().try_recv_from(to).map(|(received, _)| received)
    }

    /// Waits until the next receive completes at once: see [`UdpSocket::readable`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn readable(&self) -> Result<()> {
        self.as_socket().readable().await
    }

    /// Returns the socket, for example to send to other addresses.
    #[must_use]
    pub fn as_socket(&self) -> &UdpSocket {
        self.socket.as_ref()
    }
}

impl ConnectedUdp<UdpSocket> {
    /// Replaces the peer.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, either address may be the peer.
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::connect`].
    pub async fn set_peer(&mut self, remote: impl ToSocketAddr) -> Result<()> {
        self.peer = self.socket.connect(remote).await?.peer_addr();
        Ok(())
    }

    /// Removes the peer, and returns the socket: datagrams are received from every address again.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::connect`]. The socket is closed.
    pub async fn disconnect(mut self) -> Result<UdpSocket> {
        self.socket.disconnect().await?;
        Ok(self.socket)
    }

    /// Closes the socket: see [`UdpSocket::close`].
    ///
    /// # Cancel safety
    ///
    /// The close continues after a dropped future.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

/// The type of the socket in a [`ConnectedUdp`], borrowed or owned.
impl AsRef<UdpSocket> for UdpSocket {
    fn as_ref(&self) -> &UdpSocket {
        self
    }
}

impl<S: AsRef<UdpSocket>> fmt::Debug for ConnectedUdp<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedUdp").field("socket", self.as_socket()).finish_non_exhaustive()
    }
}
