//! Options on the machine's sockets.
//!
//! # Safety
//!
//! One function of the C library is called, with an open socket and a value of this file's own.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::net::SocketAddrV6;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsRawFd;
use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::{SockAddr, SockAddrStorage};
use socket2::{Socket, TcpKeepalive, Type};
use wsk_sys::{
    IP_DONTFRAGMENT, IP_MULTICAST_IF, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_RECVERR, IP_TOS,
    IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_DONTFRAG, IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_IF, IPV6_MULTICAST_LOOP, IPV6_RECVERR, IPV6_UNICAST_HOPS, SO_BROADCAST,
    SO_KEEPALIVE, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, TCP_KEEPALIVE, TCP_KEEPINTVL, TCP_NODELAY,
};

use crate::wsk::membership::{Change, Interface, MembershipRequest, SourceChange};
use crate::wsk::options::{Setting, Value};

/// Sets an option of a socket. An option that the machine lacks, or defines differently, is not set: the client still
/// reads back its own value, and a process shows no other difference.
pub(super) fn apply(socket: &Socket, setting: &Setting) -> io::Result<()> {
    let Value::Number(number) = setting.value else {
        // The only options with structures are memberships.
        let request = MembershipRequest::of(setting).map_err(|_| io::ErrorKind::InvalidInput)?;
        return request.map_or(Ok(()), |request| member(socket, &request));
    };
    let seconds = Duration::from_secs(number.into());
    match (setting.level, setting.name) {
        (SOL_SOCKET, SO_KEEPALIVE) => socket.set_keepalive(number != 0),
        (SOL_SOCKET, SO_RCVBUF) => socket.set_recv_buffer_size(number as usize),
        (SOL_SOCKET, SO_SNDBUF) => socket.set_send_buffer_size(number as usize),
        (SOL_SOCKET, SO_BROADCAST) => socket.set_broadcast(number != 0),
        (IPPROTO_TCP, TCP_NODELAY) => socket.set_tcp_nodelay(number != 0),
        (IPPROTO_TCP, TCP_KEEPALIVE) => keep_alive(socket, &TcpKeepalive::new().with_time(seconds)),
        (IPPROTO_TCP, TCP_KEEPINTVL) => {
            keep_alive(socket, &TcpKeepalive::new().with_interval(seconds))
        }
        (IPPROTO_IP, IP_TTL) => socket.set_ttl_v4(number),
        (IPPROTO_IP, IP_TOS) => socket.set_tos_v4(number),
        (IPPROTO_IP, IP_MULTICAST_TTL) => socket.set_multicast_ttl_v4(number),
        (IPPROTO_IP, IP_MULTICAST_LOOP) => socket.set_multicast_loop_v4(number != 0),
        (IPPROTO_IP, IP_MULTICAST_IF) => socket
            .set_multicast_if_v4(&interface_address(Interface::of_ipv4(number.to_ne_bytes()))?),
        (IPPROTO_IPV6, IPV6_MULTICAST_IF) => socket.set_multicast_if_v6(number),
        (IPPROTO_IP, IP_DONTFRAGMENT) | (IPPROTO_IPV6, IPV6_DONTFRAG) => {
            fragment(socket, number == 0)
        }
        (IPPROTO_IP, IP_RECVERR) => report_errors(socket, true, number != 0),
        (IPPROTO_IPV6, IPV6_RECVERR) => report_errors(socket, false, number != 0),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => socket.set_unicast_hops_v6(number),
        (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) => socket.set_multicast_hops_v6(number),
        (IPPROTO_IPV6, IPV6_MULTICAST_LOOP) => socket.set_multicast_loop_v6(number != 0),
        _ => Ok(()),
    }
}

/// An address of an IPv4 interface. A host's only interface, with the index 1, is the loopback interface.
fn interface_address(interface: Interface) -> io::Result<Ipv4Addr> {
    match interface {
        Interface::Address(address) => Ok(address),
        Interface::Index(0) => Ok(Ipv4Addr::UNSPECIFIED),
        Interface::Index(1) => Ok(Ipv4Addr::LOCALHOST),
        Interface::Index(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// Sets the parameters of keep-alive, without enabling it.
fn keep_alive(socket: &Socket, how: &TcpKeepalive) -> io::Result<()> {
    let is_kept = socket.keepalive()?;
    socket.set_tcp_keepalive(how)?;
    socket.set_keepalive(is_kept)
}

/// Whether datagrams may be fragmented on their way. On Windows they may, unless an option forbids it;
/// `quinn-udp` begins with sockets that do not let them.
pub(super) fn fragment(socket: &Socket, may: bool) -> io::Result<()> {
    if socket.r#type()? != Type::DGRAM {
        return Ok(());
    }
    fragment_datagrams(socket, may)
}

/// Restricts a socket's multicast datagrams to the groups that it has joined, as on Windows. By default, Linux delivers
/// those of every group that some socket of the machine has joined.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn require_membership(socket: &Socket) -> io::Result<()> {
    let off: libc::c_int = 0;
    set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &off)?;
    if socket.local_addr()?.is_ipv6() {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, &off)?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn require_membership(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Sets an option that `socket2` lacks.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set<T>(socket: &Socket, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let value = (&raw const *value).cast();
    // SAFETY: the socket is open, and the value has this size.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets whether errors that ICMP reports for sent datagrams are kept for the socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn report_errors(socket: &Socket, is_v4: bool, wants: bool) -> io::Result<()> {
    if is_v4 {
        set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &libc::c_int::from(wants))
    } else {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &libc::c_int::from(wants))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn report_errors(_socket: &Socket, _is_v4: bool, _wants: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fragment_datagrams(socket: &Socket, may: bool) -> io::Result<()> {
    let set = |level, name, value| set(socket, level, name, &value);
    let discover = if may { libc::IP_PMTUDISC_DONT } else { libc::IP_PMTUDISC_DO };
    if socket.local_addr()?.is_ipv6() {
        set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, discover)?;
        set(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, libc::c_int::from(!may))?;
    }
    // Of a socket of IPv6, this is for addresses of IPv4.
    set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fragment_datagrams(_socket: &Socket, _may: bool) -> io::Result<()> {
    Ok(())
}

/// Joins a group or leaves it, or changes its sources. The system decides over conflicts.
fn member(socket: &Socket, request: &MembershipRequest) -> io::Result<()> {
    let result = match (request.group, request.change, request.interface) {
        (IpAddr::V4(group), Change::Join, interface) => {
            socket.join_multicast_v4(&group, &interface_address(interface)?)
        }
        (IpAddr::V4(group), Change::Leave, interface) => {
            socket.leave_multicast_v4(&group, &interface_address(interface)?)
        }
        (IpAddr::V4(group), Change::Source(change, IpAddr::V4(source)), interface) => {
            source_v4(socket, change, (group, source), interface_address(interface)?)
        }
        (IpAddr::V6(group), Change::Join, Interface::Index(interface)) => {
            socket.join_multicast_v6(&group, interface)
        }
        (IpAddr::V6(group), Change::Leave, Interface::Index(interface)) => {
            socket.leave_multicast_v6(&group, interface)
        }
        (
            IpAddr::V6(group),
            Change::Source(change, IpAddr::V6(source)),
            Interface::Index(index),
        ) => source_v6(socket, change, (group, source), index),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    // A second join, of which Windows says that the address is not available.
    result.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => io::ErrorKind::AddrNotAvailable.into(),
        _ => error,
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn source_v4(
    socket: &Socket,
    change: SourceChange,
    (group, source): (Ipv4Addr, Ipv4Addr),
    interface: Ipv4Addr,
) -> io::Result<()> {
    let address = |ip: Ipv4Addr| libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
    let name = match change {
        SourceChange::Join => libc::IP_ADD_SOURCE_MEMBERSHIP,
        SourceChange::Leave => libc::IP_DROP_SOURCE_MEMBERSHIP,
        SourceChange::Block => libc::IP_BLOCK_SOURCE,
        SourceChange::Unblock => libc::IP_UNBLOCK_SOURCE,
    };
    let value = libc::ip_mreq_source {
        imr_multiaddr: address(group),
        imr_interface: address(interface),
        imr_sourceaddr: address(source),
    };
    set(socket, libc::IPPROTO_IP, name, &value)
}

/// A `group_source_req`, which older versions of `libc` lack.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[repr(C)]
struct GroupSource {
    interface: u32,
    group: SockAddrStorage,
    source: SockAddrStorage,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn source_v6(
    socket: &Socket,
    change: SourceChange,
    (group, source): (Ipv6Addr, Ipv6Addr),
    interface: u32,
) -> io::Result<()> {
    let address = |ip| SockAddr::from(SocketAddrV6::new(ip, 0, 0, 0)).as_storage();
    let name = match change {
        SourceChange::Join => libc::MCAST_JOIN_SOURCE_GROUP,
        SourceChange::Leave => libc::MCAST_LEAVE_SOURCE_GROUP,
        SourceChange::Block => libc::MCAST_BLOCK_SOURCE,
        SourceChange::Unblock => libc::MCAST_UNBLOCK_SOURCE,
    };
    let value = GroupSource { interface, group: address(group), source: address(source) };
    set(socket, libc::IPPROTO_IPV6, name, &value)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn source_v4(
    socket: &Socket,
    change: SourceChange,
    (group, source): (Ipv4Addr, Ipv4Addr),
    interface: Ipv4Addr,
) -> io::Result<()> {
    match change {
        SourceChange::Join => socket.join_ssm_v4(&source, &group, &interface),
        SourceChange::Leave => socket.leave_ssm_v4(&source, &group, &interface),
        SourceChange::Block | SourceChange::Unblock => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn source_v6(
    _socket: &Socket,
    _change: SourceChange,
    _addresses: (Ipv6Addr, Ipv6Addr),
    _interface: u32,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
