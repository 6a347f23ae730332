//! A TCP connection.

mod halves;

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

pub use self::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use super::BufferedStream;
use super::timeouts::{Timeouts, transfer, with_buffer};
use crate::buffer::{BufResult, IoBuf};
use crate::flags::SendFlags;
use crate::provider::Provider;
use crate::socket::{ConnectionSocket, Family};
use crate::status::Result;
use crate::time;

/// A TCP connection.
///
/// Dropping it closes the socket without waiting. If the connection was not shut down on both sides,
/// that **aborts** it: the peer sees a reset, and data under way may be lost (INV-49). So end a
/// conversation with [`TcpStream::shutdown`], and receive until zero bytes arrive, or
/// [`drain`](TcpStream::drain).
///
/// Buffers are owned here, and come back with the results. Slices are read and written with a
/// [`BufferedStream`]. Time-outs are told of [here](super#time-outs).
///
/// There is no `peek`: WSK has no receive that leaves the data where it is. A [`BufferedStream`] shows what
/// it [has received](BufferedStream::fill_buf) before it is consumed.
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
pub struct TcpStream {
    socket: ConnectionSocket,
    pub(super) timeouts: Timeouts,
}

impl TcpStream {
    /// Connects to a remote address, from any local one.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future ends the attempt and
    /// closes the socket.
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
        let socket = ConnectionSocket::builder(wsk, Family::of(remote)).connect(remote).await?;
        Ok(Self::from_socket(socket))
    }

    /// Connects to a remote address, from a local one.
    ///
    /// Cancellation: as for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the addresses are not of the same family.
    /// - `STATUS_ADDRESS_ALREADY_EXISTS` or `STATUS_ACCESS_DENIED` if the local address is in use.
    /// - As for [`connect`](Self::connect).
    pub async fn connect_from(
        wsk: &Provider,
        local: impl Into<SocketAddr>,
        remote: impl Into<SocketAddr>,
    ) -> Result<Self> {
        let local = local.into();
        let builder = ConnectionSocket::builder(wsk, Family::of(local));
        builder.connect_from(local, remote).await.map(Self::from_socket)
    }

    /// As [`connect`](Self::connect), for at most so long. The system's own time-out for a peer that does not
    /// answer remains.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect), of which `STATUS_IO_TIMEOUT` also says that the time is up.
    pub async fn connect_timeout(
        wsk: &Provider,
        remote: impl Into<SocketAddr>,
        timeout: Duration,
    ) -> Result<Self> {
        time::timeout(timeout, Self::connect(wsk, remote)).await?
    }

    /// Receives into the buffer: at least one byte, or none if the peer has finished sending or the
    /// buffer has no room.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; bytes that arrive
    /// meanwhile are lost. A [time-out](Self::set_read_timeout) loses none.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if nothing has come in time.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceive` reports.
    pub async fn recv<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        transfer!(self.timeouts.read_limit(), buffer, |budgeted, deadline| {
            handle.receive(budgeted, buffer, deadline)
        })
    }

    /// Fills the whole buffer. Returns how many bytes were received: fewer than there is room for if the peer has
    /// finished sending.
    ///
    /// Cancellation: as for [`recv`](Self::recv), and what was received before is lost, too.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv). How many bytes were received before is unknown.
    pub async fn recv_full<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_full(buffer, deadline))
    }

    /// Fills the whole buffer, as `std::io::Read::read_exact` does.
    ///
    /// Cancellation: as for [`recv_full`](Self::recv_full).
    ///
    /// # Errors
    ///
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer has
    ///   finished sending before. What it has sent is in the buffer.
    /// - As for [`recv_full`](Self::recv_full).
    pub async fn recv_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_exact(buffer, deadline))
    }

    /// Discards what the peer still sends, until it has finished. Before a close, so that nobody is reset.
    ///
    /// Cancellation: dropping the future cancels the request; what has come is lost, and what comes later can
    /// be received.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn drain(&self) -> Result<()> {
        self.socket.handle().drain(&mut self.timeouts.reading()?).await
    }

    /// Sends from the buffer, and returns how many bytes were sent: all of them, as WSK is documented.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; how much was sent is
    /// unknown then.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if it was not all sent [in time](Self::set_write_timeout). How much was is unknown.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSend` reports.
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::empty()).await
    }

    /// As [`send`](Self::send), with flags such as [`SendFlags::NO_DELAY`].
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn send_with<B: IoBuf>(&self, buffer: B, flags: SendFlags) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        transfer!(self.timeouts.write_limit(), buffer, |budgeted, deadline| {
            handle.send(budgeted, buffer, flags, deadline)
        })
    }

    /// Sends the whole buffer, in several requests if need be, and returns its size.
    ///
    /// Cancellation: as for [`TcpStream::send`].
    ///
    /// # Errors
    ///
    /// As for [`TcpStream::send`], and `STATUS_CONNECTION_ABORTED` if a request sends nothing.
    pub async fn send_all<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        transfer!(self.timeouts.write_limit(), buffer, |budgeted, deadline| {
            handle.send_all(budgeted, buffer, deadline)
        })
    }

    /// Finishes sending: the peer receives what was sent and then an end. Receiving goes on.
    ///
    /// Cancellation: dropping the future cancels the request, which may have taken effect. WSK does not
    /// promise that the request completes (INV-50): a peer that never acknowledges may hold it up until
    /// the stream is [aborted](Self::abort) or dropped.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if it has not completed [in time](Self::set_write_timeout). It may have taken
    ///   effect; what is left is to abort.
    /// - What `WskDisconnect` reports. Wine does not implement it (kind
    ///   [`Unsupported`](crate::ErrorKind::Unsupported)); there, closing is graceful.
    pub async fn shutdown(&self) -> Result<()> {
        self.socket.handle().disconnect(&mut self.timeouts.writing()?).await
    }

    /// Sends a last buffer, and finishes sending, in one request.
    ///
    /// Cancellation: as for [`shutdown`](Self::shutdown); the buffer is dropped.
    ///
    /// # Errors
    ///
    /// As for [`shutdown`](Self::shutdown). How much of the buffer was sent is unknown.
    pub async fn shutdown_with<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.writing(), buffer, |deadline| handle
            .disconnect_with(buffer, deadline))
    }

    /// Ends the connection at once: requests in flight fail, what was not sent is lost, and the peer sees a
    /// reset. Dropping the stream does the same, unless others still use it.
    ///
    /// Cancellation: dropping the future cancels the request, which may have taken effect.
    ///
    /// # Errors
    ///
    /// What `WskDisconnect` reports. Wine does not implement it.
    pub async fn abort(&self) -> Result<()> {
        self.socket.handle().abort().await
    }

    /// The address of this side.
    ///
    /// Cancellation: dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// What `WskGetLocalAddress` reports. Wine does not implement it.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().await
    }

    /// The address of the peer.
    ///
    /// Cancellation: dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// What `WskGetRemoteAddress` reports. Wine does not implement it.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.socket.peer_addr().await
    }

    /// How long each receive may take from now on, or none for as long as it takes, which is so at first.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if it is zero, as in `std`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.timeouts.set_read(timeout)
    }

    /// How long each receive may take.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn read_timeout(&self) -> Option<Duration> {
        self.timeouts.read()
    }

    /// How long each send and each graceful end may take from now on, or none for as long as it takes, which is
    /// so at first.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if it is zero, as in `std`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.timeouts.set_write(timeout)
    }

    /// How long each send may take.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.timeouts.write()
    }

    /// A half that receives and one that sends. Without cost: they borrow the stream.
    #[must_use]
    pub const fn split(&self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// A half that receives and one that sends, for different tasks. Without an allocation: each is a use of the
    /// socket, which is closed when both have gone.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let other = Self {
            socket: self.socket.share(),
            timeouts: Timeouts::of(&self.timeouts, &self.timeouts),
        };
        (OwnedReadHalf(self), OwnedWriteHalf(other))
    }

    /// For slices: see [`BufferedStream`].
    #[must_use]
    pub fn buffered(self) -> BufferedStream {
        BufferedStream::new(self)
    }

    /// The stream of a connected socket, which must be one of TCP to be what it says.
    #[must_use]
    pub const fn from_socket(socket: ConnectionSocket) -> Self {
        Self { socket, timeouts: Timeouts::new() }
    }

    /// The stream's socket, without the time-outs.
    #[must_use]
    pub fn into_socket(self) -> ConnectionSocket {
        self.socket
    }

    /// The stream's socket, for what the stream does not have.
    #[must_use]
    pub const fn as_socket(&self) -> &ConnectionSocket {
        &self.socket
    }

    /// Closes the connection, and waits until that is done. As dropping it does, this aborts a
    /// connection that was not shut down.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

impl From<ConnectionSocket> for TcpStream {
    fn from(socket: ConnectionSocket) -> Self {
        Self::from_socket(socket)
    }
}

impl From<TcpStream> for ConnectionSocket {
    fn from(stream: TcpStream) -> Self {
        stream.into_socket()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream").field("socket", &self.socket.as_raw()).finish_non_exhaustive()
    }
}
