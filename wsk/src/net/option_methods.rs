//! Options as pairs of methods, under the names of `std`.

/// Two methods for each option: one sets it, and one returns its value.
macro_rules! option_methods {
    ($type:ident: $(
        $(#[$doc:meta])*
        $get:ident, $set:ident($parameter:ident: $value:ty): $option:expr;
    )*) => {
        /// Options, under the names of `std`.
        impl $type {$(
            $(#[$doc])*
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            ///
            /// # Cancel safety
            ///
            /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
            ///
            /// # Errors
            ///
            /// Those of [`Socket::set`](crate::socket::Socket::set).
            pub async fn $set(&self, $parameter: $value) -> $crate::status::Result<()> {
                self.as_socket().set($option, $parameter).await
            }

            #[doc = concat!("Returns the value that [`", stringify!($set), "`](Self::", stringify!($set), ") sets.")]
            ///
            /// # Cancel safety
            ///
            /// This method is cancel safe. Dropping the future has no effect.
            ///
            /// # Errors
            ///
            /// Those of [`Socket::get`](crate::socket::Socket::get).
            pub async fn $get(&self) -> $crate::status::Result<$value> {
                self.as_socket().get($option).await
            }
        )*}
    };
}

pub(super) use option_methods;

/// The hop limit under the names of `std`, for a socket of either family.
macro_rules! ttl_methods {
    ($type:ident) => {
        /// The hop limit.
        impl $type {
            /// Sets the hop limit of packets: [`ip::TTL`](crate::options::ip::TTL), or
            /// [`ipv6::UNICAST_HOPS`](crate::options::ipv6::UNICAST_HOPS) for an IPv6 socket.
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            ///
            /// # Cancel safety
            ///
            /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
            ///
            /// # Errors
            ///
            /// Those of [`Socket::set`](crate::socket::Socket::set).
            pub async fn set_ttl(&self, ttl: u32) -> $crate::status::Result<()> {
                self.as_socket().set($crate::net::option_methods::hops(self.as_socket()), ttl).await
            }

            /// Returns the hop limit.
            ///
            /// # Cancel safety
            ///
            /// This method is cancel safe. Dropping the future has no effect.
            ///
            /// # Errors
            ///
            /// Those of [`Socket::get`](crate::socket::Socket::get).
            pub async fn ttl(&self) -> $crate::status::Result<u32> {
                self.as_socket().get($crate::net::option_methods::hops(self.as_socket())).await
            }
        }
    };
}

pub(super) use ttl_methods;

/// Whether an IPv6 socket is restricted to IPv6, under the name of `std`.
macro_rules! only_v6_method {
    ($type:ident) => {
        /// Whether it is restricted to IPv6.
        impl $type {
            /// Returns whether an IPv6 socket is restricted to IPv6: [`ipv6::ONLY_V6`](crate::options::ipv6::ONLY_V6). It is
            /// unless [`bind_dual_stack`](Self::bind_dual_stack) or
            /// [`Builder::only_v6`](crate::socket::Builder::only_v6) created it: the option must be set before the bind.
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            ///
            /// # Cancel safety
            ///
            /// This method is cancel safe. Dropping the future has no effect.
            ///
            /// # Errors
            ///
            /// Those of [`Socket::get`](crate::socket::Socket::get). An IPv4 socket does not have the option.
            pub async fn only_v6(&self) -> $crate::status::Result<bool> {
                self.as_socket().get($crate::options::ipv6::ONLY_V6).await
            }
        }
    };
}

pub(super) use only_v6_method;

use wsk_sys::AF_INET;

use crate::options::{AllSockets, SocketOption, ip, ipv6};
use crate::socket::{Category, Socket, State};

/// The option of a socket's family.
pub(super) fn hops<C: Category, S: State, H>(
    socket: &Socket<C, S, H>,
) -> SocketOption<u32, AllSockets> {
    if socket.handle().state().family() == AF_INET { ip::TTL } else { ipv6::UNICAST_HOPS }
}
