//! A TCP listener.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::TcpStream;
use crate::provider::Provider;
use crate::socket::{Family, ListenSocket};
use crate::status::Result;

/// Listens for TCP connections.
///
/// Dropping it closes the socket without waiting; [`TcpListener::close`] waits.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wsk::TcpListener;
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let mut listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
/// println!("listening on {}", listener.local_addr().await?);
/// listener.close().await;
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct TcpListener(ListenSocket);

impl TcpListener {
    /// Listens on a local address. Port 0 lets the system choose one.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Cancellation: dropping the future closes the
    /// socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_ADDRESS_ALREADY_EXISTS` or `STATUS_ACCESS_DENIED` if the address is in use.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What else `WskSocket` and `WskBind` report.
    pub async fn bind(wsk: &Provider, local: impl Into<SocketAddr>) -> Result<Self> {
        let local = local.into();
        ListenSocket::builder(wsk, Family::of(local)).bind(local).await.map(Self)
    }

    /// Waits for a connection; the address is the peer's.
    ///
    /// Takes the listener exclusively: only one accept is in flight at a time, since a second one is
    /// known to hang.
    ///
    /// It has no time-out of its own, since any will do, and loses nothing:
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use std::time::Duration;
    /// use wsk::{ErrorKind, TcpListener, TcpStream, time};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let mut listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// let result = time::timeout(Duration::from_secs(5), listener.accept()).await;
    /// assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    ///
    /// // A connection that comes between two accepts is the second one's.
    /// let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    /// let (_stream, peer) = time::timeout(Duration::from_secs(5), listener.accept()).await??;
    /// assert_eq!(peer, client.local_addr().await?);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// Cancellation: dropping the future loses nothing. The accept stays in flight, and the next call
    /// takes up what it brings.
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener no longer works.
    /// - What else `WskAccept` reports.
    pub async fn accept(&mut self) -> Result<(TcpStream, SocketAddr)> {
        let (socket, remote) = self.0.accept().await?;
        // A provider that writes no address leaves it unspecified.
        let unspecified = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        Ok((TcpStream::from_socket(socket), remote.unwrap_or(unspecified)))
    }

    /// The address that it listens on.
    ///
    /// Cancellation: dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// What `WskGetLocalAddress` reports. Wine does not implement it.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr().await
    }

    /// The listener's socket, for what the listener does not have.
    #[must_use]
    pub const fn as_socket(&self) -> &ListenSocket {
        &self.0
    }

    /// The socket, which can also accept with a handler for a connection's events.
    #[must_use]
    pub fn into_socket(self) -> ListenSocket {
        self.0
    }

    /// Closes the listener, and waits until that is done. An accept in flight ends with it.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// A socket that was made with [`ListenSocket::builder`](crate::socket::Socket::builder), with options that precede
/// the bind.
impl From<ListenSocket> for TcpListener {
    fn from(socket: ListenSocket) -> Self {
        Self(socket)
    }
}

impl From<TcpListener> for ListenSocket {
    fn from(listener: TcpListener) -> Self {
        listener.0
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").finish_non_exhaustive()
    }
}
