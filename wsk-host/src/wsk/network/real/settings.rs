//! Options as the machine knows them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};
use wsk_sys::{
    IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_TOS, IP_TTL,
    IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP,
    IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_UNICAST_HOPS, SO_BROADCAST, SO_KEEPALIVE,
    SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, TCP_KEEPALIVE, TCP_KEEPINTVL, TCP_NODELAY,
};

use crate::wsk::options::{Setting, Value};

/// Sets an option of a socket. What the machine does not have, or has otherwise, is not set: the client
/// reads back what it has set, and sees no difference in a process.
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
        (IPPROTO_TCP, TCP_KEEPALIVE) => {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(seconds))
        }
        (IPPROTO_TCP, TCP_KEEPINTVL) => {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_interval(seconds))
        }
        (IPPROTO_IP, IP_TTL) => socket.set_ttl_v4(number),
        (IPPROTO_IP, IP_TOS) => socket.set_tos_v4(number),
        (IPPROTO_IP, IP_MULTICAST_TTL) => socket.set_multicast_ttl_v4(number),
        (IPPROTO_IP, IP_MULTICAST_LOOP) => socket.set_multicast_loop_v4(number != 0),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => socket.set_unicast_hops_v6(number),
        (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) => socket.set_multicast_hops_v6(number),
        (IPPROTO_IPV6, IPV6_MULTICAST_LOOP) => socket.set_multicast_loop_v6(number != 0),
        _ => Ok(()),
    }
}

/// Joins a group, or leaves it: an `IP_MREQ` or an `IPV6_MREQ`.
fn member(socket: &Socket, setting: &Setting, bytes: &[u8]) -> io::Result<()> {
    let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
    let v6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from);
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    match (setting.level, setting.name) {
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
            let (group, interface) = bytes.split_at(4);
            let (group, interface) = (v4(group).map_err(invalid)?, v4(interface).map_err(invalid)?);
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
