//! Conversions of socket addresses between `core::net` and C.
//!
//! # Safety
//!
//! Addresses of C are read by the family that they begin with; every view of a [`Storage`] is initialized.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wsk_sys::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, PSOCKADDR,
    SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_IN6_0, ULONG,
};

/// Space for an address of IPv4 or IPv6, the families of WSK's sockets, which WSK writes ([INV-25](crate::rules#inv-25)).
/// It is aligned like `SOCKADDR_STORAGE`, which is four times as large.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) union Storage {
    bytes: [u8; 32],
    family: ADDRESS_FAMILY,
    v4: SOCKADDR_IN,
    v6: SOCKADDR_IN6,
}

impl Storage {
    pub(crate) const EMPTY: Self = Self { bytes: [0; 32] };

    pub(crate) fn new(address: SocketAddr) -> Self {
        // The whole union first, so that every byte is initialized.
        let mut storage = Self::EMPTY;
        match address {
            SocketAddr::V4(address) => storage.v4 = v4_to_c(address),
            SocketAddr::V6(address) => storage.v6 = v6_to_c(address),
        }
        storage
    }

    /// The address, if it is of IPv4 or IPv6.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every byte is initialized, and all views begin with the family.
        match unsafe { self.family } {
            AF_INET => {
                // SAFETY: every byte is initialized, and the family determines the type of the address.
                let address = unsafe { &self.v4 };
                Some(SocketAddr::V4(v4_from_c(address)))
            }
            AF_INET6 => {
                // SAFETY: every byte is initialized, and the family determines the type of the address.
                let address = unsafe { &self.v6 };
                Some(SocketAddr::V6(v6_from_c(address)))
            }
            _ => None,
        }
    }
}

/// Reads an address from WSK, if it is an IPv4 or IPv6 address.
///
/// # Safety
///
/// The pointer is null, or to an address of the family that it begins with.
pub(crate) unsafe fn read(address: PSOCKADDR) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: every address begins with its family.
    match unsafe { address.cast::<ADDRESS_FAMILY>().read_unaligned() } {
        AF_INET => {
            // SAFETY: the family determines the type of the address.
            let address = unsafe { address.cast::<SOCKADDR_IN>().read_unaligned() };
            Some(SocketAddr::V4(v4_from_c(&address)))
        }
        AF_INET6 => {
            // SAFETY: the family determines the type of the address.
            let address = unsafe { address.cast::<SOCKADDR_IN6>().read_unaligned() };
            Some(SocketAddr::V6(v6_from_c(&address)))
        }
        _ => None,
    }
}

/// Reads an address like [`read`]. Returns `None` if `size` is too small for its family.
///
/// # Safety
///
/// The pointer is null, or to `size` bytes of an address of the family that it begins with.
pub(crate) unsafe fn read_sized(address: PSOCKADDR, size: usize) -> Option<SocketAddr> {
    if address.is_null() || size < size_of::<ADDRESS_FAMILY>() {
        return None;
    }
    // SAFETY: every address begins with its family.
    let needed = match unsafe { address.cast::<ADDRESS_FAMILY>().read_unaligned() } {
        AF_INET => size_of::<SOCKADDR_IN>(),
        AF_INET6 => size_of::<SOCKADDR_IN6>(),
        _ => return None,
    };
    if size < needed {
        return None;
    }
    // SAFETY: the pointer is to an address of the family that it begins with, of at least `needed` bytes.
    unsafe { read(address) }
}

/// The size of an address in C, in bytes.
pub(crate) const fn size(address: SocketAddr) -> ULONG {
    #[expect(clippy::cast_possible_truncation, reason = "16 and 28 bytes")]
    match address {
        SocketAddr::V4(_) => size_of::<SOCKADDR_IN>() as ULONG,
        SocketAddr::V6(_) => size_of::<SOCKADDR_IN6>() as ULONG,
    }
}

/// The address family of a socket for this address ([INV-32](crate::rules#inv-32)).
pub(crate) const fn family(address: SocketAddr) -> ADDRESS_FAMILY {
    match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    }
}

/// The address that binds a connecting socket to any interface and port.
pub(crate) const fn unspecified(family_of: SocketAddr) -> SocketAddr {
    match family_of {
        SocketAddr::V4(_) => SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0)),
    }
}

fn v4_to_c(address: SocketAddrV4) -> SOCKADDR_IN {
    SOCKADDR_IN {
        sin_family: AF_INET,
        sin_port: address.port().to_be(),
        sin_addr: IN_ADDR { S_un: IN_ADDR_0 { S_addr: u32::from_ne_bytes(address.ip().octets()) } },
        sin_zero: [0; 8],
    }
}

fn v4_from_c(address: &SOCKADDR_IN) -> SocketAddrV4 {
    // SAFETY: every view of the union is a number of the same 32 bits.
    let ip = unsafe { address.sin_addr.S_un.S_addr };
    SocketAddrV4::new(Ipv4Addr::from(ip.to_ne_bytes()), u16::from_be(address.sin_port))
}

fn v6_to_c(address: SocketAddrV6) -> SOCKADDR_IN6 {
    SOCKADDR_IN6 {
        sin6_family: AF_INET6,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: address.flowinfo(),
        sin6_addr: IN6_ADDR { u: IN6_ADDR_0 { Byte: address.ip().octets() } },
        Anonymous: SOCKADDR_IN6_0 { sin6_scope_id: address.scope_id() },
    }
}

fn v6_from_c(address: &SOCKADDR_IN6) -> SocketAddrV6 {
    // SAFETY: every view of the union is a number of the same 128 bits.
    let ip = unsafe { address.sin6_addr.u.Byte };
    // SAFETY: every view of the union is a number of the same 32 bits.
    let scope = unsafe { address.Anonymous.sin6_scope_id };
    SocketAddrV6::new(
        Ipv6Addr::from(ip),
        u16::from_be(address.sin6_port),
        address.sin6_flowinfo,
        scope,
    )
}

/// Shows an address for debugging, without the parts of `core::net` that have a panic path.
pub(crate) struct DisplayAddress(pub(crate) SocketAddr);

impl fmt::Debug for DisplayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(address) => {
                let mut separator = "";
                for octet in address.ip().octets() {
                    write!(f, "{separator}{octet}")?;
                    separator = ".";
                }
            }
            SocketAddr::V6(address) => {
                let mut separator = "[";
                for segment in address.ip().segments() {
                    write!(f, "{separator}{segment:x}")?;
                    separator = ":";
                }
                if address.scope_id() != 0 {
                    write!(f, "%{}", address.scope_id())?;
                }
                f.write_str("]")?;
            }
        }
        write!(f, ":{}", self.0.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_through_c() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:443", "[fe80::1%7]:9"] {
            let address: SocketAddr = text.parse().expect("an address");
            assert_eq!(Storage::new(address).address(), Some(address));
        }
    }

    #[test]
    fn c_has_ports_and_addresses_in_network_byte_order() {
        let address = v4_to_c(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 0x1234));
        assert_eq!(address.sin_port.to_ne_bytes(), [0x12, 0x34]);
        // SAFETY: the union was written in whole.
        let bytes = unsafe { address.sin_addr.S_un.S_un_b };
        assert_eq!([bytes.s_b1, bytes.s_b2, bytes.s_b3, bytes.s_b4], [192, 0, 2, 1]);
    }

    #[test]
    fn addresses_are_shown() {
        for (address, shown) in [
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:db8::1]:443", "[2001:db8:0:0:0:0:0:1]:443"),
            ("[fe80::1%7]:9", "[fe80:0:0:0:0:0:0:1%7]:9"),
        ] {
            let shown_now =
                std::format!("{:?}", DisplayAddress(address.parse().expect("an address")));
            assert_eq!(shown_now, shown);
            assert_eq!(shown.parse::<SocketAddr>(), address.parse());
        }
    }

    #[test]
    fn an_unknown_family_is_no_address() {
        assert_eq!(Storage::EMPTY.address(), None);
    }
}
