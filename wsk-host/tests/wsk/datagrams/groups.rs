//! Datagrams for several receivers: broadcast and multicast.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
