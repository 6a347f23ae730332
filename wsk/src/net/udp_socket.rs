//! A UDP socket.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::Connected;
use super::timeouts::{Timeouts, with_buffer};
use crate::batch::Batch;
use crate::buffer::{BufResult, BufferPool, IoBuf};
use crate::cmsg::SendControl;
use crate::provider::Provider;
use crate::socket::{DatagramSocket, Destination, Family, Receiver};
use crate::status::{Result, known};

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
    /// For those who send from a slice.
    kept: BufferPool,
    timeouts: Timeouts,
}

/// More bytes than any datagram has.
const TOO_MANY: usize = 1 << 16;

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
        DatagramSocket::builder(wsk, Family::of(local)).bind(local).await.map(Self::from)
    }

    /// Makes a remote address the only peer: [`Connected::send`] sends to it, and datagrams from others are
    /// dropped. Nothing is sent.
    ///
    /// The peer stays the only one after the view is dropped, until there is another, or [none](Self::disconnect).
    /// For a socket that has a peer and can be kept, see [`Socket::connect`](crate::socket::Socket::connect).
    ///
    /// Cancellation: dropping the future leaves it open which peer the socket has, even after a later call if that was
    /// made at once: the one that was dropped may take effect after it.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address is not of the socket's family.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskControlSocket` reports.
    pub async fn connect(&mut self, remote: impl Into<SocketAddr>) -> Result<Connected<'_>> {
        let peer = remote.into();
        self.socket.handle().set_peer(Some(peer)).await?;
        Ok(Connected::new(self, peer))
    }

    /// Has no peer any more: datagrams are received from everybody.
    ///
    /// Nobody sends to a peer then, since that borrows the socket:
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
    /// Cancellation: dropping the future leaves it open whether the socket has a peer.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub async fn disconnect(&mut self) -> Result<()> {
        self.socket.handle().set_peer(None).await
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
    /// - `STATUS_IO_TIMEOUT` if it was not sent [in time](Self::set_write_timeout).
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSendTo` reports.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, B> {
        self.send(buffer, Destination::Address(remote.into())).await
    }

    pub(super) async fn send<B: IoBuf>(&self, buffer: B, to: Destination) -> BufResult<usize, B> {
        let (handle, control) = (self.socket.handle(), &SendControl::new());
        with_buffer!(self.timeouts.writing(), buffer, |deadline| {
            handle.send_to(buffer, to, control, deadline)
        })
    }

    /// Copies bytes into a buffer that the socket keeps, and sends them as a datagram. Returns how many they are.
    ///
    /// Once such a buffer is there and large enough, this allocates nothing.
    ///
    /// Cancellation: as for [`send_to`](Self::send_to); the next call allocates another buffer.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    pub async fn send_copy_to(&self, bytes: &[u8], remote: impl Into<SocketAddr>) -> Result<usize> {
        self.send_copy(bytes, Destination::Address(remote.into())).await
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

    /// Sends every buffer of a batch as a datagram, in one request, and returns how many bytes they have in all.
    ///
    /// If it fails, some of them may have been sent.
    ///
    /// Cancellation: dropping the future cancels the request and drops the batch; which of them were sent is unknown
    /// then. Minimum Windows: Windows 8.
    ///
    /// # Errors
    ///
    /// - `STATUS_NOT_SUPPORTED` by an older Windows, as
    ///   [`Capabilities::send_messages`](crate::Capabilities::send_messages) says beforehand. Nothing was sent then.
    /// - As for [`send_to`](Self::send_to), of `WskSendMessages`.
    pub async fn send_batch_to(
        &self,
        batch: Batch,
        remote: impl Into<SocketAddr>,
    ) -> BufResult<usize, Batch> {
        self.send_batch(batch, Destination::Address(remote.into())).await
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

    /// Receives a datagram: how many bytes it has, and where it came from.
    ///
    /// Cancellation: dropping the future cancels the request and drops the buffer; a datagram that arrives
    /// meanwhile is lost. A [time-out](Self::set_read_timeout) loses none, and neither does a
    /// [`receiver`](Self::receiver).
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if it has more bytes than there is room for; the buffer is filled, and the
    ///   rest is lost.
    /// - `STATUS_IO_TIMEOUT` if nothing has come in time.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskReceiveFrom` reports.
    pub async fn recv_from<B: IoBuf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let handle = self.socket.handle();
        with_buffer!(self.timeouts.reading(), buffer, |deadline| handle
            .receive_from(buffer, deadline))
    }

    /// Somebody who receives datagrams of up to so many bytes, into a buffer of its own, and loses none when a future
    /// is dropped.
    ///
    /// # Errors
    ///
    /// As for [`Buffer::new`](crate::Buffer::new).
    pub fn receiver(&self, size: usize) -> Result<Receiver> {
        self.socket.receiver(size)
    }

    /// The address of this side.
    ///
    /// Cancellation: dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// What `WskGetLocalAddress` reports.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().await
    }

    /// How long each receive may take from now on, or none for as long as it takes, which is so at first. Not those
    /// of a [`receiver`](Self::receiver), for which there is [`timeout`](crate::time::timeout).
    ///
    /// When the time is up the request is cancelled, and still waited for: a datagram that has come by then is
    /// received, and the buffer comes back.
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

    /// How long each send may take from now on, or none for as long as it takes, which is so at first.
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

    /// The socket, for what is not here: control messages and the options that ask for them.
    #[must_use]
    pub const fn as_socket(&self) -> &DatagramSocket {
        &self.socket
    }

    /// The socket alone, without its time-outs, such as for a peer that stays, or a default destination.
    #[must_use]
    pub fn into_socket(self) -> DatagramSocket {
        self.socket
    }

    /// Closes the socket, and waits until that is done: until its [receivers](Self::receiver) are dropped, too.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

/// A socket that was made with [`DatagramSocket::builder`](crate::socket::Socket::builder), with options that precede
/// the bind.
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
