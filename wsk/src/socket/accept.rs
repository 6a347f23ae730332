//! Accepting connections.
//!
//! # Safety
//!
//! A request owns the addresses that WSK writes to, and the memory of the socket that it delivers.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::ready;

use wsk_sys::PIRP;

use super::new_socket::{Delivery, NewSocket, delivered};
use super::state::{Connected, Listening};
use super::{ConnectionSocket, Socket};
use crate::address::Storage;
use crate::category::{Accepts, Connection};
use crate::events::{Callbacks, ConnectionEvents, NewHandler, callbacks};
use crate::flags::SocketFlags;
use crate::operation::{InFlight, Payload, RARE, RequestKind, RequestOutcome};
use crate::status::Result;

/// A connection that was accepted, from [`accept_with`](Socket::accept_with).
#[non_exhaustive]
pub struct Accepted<H = ()> {
    /// The connection.
    pub socket: ConnectionSocket<H>,
    /// The local address, if it is of IPv4 or IPv6. The listener may be bound to several.
    pub local_addr: Option<SocketAddr>,
    /// The peer's address, if it is of IPv4 or IPv6.
    pub peer_addr: Option<SocketAddr>,
}

impl<H> fmt::Debug for Accepted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { socket, local_addr, peer_addr } = self;
        f.debug_struct("Accepted")
            .field("socket", socket)
            .field("local_addr", local_addr)
            .field("peer_addr", peer_addr)
            .finish()
    }
}

impl<C: Accepts, H> Socket<C, Listening, H> {
    /// Accepts a connection, and returns it with the peer's address, if that is of IPv4 or IPv6.
    ///
    /// Several tasks may accept at once. One `WskAccept` is in flight for all of them, since a second one is known to hang. A
    /// connection wakes every task that waits, and is returned to the first that polls its future; the others wait on. So no
    /// task depends on another one: a future may be dropped, forgotten, or left without being polled. If
    /// [`ListenEvents::accept`](crate::events::ListenEvents::accept) is enabled as well, the accept
    /// receives connections while it is pending, except for races ([INV-54](crate::rules#inv-54)).
    ///
    /// The connection has no handler; [`events`](ConnectionSocket::events) gives it one.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_accept).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future, also by a [timeout](crate::time::timeout), loses no
    /// connection. The accept stays in flight, and another future that waits, or the next call, returns its result.
    ///
    /// # Errors
    ///
    /// The listener can be used again.
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskAccept`.
    pub async fn accept(&self) -> Result<(ConnectionSocket, Option<SocketAddr>)> {
        let Accepted { socket, peer_addr, .. } = self.accept_any().await?;
        Ok((socket, peer_addr))
    }

    /// Accepts a connection like [`accept`](Self::accept), with a handler for its events. They are enabled after the accept;
    /// data that arrived earlier, and the end of the connection, are indicated then.
    ///
    /// ```
    /// use wsk::events::{ConnectionEvents, Data, Receipt};
    /// use wsk::socket::{Accepted, ConnectionSocket, Family, ListenSocket};
    ///
    /// /// Takes everything.
    /// struct Sink;
    ///
    /// #[wsk::events]
    /// impl ConnectionEvents for Sink {
    ///     fn receive(&self, _data: Data<'_>) -> Receipt {
    ///         Receipt::All
    ///     }
    /// }
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let listener = ListenSocket::builder(&wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
    /// let address = listener.local_addr().await?;
    /// let client = ConnectionSocket::builder(&wsk, Family::INET).connect(address).await?;
    /// let Accepted { socket, local_addr, peer_addr, .. } = listener.accept_with(Sink).await?;
    /// assert_eq!((local_addr, peer_addr), (Some(address), Some(client.local_addr().await?)));
    /// # drop(socket);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// IRQL: as for [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As for [`accept`](Self::accept). The handler is dropped with the future.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept); also any status of `WskControlSocket` if the events cannot be enabled, which
    /// closes the connection.
    pub async fn accept_with<K>(&self, handler: K) -> Result<Accepted<K>>
    where
        K: ConnectionEvents + Callbacks<Connection>,
    {
        // The handler's memory must be allocated before the connection arrives.
        let handler = NewHandler::allocate(handler)?;
        let Accepted { socket, local_addr, peer_addr } = self.accept_any().await?;
        Ok(Accepted { socket: socket.attach(handler)?, local_addr, peer_addr })
    }

    async fn accept_any(&self) -> Result<Accepted> {
        let state = self.handle.state();
        let budgeted = state.permit().await;
        let mut outcome = pin!(self.state.accept.outcome(budgeted, || start(&self.handle)));
        // Each poll may have to issue the next request, and the caller to enable events.
        let outcome = poll_fn(|context| {
            ready!(state.client().poll_outside_routines(context));
            outcome.as_mut().poll(context)
        });
        let outcome = outcome.await?;
        match outcome {
            RequestOutcome::Completed(idle, result) => {
                let (mut idle, information) = state.completed(idle, result)?;
                let payload = idle.payload();
                let (local_addr, peer_addr) = (payload.local.address(), payload.remote.address());
                // SAFETY: an accepted socket is a connection.
                let handle = unsafe { delivered::<Connection>(&mut idle, information) };
                state.requests.put(idle);
                // SAFETY: an accepted socket is connected, and this one was given no handler.
                let socket = unsafe { Socket::from_handle(handle?, Connected::NEW) };
                Ok(Accepted { socket, local_addr, peer_addr })
            }
            RequestOutcome::Refused(error) => Err(error),
        }
    }
}

fn start<C: Accepts>(listener: &super::Handle<C>) -> Result<InFlight> {
    let state = listener.state();
    // SAFETY: the request is kept beside the listener's handle, and dropped before it.
    let mut idle = unsafe { state.idle() }?;
    // The connection's memory must be allocated before it arrives (INV-20).
    let new = NewSocket::allocate(state.client(), SocketFlags::CONNECTION, state.family(), ());
    let new = match new {
        Ok(new) => new,
        Err(error) => {
            state.requests.put(idle);
            return Err(error);
        }
    };
    let (context, table) = callbacks::<Connection, ()>(state.client(), new.context());
    let payload = idle.payload();
    payload.attachment.put(Delivery { new, security: None });
    payload.local = Storage::EMPTY;
    payload.remote = Storage::EMPTY;
    let call = |dispatch, irp: PIRP, payload: *mut Payload| {
        // SAFETY: the payload is the request's, and stays until it completes (INV-25).
        let local = unsafe { Payload::local(payload) };
        // SAFETY: the payload is the request's, and stays until it completes (INV-25).
        let remote = unsafe { Payload::remote(payload) };
        let addresses = [local, remote];
        // SAFETY: the socket listens; the addresses have room for any family. The table is a connection's, and
        // takes this context, which stays until the close of the accepted socket has completed.
        unsafe { C::accept(dispatch, context, table.cast(), addresses, irp) }
    };
    // SAFETY: the call is given the payload's addresses, and the new socket's context.
    Ok(unsafe { listener.start::<RARE>(idle, RequestKind::Other, call) }.in_flight().budgeted())
}
