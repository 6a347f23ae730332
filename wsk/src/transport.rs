//! The numbers that select a transport: the family of its addresses, and its protocol.

use core::net::SocketAddr;

use wsk_sys::{ADDRESS_FAMILY, AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_TCP, IPPROTO_UDP, ULONG};

use crate::address;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Family(ADDRESS_FAMILY);

impl Family {
    /// IPv4, `AF_INET`.
    pub const INET: Self = Self(AF_INET);
    /// IPv6, `AF_INET6`.
    pub const INET6: Self = Self(AF_INET6);
    /// Any family, `AF_UNSPEC`: a transport with addresses of every family.
    pub const UNSPECIFIED: Self = Self(AF_UNSPEC);

    /// Returns the family with this number.
    #[must_use]
    pub const fn from_raw(family: ADDRESS_FAMILY) -> Self {
        Self(family)
    }

    /// Returns its number.
    #[must_use]
    pub const fn to_raw(self) -> ADDRESS_FAMILY {
        self.0
    }

    /// Returns the family of an address.
    #[must_use]
    pub const fn of(address: SocketAddr) -> Self {
        Self(address::family(address))
    }
}

/// A protocol above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(ULONG);

impl Protocol {
    /// TCP, `IPPROTO_TCP`.
    pub const TCP: Self = Self(IPPROTO_TCP);
    /// UDP, `IPPROTO_UDP`.
    pub const UDP: Self = Self(IPPROTO_UDP);

    /// Returns the protocol with this number.
    #[must_use]
    pub const fn from_raw(protocol: ULONG) -> Self {
        Self(protocol)
    }

    /// Returns its number.
    #[must_use]
    pub const fn to_raw(self) -> ULONG {
        self.0
    }
}
