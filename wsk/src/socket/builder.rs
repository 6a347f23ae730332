//! Builders of sockets: their transport, the options that must precede the bind, and their events.
//!
//! # Safety
//!
//! A socket's type names the state that the earlier calls have reached.

#![expect(unsafe_code, reason = "see Safety")]

use core::net::SocketAddr;

use wsk_sys::{
    IPPROTO_IPV6, IPV6_V6ONLY, SO_CONDITIONAL_ACCEPT, SO_EXCLUSIVEADDRUSE, SO_REUSEADDR,
    SOL_SOCKET, USHORT,
};

use super::Socket;
use super::state::{Bound, Connected, Listening, Unbound};
use crate::category::{Basic, Binds, Category, Connection, Datagram, Listen, Stream};
use crate::events::Callbacks;
use crate::provider::Provider;
use crate::security::CachedSecurityDescriptor;
use crate::status::{Result, known};
use crate::transport::{Family, Protocol};

/// The sharing of the address, which is set before the bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// WSK's default: other sockets may share the address if its security descriptor allows it.
    Default,
    Exclusive,
    Reuse,
}

/// A builder of a socket, from [`Socket`]'s `builder` functions.
#[derive(Debug)]
#[must_use = "nothing is created before `create`, `bind` or `connect`"]
pub struct Builder<'a, C, H = ()> {
    provider: &'a Provider,
    pub(super) family: Family,
    pub(super) socket_type: USHORT,
    pub(super) protocol: Protocol,
    sharing: Sharing,
    only_v6: Option<bool>,
    security: Option<&'a CachedSecurityDescriptor>,
    /// Covariant: no table or mask is taken from `H` before the socket is created.
    handler: H,
    /// A category has no subtypes.
    category: core::marker::PhantomData<C>,
}

impl<'a, C: Category> Builder<'a, C> {
    fn new(provider: &'a Provider, family: Family) -> Self {
        Self {
            provider,
            family,
            socket_type: C::SOCKET_TYPE,
            protocol: Protocol::from_raw(C::PROTOCOL),
            sharing: Sharing::Default,
            only_v6: None,
            security: None,
            handler: (),
            category: core::marker::PhantomData,
        }
    }

    /// Sets the handler of the socket's events. The bind enables them; for a connection, the connect does.
    pub fn events<H: Callbacks<C>>(self, handler: H) -> Builder<'a, C, H> {
        let Self {
            provider,
            family,
            socket_type,
            protocol,
            sharing,
            only_v6,
            security,
            handler: (),
            category,
        } = self;
        Builder {
            provider,
            family,
            socket_type,
            protocol,
            sharing,
            only_v6,
            security,
            handler,
            category,
        }
    }
}

macro_rules! builder {
    ($category:ident, $state:ident, $doc:literal) => {
        impl Socket<$category, $state> {
            #[doc = $doc]
            pub fn builder(wsk: &Provider, family: Family) -> Builder<'_, $category> {
                Builder::new(wsk, family)
            }
        }
    };
}

builder!(
    Basic,
    Unbound,
    "A socket for options and ioctls, of TCP unless the builder sets another protocol."
);
builder!(Listen, Listening, "A socket that will listen.");
builder!(
    Datagram,
    Bound,
    "A socket for datagrams, of UDP unless the builder sets another protocol."
);
builder!(Connection, Connected, "A socket that will connect.");
builder!(Stream, Bound, "A socket that will listen or connect. Since Windows 10, version 1703.");

impl<C: Category, H> Builder<'_, C, H> {
    /// Sets the protocol. The default depends on the category.
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the socket type, such as `SOCK_RAW`. The default depends on the category.
    pub const fn socket_type(mut self, socket_type: USHORT) -> Self {
        self.socket_type = socket_type;
        self
    }
}

impl<'a, C: Binds, H> Builder<'a, C, H> {
    /// Creates the socket with a [security descriptor](crate::security), which controls the sharing of its
    /// address. [`Socket::set_security_descriptor`] sets it later, but before the bind
    /// ([INV-34](crate::rules#inv-34)).
    pub const fn security_descriptor(mut self, descriptor: &'a CachedSecurityDescriptor) -> Self {
        self.security = Some(descriptor);
        self
    }

    /// Prevents other sockets from binding to the same address: `SO_EXCLUSIVEADDRUSE`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-exclusiveaddruse).
    pub fn exclusive_address(mut self) -> Self {
        self.sharing = Sharing::Exclusive;
        self
    }

    /// Sets whether an IPv6 socket is restricted to IPv6, which is the default:
    /// [`ipv6::ONLY_V6`](crate::options::ipv6::ONLY_V6). If not, and if it is bound to the unspecified address, it also has
    /// peers of IPv4, with IPv4-mapped addresses. An IPv4 socket does not have the option.
    ///
    /// Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-ipv6-socket-options).
    pub const fn only_v6(mut self, is_restricted: bool) -> Self {
        self.only_v6 = Some(is_restricted);
        self
    }

    /// Allows other sockets to bind to the same address: `SO_REUSEADDR`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-reuseaddr).
    pub fn reuse_address(mut self) -> Self {
        self.sharing = Sharing::Reuse;
        self
    }
}

impl<C: Category, H: Callbacks<C>> Builder<'_, C, H> {
    /// Creates the socket, and leaves it unbound.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_socket).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if its handler lacks a method for a
    ///   [static event](crate::RegistrationBuilder::static_events), or its security descriptor is another
    ///   registration's.
    /// - `STATUS_NOT_SUPPORTED` for a stream socket before version 1703 of Windows 10.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskSocket`, or of `WskControlSocket` for the options.
    pub async fn create(self) -> Result<Socket<C, Unbound, H>> {
        let needs_streams = C::FLAGS.contains(crate::flags::SocketFlags::STREAM);
        if needs_streams && self.provider.capabilities().streams().is_none() {
            return Err(known::STATUS_NOT_SUPPORTED);
        }
        let transport = super::create::SocketTransport {
            family: self.family.to_raw(),
            socket_type: self.socket_type,
            protocol: self.protocol.to_raw(),
        };
        let socket =
            Socket::<C, Unbound, H>::create(self.provider, transport, self.security, self.handler)
                .await?;
        let sharing = match self.sharing {
            Sharing::Default => None,
            Sharing::Exclusive => Some(SO_EXCLUSIVEADDRUSE),
            Sharing::Reuse => Some(SO_REUSEADDR),
        };
        if let Some(option) = sharing {
            socket.handle.set_number(SOL_SOCKET, option, 1).await?;
        }
        if let Some(is_restricted) = self.only_v6 {
            socket.handle.set_number(IPPROTO_IPV6, IPV6_V6ONLY, is_restricted.into()).await?;
        }
        if H::INSPECTS {
            socket.handle.set_number(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1).await?;
        }
        Ok(socket)
    }
}

macro_rules! bind {
    ($category:ident, $state:ident, $what:literal) => {
        impl<H: Callbacks<$category>> Builder<'_, $category, H> {
            #[doc = $what]
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            ///
            /// # Cancel safety
            ///
            /// This method is not cancel safe. Dropping the future closes the socket.
            ///
            /// # Errors
            ///
            /// - `STATUS_INVALID_ADDRESS_COMPONENT` if the address and the socket have different families, or the
            ///   machine does not have the address (for example while the network starts).
            #[doc = include_str!("bind_errors.md")]
            /// - Any status of [`Builder::create`] and `WskBind`.
            pub async fn bind(
                self,
                address: impl Into<SocketAddr>,
            ) -> Result<Socket<$category, $state, H>> {
                self.create().await?.bind(address).await
            }
        }
    };
}

bind!(Listen, Listening, "Creates the socket, binds it, and so listens. Then events are enabled.");
bind!(Datagram, Bound, "Creates the socket, and binds it. Then events are enabled.");
bind!(Connection, Bound, "Creates the socket, and binds it.");
bind!(Stream, Bound, "Creates the socket, and binds it.");

macro_rules! bind_unbound {
    ($category:ident, $state:ident, $new:expr, $enable:expr) => {
        impl<H: Callbacks<$category>> Socket<$category, Unbound, H> {
            /// Binds the socket. A listening socket listens from then on; events of a listening or datagram
            /// socket are enabled.
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_bind).
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
            #[doc = include_str!("bind_errors.md")]
            /// - Any other status of `WskBind`.
            pub async fn bind(
                self,
                address: impl Into<SocketAddr>,
            ) -> Result<Socket<$category, $state, H>> {
                let state = $new;
                self.bind_to(address.into()).await?;
                let handle = self.into_handle();
                // SAFETY: the socket is bound now.
                let socket = unsafe { Socket::from_handle(handle, state) };
                if $enable {
                    let handle = Socket::<$category, $state, H>::handle(&socket);
                    handle.outside_routines().await;
                    handle.enable(H::WHEN_BOUND)?;
                }
                Ok(socket)
            }
        }
    };
}

bind_unbound!(Listen, Listening, Listening::new()?, true);
bind_unbound!(Datagram, Bound, Bound::NEW, true);
// Their events are enabled when they are connected, or listen (INV-35).
bind_unbound!(Connection, Bound, Bound::NEW, false);
bind_unbound!(Stream, Bound, Bound::NEW, false);
