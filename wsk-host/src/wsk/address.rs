//! Socket addresses, as WSK has them and as std has them.
//!
//! # Safety
//!
//! Addresses are read and written according to the family at their start; their memory need not be aligned.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wsk_sys::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, PIRP, PSOCKADDR,
    SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_IN6_0,
};

use crate::kernel::residency::{require_allocated, require_nonpaged};
use crate::kernel::{Kernel, current};
use crate::verifier::{Rule, kernel_violation, rule_violation};

/// The size of a family's addresses.
pub(super) fn size_of_family(family: ADDRESS_FAMILY) -> usize {
    if family == AF_INET6 { size_of::<SOCKADDR_IN6>() } else { size_of::<SOCKADDR_IN>() }
}

/// The family of an address.
pub(super) fn family_of(address: SocketAddr) -> ADDRESS_FAMILY {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Reads an address, which must be of a family. None, after a report, if it is not.
///
/// # Safety
///
/// The pointer is null, or to an address of the family that it begins with.
pub(super) unsafe fn read(
    address: PSOCKADDR,
    family: ADDRESS_FAMILY,
    call: &str,
) -> Option<SocketAddr> {
    if address.is_null() {
        rule_violation(Rule::ADDRESS_FAMILY, call, "the address is null", None);
        return None;
    }
    let require = |size| {
        let rule = Rule::ADDRESS_MEMORY;
        require_allocated(&current(), rule, address.addr(), size, "the address", call);
    };
    require(size_of::<ADDRESS_FAMILY>());
    // SAFETY: every address begins with its family.
    let found = unsafe { (&raw const (*address).sa_family).read_unaligned() };
    if found != family {
        let found = format!("the address family is {found}, the socket's is {family}");
        rule_violation(Rule::ADDRESS_FAMILY, call, &found, None);
        return None;
    }
    require(size_of_family(family));
    let address = match family {
        AF_INET => {
            // SAFETY: the family determines the type of the address.
            let address = unsafe { address.cast::<SOCKADDR_IN>().read_unaligned() };
            // SAFETY: all views of the union are of the same four bytes.
            let ip = unsafe { address.sin_addr.S_un.S_addr };
            let ip = Ipv4Addr::from(ip.to_ne_bytes());
            SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into()
        }
        AF_INET6 => {
            // SAFETY: the family determines the type of the address.
            let address = unsafe { address.cast::<SOCKADDR_IN6>().read_unaligned() };
            // SAFETY: all views of the union are of the same sixteen bytes.
            let ip = Ipv6Addr::from(unsafe { address.sin6_addr.u.Byte });
            // SAFETY: all views of the union are of the same four bytes.
            let scope = unsafe { address.Anonymous.sin6_scope_id };
            let port = u16::from_be(address.sin6_port);
            SocketAddrV6::new(ip, port, address.sin6_flowinfo, scope).into()
        }
        _ => kernel_violation("the socket's address family is neither AF_INET nor AF_INET6"),
    };
    Some(address)
}

/// The family field of an address. Returns `None`, after a report, if the pointer is null.
///
/// # Safety
///
/// The pointer is null, or to an address.
pub(super) unsafe fn read_family(address: PSOCKADDR, call: &str) -> Option<ADDRESS_FAMILY> {
    if address.is_null() {
        rule_violation(Rule::ADDRESS_FAMILY, call, "the address is null", None);
        return None;
    }
    // SAFETY: every address begins with its family.
    Some(unsafe { (&raw const (*address).sa_family).read_unaligned() })
}

/// Writes an address, unless the pointer is null.
///
/// # Safety
///
/// The pointer is null, or to memory with room for the address.
pub(super) unsafe fn write(to: PSOCKADDR, address: SocketAddr) {
    if to.is_null() {
        return;
    }
    match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            let address = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                sin_addr: IN_ADDR { S_un: IN_ADDR_0 { S_addr: ip } },
                sin_zero: [0; 8],
            };
            // SAFETY: there is room for the address, by this function's contract.
            unsafe { to.cast::<SOCKADDR_IN>().write_unaligned(address) };
        }
        SocketAddr::V6(address) => {
            let ip = IN6_ADDR_0 { Byte: address.ip().octets() };
            let scope = SOCKADDR_IN6_0 { sin6_scope_id: address.scope_id() };
            let address = SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: IN6_ADDR { u: ip },
                Anonymous: scope,
            };
            // SAFETY: there is room for the address, by this function's contract.
            unsafe { to.cast::<SOCKADDR_IN6>().write_unaligned(address) };
        }
    }
}

/// Checks memory that a request will write an address to, and remembers that it needs it.
pub(super) fn require_room(
    kernel: &Kernel,
    irp: PIRP,
    to: PSOCKADDR,
    family: ADDRESS_FAMILY,
    call: &'static str,
) {
    if to.is_null() {
        return;
    }
    let size = size_of_family(family);
    require_nonpaged(
        kernel,
        Rule::ADDRESS_MEMORY,
        to.addr(),
        size,
        "the memory for an address",
        call,
    );
    kernel.usage().pin(irp, ("memory for an address", Rule::ADDRESS_MEMORY), to.addr(), size);
}
