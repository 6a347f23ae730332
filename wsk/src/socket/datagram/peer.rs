//! The peer or default destination of a datagram socket.
//!
//! Only a socket with a destination may send without an address ([INV-37](crate::rules#inv-37)). So a destination is a state
//! of the socket, and the method does not exist in other states:
//!
//! ```compile_fail,E0599
//! use wsk::{Buffer, socket::DatagramSocket};
//!
//! async fn without_a_destination(socket: DatagramSocket, buffer: Buffer) {
//!     socket.send(buffer).await;
//! }
//! ```
//!
//! # Safety
//!
//! The calls are made on a bound socket ([INV-35](crate::rules#inv-35)); the request owns the address until it completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::{
    PIRP, SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS, SOCKADDR_IN, SOCKADDR_IN6, ULONG,
    WskIoctl,
};

use super::{Bound, Datagram, DefaultDestination, FixedPeer, Handle, Socket};
use crate::address::Storage;
use crate::dispatch::DatagramDispatch;
use crate::operation::{OptionalFunction, Payload, RequestKind};
use crate::status::Result;
use crate::time::Never;

impl Handle<Datagram> {
    /// Makes an ioctl whose input is an address, or nothing.
    async fn set_address(&self, code: ULONG, address: Option<SocketAddr>) -> Result<()> {
        if let Some(address) = address {
            self.check_family(address)?;
        }
        let size = match address {
            Some(SocketAddr::V4(_)) => size_of::<SOCKADDR_IN>(),
            Some(SocketAddr::V6(_)) => size_of::<SOCKADDR_IN6>(),
            None => 0,
        };
        self.outside_routines().await;
        let prepare = |payload: &mut Payload| {
            payload.remote = address.map_or(Storage::EMPTY, Storage::new);
        };
        let call = |dispatch: DatagramDispatch, irp: PIRP, payload| {
            let input = match address {
                // SAFETY: the payload is the request's, and stays until it completes (INV-27).
                Some(_) => unsafe { Payload::remote(payload) }.cast(),
                None => ptr::null_mut(),
            };
            let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: the socket is bound (INV-35), and the address is of its family and this size.
            unsafe {
                dispatch.control_socket(
                    WskIoctl,
                    code,
                    0,
                    size_t(size),
                    input,
                    0,
                    none,
                    nowhere,
                    irp,
                )
            }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe {
            self.request_of(
                OptionalFunction::ControlSocket,
                RequestKind::Other,
                Never,
                prepare,
                call,
                |_, _| (),
            )
        }
        .await
    }

    /// Sets the fixed peer: the destination of sends without an address, and the only source of received datagrams. `None`
    /// removes the peer.
    pub(crate) async fn set_peer(&self, peer: Option<SocketAddr>) -> Result<()> {
        self.set_address(SIO_WSK_SET_REMOTE_ADDRESS, peer).await
    }
}

impl<H> Socket<Datagram, Bound, H> {
    /// Sets a fixed peer: [`send`](Socket::send) sends to it, and datagrams from other addresses are dropped. No datagram is
    /// exchanged.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-set-remote-address).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`.
    ///
    /// ```
    /// use wsk::Buffer;
    /// use wsk::socket::{DatagramSocket, Family};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let local = ([127, 0, 0, 1], 0);
    /// let server = DatagramSocket::builder(&wsk, Family::INET).bind(local).await?;
    /// let client = DatagramSocket::builder(&wsk, Family::INET).bind(local).await?;
    /// let client = client.connect(server.local_addr().await?).await?;
    /// client.send(Buffer::new(10)?).await.into_result()?;
    /// // It receives from every address again.
    /// let client = client.disconnect().await?;
    /// # client.close().await;
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub async fn connect(
        self,
        peer: impl Into<SocketAddr>,
    ) -> Result<Socket<Datagram, FixedPeer, H>> {
        let peer = peer.into();
        self.handle.set_peer(Some(peer)).await?;
        // SAFETY: the socket is bound, and has this peer now; its handler stays.
        Ok(unsafe { Socket::from_handle(self.into_handle(), FixedPeer { peer }) })
    }

    /// Sets a default destination, to which [`send`](Socket::send) sends. The socket still receives datagrams from every
    /// address.
    ///
    /// IRQL: as for [`connect`](Self::connect).
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-set-sendto-address).
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub async fn with_default_destination(
        self,
        destination: impl Into<SocketAddr>,
    ) -> Result<Socket<Datagram, DefaultDestination, H>> {
        let destination = destination.into();
        self.handle.set_address(SIO_WSK_SET_SENDTO_ADDRESS, Some(destination)).await?;
        // SAFETY: the socket is bound, and has this destination now; its handler stays.
        Ok(unsafe { Socket::from_handle(self.into_handle(), DefaultDestination { destination }) })
    }
}

impl<H> Socket<Datagram, FixedPeer, H> {
    /// Returns the peer.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.state.peer
    }

    /// Replaces the peer.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, either address may be the peer.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Socket::connect), except that the socket stays open.
    pub async fn set_peer(&mut self, peer: impl Into<SocketAddr>) -> Result<()> {
        let peer = peer.into();
        self.handle.set_peer(Some(peer)).await?;
        self.state.peer = peer;
        Ok(())
    }

    /// Removes the peer: the socket receives datagrams from every address again.
    ///
    /// IRQL: as for [`connect`](Socket::connect).
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Socket::connect).
    ///
    /// # Errors
    ///
    /// As for [`connect`](Socket::connect).
    pub async fn disconnect(self) -> Result<Socket<Datagram, Bound, H>> {
        self.handle.set_peer(None).await?;
        // SAFETY: the socket is bound; its handler stays.
        Ok(unsafe { Socket::from_handle(self.into_handle(), Bound::NEW) })
    }
}

impl<H> Socket<Datagram, DefaultDestination, H> {
    /// Returns the default destination.
    #[must_use]
    pub const fn default_destination(&self) -> SocketAddr {
        self.state.destination
    }

    /// Replaces the default destination.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, either address may be the default destination.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Socket::connect), except that the socket stays open.
    pub async fn set_default_destination(
        &mut self,
        destination: impl Into<SocketAddr>,
    ) -> Result<()> {
        let destination = destination.into();
        self.handle.set_address(SIO_WSK_SET_SENDTO_ADDRESS, Some(destination)).await?;
        self.state.destination = destination;
        Ok(())
    }

    /// Removes the default destination.
    ///
    /// IRQL: as for [`connect`](Socket::connect).
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Socket::connect).
    ///
    /// # Errors
    ///
    /// As for [`connect`](Socket::connect).
    pub async fn without_default_destination(self) -> Result<Socket<Datagram, Bound, H>> {
        self.handle.set_address(SIO_WSK_SET_SENDTO_ADDRESS, None).await?;
        // SAFETY: the socket is bound; its handler stays.
        Ok(unsafe { Socket::from_handle(self.into_handle(), Bound::NEW) })
    }
}
