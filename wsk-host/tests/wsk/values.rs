//! The statuses that Windows answers with, by Wine's tests and Microsoft's pages, where a provider could answer otherwise.

use std::net::SocketAddr;
use std::ptr;

use test_support::hosts::{everywhere, on, simulated};
use test_support::raw::datagrams::{
    RawControlMessage, Receive, any_port, bound, message, number, receive, send_to,
    send_with_control,
};
use test_support::raw::streams::{connect_ex, stream_connect};
use test_support::raw::{Client, Request, bind, close, connect, set_option, socket_of};
use wsk_host::{CallStatus, Config, Windows};
use wsk_sys::*;

fn created(client: &Client, flags: ULONG, kind: (ADDRESS_FAMILY, USHORT, ULONG)) -> Request {
    client.create(flags, kind, ptr::null_mut(), ptr::null())
}

const IPPROTO_ICMP: ULONG = 1;

#[test]
fn a_protocol_that_a_type_lacks_is_unreachable() {
    everywhere(|client| {
        for family in [AF_INET, AF_INET6] {
            for (flags, kind) in [
                (WSK_FLAG_LISTEN_SOCKET, SOCK_STREAM),
                (WSK_FLAG_LISTEN_SOCKET, SOCK_DGRAM),
                (WSK_FLAG_CONNECTION_SOCKET, SOCK_STREAM),
                (WSK_FLAG_STREAM_SOCKET, SOCK_STREAM),
                (WSK_FLAG_DATAGRAM_SOCKET, SOCK_DGRAM),
                (WSK_FLAG_BASIC_SOCKET, SOCK_STREAM),
                (WSK_FLAG_BASIC_SOCKET, SOCK_DGRAM),
            ] {
                let own = if kind == SOCK_STREAM { IPPROTO_TCP } else { IPPROTO_UDP };
                for protocol in [0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, 255] {
                    if protocol != own {
                        let request = created(client, flags, (family, kind, protocol));
                        request.fail(STATUS_PROTOCOL_UNREACHABLE);
                    }
                }
                close(socket_of(created(client, flags, (family, kind, own)).succeed()));
            }
        }
        // A type or a family that a category lacks is another mistake.
        for (flags, kind) in [
            (WSK_FLAG_DATAGRAM_SOCKET, (AF_INET, SOCK_STREAM, IPPROTO_TCP)),
            (WSK_FLAG_CONNECTION_SOCKET, (AF_INET, SOCK_DGRAM, IPPROTO_UDP)),
            (WSK_FLAG_CONNECTION_SOCKET, (99, SOCK_STREAM, IPPROTO_TCP)),
        ] {
            created(client, flags, kind).fail(STATUS_NOT_SUPPORTED);
        }
    });
}

#[test]
fn a_listening_datagram_socket_cannot_be_bound() {
    everywhere(|client| {
        let kind = (AF_INET, SOCK_DGRAM, IPPROTO_UDP);
        let socket = socket_of(created(client, WSK_FLAG_LISTEN_SOCKET, kind).succeed());
        for _ in 0..2 {
            bind(socket, any_port(AF_INET)).fail(STATUS_NOT_IMPLEMENTED);
        }
        let accepts = test_support::raw::accept(socket, ptr::null_mut(), ptr::null());
        accepts.fail(STATUS_INVALID_DEVICE_STATE);
        close(socket);
    });
}

/// A call that is refused before a bind returns the failure itself, and completes the IRP with it.
#[track_caller]
fn is_refused_at_once(request: Request) {
    assert_eq!(request.returned, STATUS_INVALID_DEVICE_STATE);
    assert!(request.is_complete());
    request.fail(STATUS_INVALID_DEVICE_STATE);
}

#[test]
fn connecting_before_a_bind_fails_in_the_call() {
    everywhere(|client| {
        let to = SocketAddr::from(([127, 0, 0, 1], 7));
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        is_refused_at_once(connect(socket, to));
        is_refused_at_once(connect_ex(socket, to, None, 0));
        close(socket);
        let socket = client.socket(WSK_FLAG_STREAM_SOCKET);
        is_refused_at_once(stream_connect(socket, to));
        close(socket);
    });
    // A setting has priority.
    on([Config::default().call_status(CallStatus::Pending)], |client| {
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        let request = connect(socket, ([127, 0, 0, 1], 7).into());
        assert_eq!(request.returned, STATUS_PENDING);
        request.fail(STATUS_INVALID_DEVICE_STATE);
        close(socket);
    });
}

/// The control messages that a datagram from `127.0.0.1` or `::1` arrives with.
fn messages_of(
    client: &Client,
    family: ADDRESS_FAMILY,
    option: (ULONG, ULONG),
) -> Vec<RawControlMessage> {
    let (receiver, address) = bound(client, any_port(family));
    let (sender, _) = bound(client, any_port(family));
    assert_eq!(set_option(receiver, option.0, option.1, 1), STATUS_SUCCESS);
    send_to(sender, b"x", address);
    let messages = receive(receiver).messages;
    close(receiver);
    close(sender);
    messages
}

#[test]
fn a_hop_limit_of_ipv4_arrives_by_the_name_of_its_windows() {
    for (windows, kind) in [
        (Windows::VISTA, IP_HOPLIMIT),
        (Windows::TEN, IP_HOPLIMIT),
        (Windows::TEN_1703, IP_TTL),
        (Windows::ELEVEN, IP_TTL),
    ] {
        on([Config::default().windows(windows)], |client| {
            let messages = messages_of(client, AF_INET, (IPPROTO_IP, IP_HOPLIMIT));
            assert_eq!(messages, [number(IPPROTO_IP, kind, 128)]);
            let messages = messages_of(client, AF_INET6, (IPPROTO_IPV6, IPV6_HOPLIMIT));
            assert_eq!(messages, [number(IPPROTO_IPV6, IPV6_HOPLIMIT, 128)]);
        });
    }
}

#[test]
fn a_sender_cannot_say_that_it_has_met_congestion() {
    const CE: ULONG = 3;
    everywhere(|client| {
        for (family, level, kind) in
            [(AF_INET, IPPROTO_IP, IP_ECN), (AF_INET6, IPPROTO_IPV6, IPV6_ECN)]
        {
            let (socket, address) = bound(client, any_port(family));
            for ecn in 0..CE {
                let control = [number(level, kind, ecn)];
                assert_eq!(send_with_control(socket, b"x", address, &control), STATUS_SUCCESS);
            }
            let control = [number(level, kind, CE)];
            let status = send_with_control(socket, b"x", address, &control);
            assert_eq!(status, STATUS_INVALID_PARAMETER);
            close(socket);
        }
    });
}

/// `IN_PKTINFO` or `IN6_PKTINFO`.
fn packet_info(ip: std::net::IpAddr, interface: u32) -> RawControlMessage {
    let (level, kind, mut data) = match ip {
        std::net::IpAddr::V4(ip) => (IPPROTO_IP, IP_PKTINFO, ip.octets().to_vec()),
        std::net::IpAddr::V6(ip) => (IPPROTO_IPV6, IPV6_PKTINFO, ip.octets().to_vec()),
    };
    data.extend_from_slice(&interface.to_ne_bytes());
    message(level, kind, &data)
}

#[test]
fn packet_info_names_a_source_and_an_interface_of_the_machine() {
    const LOOPBACK: u32 = 1;
    everywhere(|client| {
        for (own, none, foreign) in
            [("127.0.0.1", "0.0.0.0", "192.0.2.1"), ("::1", "::", "2001:db8::1")]
        {
            let [own, none, foreign] =
                [own, none, foreign].map(|ip| ip.parse::<std::net::IpAddr>().unwrap());
            let (socket, address) = bound(client, (none, 0));
            let to = SocketAddr::new(own, address.port());
            for (ip, interface, expected) in [
                (own, 0, STATUS_SUCCESS),
                (own, LOOPBACK, STATUS_SUCCESS),
                (none, LOOPBACK, STATUS_SUCCESS),
                (none, 0, STATUS_SUCCESS),
                (foreign, 0, STATUS_INVALID_ADDRESS_COMPONENT),
                (own, 99_999, STATUS_INVALID_ADDRESS_COMPONENT),
                (none, 99_999, STATUS_INVALID_ADDRESS_COMPONENT),
            ] {
                let status = send_with_control(socket, b"x", to, &[packet_info(ip, interface)]);
                assert_eq!(status, expected, "from {ip} by interface {interface}");
            }
            close(socket);
        }
    });
}

#[test]
fn an_address_can_be_used_when_the_machine_has_it() {
    on(simulated(), |client| {
        let address = SocketAddr::from(([192, 0, 2, 1], 7000));
        let listener = client.socket(WSK_FLAG_LISTEN_SOCKET);
        bind(listener, address).fail(STATUS_INVALID_ADDRESS_COMPONENT);
        let idle = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
        let waits = (WskIoctl, SIO_ADDRESS_LIST_CHANGE, 0);
        let change = test_support::raw::control(idle, waits, None, None);
        client.host.add_address(address.ip());
        change.succeed();
        bind(listener, address).succeed();
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, (address.ip(), 0)).succeed();
        connect(socket, address).succeed();
        let (receiver, to) = bound(client, (address.ip(), 0));
        send_to(receiver, b"x", to);
        assert_eq!(Receive::new(receiver, 1, 0).wait().unwrap().bytes, b"x");
        for socket in [listener, idle, socket, receiver] {
            close(socket);
        }
    });
}
