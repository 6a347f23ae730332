//! Sockets of WSK's five categories, with the order of calls and the events in their types.
//!
//! [`net`](crate::net) suffices for most drivers. This module has sockets with [events](mod@crate::events), options that
//! must precede the bind, and the categories without a counterpart in `std`.
//!
//! | category | creation | use |
//! |---|---|---|
//! | [`BasicSocket`] | [`Builder::create`] | options and ioctls |
//! | [`ListenSocket`] | [`Builder::bind`] | [`accept`](Socket::accept), or events |
//! | [`DatagramSocket`] | [`Builder::bind`] | [`send_to`](Socket::send_to), [`receive_from`](Socket::receive_from), or events |
//! | [`ConnectionSocket`] | [`Builder::connect`], or accepted | [`send`](Socket::send), [`receive`](Socket::receive), or events |
//! | [`StreamSocket`] | [`Builder::bind`] | [`listen`](Socket::listen) or [`connect`](Socket::connect) |
//!
//! A socket is a [`Socket`] with its category, its [state](State) and its event handler as types. It lacks the methods that
//! WSK allows only in another state or category:
//!
//! ```compile_fail,E0599
//! use wsk::socket::DatagramSocket;
//!
//! async fn confuse(socket: DatagramSocket) {
//!     socket.accept().await;
//! }
//! ```
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use wsk::Buffer;
//! use wsk::events::{DatagramEvents, Datagrams, Disposition};
//! use wsk::socket::{DatagramSocket, Family};
//!
//! /// Counts datagrams as they arrive.
//! #[derive(Default)]
//! struct Counter(AtomicUsize);
//!
//! #[wsk::events]
//! impl DatagramEvents for Counter {
//!     fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
//!         self.0.fetch_add(datagrams.iter().count(), Ordering::Relaxed);
//!         Disposition::Accepted
//!     }
//! }
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let socket = DatagramSocket::builder(&wsk, Family::INET)
//!     .exclusive_address()
//!     .events(Counter::default())
//!     .bind(([127, 0, 0, 1], 0))
//!     .await?;
//! println!("{} datagrams so far", socket.handler().0.load(Ordering::Relaxed));
//! socket.close().await;
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Safety
//!
//! A [`Socket`]'s types name its category, its state and its handler: `from_handle`, which asserts them, is `unsafe`.

#![expect(unsafe_code, reason = "see Safety")]

mod accept;
mod addresses;
mod attach;
mod builder;
mod close;
mod connection;
mod control;
mod counts;
mod create;
mod datagram;
mod event_control;
mod handle;
mod inspect_id;
mod kept;
mod lazy_transfer;
mod listen;
mod memory;
mod new_socket;
mod options;
mod references;
mod security;
mod state;
mod transfer;

use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::ptr::NonNull;

use wsk_sys::{PIRP, PWSK_SOCKET, WSK_SOCKET};

use crate::address::Storage;
use crate::operation::{OptionalFunction, Payload, RequestKind};
use crate::status::{Result, known};
use crate::time::Never;

pub use self::accept::Accepted;
pub use self::addresses::{LocalAddressIter, LocalAddresses};
pub use self::builder::Builder;
pub(crate) use self::connection::ReusableRequest;
pub(crate) use self::datagram::Destination;
pub use self::datagram::{DatagramReceiver, Received, Segments};
pub(crate) use self::handle::Handle;
pub(crate) use self::lazy_transfer::{LazyTransfer, TransferSource};
pub(crate) use self::memory::{SocketMemory, SocketState};
pub(crate) use self::new_socket::NewSocket;
pub(crate) use self::references::{OpenGuard, Weak};
pub use self::state::{
    Bound, Connected, DefaultDestination, Destined, Exchanges, FixedPeer, Listening, Silent, State,
    Unbound,
};
pub(crate) use self::transfer::{Submitted, await_end};
pub use crate::category::{
    Accepts, Basic, Binds, Category, Connection, Connects, Datagram, Listen, Stream,
};
pub use crate::transport::{Family, Protocol};

/// A socket for options and ioctls.
pub type BasicSocket = Socket<Basic, Unbound>;

/// A socket that listens for connections.
pub type ListenSocket<H = ()> = Socket<Listen, Listening, H>;

/// A socket for datagrams.
pub type DatagramSocket<H = ()> = Socket<Datagram, Bound, H>;

/// A socket with a peer.
pub type ConnectionSocket<H = ()> = Socket<Connection, Connected, H>;

/// A stream socket, which can listen or connect.
pub type StreamSocket<H = ()> = Socket<Stream, Bound, H>;

/// An open socket of category `C`, in the state `S`, whose events `H` handles.
///
/// Dropping it closes the socket without waiting; [`close`](Socket::close) waits. Closing a connection that is not shut
/// down on both sides **aborts** it ([INV-49](crate::rules#inv-49)). A thread of the [registration](crate::Registration)
/// drops the handler after the close, at `PASSIVE_LEVEL`.
pub struct Socket<C: Category, S: State, H = ()> {
    // Declared first, so that its request is cancelled before the socket is closed.
    state: S,
    handle: Handle<C>,
    /// Invariant in `H`: the masks of events are taken from it again after the table was. Without ownership, since
    /// the handler lies in the socket's memory.
    handler: PhantomData<fn(H) -> H>,
}

impl<C: Category, S: State, H> Socket<C, S, H> {
    /// # Safety
    ///
    /// The socket is in this state, and its memory has a handler of this type.
    unsafe fn from_handle(handle: Handle<C>, state: S) -> Self {
        Self { state, handle, handler: PhantomData }
    }

    /// The handle, which may close the socket later.
    fn into_handle(self) -> Handle<C> {
        self.handle
    }

    pub(crate) const fn handle(&self) -> &Handle<C> {
        &self.handle
    }

    /// The handler of its events.
    #[must_use]
    pub fn handler(&self) -> &H {
        if let Some(attached) = self.handle.state().attached.get() {
            // SAFETY: a socket is of its handler's type since that was attached.
            return unsafe { attached.handler_of_type() };
        }
        let memory = self.handle.as_ptr().cast::<SocketMemory<H>>();
        // SAFETY: the memory has a handler of this type, and stays as long as the handle.
        unsafe { &memory.as_ref().handler }
    }

    /// Returns the raw socket, for [`dispatch`](crate::dispatch). It is open as long as this value exists.
    #[must_use]
    pub fn as_raw(&self) -> PWSK_SOCKET {
        self.handle.state().socket()
    }

    /// Closes the socket and waits for the close, which ends when all [retained](crate::events::Data::retain) data is
    /// released and no callback runs. Never await it in a callback of the socket: it would wait for itself
    /// ([INV-48](crate::rules#inv-48)).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`, but futures are polled at `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_close_socket).
    ///
    /// # Cancel safety
    ///
    /// The close continues if the future is dropped.
    pub async fn close(self) {
        let Self { state, handle, handler: _ } = self;
        drop(state);
        handle.close().await;
    }
}

impl<H> ConnectionSocket<H> {
    /// A connection that WSK delivered to a callback, and the callback's open reference to it.
    ///
    /// # Safety
    ///
    /// The memory has a handler of this type. The socket is a connection that is being accepted with it, and
    /// no other code has access to it.
    pub(crate) unsafe fn accepted(
        new: NewSocket,
        socket: NonNull<WSK_SOCKET>,
    ) -> (Self, NonNull<SocketState>) {
        // SAFETY: the socket is a connection that is being accepted with this memory, and no one else has it, by this
        // function's contract.
        let handle = unsafe { new.open::<Connection>(socket) };
        handle.state().retain_delivering();
        let state = handle.as_ptr();
        // SAFETY: an accepted socket is connected.
        (unsafe { Self::from_handle(handle, state::Connected::NEW) }, state)
    }
}

impl<C: Binds, S: State, H> Socket<C, S, H> {
    /// Binds the socket. The caller chooses the resulting state.
    async fn bind_to(&self, address: SocketAddr) -> Result<()> {
        self.handle.check_family(address)?;
        self.handle.outside_routines().await;
        let prepare = |payload: &mut Payload| payload.local = Storage::new(address);
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let local = unsafe { Payload::local(payload) };
            // SAFETY: the address is of the socket's family (INV-32).
            unsafe { C::bind(dispatch, local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        unsafe { self.handle.request(Never, prepare, call, |_, _| ()) }.await
    }

    async fn local_address(&self) -> Result<SocketAddr> {
        self.handle.outside_routines().await;
        let prepare = |payload: &mut Payload| payload.local = Storage::EMPTY;
        let call = |dispatch, irp: PIRP, payload| {
            // SAFETY: the payload is the request's, and stays until it completes (INV-25).
            let local = unsafe { Payload::local(payload) };
            // SAFETY: the address has room for any family.
            unsafe { C::local_address(dispatch, local, irp) }
        };
        // SAFETY: the call is given the payload's address and nothing else.
        let request = unsafe {
            let local = |payload: &mut Payload, _| payload.local.address();
            self.handle.request_of(
                OptionalFunction::GetLocalAddress,
                RequestKind::Other,
                Never,
                prepare,
                call,
                local,
            )
        };
        request.await?.ok_or(known::STATUS_INTERNAL_ERROR)
    }
}

macro_rules! local_addr {
    ($($state:ident)*) => {$(
        impl<C: Binds, H> Socket<C, $state, H> {
            /// The address of this side.
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_get_local_address).
            ///
            /// # Cancel safety
            ///
            /// This method is cancel safe. Dropping the future changes nothing.
            ///
            /// # Errors
            ///
            /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
            /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
            /// - Any other status of `WskGetLocalAddress`. Wine does not implement it.
            pub async fn local_addr(&self) -> Result<SocketAddr> {
                self.local_address().await
            }
        }
    )*};
}

// Every state except Unbound, where WSK has no address to return (INV-33), and Silent (INV-43).
local_addr!(Bound Listening Connected FixedPeer DefaultDestination);

impl<C: Category, S: State, H> fmt::Debug for Socket<C, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("socket", &self.as_raw()).finish_non_exhaustive()
    }
}
