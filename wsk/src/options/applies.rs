//! Which sockets have an option, and in which state.

use crate::socket::{
    Basic, Bound, Category, Connected, Connection, Datagram, DefaultDestination, Exchanges,
    FixedPeer, Listen, Listening, State, Stream, Unbound,
};

/// Says that options or control codes of this applicability are those of sockets of category `C` in the state
/// `S`.
///
/// Types of this module are it for sockets of WSK's; for options of your own, a type of your own can be. A
/// [silent](crate::socket::Silent) connection has none, since it can only be closed
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
/// /// What only basic sockets are asked for.
/// enum Probes {}
///
/// impl AppliesTo<Basic, Unbound> for Probes {}
///
/// // SAFETY: the code takes an IRP, and answers with a byte that is zero or not.
/// const RECEIVE_SIDE_SCALING: Ioctl<(), bool, Probes> =
///     unsafe { Ioctl::new(wsk::sys::SIO_QUERY_RSS_SCALABILITY_INFO) };
/// ```
#[diagnostic::on_unimplemented(
    message = "this is nothing that a `{C}` socket has in the state `{S}`",
    label = "of sockets that `{Self}` applies to",
    note = "some options precede the bind: create the socket, set them, and then bind it"
)]
pub trait AppliesTo<C: Category, S: State> {}

/// Says that sockets of category `C` in the state `S` can be asked for the value of an option of this
/// applicability: all that have the option, and those that had it before the bind.
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

    /// Sockets that have no address yet ([INV-34](crate::rules#inv-34)).
    BeforeBind:
        Listen in Unbound, Datagram in Unbound, Connection in Unbound, Stream in Unbound;

    /// Sockets that will connect.
    BeforeConnect:
        Connection in Unbound, Connection in Bound, Stream in Unbound, Stream in Bound;

    /// Connections, and sockets that will have them: what a listening socket accepts has its options.
    OfBytes:
        Listen in Unbound, Listen in Listening,
        Connection in Unbound, Connection in Bound, Connection in Connected,
        Stream in Unbound, Stream in Bound, Stream in Listening, Stream in Connected;

    /// As [`OfBytes`], and basic sockets, which must be of TCP.
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

    /// Datagram sockets, and basic ones, which must be of UDP.
    Udp:
        Basic in Unbound, Datagram in Unbound;

    /// Datagram sockets that are bound, and so can be members of groups.
    Members:;
}

macro_rules! bound_datagrams {
    ($($name:ident)*) => {$(
        /// Whether or not it has a peer or a default destination.
        impl<S: Exchanges> AppliesTo<Datagram, S> for $name {}
    )*};
}

bound_datagrams!(AllSockets Transports Datagrams Udp Members);
