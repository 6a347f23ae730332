//! A TCP connection.

use core::fmt;
use core::net::SocketAddr;

use crate::buffer::{BufResult, IoBuf};
use crate::registration::Provider;
use crate::socket::{ConnectionSocket, Family};
use crate::status::Result;

/// A TCP connection.
///
/// Dropping it closes the socket without waiting. If the connection was not shut down on both sides,
/// that **aborts** it: the peer sees a reset, and data under way may be lost (INV-49). So end a
/// conversation with [`TcpStream::shutdown`], and receive until zero bytes arrive.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wsk::{Buffer, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let mut listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
/// let address = listener.local_addr().await?;
/// let client = TcpStream::connect(&wsk, address).await?;
/// let (server, _peer) = listener.accept().await?;
///
/// let mut hello = Buffer::new(5)?;
/// hello.copy_from_slice(b"hello");
/// client.send_all(hello).await.into_result()?;
/// client.shutdown().await?;
///
/// let (received, buffer) = server.recv(Buffer::new(64)?).await.into_result()?;
/// assert_eq!(&buffer[..received], b"hello");
/// let (end, _) = server.recv(buffer).await.into_result()?;
/// assert_eq!(end, 0);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct TcpStream(ConnectionSocket);

impl TcpStream {
    pub(super) const fn new(socket: ConnectionSocket) -> Self {
        Self(socket)
    }

    /// Connects to a remote address, from any local one.
    ///
    /// Cancellation: dropping the future ends the attempt and closes the socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_REFUSED` if nothing listens there.
    /// - `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or `STATUS_IO_TIMEOUT` if the peer
    ///   cannot be reached.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSocket`, `WskBind` and `WskConnect` report.
    pub async fn connect(wsk: &Provider, remote: impl Into<SocketAddr>) -> Result<Self> {
        let remote = remote.into();
        ConnectionSocket::builder(wsk, Family::of(remote)).connect(remote).await.map(Self)
    }

    /// Receives into the buffer: at least one byte, or none if the peer has finished sending or the
    /// buffer has no room.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; bytes that arrive
    /// meanwhile are lost.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceive` reports.
    pub async fn recv<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.receive(buffer).await
    }

    /// Sends from the buffer, and returns how many bytes were sent: all of them, as WSK is documented.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; how much was sent is
    /// unknown then.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSend` reports.
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.send(buffer).await
    }

    /// Sends the whole buffer, in several requests if need be, and returns its size.
    ///
    /// Cancellation: as for [`TcpStream::send`].
    ///
    /// # Errors
    ///
    /// As for [`TcpStream::send`], and `STATUS_CONNECTION_ABORTED` if a request sends nothing.
    pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.send_all(buffer).await
    }

    /// Finishes sending: the peer receives what was sent and then an end. Receiving goes on.
    ///
    /// Cancellation: dropping the future cancels the request, which may have taken effect. WSK does not
    /// promise that the request completes (INV-50): a peer that never acknowledges may hold it up until
    /// the stream is dropped.
    ///
    /// # Errors
    ///
    /// What `WskDisconnect` reports. Wine does not implement it (kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported)); there, closing is graceful.
    pub async fn shutdown(&self) -> Result<()> {
        self.0.shutdown().await
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// What `WskGetLocalAddress` reports. Wine does not implement it.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr().await
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// What `WskGetRemoteAddress` reports. Wine does not implement it.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.0.peer_addr().await
    }

    /// Closes the connection, and waits until that is done. As dropping it does, this aborts a
    /// connection that was not shut down.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.0.close().await;
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream").finish_non_exhaustive()
    }
}
