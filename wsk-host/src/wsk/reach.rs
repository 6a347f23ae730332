//! Addresses that no network can use, whichever it is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use wsk_sys::{NTSTATUS, STATUS_INVALID_ADDRESS_COMPONENT};

/// Refuses a local address that no socket can have, or none that is for IPv6 only.
pub(super) fn require_bindable(local: SocketAddr, only_v6: bool) -> Result<(), NTSTATUS> {
    let ip = local.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let is_refused = ip.is_multicast() || is_broadcast || lacks_scope(local);
    let is_refused = is_refused || (only_v6 && is_mapped(local));
    if is_refused { Err(STATUS_INVALID_ADDRESS_COMPONENT) } else { Ok(()) }
}

/// Refuses a destination that nothing can be sent to, or not from a socket for IPv6 only.
pub(super) fn require_reachable(remote: SocketAddr, only_v6: bool) -> Result<(), NTSTATUS> {
    let is_refused = remote.port() == 0 || remote.ip().to_canonical().is_unspecified();
    let is_refused = is_refused || lacks_scope(remote) || (only_v6 && is_mapped(remote));
    if is_refused { Err(STATUS_INVALID_ADDRESS_COMPONENT) } else { Ok(()) }
}

/// Whether an address is one of IPv4, written as one of IPv6.
fn is_mapped(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().to_canonical().is_ipv4()
}

/// Whether an address is link-local and does not name its link.
fn lacks_scope(address: SocketAddr) -> bool {
    let SocketAddr::V6(address) = address else { return false };
    let is_link_local = |ip: &Ipv6Addr| ip.is_unicast_link_local();
    is_link_local(address.ip()) && address.scope_id() == 0
}
