//! The sockets that have an option, and their states.

use crate::socket::{
    Basic, Bound, Category, Connected, Connection, Datagram, DefaultDestination, Exchanges,
    FixedPeer, Listen, Listening, State, Stream, Unbound,
};

/// Options or control codes of this applicability exist for sockets of category `C` in the state `S`.
///
/// The types of this module implement it for WSK's options; a driver can implement it for its own types. A
/// [silent](crate::socket::Silent) connection has no options, since it can only be closed
/// ([INV-43](crate::rules#inv-43)):
///
/// ```compile_fail,E0277
/// use wsk::options::tcp;
/// use wsk::socket::{Connection, Silent, Socket};
///
/// async fn ask(socket: Socket<Connection, Silent>) -> wsk::Result<bool> {
///     socket.get(tcp::NODELAY).await
/// }
/// ```
///
/// ```
/// use wsk::options::{AppliesTo, Ioctl};
/// use wsk::socket::{Basic, Unbound};
///
/// /// Control codes of basic sockets only.
/// enum Probes {}
///
/// impl AppliesTo<Basic, Unbound> for Probes {}
///
/// // SAFETY: the code takes an IRP, and returns a byte that is zero or not.
/// const RECEIVE_SIDE_SCALING: Ioctl<(), bool, Probes> =
///     unsafe { Ioctl::new(wsk::sys::SIO_QUERY_RSS_SCALABILITY_INFO) };
/// ```
#[diagnostic::on_unimplemented(
    message = "this is nothing that a `{C}` socket has in the state `{S}`",
    label = "of sockets that `{Self}` applies to",
    note = "some options precede the bind: create the socket, set them, and then bind it"
)]
pub trait AppliesTo<C: Category, S: State> {}

/// The value of an option of this applicability can be read from sockets of category `C` in the state `S`: from all that
/// have the option, and from those that had it before the bind.
#[diagnostic::on_unimplemented(
    message = "this is nothing that a `{C}` socket can be asked for in the state `{S}`",
    label = "of sockets that `{Self}` applies to"
)]
pub trait AskedOf<C: Category, S: State> {}

impl<A: AppliesTo<C, S>, C: Category, S: State> AskedOf<C, S> for A {}

macro_rules! asked_later {
    ($($category:ident in $state:ident),*) => {
        $(impl AskedOf<$category, $state> for BeforeBind {})*
    };
}

asked_later!(
    Listen in Listening,
    Datagram in Bound, Datagram in FixedPeer, Datagram in DefaultDestination,
    Connection in Bound, Connection in Connected,
    Stream in Bound, Stream in Listening, Stream in Connected
);

macro_rules! applicability {
    ($($(#[$doc:meta])* $name:ident: $($category:ident in $state:ident),*;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        $(impl AppliesTo<$category, $state> for $name {})*
    )*};
}

applicability! {
    /// Sockets of every category.
    AllSockets:
        Basic in Unbound,
        Listen in Unbound, Listen in Listening,
        Datagram in Unbound,
        Connection in Unbound, Connection in Bound, Connection in Connected,
        Stream in Unbound, Stream in Bound, Stream in Listening, Stream in Connected;

    /// Sockets of every category but basic ones.
    Transports:
        Listen in Unbound, Listen in Listening,
        Datagram in Unbound,
        Connection in Unbound, Connection in Bound, Connection in Connected,
        Stream in Unbound, Stream in Bound, Stream in Listening, Stream in Connected;

    /// Sockets that are not bound yet ([INV-34](crate::rules#inv-34)).
    BeforeBind:
        Listen in Unbound, Datagram in Unbound, Connection in Unbound, Stream in Unbound;

    /// Sockets that will connect.
    BeforeConnect:
        Connection in Unbound, Connection in Bound, Stream in Unbound, Stream in Bound;

    /// Connections, and sockets that accept them: an accepted connection inherits the listener's options.
    OfBytes:
        Listen in Unbound, Listen in Listening,
        Connection in Unbound, Connection in Bound, Connection in Connected,
        Stream in Unbound, Stream in Bound, Stream in Listening, Stream in Connected;

    /// As [`OfBytes`], and basic sockets, whose protocol must be TCP.
    Tcp:
        Basic in Unbound,
        Listen in Unbound, Listen in Listening,
        Connection in Unbound, Connection in Bound, Connection in Connected,
        Stream in Unbound, Stream in Bound, Stream in Listening, Stream in Connected;

    /// Sockets that are connected.
    Connections:
        Connection in Connected, Stream in Connected;

    /// Datagram sockets.
    Datagrams:
        Datagram in Unbound;

    /// Datagram sockets, and basic ones, whose protocol must be UDP.
    Udp:
        Basic in Unbound, Datagram in Unbound;

    /// Bound datagram sockets, which can join multicast groups.
    Members:;
}

macro_rules! bound_datagrams {
    ($($name:ident)*) => {$(
        /// Whether or not it has a peer or a default destination.
        impl<S: Exchanges> AppliesTo<Datagram, S> for $name {}
    )*};
}

bound_datagrams!(AllSockets Transports Datagrams Udp Members);
