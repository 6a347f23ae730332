//! The states of a socket, each with the calls that WSK's order allows ([INV-33](crate::rules#inv-33) to
//! [INV-36](crate::rules#inv-36), [INV-40](crate::rules#inv-40)).

use core::net::SocketAddr;

use crate::operation::SharedRequest;
use crate::status::Result;

/// A socket's state.
///
/// Sealed.
pub trait State: sealed::State {}

/// An unbound socket. Options that must precede the bind can be set.
#[derive(Debug)]
pub struct Unbound(());

/// A bound socket. A datagram socket can exchange datagrams, a connection can connect, and a stream socket can connect
/// or listen.
#[derive(Debug)]
pub struct Bound(());

/// A listening socket.
pub struct Listening {
    /// It outlives the futures that wait for it, so dropping one loses no connection.
    pub(super) accept: SharedRequest,
}

/// A connected socket.
#[derive(Debug)]
pub struct Connected(());

/// A datagram socket with a fixed peer. It receives only from this peer, and sends to it without an address.
pub struct FixedPeer {
    pub(super) peer: SocketAddr,
}

/// A datagram socket with a default destination. It sends there without an address, and receives from every address.
pub struct DefaultDestination {
    pub(super) destination: SocketAddr,
}

/// States in which a datagram socket exchanges datagrams: every state with an address ([INV-33](crate::rules#inv-33)).
///
/// Sealed.
pub trait Exchanges: State {}

/// States in which a datagram socket has a destination, so that it can send without an address
/// ([INV-37](crate::rules#inv-37)).
///
/// Sealed.
pub trait Destined: Exchanges + sealed::Destined {}

/// A connection that sends nothing any more, not even acknowledgements: only its close is left ([INV-43](crate::rules#inv-43)).
#[derive(Debug)]
pub struct Silent(());

impl Unbound {
    pub(super) const NEW: Self = Self(());
}

impl Bound {
    pub(super) const NEW: Self = Self(());
}

impl Listening {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn new() -> Result<Self> {
        SharedRequest::new().map(|accept| Self { accept })
    }
}

impl Connected {
    pub(super) const NEW: Self = Self(());
}

impl Silent {
    pub(super) const NEW: Self = Self(());
}

impl core::fmt::Debug for Listening {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

// Without their addresses: core's own formatting of those may panic, as far as a compiler can see.

impl core::fmt::Debug for FixedPeer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FixedPeer").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for DefaultDestination {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DefaultDestination").finish_non_exhaustive()
    }
}

impl State for Unbound {}
impl State for Bound {}
impl State for Listening {}
impl State for Connected {}
impl State for Silent {}
impl State for FixedPeer {}
impl State for DefaultDestination {}

impl Exchanges for Bound {}
impl Exchanges for FixedPeer {}
impl Exchanges for DefaultDestination {}

impl Destined for FixedPeer {}
impl Destined for DefaultDestination {}

pub(super) mod sealed {
    use core::net::SocketAddr;

    pub trait State: Send + Sync + 'static {}

    pub trait Destined {
        /// Where it sends to without an address.
        fn destination(&self) -> SocketAddr;
    }

    impl Destined for super::FixedPeer {
        fn destination(&self) -> SocketAddr {
            self.peer
        }
    }

    impl Destined for super::DefaultDestination {
        fn destination(&self) -> SocketAddr {
            self.destination
        }
    }

    impl State for super::Unbound {}
    impl State for super::Bound {}
    impl State for super::Listening {}
    impl State for super::Connected {}
    impl State for super::Silent {}
    impl State for super::FixedPeer {}
    impl State for super::DefaultDestination {}
}
