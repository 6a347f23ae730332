//! Connecting a bound socket, with or without initial data, and creating a connected socket in one call.
//!
//! # Safety
//!
//! A request owns the addresses that WSK uses, and the memory of the socket that it delivers.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{IPPROTO_TCP, PIRP, SOCK_STREAM};

use super::super::builder::Builder;
use super::super::new_socket::{Delivery, NewSocket, delivered};
use super::super::state::{Bound, Connected};
use super::super::{ConnectionSocket, Handle, Socket};
use crate::address::{self, Storage};
use crate::buffer::{BufResult, IoBuf};
use crate::category::{Connection, Connects};
use crate::events::Callbacks;
use crate::events::{callbacks, check_static_events};
use crate::flags::SocketFlags;
use crate::operation::{OptionalFunction, Payload, RequestKind, RequestOutcome};
use crate::provider::Provider;
use crate::status::{Result, known};
use crate::time::Never;

/// The maximum size of a connection's initial data in bytes ([INV-29](crate::rules#inv-29)).
const MAX_FIRST: usize = 65_535;

impl<C: Connects, H: Callbacks<C>> Socket<C, Bound, H> {
    /// Connects the socket, and enables its events.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_connect).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future ends the attempt and closes the socket.
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_CONNECTION_REFUSED` if no socket listens at the address.
    /// - `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or `STATUS_IO_TIMEOUT` if the peer cannot be
    ///   reached.
    /// - Any other status of `WskConnect`.
    pub async fn connect(self, remote: impl Into<SocketAddr>) -> Result<Socket<C, Connected, H>> {
        self.handle.connect(remote.into()).await?;
        self.handle.outside_routines().await;
        // SAFETY: the socket is connected now.
        unsafe { self.into_connected() }
    }

    /// Connects the socket with up to 65,535 bytes of initial data, and enables its events. TCP sends the data in the
    /// handshake if `TCP_FASTOPEN` is set, and otherwise after it.
    ///
    /// The buffer is always returned. Minimum Windows: Windows 10, version 1703.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_connect_ex).
    ///
    /// ```
    /// use wsk::Buffer;
    /// use wsk::socket::{Family, StreamSocket};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// # let listener = wsk::TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
    /// # let server = listener.local_addr().await?;
    /// let hello = Buffer::try_from(&b"hello"[..])?;
    /// let socket = StreamSocket::builder(&wsk, Family::of(server)).bind(([127, 0, 0, 1], 0)).await?;
    /// let (socket, _hello) = socket.connect_with_data(server, hello).await.into_result()?;
    /// # let (accepted, _) = listener.accept().await?;
    /// # let ((), hello) = accepted.recv_exact(Buffer::new(5)?).await.into_result()?;
    /// # assert_eq!(&hello[..], b"hello");
    /// socket.shutdown().await?;
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future ends the attempt and closes the socket; the buffer is
    /// dropped.
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_NOT_SUPPORTED` before Windows 10, version 1703.
    /// - `STATUS_BUFFER_OVERFLOW` if the buffer has more than 65,535 bytes.
    /// - As for [`connect`](Self::connect).
    pub async fn connect_with_data<B: IoBuf>(
        self,
        remote: impl Into<SocketAddr>,
        buffer: B,
    ) -> BufResult<Socket<C, Connected, H>, B> {
        let BufResult(result, buffer) = self.handle.connect_with_data(remote.into(), buffer).await;
        self.handle.outside_routines().await;
        // SAFETY: if there is no error, the socket is connected now.
        BufResult(result.and_then(|()| unsafe { self.into_connected() }), buffer)
    }

    /// Enables the events of a connection.
    ///
    /// # Safety
    ///
    /// The socket is connected.
    unsafe fn into_connected(self) -> Result<Socket<C, Connected, H>> {
        // SAFETY: the socket is connected, and keeps its handler.
        let socket: Socket<C, Connected, H> =
            unsafe { Socket::from_handle(self.into_handle(), Connected::NEW) };
        socket.handle.enable(H::WHEN_CONNECTED)?;
        Ok(socket)
    }
}

impl<C: Connects, H: Callbacks<C>> Builder<'_, C, H> {
    /// Creates the socket, binds it to a local address that the system chooses ([INV-33](crate::rules#inv-33)), connects it
    /// and enables its events.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families.
    /// - `STATUS_CONNECTION_REFUSED`, `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or
    ///   `STATUS_IO_TIMEOUT` if the peer cannot be reached.
    /// - Any status of [`Builder::create`], `WskBind` and `WskConnect`.
    pub async fn connect(self, remote: impl Into<SocketAddr>) -> Result<Socket<C, Connected, H>> {
        let remote = remote.into();
        self.connect_from(address::unspecified(remote), remote).await
    }

    /// Connects like [`connect`](Self::connect), from a given local address.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    #[doc = include_str!("../bind_errors.md")]
    /// - Those of [`connect`](Self::connect).
    pub async fn connect_from(
        self,
        local: impl Into<SocketAddr>,
        remote: impl Into<SocketAddr>,
    ) -> Result<Socket<C, Connected, H>> {
        let socket = self.create().await?;
        socket.bind_to(local.into()).await?;
        // SAFETY: the socket is bound now.
        let socket: Socket<C, Bound, H> =
            unsafe { Socket::from_handle(socket.into_handle(), Bound::NEW) };
        socket.connect(remote).await
    }
}

impl<C: Connects> Handle<C> {
    async fn connect(&self, address: SocketAddr) -> Result<()> {
        self.check_family(address)?;
        self.outside_routines().await;
        let prepare = |payload: &mut Payload| payload.remote = Storage::new(address);
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let remote = unsafe { Payload::remote(payload) };
            // SAFETY: the socket is bound, and the address is of its family (INV-32, INV-33).
            unsafe { C::connect(dispatch, remote, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.request(Never, prepare, call, |_, _| ()) }.await
    }

    /// Connects with the bytes of a buffer.
    async fn connect_with_data<B: IoBuf>(
        &self,
        address: SocketAddr,
        buffer: B,
    ) -> BufResult<(), B> {
        let Some(has) = self.state().client().capabilities().streams() else {
            // Older tables lack the slot (INV-8).
            return BufResult(Err(known::STATUS_NOT_SUPPORTED), buffer);
        };
        if let Err(error) = self.check_family(address) {
            return BufResult(Err(error), buffer);
        }
        if buffer.size() > MAX_FIRST {
            return BufResult(Err(known::STATUS_BUFFER_OVERFLOW), buffer);
        }
        let prepare = |payload: &mut Payload| payload.remote = Storage::new(address);
        let call = |dispatch, descriptor, irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let remote = unsafe { Payload::remote(payload) };
            // SAFETY: the socket is bound, the address of its family (INV-32, INV-33), and the buffer no larger
            // than allowed; it stays until the request completes.
            unsafe { C::connect_ex(has, dispatch, remote, descriptor, irp) }
        };
        // SAFETY: the call is given the payload's descriptor and address.
        unsafe { self.transfer(RequestKind::Transmits, Never, buffer, prepare, call, |_, _| ()) }
            .await
    }
}

impl<H: Callbacks<Connection>> ConnectionSocket<H> {
    /// Creates, binds and connects a socket in one call, and enables the handler's events; the handler `()` has none.
    ///
    /// The protocol is TCP, over the family of both addresses. Options that must precede the bind cannot be set
    /// ([INV-34](crate::rules#inv-34)); the [builder](Socket::builder) can.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_socket_connect).
    ///
    /// ```
    /// use wsk::socket::ConnectionSocket;
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// # let listener = wsk::TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
    /// # let server = listener.local_addr().await?;
    /// let any = ([127, 0, 0, 1], 0);
    /// let socket = ConnectionSocket::connect_new(&wsk, any, server, ()).await?;
    /// assert_eq!(socket.peer_addr().await?, server);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future ends the attempt; if the system still delivers a socket, it is closed
    /// ([INV-20](crate::rules#inv-20)).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the addresses are not of the same family.
    #[doc = include_str!("../bind_errors.md")]
    /// - `STATUS_CONNECTION_REFUSED`, `STATUS_HOST_UNREACHABLE`, `STATUS_NETWORK_UNREACHABLE` or
    ///   `STATUS_IO_TIMEOUT` if the peer cannot be reached.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSocketConnect`. Wine does not implement it.
    pub async fn connect_new(
        wsk: &Provider,
        local_address: impl Into<SocketAddr>,
        remote_address: impl Into<SocketAddr>,
        handler: H,
    ) -> Result<Self> {
        let (from, to) = (local_address.into(), remote_address.into());
        let family = address::family(from);
        // The socket has the family of the local address, and WSK reads both addresses with that family (INV-32).
        if address::family(to) != family {
            return Err(known::STATUS_INVALID_ADDRESS_COMPONENT);
        }
        wsk.client_ref().outside_routines().await;
        let (memory, in_flight) = {
            let client = wsk.client_ref();
            client.refusals.check(OptionalFunction::SocketConnect)?;
            check_static_events::<Connection, H>(client)?;
            let new = NewSocket::allocate(client, SocketFlags::CONNECTION, family, handler)?;
            let memory = new.memory_ref();
            // Without callbacks, both are null (INV-39).
            let (context, table) = callbacks::<Connection, H>(client, new.context());
            let prepare = |payload: &mut Payload| {
                payload.local = Storage::new(from);
                payload.remote = Storage::new(to);
                payload.attachment.put(Delivery { new, security: None });
            };
            let call = |irp: PIRP, payload: *mut Payload| {
                // SAFETY: the payload is the request's, and stays until it completes.
                let local = unsafe { Payload::local(payload) };
                // SAFETY: the payload is the request's, and stays until it completes.
                let remote = unsafe { Payload::remote(payload) };
                // The current process as owner, and no sharing of addresses (SecurityDescriptor null).
                // SAFETY: the provider is captured; the IRP is ready, and will be completed; the addresses are of
                // one family; the table is a connection's, and takes this context, which stays until the close
                // has completed.
                unsafe {
                    wsk.dispatch().socket_connect(
                        wsk.client(),
                        SOCK_STREAM,
                        IPPROTO_TCP,
                        local,
                        remote,
                        context,
                        table.cast(),
                        ptr::null_mut(),
                        ptr::null_mut(),
                        ptr::null_mut(),
                        irp,
                    )
                }
            };
            // Made to the client: a system without the call would never make the socket whose close is the end
            // of every request.
            // SAFETY: the call is given the payload's addresses, and the new socket's context.
            (memory, unsafe { wsk.request_of(OptionalFunction::SocketConnect, prepare, call) }?)
        };
        let handle = match in_flight.await {
            RequestOutcome::Completed(idle, result) => {
                let (mut idle, information) = memory.completed(idle, result)?;
                // SAFETY: the request created a connection.
                let handle = unsafe { delivered::<Connection>(&mut idle, information) };
                wsk.put(idle);
                handle?
            }
            RequestOutcome::Refused(error) => return Err(error),
        };
        handle.outside_routines().await;
        handle.enable(H::WHEN_CONNECTED)?;
        // SAFETY: the socket is connected, and was made with this handler.
        Ok(unsafe { Self::from_handle(handle, Connected::NEW) })
    }
}
