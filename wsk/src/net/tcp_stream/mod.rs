//! A TCP connection.

mod halves;
mod readiness;

use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;

pub use self::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use super::timeouts::{Timeouts, transfer, with_buffer};
use super::{BufferedStream, ToSocketAddr};
use crate::buffer::{BufResult, BufferPool, IoBuf, copy};
use crate::flags::SendFlags;
use crate::operation::Budgeted;
use crate::provider::Provider;
use crate::socket::{ConnectionSocket, Family, LazyTransfer, TransferSource};
use crate::status::{ErrorKind, Result};
use crate::time::{self, Never};

/// A TCP connection.
///
/// Dropping it closes the socket without waiting.
#[doc = include_str!("../closing.md")]
///
/// Buffers move into the request and return with the result. For byte slices, use a [`BufferedStream`]. See also
/// [Timeouts](super#timeouts).
///
/// There is no `peek`: WSK cannot receive without consuming. A [`BufferedStream`] gives access to
/// [received data](BufferedStream::fill_buf) before it is consumed.
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
/// let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
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
    /// The buffers for receiving into slices.
    pool: BufferPool,
    pub(super) timeouts: Timeouts,
}

/// The maximum size in bytes of a buffer for receiving into a slice.
const MAX_COPIED: usize = 64 << 10;

impl TcpStream {
    /// Connects to a remote address, from a local address chosen by the system.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future ends the attempt and closes the socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_REFUSED` if nothing listens there.
    /// - `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or `STATUS_IO_TIMEOUT` if the peer
    ///   cannot be reached.
    /// - `STATUS_INVALID_PARAMETER` if `remote` is text, and not an address.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSocket`, `WskBind` or `WskConnect`.
    pub async fn connect(wsk: &Provider, remote: impl ToSocketAddr) -> Result<Self> {
        let remote = remote.into_socket_addr()?;
        let socket = ConnectionSocket::builder(wsk, Family::of(remote)).connect(remote).await?;
        Ok(Self::from_socket(socket))
    }

    /// Connects to a remote address, from the given local address.
    ///
    /// # Cancel safety
    ///
    /// See [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the addresses are not of the same family.
    #[doc = include_str!("../../socket/bind_errors.md")]
    /// - Those of [`connect`](Self::connect).
    pub async fn connect_from(
        wsk: &Provider,
        local: impl ToSocketAddr,
        remote: impl ToSocketAddr,
    ) -> Result<Self> {
        let (local, remote) = (local.into_socket_addr()?, remote.into_socket_addr()?);
        let builder = ConnectionSocket::builder(wsk, Family::of(local));
        builder.connect_from(local, remote).await.map(Self::from_socket)
    }

    /// Connects like [`connect`](Self::connect), with a timeout. The system's own timeout for unresponsive peers still
    /// applies.
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect), and `STATUS_IO_TIMEOUT` when the time is up.
    pub async fn connect_timeout(
        wsk: &Provider,
        remote: impl ToSocketAddr,
        timeout: Duration,
    ) -> Result<Self> {
        time::timeout(timeout, Self::connect(wsk, remote)).await?
    }

    /// Receives into `buffer`, waiting for at least one byte. Returns the number of bytes.
    ///
    /// Zero means that the peer finished sending, or that the buffer is empty.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. If the request still receives data, the next
    /// receive returns it, before any later data. The request's buffer is freed then, or when the socket is closed.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if the timeout expired before any data arrived.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskReceive`.
    pub fn recv<B: IoBuf>(&self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        LazyTransfer::new(
            self,
            buffer,
            |stream| stream.timeouts.read_limit().is_some() || stream.socket.handle().has_kept(),
            |stream, budgeted, buffer| stream.socket.handle().receive(budgeted, buffer, Never),
            Self::recv_slowly,
        )
    }

    /// Receives after kept receives, or with a timeout.
    async fn recv_slowly<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_in_turn(buffer, deadline))
    }

    /// Receives into a slice like [`recv`](Self::recv), waiting for at least one byte. Returns the number of bytes.
    ///
    /// WSK cannot use borrowed memory: this receives up to 64 KiB into a buffer of the stream, and copies them. The buffer is
    /// reused: later calls with at most the same size do not allocate. [`recv`](Self::recv) copies nothing. For many small
    /// reads, use a [`BufferedStream`].
    ///
    /// ```
    /// use wsk::{Buffer, TcpListener, TcpStream};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
    /// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    /// # let (server, _peer) = listener.accept().await?;
    /// client.send_all(Buffer::try_from(b"hello")?).await.into_result()?;
    /// let (mut bytes, mut count) = ([0; 5], 0);
    /// while count < 5 {
    ///     count += server.recv_into(&mut bytes[count..]).await?;
    /// }
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe, as [`recv`](Self::recv) is: if the future is dropped, the stream keeps the buffer with the
    /// data that still arrives, and the next receive returns that data first.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub async fn recv_into(&self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let room = to.len().min(MAX_COPIED);
        let slice = self.pool.take(room)?.slice(..room)?;
        let BufResult(result, slice) = self.recv(slice).await;
        let result = result.map(|count| copy(slice.get(..count).unwrap_or_default(), to));
        self.pool.put(slice.into_inner());
        result
    }

    /// Fills `buffer`, and returns the number of bytes: fewer than the buffer's size if the peer finished sending.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the next receive returns the data received so far. See [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv). The number of bytes received before the error is unknown.
    pub async fn recv_full<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_full(buffer, deadline))
    }

    /// Fills `buffer`, like `std::io::Read::read_exact`.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe, as [`recv_full`](Self::recv_full) is.
    ///
    /// # Errors
    ///
    /// - `STATUS_GRACEFUL_DISCONNECT` (kind [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof)) if the peer
    ///   finished sending before. The buffer contains the data it sent.
    /// - Those of [`recv_full`](Self::recv_full).
    pub async fn recv_exact<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_exact(buffer, deadline))
    }

    /// Discards incoming data until the peer finishes sending. Call it before a close, to avoid a reset.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. Later data can be received.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub async fn drain(&self) -> Result<()> {
        self.socket.handle().drain(&mut self.timeouts.reading()?).await
    }

    /// Sends from `buffer`, and returns the number of bytes: all of them, according to WSK's documentation.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the buffer. The number of
    /// bytes sent is unknown.
    ///
    /// # Errors
    ///
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_write_timeout) expired. The number of bytes sent is unknown.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSend`.
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send_with(buffer, SendFlags::empty()).await
    }

    /// Sends like [`send`](Self::send), with flags such as [`SendFlags::NO_DELAY`].
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub async fn send_with<B: IoBuf>(&self, buffer: B, flags: SendFlags) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        transfer!(handle, self.timeouts.write_limit(), buffer, |budgeted, deadline| {
            handle.send(budgeted, buffer, flags, deadline)
        })
    }

    /// Sends the whole buffer, in several requests if necessary, and returns its size.
    ///
    /// # Cancel safety
    ///
    /// See [`TcpStream::send`].
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::send`], and `STATUS_CONNECTION_ABORTED` if a request sends no bytes.
    pub fn send_all<B: IoBuf>(&self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        LazyTransfer::new(
            self,
            buffer,
            |stream| stream.timeouts.write_limit().is_some(),
            |stream, budgeted, buffer| stream.socket.handle().send_all(budgeted, buffer),
            Self::send_all_in_time,
        )
    }

    /// Sends the whole buffer with a timeout.
    async fn send_all_in_time<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.writing(), buffer, |deadline| handle
            .send_all_until(buffer, deadline))
    }

    /// Finishes sending: the peer receives all data sent so far, and then the end of the stream. Receiving is still
    /// possible.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may already have taken effect.
    /// WSK does not guarantee that the request completes ([INV-50](crate::rules#inv-50)): an unresponsive peer can
    /// delay it until the stream is [aborted](Self::abort) or dropped.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_write_timeout) expired. The request may have taken
    ///   effect; abort or drop the stream.
    /// - Any status of `WskDisconnect`. Wine does not implement it (kind
    ///   [`Unsupported`](crate::ErrorKind::Unsupported)); closing is graceful there.
    pub async fn shutdown(&self) -> Result<()> {
        self.socket.handle().disconnect(&mut self.timeouts.writing()?).await
    }

    /// Sends a final buffer and finishes sending, in one request.
    ///
    /// # Cancel safety
    ///
    /// See [`shutdown`](Self::shutdown); the buffer is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`shutdown`](Self::shutdown). The number of bytes sent is unknown.
    pub async fn shutdown_with<B: IoBuf>(&self, buffer: B) -> BufResult<(), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.writing(), buffer, |deadline| handle
            .disconnect_with(buffer, deadline))
    }

    /// Aborts the connection: requests in flight fail, unsent data is lost, and the peer sees a reset. Dropping the
    /// stream does the same, unless another half of it still exists.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request, which may already have taken effect.
    ///
    /// # Errors
    ///
    /// The status of `WskDisconnect`. Wine does not implement it.
    pub async fn abort(&self) -> Result<()> {
        self.socket.handle().abort().await
    }

    /// Returns the local address.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// The status of `WskGetLocalAddress`. Wine does not implement it.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().await
    }

    /// Returns the address of the peer.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// The status of `WskGetRemoteAddress`. Wine does not implement it.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.socket.peer_addr().await
    }

    /// Sets the timeout of later receives. `None`, the default, waits indefinitely.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if `timeout` is zero, as in `std`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.timeouts.set_read(timeout)
    }

    /// Returns the timeout of receives.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn read_timeout(&self) -> Option<Duration> {
        self.timeouts.read()
    }

    /// Sets the timeout of later sends and shutdowns. `None`, the default, waits indefinitely.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if `timeout` is zero, as in `std`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.timeouts.set_write(timeout)
    }

    /// Returns the timeout of sends and shutdowns.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.timeouts.write()
    }

    /// Borrows the stream as a receiving and a sending half, at no cost.
    #[must_use]
    pub const fn split(&self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits the stream into a receiving and a sending half, for different tasks, without an allocation. The socket is
    /// closed when both are dropped.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let other = Self {
            socket: self.socket.share(),
            pool: BufferPool::new(),
            timeouts: Timeouts::of(&self.timeouts, &self.timeouts),
        };
        (OwnedReadHalf(self), OwnedWriteHalf(other))
    }

    /// Returns a stream for byte slices; see [`BufferedStream`].
    #[must_use]
    pub fn buffered(self) -> BufferedStream {
        BufferedStream::new(self)
    }

    /// Creates a stream from a connected TCP socket.
    #[must_use]
    pub const fn from_socket(socket: ConnectionSocket) -> Self {
        Self { socket, pool: BufferPool::new(), timeouts: Timeouts::new() }
    }

    /// Returns the socket. The stream's timeouts are lost.
    #[must_use]
    pub fn into_socket(self) -> ConnectionSocket {
        self.socket
    }

    /// Returns the socket, for operations that the stream does not offer.
    #[must_use]
    pub const fn as_socket(&self) -> &ConnectionSocket {
        &self.socket
    }

    /// Ends the connection gracefully: finishes sending, discards incoming data until the peer also finishes, and
    /// closes the socket. After `timeout`, [aborts](super#closing) the connection.
    ///
    /// Requires that no other part of the stream is in use. To process the peer's remaining data, call
    /// [`shutdown`](Self::shutdown), receive until the end, and then call this method.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Wine does not implement `WskDisconnect`; its close is graceful.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe: dropping the future closes the socket, which aborts the connection unless both
    /// sides have finished by then.
    ///
    /// # Errors
    ///
    /// The socket is closed nevertheless.
    ///
    /// - `STATUS_IO_TIMEOUT` if the peer has not finished in time.
    /// - `STATUS_CONNECTION_RESET` if the peer aborted the connection.
    /// - Those of [`shutdown`](Self::shutdown) and [`drain`](Self::drain).
    pub async fn finish(self, timeout: Duration) -> Result<()> {
        let finished = time::timeout(timeout, self.finish_both_sides()).await;
        self.close().await;
        finished?
    }

    pub(super) async fn finish_both_sides(&self) -> Result<()> {
        match self.shutdown().await {
            // On a system that cannot shut a connection down, the close is graceful.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.drain().await,
        }
    }

    /// Closes the socket, and waits until it is closed. Like dropping, this aborts the connection unless both sides have
    /// [finished sending](super#closing).
    ///
    /// # Cancel safety
    ///
    /// The close continues after a dropped future.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

impl TransferSource for TcpStream {
    #[inline]
    fn poll_permit(&self, context: &Context<'_>) -> Poll<Budgeted> {
        self.socket.handle().state().poll_permit(context)
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
