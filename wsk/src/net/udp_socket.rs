//! A UDP socket.

use core::fmt;
use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;

use super::timeouts::{Timeouts, with_buffer};
use super::{ConnectedUdp, ToSocketAddr};
use crate::batch::Batch;
use crate::buffer::{BufResult, BufferPool, IoBuf, copy};
use crate::cmsg::SendControl;
use crate::provider::Provider;
use crate::socket::{DatagramReceiver, DatagramSocket, Destination, Family};
use crate::status::{Error, Result, known};

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
///
/// For control messages, such as the address that a datagram was sent to, see [`cmsg`](crate::cmsg) and the methods
/// of [`as_socket`](Self::as_socket).
pub struct UdpSocket {
    socket: DatagramSocket,
    /// The buffers for sending from slices and receiving into them.
    kept: BufferPool,
    timeouts: Timeouts,
}

/// A size in bytes that no datagram exceeds.
const TOO_MANY: usize = 1 << 16;

impl UdpSocket {
    /// Creates a socket bound to a local address. With port 0, the system chooses a port.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    #[doc = include_str!("../socket/bind_errors.md")]
    /// - `STATUS_INVALID_PARAMETER` if `local` is text, and not an address.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSocket` or `WskBind`. Wine has no datagram sockets.
    pub async fn bind(wsk: &Provider, local: impl ToSocketAddr) -> Result<Self> {
        let local = local.into_socket_addr()?;
        DatagramSocket::builder(wsk, Family::of(local)).bind(local).await.map(Self::from)
    }

    /// Creates a socket bound to a port of all addresses of this machine, of IPv6 and IPv4. Peers of IPv4 have IPv4-mapped
    /// addresses: [`to_canonical`](core::net::IpAddr::to_canonical) and [`Ipv4Addr::to_ipv6_mapped`] convert.
    ///
    /// # Cancel safety
    ///
    /// As for [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// - Those of [`bind`](Self::bind).
    /// - Any status of `WskControlSocket` for [`ipv6::ONLY_V6`](crate::options::ipv6::ONLY_V6).
    ///
    /// [`Ipv4Addr::to_ipv6_mapped`]: core::net::Ipv4Addr::to_ipv6_mapped
    pub async fn bind_dual_stack(wsk: &Provider, port: u16) -> Result<Self> {
        let builder = DatagramSocket::builder(wsk, Family::INET6).only_v6(false);
        builder.bind((Ipv6Addr::UNSPECIFIED, port)).await.map(Self::from)
    }

    /// Sets a fixed peer: [`ConnectedUdp::send`] sends to it, and datagrams from other addresses are dropped. Sends nothing.
    ///
    /// The peer stays fixed after the returned view is dropped, until another is set or it is
    /// [removed](Self::disconnect). [`into_connected`](Self::into_connected) returns a socket to store.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the peer is unknown, even after an immediate second
    /// call: the dropped request may take effect after it.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_INVALID_PARAMETER` if `remote` is text, and not an address.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`.
    pub async fn connect(&mut self, remote: impl ToSocketAddr) -> Result<ConnectedUdp<&Self>> {
        let peer = remote.into_socket_addr()?;
        self.socket.handle().set_peer(Some(peer)).await?;
        Ok(ConnectedUdp::new(self, peer))
    }

    /// Sets a fixed peer like [`connect`](Self::connect), and returns a socket that can be stored and shared.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wsk::net::ConnectedUdp;
    /// use wsk::{Provider, UdpSocket};
    ///
    /// struct Client {
    ///     server: ConnectedUdp<UdpSocket>,
    /// }
    ///
    /// impl Client {
    ///     async fn ask(&self, question: &[u8], answer: &mut [u8]) -> wsk::Result<usize> {
    ///         self.server.send_copy(question).await?;
    ///         self.server.recv_into(answer).await
    ///     }
    /// }
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let server = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// let socket = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// let client = Client { server: socket.into_connected(server.local_addr().await?).await? };
    /// # server.send_copy_to(b"yes", client.server.as_socket().local_addr().await?).await?;
    /// let mut answer = [0; 100];
    /// assert_eq!(client.ask(b"are you there?", &mut answer).await?, 3);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect). The socket is closed.
    pub async fn into_connected(self, remote: impl ToSocketAddr) -> Result<ConnectedUdp<Self>> {
        let peer = remote.into_socket_addr()?;
        self.socket.handle().set_peer(Some(peer)).await?;
        Ok(ConnectedUdp::new(self, peer))
    }

    /// Removes the fixed peer: datagrams are received from every address.
    ///
    /// The view that sends to the peer borrows the socket, so it cannot be used afterwards:
    ///
    /// ```compile_fail,E0502
    /// async fn confuse(mut socket: wsk::UdpSocket, peer: std::net::SocketAddr) -> wsk::Result<()> {
    ///     let connected = socket.connect(peer).await?;
    ///     socket.disconnect().await?;
    ///     connected.send(wsk::Buffer::new(1)?).await.into_result()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the peer may or may not be removed.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub async fn disconnect(&mut self) -> Result<()> {
        self.socket.handle().set_peer(None).await
    }

    /// Sends a datagram, and returns its size in bytes.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the buffer. The datagram may
    /// or may not be sent.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_INVALID_PARAMETER` if `remote` is text, and not an address.
    /// - `STATUS_INVALID_BUFFER_SIZE` or a similar status if the buffer exceeds the maximum size of a datagram.
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_write_timeout) expired.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSendTo`.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl ToSocketAddr,
    ) -> BufResult<usize, B> {
        match remote.into_socket_addr() {
            Ok(remote) => self.send(buffer, Destination::Address(remote)).await,
            Err(error) => BufResult(Err(error), buffer),
        }
    }

    pub(super) async fn send<B: IoBuf>(&self, buffer: B, to: Destination) -> BufResult<usize, B> {
        let (handle, control) = (self.socket.handle(), &SendControl::new());
        with_buffer!(self.timeouts.writing(), buffer, |deadline| {
            handle.send_to(buffer, to, control, deadline)
        })
    }

    /// Copies bytes into a buffer of the socket, and sends them as a datagram. Returns the number of bytes.
    ///
    /// The buffer is reused: later calls with at most the same size do not allocate.
    ///
    /// # Cancel safety
    ///
    /// See [`send_to`](Self::send_to); the next call allocates another buffer.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
    pub async fn send_copy_to(&self, bytes: &[u8], remote: impl ToSocketAddr) -> Result<usize> {
        self.send_copy(bytes, Destination::Address(remote.into_socket_addr()?)).await
    }

    pub(super) async fn send_copy(&self, bytes: &[u8], to: Destination) -> Result<usize> {
        if bytes.len() >= TOO_MANY {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        let slice = self.kept.take_copy(bytes)?;
        let BufResult(result, slice) = self.send(slice, to).await;
        self.kept.put(slice.into_inner());
        result
    }

    /// Sends every buffer of a batch as a datagram, in one request, and returns the total number of bytes.
    ///
    /// If it fails, some of the datagrams may have been sent.
    ///
    /// Minimum Windows: Windows 8.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future cancels the request and drops the batch. Some of the
    /// datagrams may have been sent.
    ///
    /// # Errors
    ///
    /// - `STATUS_NOT_SUPPORTED` on older Windows versions, where
    ///   [`Capabilities::send_messages`](crate::Capabilities::send_messages) returns `None`. Nothing was sent.
    /// - Those of [`send_to`](Self::send_to), of `WskSendMessages`.
    pub async fn send_batch_to(
        &self,
        batch: Batch,
        remote: impl ToSocketAddr,
    ) -> BufResult<usize, Batch> {
        match remote.into_socket_addr() {
            Ok(remote) => self.send_batch(batch, Destination::Address(remote)).await,
            Err(error) => BufResult(Err(error), batch),
        }
    }

    pub(super) async fn send_batch(
        &self,
        batch: Batch,
        to: Destination,
    ) -> BufResult<usize, Batch> {
        let (handle, control) = (self.socket.handle(), &SendControl::new());
        with_buffer!(self.timeouts.writing(), batch, |deadline| {
            handle.send_batch(batch, to, control, deadline)
        })
    }

    /// Receives a datagram, and returns its size in bytes and its sender.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. If the request still receives a datagram, the
    /// next receive returns it, truncated if its buffer is smaller.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the buffer. The buffer is filled, and the excess is
    ///   lost.
    /// - `STATUS_IO_TIMEOUT` if the timeout expired.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskReceiveFrom`.
    pub async fn recv_from<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_from(buffer, deadline))
    }

    /// Receives a datagram into a slice, and returns its size in bytes and its sender.
    ///
    /// WSK cannot use borrowed memory: this receives into a buffer of the socket, and copies the bytes. The buffer is reused:
    /// later calls with at most the same size do not allocate. [`recv_from`](Self::recv_from) copies nothing.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe, as [`recv_from`](Self::recv_from) is: if the future is dropped, the socket keeps the buffer
    /// with the datagram that still arrives, and the next receive returns that datagram.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the slice. The slice is filled, and the excess is lost.
    /// - Those of [`recv_from`](Self::recv_from).
    pub async fn recv_from_into(&self, to: &mut [u8]) -> Result<(usize, SocketAddr)> {
        // At least one byte, which distinguishes a truncated datagram from an empty one.
        let room = to.len().clamp(1, TOO_MANY);
        let slice = self.kept.take(room)?.slice(..room)?;
        let BufResult(result, slice) = self.recv_from(slice).await;
        let result = copy_datagram(result, &slice, to);
        self.kept.put(slice.into_inner());
        result
    }

    /// Receives a datagram of any size, and copies the bytes that fit. Returns the size of the whole.
    #[cfg(feature = "edge-nal")]
    pub(crate) async fn recv_and_truncate(&self, to: &mut [u8]) -> Result<(usize, SocketAddr)> {
        let BufResult(result, buffer) = self.recv_from(self.kept.take(TOO_MANY)?).await;
        if let Ok((count, _)) = result {
            copy(buffer.get(..count).unwrap_or_default(), to);
        }
        self.kept.put(buffer);
        result
    }

    /// Waits until the next receive completes at once: with a datagram, or with an error.
    ///
    /// Receives a datagram ahead, into a buffer of 64 KiB, from which the next receive copies it. If the next call receives
    /// anyway, [`recv_from`](Self::recv_from) alone is cheaper; so is a [`receiver`](Self::receiver). There is no `writable`:
    /// WSK accepts every send.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// ```
    /// use wsk::{ErrorKind, UdpSocket};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = UdpSocket::bind(&wsk, "127.0.0.1:0").await?;
    /// let own = socket.local_addr().await?;
    /// let mut bytes = [0; 100];
    /// assert_eq!(socket.try_recv_from(&mut bytes).unwrap_err().kind(), ErrorKind::NotReady);
    ///
    /// assert_eq!(socket.try_send_to(b"hello", own)?, 5);
    /// socket.readable().await?;
    /// assert_eq!(socket.try_recv_from(&mut bytes)?, (5, own));
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses nothing: the receive stays in flight, and the next call that
    /// receives returns its datagram.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_read_timeout) expired. The receive stays in flight.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub async fn readable(&self) -> Result<()> {
        self.socket.handle().readable(&self.timeouts.reading()?).await
    }

    /// Receives a datagram into a slice without waiting, and returns its size in bytes and its sender.
    ///
    /// If none has arrived, a receive into a buffer of 64 KiB stays in flight; the next call that receives returns its
    /// datagram.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if no datagram has arrived, or another
    ///   receive waits for one. Occasionally this also happens when one has arrived, as a task's budget requires.
    /// - `STATUS_BUFFER_OVERFLOW` if the datagram is larger than the slice. The slice is filled, and the excess is lost.
    /// - Those of [`recv_from`](Self::recv_from), except for the timeout.
    pub fn try_recv_from(&self, to: &mut [u8]) -> Result<(usize, SocketAddr)> {
        self.socket.handle().try_receive_from(to)
    }

    /// Sends a datagram without waiting, and returns its size in bytes: it was copied into a buffer of the socket.
    ///
    /// The request continues after this returns, and its error is lost, as the datagram may be. At most one such request may
    /// be in flight.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if such a request is in flight; now and then
    ///   also if none is, as a task's budget requires.
    /// - Those of [`send_to`](Self::send_to), except for the timeout.
    pub fn try_send_to(&self, bytes: &[u8], remote: impl ToSocketAddr) -> Result<usize> {
        self.try_send_copy(bytes, Destination::Address(remote.into_socket_addr()?))
    }

    pub(super) fn try_send_copy(&self, bytes: &[u8], to: Destination) -> Result<usize> {
        if bytes.len() >= TOO_MANY {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        let slice = self.kept.take_copy(bytes)?;
        let BufResult(result, slice) = self.socket.handle().try_send_to(slice, to);
        self.kept.put(slice.into_inner());
        result
    }

    /// Creates a receiver with a `size`-byte buffer. Dropping its future loses no datagram.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`](crate::Buffer::new).
    pub fn receiver(&self, size: usize) -> Result<DatagramReceiver> {
        self.socket.receiver(size)
    }

    /// Returns the local address.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// The status of `WskGetLocalAddress`.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().await
    }

    /// Sets the timeout of later receives. `None`, the default, waits indefinitely. For a [`receiver`](Self::receiver), use
    /// [`timeout`](crate::time::timeout).
    ///
    /// When the time is up, the request is cancelled and still awaited: the buffer returns, with a datagram if one has
    /// arrived by then.
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

    /// Sets the timeout of later sends. `None`, the default, waits indefinitely.
    ///
    /// IRQL: any.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if `timeout` is zero, as in `std`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.timeouts.set_write(timeout)
    }

    /// Returns the timeout of sends.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.timeouts.write()
    }

    /// Returns the socket, for other operations, such as control messages and their options.
    #[must_use]
    pub const fn as_socket(&self) -> &DatagramSocket {
        &self.socket
    }

    /// Returns the socket, for example to set a fixed peer or a default destination. The timeouts are lost.
    #[must_use]
    pub fn into_socket(self) -> DatagramSocket {
        self.socket
    }

    /// Closes the socket, and waits until it is closed and its [receivers](Self::receiver) are dropped.
    ///
    /// # Cancel safety
    ///
    /// The close continues after a dropped future.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

/// Copies a datagram that was received into `from`.
fn copy_datagram(
    result: Result<(usize, SocketAddr)>,
    from: &[u8],
    to: &mut [u8],
) -> Result<(usize, SocketAddr)> {
    const TRUNCATED: Error = known::STATUS_BUFFER_OVERFLOW;
    let count = match result {
        Ok((count, _)) => count,
        // The buffer is full.
        Err(TRUNCATED) => from.len(),
        Err(_) => 0,
    };
    let copied = copy(from.get(..count).unwrap_or_default(), to);
    let received = result?;
    if copied < count { Err(TRUNCATED) } else { Ok(received) }
}

/// For a socket created with [`DatagramSocket::builder`](crate::socket::Socket::builder), with options that must be set
/// before binding.
impl From<DatagramSocket> for UdpSocket {
    fn from(socket: DatagramSocket) -> Self {
        Self { socket, kept: BufferPool::new(), timeouts: Timeouts::new() }
    }
}

impl From<UdpSocket> for DatagramSocket {
    fn from(socket: UdpSocket) -> Self {
        socket.into_socket()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
