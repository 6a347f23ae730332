//! Options on the machine's sockets.
//!
//! # Safety
//!
//! One function of the C library is called, with an open socket and a value of this file's own.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive, Type};
use wsk_sys::{
    IP_ADD_MEMBERSHIP, IP_DONTFRAGMENT, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF, IP_MULTICAST_LOOP,
    IP_MULTICAST_TTL, IP_RECVERR, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP,
    IPV6_ADD_MEMBERSHIP, IPV6_DONTFRAG, IPV6_DROP_MEMBERSHIP, IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_IF, IPV6_MULTICAST_LOOP, IPV6_RECVERR, IPV6_UNICAST_HOPS, SO_BROADCAST,
    SO_KEEPALIVE, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, TCP_KEEPALIVE, TCP_KEEPINTVL, TCP_NODELAY,
};

use crate::wsk::options::{Setting, Value};

/// Sets an option of a socket. An option that the machine lacks, or defines differently, is not set: the client still
/// reads back its own value, and a process shows no other difference.
pub(super) fn apply(socket: &Socket, setting: &Setting) -> io::Result<()> {
    let number = match &setting.value {
        Value::Number(number) => *number,
        Value::Structure(bytes) => return member(socket, setting, bytes),
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
        (IPPROTO_IP, IP_MULTICAST_IF) => {
            socket.set_multicast_if_v4(&interface_address(number.to_ne_bytes())?)
        }
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

/// An address of an IPv4 interface that is given as an address, or in its form as an index. A host's only interface, with
/// the index 1, is the loopback interface.
fn interface_address(octets: [u8; 4]) -> io::Result<Ipv4Addr> {
    match octets {
        [0, 0, 0, 0] => Ok(Ipv4Addr::UNSPECIFIED),
        [0, 0, 0, 1] => Ok(Ipv4Addr::LOCALHOST),
        [0, ..] => Err(io::ErrorKind::AddrNotAvailable.into()),
        octets => Ok(octets.into()),
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

/// Sets an option that `socket2` lacks.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    let value = (&raw const value).cast();
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
        set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, wants.into())
    } else {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, wants.into())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn report_errors(_socket: &Socket, _is_v4: bool, _wants: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fragment_datagrams(socket: &Socket, may: bool) -> io::Result<()> {
    let set = |level, name, value| set(socket, level, name, value);
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

/// Joins a group, or leaves it: an `IP_MREQ` or an `IPV6_MREQ`.
fn member(socket: &Socket, setting: &Setting, bytes: &[u8]) -> io::Result<()> {
    let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
    let v6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from);
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    match (setting.level, setting.name) {
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
            let (group, interface) = bytes.split_at(4);
            let group = v4(group).map_err(invalid)?;
            let interface = interface_address(interface.try_into().map_err(invalid)?)?;
            if setting.name == IP_ADD_MEMBERSHIP {
                socket.join_multicast_v4(&group, &interface)
            } else {
                socket.leave_multicast_v4(&group, &interface)
            }
        }
        (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP) => {
            let (group, interface) = bytes.split_at(16);
            let group = v6(group).map_err(invalid)?;
            let interface = u32::from_ne_bytes(interface.try_into().map_err(invalid)?);
            if setting.name == IPV6_ADD_MEMBERSHIP {
                socket.join_multicast_v6(&group, interface)
            } else {
                socket.leave_multicast_v6(&group, interface)
            }
        }
        _ => Ok(()),
    }
}
