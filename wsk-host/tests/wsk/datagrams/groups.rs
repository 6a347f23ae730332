//! Datagrams for several receivers: broadcast and multicast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use test_support::hosts::{everywhere, on, simulated};
use test_support::raw::datagrams::{
    any_port, bound, destination, dual, local_address, nothing_arrives, number_in, receive, send,
    send_to, unbound,
};
use test_support::raw::{PoolBuffer, bind, close, control, set_option};
use wsk_host::Config;
use wsk_sys::*;

/// Linux sends from its loopback address to groups on the loopback interface. Of other systems only the
/// simulated network is tested.
fn hosts() -> impl Iterator<Item = Config> {
    let linux = if cfg!(target_os = "linux") { test_support::hosts::real() } else { Vec::new() };
    simulated().into_iter().chain(linux)
}

#[test]
fn a_broadcast_needs_permission() {
    everywhere(|client| {
        let (socket, _) = bound(client, any_port(AF_INET));
        let everyone = Some((Ipv4Addr::BROADCAST, 7).into());
        assert_eq!(send(socket, b"", everyone).0, STATUS_ACCESS_DENIED);
        close(socket);
        let (socket, _) = dual(client);
        let everyone = Some((Ipv4Addr::BROADCAST.to_ipv6_mapped(), 7).into());
        assert_eq!(send(socket, b"", everyone).0, STATUS_ACCESS_DENIED);
        close(socket);
    });
}

#[test]
fn a_broadcast_reaches_everyone_at_a_port() {
    on(hosts(), |client| {
        let receivers = {
            let first = unbound(client, AF_INET);
            set_option(first, SOL_SOCKET, SO_REUSEADDR, 1);
            bind(first, ([0, 0, 0, 0], 0)).succeed();
            let second = unbound(client, AF_INET);
            set_option(second, SOL_SOCKET, SO_REUSEADDR, 1);
            bind(second, local_address(first)).succeed();
            [first, second]
        };
        let port = local_address(receivers[0]).port();
        let (sender, from) = bound(client, any_port(AF_INET));
        assert_eq!(set_option(sender, SOL_SOCKET, SO_BROADCAST, 1), STATUS_SUCCESS);
        assert_eq!(set_option(receivers[0], IPPROTO_IP, IP_PKTINFO, 1), STATUS_SUCCESS);
        send_to(sender, b"everyone", (Ipv4Addr::BROADCAST, port).into());
        for receiver in receivers {
            let received = receive(receiver);
            assert_eq!((&*received.bytes, received.from), (&b"everyone"[..], from));
            assert_eq!(received.flags, MSG_BCAST);
            if receiver == receivers[0] {
                assert_eq!(destination(&received.messages), Some(Ipv4Addr::BROADCAST.into()));
            }
        }
        for socket in [sender, receivers[0], receivers[1]] {
            close(socket);
        }
    });
}

/// Joins a group, or leaves it: an `IP_MREQ` or an `IPV6_MREQ`.
fn member(socket: PWSK_SOCKET, name: ULONG, group: IpAddr) -> NTSTATUS {
    let (level, request) = match group {
        IpAddr::V4(group) => (IPPROTO_IP, [group.octets(), [127, 0, 0, 1]].concat()),
        IpAddr::V6(group) => (IPPROTO_IPV6, [&group.octets()[..], &[0; 4]].concat()),
    };
    let input = PoolBuffer::with(&request);
    control(socket, (WskSetOption, name, level), Some(&input), None).wait().0
}

fn joins_and_leaves(client: &test_support::raw::Client, wild: SocketAddr, group: IpAddr) {
    let (add, drop, level, name, hops) = if group.is_ipv4() {
        (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IPPROTO_IP, IP_PKTINFO, IP_HOPLIMIT)
    } else {
        (IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, IPPROTO_IPV6, IPV6_PKTINFO, IPV6_HOPLIMIT)
    };
    let (member_socket, at) = bound(client, wild);
    let (sender, from) = bound(client, any_port(if wild.is_ipv4() { AF_INET } else { AF_INET6 }));
    let to = SocketAddr::new(group, at.port());
    send_to(sender, b"before", to);
    nothing_arrives(member_socket);
    assert!(!NT_SUCCESS(member(member_socket, drop, group)), "it is no member");
    assert_eq!(member(member_socket, add, group), STATUS_SUCCESS);
    assert!(!NT_SUCCESS(member(member_socket, add, group)), "it is one already");
    set_option(member_socket, level, name, 1);
    set_option(member_socket, level, hops, 1);
    send_to(sender, b"members", to);
    let received = receive(member_socket);
    assert_eq!((&*received.bytes, received.from), (&b"members"[..], from));
    assert_eq!(received.flags, MSG_MCAST);
    assert_eq!(destination(&received.messages), Some(group));
    // It does not leave the network that it is sent to.
    assert!(number_in(&received.messages, level, hops).is_none_or(|limit| limit == 1));
    assert_eq!(member(member_socket, drop, group), STATUS_SUCCESS);
    send_to(sender, b"after", to);
    nothing_arrives(member_socket);
    close(member_socket);
    close(sender);
}

#[test]
fn a_group_reaches_its_current_members() {
    on(hosts(), |client| {
        joins_and_leaves(client, ([0, 0, 0, 0], 0).into(), [239, 1, 2, 3].into());
    });
}

#[test]
fn a_group_of_ipv6_reaches_its_members_on_the_simulated_network() {
    on(simulated(), |client| {
        let group = IpAddr::from([0xFF05, 0, 0, 0, 0, 0, 1, 3]);
        joins_and_leaves(client, ([0_u16; 8], 0).into(), group);
    });
}

#[test]
fn memberships_need_a_bound_socket_and_a_group_address() {
    everywhere(|client| {
        let socket = unbound(client, AF_INET);
        let group = [239, 1, 2, 3].into();
        assert_eq!(member(socket, IP_ADD_MEMBERSHIP, group), STATUS_INVALID_DEVICE_STATE);
        bind(socket, ([0, 0, 0, 0], 0)).succeed();
        assert!(!NT_SUCCESS(member(socket, IP_ADD_MEMBERSHIP, [127, 0, 0, 1].into())));
        let short = PoolBuffer::with(&[239, 1, 2, 3]);
        let option = (WskSetOption, IP_ADD_MEMBERSHIP, IPPROTO_IP);
        control(socket, option, Some(&short), None).fail(STATUS_INVALID_PARAMETER);
        let room = PoolBuffer::new(8);
        let option = (WskGetOption, IP_ADD_MEMBERSHIP, IPPROTO_IP);
        control(socket, option, None, Some(&room)).fail(STATUS_NOT_SUPPORTED);
        close(socket);
    });
}

/// Another socket's membership does not make a socket receive.
#[test]
fn a_group_does_not_reach_a_socket_beside_a_member() {
    on(hosts(), |client| {
        let group = IpAddr::from([239, 1, 2, 4]);
        let (beside, at) = bound(client, ([0, 0, 0, 0], 0));
        let (other, _) = bound(client, ([0, 0, 0, 0], 0));
        assert_eq!(member(other, IP_ADD_MEMBERSHIP, group), STATUS_SUCCESS);
        let (sender, _) = bound(client, any_port(AF_INET));
        send_to(sender, b"members", SocketAddr::new(group, at.port()));
        nothing_arrives(beside);
        for socket in [beside, other, sender] {
            close(socket);
        }
    });
}

/// Changes a group's sources: an `IP_MREQ_SOURCE`, on the loopback interface.
fn source_v4(socket: PWSK_SOCKET, name: ULONG, group: [u8; 4], source: [u8; 4]) -> NTSTATUS {
    let input = PoolBuffer::with(&[group, source, [127, 0, 0, 1]].concat());
    control(socket, (WskSetOption, name, IPPROTO_IP), Some(&input), None).wait().0
}

/// A `GROUP_SOURCE_REQ`, by the offsets that the SDK gives it.
fn group_source(group: IpAddr, source: IpAddr, interface: ULONG) -> [u8; 264] {
    let mut bytes = [0; 264];
    bytes[..4].copy_from_slice(&interface.to_ne_bytes());
    for (start, ip) in [(8, group), (136, source)] {
        let bytes = &mut bytes[start..];
        match ip {
            IpAddr::V4(ip) => {
                bytes[..2].copy_from_slice(&2_u16.to_ne_bytes());
                bytes[4..8].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes[..2].copy_from_slice(&23_u16.to_ne_bytes());
                bytes[8..24].copy_from_slice(&ip.octets());
            }
        }
    }
    bytes
}

/// Changes a group's sources by an option of either family.
fn source(
    socket: PWSK_SOCKET,
    name: ULONG,
    (group, source): (IpAddr, IpAddr),
    interface: ULONG,
) -> NTSTATUS {
    let level = if group.is_ipv4() { IPPROTO_IP } else { IPPROTO_IPV6 };
    let input = PoolBuffer::with(&group_source(group, source, interface));
    control(socket, (WskSetOption, name, level), Some(&input), None).wait().0
}

#[test]
fn a_member_of_one_source_receives_from_it_alone() {
    const GROUP: [u8; 4] = [232, 1, 2, 3];
    const SOURCE: [u8; 4] = [127, 0, 0, 1];
    on(hosts(), |client| {
        let (member, at) = bound(client, ([0, 0, 0, 0], 0));
        let to = SocketAddr::new(GROUP.into(), at.port());
        let (sender, from) = bound(client, (SOURCE, 0));
        let (stranger, stranger_at) = bound(client, ([127, 0, 0, 2], 0));
        let left = source_v4(member, IP_DROP_SOURCE_MEMBERSHIP, GROUP, SOURCE);
        assert_eq!(left, STATUS_INVALID_PARAMETER, "it is no member");
        let options = [
            (IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP),
            (MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP),
        ];
        for (join, leave) in options {
            let change = |name, from| {
                if join == MCAST_JOIN_SOURCE_GROUP {
                    source(member, name, (GROUP.into(), IpAddr::from(from)), 1)
                } else {
                    source_v4(member, name, GROUP, from)
                }
            };
            assert_eq!(change(join, SOURCE), STATUS_SUCCESS);
            assert_eq!(change(join, SOURCE), STATUS_INVALID_ADDRESS_COMPONENT, "it is one");
            send_to(stranger, b"stranger", to);
            send_to(sender, b"source", to);
            let received = receive(member);
            assert_eq!((&*received.bytes, received.from), (&b"source"[..], from));
            nothing_arrives(member);
            assert_eq!(change(leave, [127, 0, 0, 2]), STATUS_INVALID_ADDRESS_COMPONENT);
            assert_eq!(change(join, [127, 0, 0, 2]), STATUS_SUCCESS);
            send_to(stranger, b"another", to);
            assert_eq!(receive(member).from, stranger_at);
            assert_eq!(change(leave, SOURCE), STATUS_SUCCESS);
            send_to(sender, b"source", to);
            nothing_arrives(member);
            assert_eq!(change(leave, [127, 0, 0, 2]), STATUS_SUCCESS);
            send_to(stranger, b"another", to);
            nothing_arrives(member);
        }
        for socket in [member, sender, stranger] {
            close(socket);
        }
    });
}

#[test]
fn a_blocked_source_is_not_received_from() {
    const GROUP: [u8; 4] = [239, 1, 2, 3];
    const SOURCE: [u8; 4] = [127, 0, 0, 1];
    on(hosts(), |client| {
        let (socket, at) = bound(client, ([0, 0, 0, 0], 0));
        let to = SocketAddr::new(GROUP.into(), at.port());
        let (sender, from) = bound(client, (SOURCE, 0));
        let change = |name| source_v4(socket, name, GROUP, SOURCE);
        assert_eq!(change(IP_BLOCK_SOURCE), STATUS_INVALID_PARAMETER, "it is no member");
        assert_eq!(member(socket, IP_ADD_MEMBERSHIP, GROUP.into()), STATUS_SUCCESS);
        assert_eq!(
            member(socket, IP_ADD_MEMBERSHIP, GROUP.into()),
            STATUS_INVALID_ADDRESS_COMPONENT
        );
        assert_eq!(change(IP_BLOCK_SOURCE), STATUS_SUCCESS);
        assert_eq!(change(IP_BLOCK_SOURCE), STATUS_INVALID_ADDRESS_COMPONENT);
        send_to(sender, b"blocked", to);
        nothing_arrives(socket);
        assert_eq!(change(IP_UNBLOCK_SOURCE), STATUS_SUCCESS);
        assert_eq!(change(IP_UNBLOCK_SOURCE), STATUS_INVALID_ADDRESS_COMPONENT);
        send_to(sender, b"received", to);
        let received = receive(socket);
        assert_eq!((&*received.bytes, received.from), (&b"received"[..], from));
        close(socket);
        close(sender);
    });
}

#[test]
fn sources_of_ipv6_are_filtered_on_the_simulated_network() {
    on(simulated(), |client| {
        let group = IpAddr::from([0xFF35, 0, 0, 0, 0, 0, 1, 3]);
        let (member, at) = bound(client, ([0_u16; 8], 0));
        let (sender, from) = bound(client, any_port(AF_INET6));
        let to = SocketAddr::new(group, at.port());
        let own = from.ip();
        let other = IpAddr::from([0x2001, 0xDB8, 0, 0, 0, 0, 0, 9]);
        assert_eq!(source(member, MCAST_JOIN_SOURCE_GROUP, (group, other), 0), STATUS_SUCCESS);
        send_to(sender, b"not of its sources", to);
        nothing_arrives(member);
        assert_eq!(source(member, MCAST_JOIN_SOURCE_GROUP, (group, own), 1), STATUS_SUCCESS);
        send_to(sender, b"of its sources", to);
        assert_eq!(receive(member).from, from);
        close(member);
        close(sender);
    });
}

#[test]
fn requests_about_sources_are_checked() {
    on(hosts(), |client| {
        let (v4, _) = bound(client, ([0, 0, 0, 0], 0));
        let (v6, _) = bound(client, ([0_u16; 8], 0));
        let not_a_group = source_v4(v4, IP_ADD_SOURCE_MEMBERSHIP, [127, 0, 0, 1], [127, 0, 0, 1]);
        assert_eq!(not_a_group, STATUS_INVALID_PARAMETER);
        let group = IpAddr::from([232, 1, 2, 3]);
        let from = IpAddr::from(Ipv4Addr::LOCALHOST);
        let absent = source(v4, MCAST_JOIN_SOURCE_GROUP, (group, from), 12_345);
        assert_eq!(absent, STATUS_INVALID_ADDRESS_COMPONENT, "no such interface");
        let mixed = (group, IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!(source(v4, MCAST_JOIN_SOURCE_GROUP, mixed, 1), STATUS_INVALID_PARAMETER);
        // Not even for a socket of either family: the level decides over the family.
        let input = PoolBuffer::with(&group_source(group, from, 1));
        let option = (WskSetOption, MCAST_JOIN_SOURCE_GROUP, IPPROTO_IPV6);
        control(v6, option, Some(&input), None).fail(STATUS_INVALID_PARAMETER);
        let short = PoolBuffer::with(&group_source(group, from, 1)[..263]);
        let option = (WskSetOption, MCAST_JOIN_SOURCE_GROUP, IPPROTO_IP);
        control(v4, option, Some(&short), None).fail(STATUS_INVALID_PARAMETER);
        // A request that is well formed, of IPv6.
        let group = IpAddr::from([0xFF35, 0, 0, 0, 0, 0, 1, 3]);
        let own = IpAddr::from(Ipv6Addr::LOCALHOST);
        assert_eq!(source(v6, MCAST_JOIN_SOURCE_GROUP, (group, own), 1), STATUS_SUCCESS);
        let again = source(v6, MCAST_JOIN_SOURCE_GROUP, (group, own), 1);
        assert_eq!(again, STATUS_INVALID_ADDRESS_COMPONENT);
        assert_eq!(source(v6, MCAST_LEAVE_SOURCE_GROUP, (group, own), 1), STATUS_SUCCESS);
        close(v4);
        close(v6);
    });
}
