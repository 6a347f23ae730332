//! A UDP socket.

use core::fmt;
use core::net::SocketAddr;

use crate::buffer::{BufResult, IoBuf};
use crate::registration::Provider;
use crate::socket::{DatagramSocket, Family};
use crate::status::Result;

/// A UDP socket.
///
/// Several requests may be in flight at once, from several tasks. Dropping the socket closes it without
/// waiting.
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
/// let client = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
///
/// let question = Buffer::try_from(&b"who is there?"[..])?;
/// client.send_to(question, server.local_addr().await?).await.into_result()?;
///
/// let ((received, peer), buffer) = server.recv_from(Buffer::new(64)?).await.into_result()?;
/// assert_eq!(&buffer[..received], b"who is there?");
/// assert_eq!(peer, client.local_addr().await?);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct UdpSocket(DatagramSocket);

impl UdpSocket {
    /// Creates a socket at a local address. Port zero is any that is free.
    ///
    /// Cancellation: dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_ADDRESS_ALREADY_EXISTS` if the address is in use.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSocket` and `WskBind` report. Wine has no datagram sockets.
    pub async fn bind(wsk: &Provider, local: impl Into<SocketAddr>) -> Result<Self> {
        let local = local.into();
        DatagramSocket::builder(wsk, Family::of(local)).bind(local).await.map(Self)
    }

    /// Makes a remote address the only peer: [`Connected::send`] sends to it, and datagrams from others are
    /// dropped. Nothing is sent.
    ///
    /// Cancellation: dropping the future leaves it open which peer the socket has.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address is not of the socket's family.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskControlSocket` reports.
    pub async fn connect(&self, remote: impl Into<SocketAddr>) -> Result<Connected<'_>> {
        self.0.handle().set_peer(remote.into()).await?;
        Ok(Connected(self))
    }

    /// Sends a datagram, and returns how many bytes it has.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; whether it was sent is
    /// unknown then.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address is not of the socket's family.
    /// - `STATUS_INVALID_BUFFER_SIZE` or the like if there are more bytes than a datagram can have.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSendTo` reports.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, B> {
        self.0.send_to(buffer, remote).await
    }

    /// Receives a datagram: how many bytes it has, and where it came from.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; a datagram that arrives
    /// meanwhile is lost.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if it has more bytes than there is room for; the buffer is filled, and the
    ///   rest is lost.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceiveFrom` reports.
    pub async fn recv_from<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        self.0.receive_from(buffer).await
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// What `WskGetLocalAddress` reports.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr().await
    }

    /// Closes the socket, and waits until that is done.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.0.close().await;
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").finish_non_exhaustive()
    }
}

/// A UDP socket with a peer, see [`UdpSocket::connect`].
///
/// To send without an address is legal only for a socket that has a peer (INV-37), which this shows.
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
/// let client = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
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
#[derive(Clone, Copy, Debug)]
pub struct Connected<'a>(&'a UdpSocket);

impl Connected<'_> {
    /// Sends a datagram to the peer, and returns how many bytes it has.
    ///
    /// Cancellation: as for [`UdpSocket::send_to`].
    ///
    /// # Errors
    ///
    /// As for [`UdpSocket::send_to`].
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.0.handle().send_to(buffer, None).await
    }

    /// Receives a datagram of the peer's, and returns how many bytes it has.
    ///
    /// Cancellation: as for [`UdpSocket::recv_from`].
    ///
    /// # Errors
    ///
    /// As for [`UdpSocket::recv_from`].
    pub async fn recv<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let BufResult(result, buffer) = self.0.recv_from(buffer).await;
        BufResult(result.map(|(received, _)| received), buffer)
    }
}
