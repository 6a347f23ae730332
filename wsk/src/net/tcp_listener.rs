//! A TCP listener.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;

use super::{TcpStream, ToSocketAddr};
use crate::provider::Provider;
use crate::socket::{Family, ListenSocket};
use crate::status::{Error, ErrorKind, Result};
use crate::{rt, time};

/// The time after which a listener without memory tries again.
const RETRY: Duration = Duration::from_secs(1);

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
/// let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
/// println!("listening on {}", listener.local_addr().await?);
/// listener.close().await;
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct TcpListener(ListenSocket);

impl TcpListener {
    /// Listens on a local address. With port 0, the system chooses a port.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
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
    /// - Any other status of `WskSocket` or `WskBind`.
    pub async fn bind(wsk: &Provider, local: impl ToSocketAddr) -> Result<Self> {
        let local = local.into_socket_addr()?;
        ListenSocket::builder(wsk, Family::of(local)).bind(local).await.map(Self)
    }

    /// Listens on a port of all addresses of this machine, of IPv6 and IPv4. Peers of IPv4 have IPv4-mapped addresses:
    /// [`to_canonical`](core::net::IpAddr::to_canonical) converts them.
    ///
    /// ```
    /// use wsk::{TcpListener, TcpStream};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let listener = TcpListener::bind_dual_stack(&wsk, 0).await?;
    /// assert!(!listener.only_v6().await?);
    /// let port = listener.local_addr().await?.port();
    /// let client = TcpStream::connect(&wsk, ([127, 0, 0, 1], port)).await?;
    /// let (_stream, peer) = listener.accept().await?;
    /// assert_eq!(peer.ip().to_canonical(), client.local_addr().await?.ip());
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// As for [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// - Those of [`bind`](Self::bind).
    /// - Any status of `WskControlSocket` for [`ipv6::ONLY_V6`](crate::options::ipv6::ONLY_V6). Wine implements no options.
    pub async fn bind_dual_stack(wsk: &Provider, port: u16) -> Result<Self> {
        let builder = ListenSocket::builder(wsk, Family::INET6).only_v6(false);
        builder.bind((Ipv6Addr::UNSPECIFIED, port)).await.map(Self)
    }

    /// Waits for a connection, and returns its stream and the peer's address.
    ///
    /// Several tasks may accept at once, each with a reference to the listener. A connection wakes every task that waits, and is
    /// returned to the first that polls its future; the others wait on. No task depends on another one: a future may be
    /// dropped, forgotten, or left without being polled.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wsk::rt::JoinSet;
    /// use wsk::sync::Arc;
    /// use wsk::{Runtime, TcpListener, TcpStream};
    ///
    /// # let host = wsk_host::Host::new(wsk_host::Config::default());
    /// # let _entered = host.enter();
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// let runtime = Runtime::new(passive, 2)?;
    /// # wsk::rt::block_on(passive, async {
    /// let listener = Arc::new(TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?)?;
    /// let mut acceptors = JoinSet::new(runtime.spawner())?;
    /// for _ in 0..4 {
    ///     let listener = listener.clone();
    ///     acceptors.spawn(async move { listener.accept().await })?;
    /// }
    /// for _ in 0..4 {
    ///     let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    ///     let accepted = acceptors.join_next().await;
    ///     # drop((client, accepted));
    /// }
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # runtime.shutdown(passive);
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_accept).
    ///
    /// [`time::timeout`] adds a timeout without losing a connection:
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
    /// let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    /// let result = time::timeout(Duration::from_secs(5), listener.accept()).await;
    /// assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    ///
    /// // The next accept returns a connection that arrived after the timeout.
    /// let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    /// let (_stream, peer) = time::timeout(Duration::from_secs(5), listener.accept()).await??;
    /// assert_eq!(peer, client.local_addr().await?);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses nothing. The accept stays in flight, and another future
    /// that waits, or the next call, returns its connection.
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener no longer works.
    /// - Any other status of `WskAccept`.
    pub async fn accept(&self) -> Result<(TcpStream, SocketAddr)> {
        let (socket, remote) = self.0.accept().await?;
        // A provider that writes no address leaves it unspecified.
        let unspecified = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        Ok((TcpStream::from_socket(socket), remote.unwrap_or(unspecified)))
    }

    /// Accepts as [`accept`](Self::accept) does, and goes on after errors that a later accept may not have: the loop of a
    /// server ends only with its listener.
    ///
    /// A connection that ended before it was accepted ([`ErrorKind::is_disconnect`]) is skipped. While memory is short, there
    /// is an attempt each second, and the connection waits; `report` is called with the first of these errors.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wsk::{ErrorKind, Result, Spawner, TcpListener};
    ///
    /// /// Serves until the listener fails or the runtime shuts down.
    /// async fn serve(listener: TcpListener, spawner: Spawner) -> Result<()> {
    ///     loop {
    ///         let report = |error| println!("cannot accept a connection: {error}");
    ///         let (stream, peer) = listener.accept_retrying(report).await?;
    ///         let served = spawner.spawn(async move { stream.shutdown().await });
    ///         match served {
    ///             Ok(_) => {}
    ///             // The runtime is shutting down.
    ///             Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
    ///             // Memory is short. The connection is closed, and the next one may work.
    ///             Err(error) => println!("cannot serve {peer}: {error}"),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Errors
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener no longer works.
    /// - Any other status of `WskAccept`, except those of the kinds above.
    pub async fn accept_retrying(
        &self,
        report: impl FnOnce(Error),
    ) -> Result<(TcpStream, SocketAddr)> {
        let mut report = Some(report);
        loop {
            match self.accept().await {
                Err(error) if error.kind().is_disconnect() => {}
                Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                    if let Some(report) = report.take() {
                        report(error);
                    }
                    if time::sleep(RETRY).await.is_err() {
                        // There is not even memory for a timer: other tasks run first.
                        rt::yield_now().await;
                    }
                }
                accepted => return accepted,
            }
        }
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
        self.0.local_addr().await
    }

    /// Returns the socket, for operations that the listener does not offer.
    #[must_use]
    pub const fn as_socket(&self) -> &ListenSocket {
        &self.0
    }

    /// Returns the socket, which can also accept connections with an event handler.
    #[must_use]
    pub fn into_socket(self) -> ListenSocket {
        self.0
    }

    /// Closes the listener, and waits until it is closed. This cancels an accept in flight.
    ///
    /// # Cancel safety
    ///
    /// The close continues after a dropped future.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// For a socket created with [`ListenSocket::builder`](crate::socket::Socket::builder), with options that must be set
/// before binding.
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
