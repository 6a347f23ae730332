//! How far a socket has come: what WSK's order of calls allows with it (INV-33 to INV-36, INV-40).

use crate::operation::InFlight;

/// A socket's state.
///
/// Sealed.
pub trait State: sealed::State {}

/// A socket that was created, and has no address yet: options that must precede the bind can be set.
#[derive(Debug)]
pub struct Unbound(());

/// A socket with an address. A datagram socket can exchange datagrams now; a connection connects next, and
/// a stream socket connects or listens.
#[derive(Debug)]
pub struct Bound(());

/// A socket that listens.
pub struct Listening {
    /// The accept in flight. It survives the future that waits for it, so that no connection is lost
    /// when that is dropped.
    pub(super) accepting: Option<InFlight>,
}

/// A socket with a peer.
#[derive(Debug)]
pub struct Connected(());

/// A connection that sends nothing any more, not even acknowledgements: only its close is left (INV-43).
#[derive(Debug)]
pub struct Silent(());

impl Unbound {
    pub(super) const NEW: Self = Self(());
}

impl Bound {
    pub(super) const NEW: Self = Self(());
}

impl Listening {
    pub(super) const NEW: Self = Self { accepting: None };
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

impl State for Unbound {}
impl State for Bound {}
impl State for Listening {}
impl State for Connected {}
impl State for Silent {}

mod sealed {
    pub trait State: Send + Sync + 'static {}
    impl State for super::Unbound {}
    impl State for super::Bound {}
    impl State for super::Listening {}
    impl State for super::Connected {}
    impl State for super::Silent {}
}
