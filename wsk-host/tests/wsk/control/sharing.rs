//! Which sockets share an address, as seen through all of WSK. The matrix itself is tested with the
//! simulated ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::ptr;

use test_support::hosts::{everywhere, on, real, simulated};
use test_support::raw::datagrams::local_address;
use test_support::raw::{Client, PoolBuffer, bind, close, control, set_option, socket_of};
use wsk_sys::*;

use super::client::{cache, release};

const WILD: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const SPECIFIC: Ipv4Addr = Ipv4Addr::LOCALHOST;

const NEITHER: ULONG = 0;

fn socket(client: &Client, flags: ULONG, option: ULONG) -> PWSK_SOCKET {
    let socket = client.socket(flags);
    if option != NEITHER {
        assert_eq!(set_option(socket, SOL_SOCKET, option, 1), STATUS_SUCCESS);
    }
    socket
}

fn port_of(socket: PWSK_SOCKET, flags: ULONG) -> u16 {
    if flags == WSK_FLAG_DATAGRAM_SOCKET {
        local_address(socket).port()
    } else {
        test_support::raw::local_address(socket).port()
    }
}

/// The outcome of binding a second socket beside a first one.
fn second(
    client: &Client,
    flags: ULONG,
    (first_at, first_option, security): (Ipv4Addr, ULONG, PSECURITY_DESCRIPTOR),
    (second_at, second_option): (Ipv4Addr, ULONG),
) -> NTSTATUS {
    let first = socket(client, flags, first_option);
    if !security.is_null() {
        let input = PoolBuffer::with(&security.addr().to_ne_bytes());
        let option = (WskSetOption, SO_WSK_SECURITY, SOL_SOCKET);
        control(first, option, Some(&input), None).succeed();
    }
    bind(first, (first_at, 0)).succeed();
    let second = socket(client, flags, second_option);
    let (status, _) = bind(second, (second_at, port_of(first, flags))).wait();
    if status != STATUS_SUCCESS {
        // It can still be bound elsewhere.
        bind(second, (second_at, 0)).succeed();
    }
    close(first);
    close(second);
    status
}

#[test]
fn an_address_is_shared_if_its_sockets_agree() {
    on(simulated(), |client| {
        let none = ptr::null_mut();
        let cached = cache(client);
        for flags in [WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_LISTEN_SOCKET] {
            for (first, other, expected) in [
                ((SPECIFIC, NEITHER, none), (SPECIFIC, NEITHER), STATUS_ADDRESS_ALREADY_EXISTS),
                ((SPECIFIC, NEITHER, none), (WILD, NEITHER), STATUS_SUCCESS),
                ((WILD, NEITHER, none), (SPECIFIC, NEITHER), STATUS_ACCESS_DENIED),
                ((WILD, NEITHER, cached), (SPECIFIC, NEITHER), STATUS_SUCCESS),
                ((SPECIFIC, SO_REUSEADDR, none), (SPECIFIC, SO_REUSEADDR), STATUS_SUCCESS),
                ((SPECIFIC, NEITHER, none), (SPECIFIC, SO_REUSEADDR), STATUS_ACCESS_DENIED),
                ((SPECIFIC, NEITHER, cached), (SPECIFIC, SO_REUSEADDR), STATUS_ACCESS_DENIED),
                (
                    (SPECIFIC, SO_REUSEADDR, none),
                    (SPECIFIC, SO_EXCLUSIVEADDRUSE),
                    STATUS_ADDRESS_ALREADY_EXISTS,
                ),
                ((WILD, SO_EXCLUSIVEADDRUSE, none), (SPECIFIC, SO_REUSEADDR), STATUS_ACCESS_DENIED),
                ((WILD, SO_REUSEADDR, cached), (SPECIFIC, SO_EXCLUSIVEADDRUSE), STATUS_SUCCESS),
            ] {
                assert_eq!(second(client, flags, first, other), expected, "{first:?}, {other:?}");
            }
        }
        release(client, cached);
    });
}

#[test]
fn an_address_is_exclusive_per_protocol() {
    everywhere(|client| {
        for flags in [WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_LISTEN_SOCKET] {
            let at = (SPECIFIC, NEITHER);
            let status = second(client, flags, (SPECIFIC, NEITHER, ptr::null_mut()), at);
            assert_eq!(status, STATUS_ADDRESS_ALREADY_EXISTS);
        }
        let datagrams = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        bind(datagrams, (SPECIFIC, 0)).succeed();
        let connections = client.socket(WSK_FLAG_LISTEN_SOCKET);
        // Another program of the machine may use the port.
        let (status, _) = bind(connections, (SPECIFIC, local_address(datagrams).port())).wait();
        assert!(matches!(status, STATUS_SUCCESS | STATUS_ADDRESS_ALREADY_EXISTS), "{status:#x}");
        close(datagrams);
        close(connections);
    });
}

#[test]
fn datagram_sockets_on_the_machine_share_an_address_if_both_agree() {
    on(real(), |client| {
        let first = (SPECIFIC, SO_REUSEADDR, ptr::null_mut());
        let status = second(client, WSK_FLAG_DATAGRAM_SOCKET, first, (SPECIFIC, SO_REUSEADDR));
        assert_eq!(status, STATUS_SUCCESS);
    });
}

#[test]
fn a_dual_socket_has_an_address_in_both_families() {
    everywhere(|client| {
        let kind = (AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
        let none = ptr::null_mut();
        let create = || {
            let request = client.create(WSK_FLAG_DATAGRAM_SOCKET, kind, none, none);
            let socket = socket_of(request.succeed());
            assert_eq!(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0), STATUS_SUCCESS);
            socket
        };
        let v4 = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        bind(v4, (SPECIFIC, 0)).succeed();
        let taken = local_address(v4).port();
        let dual = create();
        let mapped = SocketAddr::from((SPECIFIC.to_ipv6_mapped(), taken));
        bind(dual, mapped).fail(STATUS_ADDRESS_ALREADY_EXISTS);
        bind(dual, (SPECIFIC.to_ipv6_mapped(), 0)).succeed();
        close(dual);
        close(v4);
    });
}
