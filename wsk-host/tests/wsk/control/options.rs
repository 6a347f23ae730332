//! Socket options.

use test_support::hosts::{everywhere, on, real, simulated};
use test_support::raw::datagrams::any_port;
use test_support::raw::{
    Client, PoolBuffer, accept, bind, close, connect, control, get_option, local_address,
    set_option, socket_of,
};
use wsk_host::{Config, Windows};
use wsk_sys::*;

const BASIC: u8 = 1;
const LISTEN: u8 = 2;
const DATAGRAM: u8 = 4;
const CONNECTION: u8 = 8;
const STREAM: u8 = 16;
const CATEGORIES: [(u8, ULONG); 5] = [
    (BASIC, WSK_FLAG_BASIC_SOCKET),
    (LISTEN, WSK_FLAG_LISTEN_SOCKET),
    (DATAGRAM, WSK_FLAG_DATAGRAM_SOCKET),
    (CONNECTION, WSK_FLAG_CONNECTION_SOCKET),
    (STREAM, WSK_FLAG_STREAM_SOCKET),
];

/// Those of sockets that have addresses, of bytes, of datagrams, and all.
const BOUND: u8 = LISTEN | DATAGRAM | CONNECTION | STREAM;
const BYTES: u8 = BASIC | LISTEN | CONNECTION | STREAM;
const DATAGRAMS: u8 = BASIC | DATAGRAM;
const ALL: u8 = BASIC | BOUND;

/// Options by level and name, with the initial value, another value, and the categories that have the option.
const OPTIONS: &[(ULONG, ULONG, ULONG, ULONG, u8)] = &[
    (SOL_SOCKET, SO_REUSEADDR, 0, 1, BOUND),
    (SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 0, 1, BOUND),
    (SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 0, 1, LISTEN | STREAM),
    (SOL_SOCKET, SO_KEEPALIVE, 0, 1, LISTEN | CONNECTION | STREAM),
    (SOL_SOCKET, SO_RCVBUF, 64 << 10, 50_000, BOUND),
    (SOL_SOCKET, SO_SNDBUF, 64 << 10, 50_000, BOUND),
    (SOL_SOCKET, SO_BROADCAST, 0, 1, DATAGRAM),
    (IPPROTO_TCP, TCP_NODELAY, 0, 1, BYTES),
    (IPPROTO_TCP, TCP_KEEPALIVE, 7200, 60, BYTES),
    (IPPROTO_TCP, TCP_KEEPCNT, 10, 3, BYTES),
    (IPPROTO_TCP, TCP_KEEPINTVL, 1, 5, BYTES),
    (IPPROTO_TCP, TCP_MAXRT, 0, 9, BYTES),
    (IPPROTO_TCP, TCP_TIMESTAMPS, 0, 1, BYTES),
    (IPPROTO_TCP, TCP_FASTOPEN, 0, 1, BYTES),
    (IPPROTO_UDP, UDP_NOCHECKSUM, 0, 1, DATAGRAMS),
    (IPPROTO_UDP, UDP_CHECKSUM_COVERAGE, 0, 1, DATAGRAMS),
    (IPPROTO_UDP, UDP_SEND_MSG_SIZE, 0, 1200, DATAGRAMS),
    (IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, 0, 60_000, DATAGRAMS),
    (IPPROTO_IP, IP_TOS, 0, 0x28, ALL),
    (IPPROTO_IP, IP_TTL, 128, 64, ALL),
    (IPPROTO_IP, IP_MULTICAST_IF, 0, u32::from_ne_bytes([127, 0, 0, 1]), DATAGRAMS),
    (IPPROTO_IP, IP_MULTICAST_TTL, 1, 3, DATAGRAMS),
    (IPPROTO_IP, IP_MULTICAST_LOOP, 1, 0, DATAGRAMS),
    (IPPROTO_IP, IP_DONTFRAGMENT, 0, 1, ALL),
    (IPPROTO_IP, IP_PKTINFO, 0, 1, DATAGRAMS),
    (IPPROTO_IP, IP_HOPLIMIT, 0, 1, DATAGRAMS),
    (IPPROTO_IP, IP_UNICAST_IF, 0, 1_u32.to_be(), ALL),
    (IPPROTO_IP, IP_RECVTOS, 0, 1, DATAGRAMS),
    (IPPROTO_IP, IP_ECN, 0, 1, DATAGRAMS),
    (IPPROTO_IP, IP_RECVERR, 0, 1, DATAGRAMS),
    (IPPROTO_IP, IP_MTU_DISCOVER, 0, IP_PMTUDISC_PROBE, ALL),
    (IPPROTO_IP, IP_USER_MTU, ULONG::MAX, 1300, ALL),
    (IPPROTO_IPV6, IPV6_V6ONLY, 1, 0, ALL),
    (IPPROTO_IPV6, IPV6_UNICAST_HOPS, 128, 64, ALL),
    (IPPROTO_IPV6, IPV6_MULTICAST_IF, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, 3, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, 0, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_DONTFRAG, 0, 1, ALL),
    (IPPROTO_IPV6, IPV6_PKTINFO, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_HOPLIMIT, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_UNICAST_IF, 0, 1, ALL),
    (IPPROTO_IPV6, IPV6_TCLASS, 0, 0x28, ALL),
    (IPPROTO_IPV6, IPV6_RECVTCLASS, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_ECN, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_RECVERR, 0, 1, DATAGRAMS),
    (IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0, IP_PMTUDISC_PROBE, ALL),
    (IPPROTO_IPV6, IPV6_USER_MTU, ULONG::MAX, 1300, ALL),
];

/// Those that are set before a bind.
const EARLY: &[(ULONG, ULONG)] = &[
    (SOL_SOCKET, SO_REUSEADDR),
    (SOL_SOCKET, SO_EXCLUSIVEADDRUSE),
    (SOL_SOCKET, SO_CONDITIONAL_ACCEPT),
    (IPPROTO_IPV6, IPV6_V6ONLY),
];

fn family_of(level: ULONG) -> ADDRESS_FAMILY {
    if level == IPPROTO_IPV6 { AF_INET6 } else { AF_INET }
}

fn create(client: &Client, flags: ULONG, family: ADDRESS_FAMILY, udp: bool) -> PWSK_SOCKET {
    let kind = if udp { (SOCK_DGRAM, IPPROTO_UDP) } else { (SOCK_STREAM, IPPROTO_TCP) };
    let none = std::ptr::null_mut();
    socket_of(client.create(flags, (family, kind.0, kind.1), none, none).succeed())
}

fn few() -> impl Iterator<Item = Config> {
    // The seed decides little in this test.
    simulated().into_iter().take(6).chain(real().into_iter().take(2))
}

/// The value that a client reads after setting an option. For an interface, it is the index in the processor's byte order.
fn answered(level: ULONG, name: ULONG, value: ULONG) -> ULONG {
    if level == IPPROTO_IP && matches!(name, IP_UNICAST_IF | IP_MULTICAST_IF) { 1 } else { value }
}

#[test]
fn an_interface_is_set_in_network_order_and_read_as_an_index() {
    on(few(), |client| {
        let socket = create(client, WSK_FLAG_DATAGRAM_SOCKET, AF_INET, true);
        for name in [IP_UNICAST_IF, IP_MULTICAST_IF] {
            let index = ULONG::from_ne_bytes([0, 0, 1, 2]);
            assert_eq!(set_option(socket, IPPROTO_IP, name, index), STATUS_SUCCESS);
            assert_eq!(get_option(socket, IPPROTO_IP, name), Ok(0x102));
        }
        let address = ULONG::from_ne_bytes([127, 0, 0, 1]);
        assert_eq!(set_option(socket, IPPROTO_IP, IP_MULTICAST_IF, address), STATUS_SUCCESS);
        assert_eq!(get_option(socket, IPPROTO_IP, IP_MULTICAST_IF), Ok(1));
        close(socket);
        // Those of IPv6 have the order of the processor both ways.
        let socket = create(client, WSK_FLAG_DATAGRAM_SOCKET, AF_INET6, true);
        for name in [IPV6_UNICAST_IF, IPV6_MULTICAST_IF] {
            assert_eq!(set_option(socket, IPPROTO_IPV6, name, 0x102), STATUS_SUCCESS);
            assert_eq!(get_option(socket, IPPROTO_IPV6, name), Ok(0x102));
        }
        close(socket);
    });
}

#[test]
fn booleans_have_one_byte_or_four() {
    on(few(), |client| {
        for (flags, family, level, name) in [
            (WSK_FLAG_CONNECTION_SOCKET, AF_INET, SOL_SOCKET, SO_KEEPALIVE),
            (WSK_FLAG_CONNECTION_SOCKET, AF_INET, IPPROTO_TCP, TCP_NODELAY),
            (WSK_FLAG_CONNECTION_SOCKET, AF_INET, SOL_SOCKET, SO_REUSEADDR),
            (WSK_FLAG_CONNECTION_SOCKET, AF_INET, SOL_SOCKET, SO_EXCLUSIVEADDRUSE),
            (WSK_FLAG_CONNECTION_SOCKET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY),
            (WSK_FLAG_LISTEN_SOCKET, AF_INET, SOL_SOCKET, SO_CONDITIONAL_ACCEPT),
            (WSK_FLAG_DATAGRAM_SOCKET, AF_INET, SOL_SOCKET, SO_BROADCAST),
        ] {
            let socket = create(client, flags, family, flags == WSK_FLAG_DATAGRAM_SOCKET);
            let option = |kind| (kind, name, level);
            for value in [1_u8, 0, 7] {
                let given = PoolBuffer::with(&[value]);
                let set = control(socket, option(WskSetOption), Some(&given), None);
                assert_eq!(set.wait().0, STATUS_SUCCESS, "{level}, {name}");
                let answer = PoolBuffer::new(1);
                let get = control(socket, option(WskGetOption), None, Some(&answer));
                assert_eq!(get.succeed(), 1, "{level}, {name}");
                assert_eq!(answer.read(1), [u8::from(value != 0)], "{level}, {name}");
                let number = get_option(socket, level, name);
                assert_eq!(number.map(|number| number != 0), Ok(value != 0));
            }
            close(socket);
        }
        // A number that is taken as one byte, and one that is not.
        let socket = create(client, WSK_FLAG_DATAGRAM_SOCKET, AF_INET, true);
        let (limit, one) = (PoolBuffer::with(&[44]), PoolBuffer::with(&[1]));
        let set = control(socket, (WskSetOption, IP_TTL, IPPROTO_IP), Some(&limit), None);
        assert_eq!(set.wait().0, STATUS_SUCCESS);
        assert_eq!(get_option(socket, IPPROTO_IP, IP_TTL), Ok(44));
        let set = control(socket, (WskSetOption, IP_PKTINFO, IPPROTO_IP), Some(&one), None);
        set.fail(STATUS_INVALID_PARAMETER);
        close(socket);
    });
}

#[test]
fn nodelay_can_be_an_option_that_is_not_supported() {
    let config = Config { refuse_nodelay: true, ..Config::default() };
    on([config], |client| {
        let socket = create(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET, false);
        assert_eq!(set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1), STATUS_NOT_SUPPORTED);
        assert_eq!(get_option(socket, IPPROTO_TCP, TCP_NODELAY), Err(STATUS_NOT_SUPPORTED));
        assert_eq!(set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1), STATUS_SUCCESS);
        close(socket);
    });
}

#[test]
fn options_read_back_on_the_categories_that_have_them() {
    on(few(), |client| {
        for (category, flags) in CATEGORIES {
            for &(level, name, initial, other, categories) in OPTIONS {
                let is_udp =
                    category == DATAGRAM || (category == BASIC && categories & DATAGRAM != 0);
                let socket = create(client, flags, family_of(level), is_udp);
                if categories & category == 0 {
                    assert_eq!(get_option(socket, level, name), Err(STATUS_NOT_SUPPORTED));
                    assert_eq!(set_option(socket, level, name, other), STATUS_NOT_SUPPORTED);
                } else {
                    assert_eq!(get_option(socket, level, name), Ok(initial), "{level}, {name}");
                    assert_eq!(set_option(socket, level, name, other), STATUS_SUCCESS);
                    let answer = answered(level, name, other);
                    assert_eq!(get_option(socket, level, name), Ok(answer), "{level}, {name}");
                }
                close(socket);
            }
        }
    });
}

#[test]
fn options_survive_a_bind_and_some_must_precede_it() {
    on(few(), |client| {
        for (category, flags) in &CATEGORIES[1..] {
            for &(level, name, initial, other, categories) in OPTIONS {
                if categories & category == 0 {
                    continue;
                }
                let is_udp = *category == DATAGRAM;
                let family = family_of(level);
                let [early, late] = [(); 2].map(|()| create(client, *flags, family, is_udp));
                assert_eq!(set_option(early, level, name, other), STATUS_SUCCESS);
                for socket in [early, late] {
                    bind(socket, any_port(family)).succeed();
                }
                assert_eq!(get_option(early, level, name), Ok(answered(level, name, other)));
                let is_late = EARLY.contains(&(level, name));
                let (status, value) = if is_late {
                    (STATUS_INVALID_DEVICE_STATE, initial)
                } else {
                    (STATUS_SUCCESS, answered(level, name, other))
                };
                assert_eq!(set_option(late, level, name, other), status, "{level}, {name}");
                assert_eq!(get_option(late, level, name), Ok(value), "{level}, {name}");
                close(early);
                close(late);
            }
        }
    });
}

#[test]
fn options_of_another_family_or_protocol_are_refused() {
    on(few(), |client| {
        for (flags, udp, level, name) in [
            (WSK_FLAG_DATAGRAM_SOCKET, true, IPPROTO_IPV6, IPV6_UNICAST_HOPS),
            (WSK_FLAG_CONNECTION_SOCKET, false, IPPROTO_IPV6, IPV6_V6ONLY),
            (WSK_FLAG_BASIC_SOCKET, true, IPPROTO_TCP, TCP_NODELAY),
            (WSK_FLAG_BASIC_SOCKET, false, IPPROTO_UDP, UDP_SEND_MSG_SIZE),
        ] {
            let socket = create(client, flags, AF_INET, udp);
            assert_eq!(set_option(socket, level, name, 1), STATUS_NOT_SUPPORTED);
            assert_eq!(get_option(socket, level, name), Err(STATUS_NOT_SUPPORTED));
            if flags != WSK_FLAG_BASIC_SOCKET {
                bind(socket, any_port(AF_INET)).succeed();
            }
            close(socket);
        }
        // A dual socket also has those of IPv4.
        let socket = create(client, WSK_FLAG_DATAGRAM_SOCKET, AF_INET6, true);
        assert_eq!(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0), STATUS_SUCCESS);
        assert_eq!(set_option(socket, IPPROTO_IP, IP_TTL, 9), STATUS_SUCCESS);
        assert_eq!(set_option(socket, IPPROTO_IP, IP_PKTINFO, 1), STATUS_SUCCESS);
        bind(socket, ([0_u16; 8], 0)).succeed();
        assert_eq!(get_option(socket, IPPROTO_IP, IP_TTL), Ok(9));
        close(socket);
    });
}

#[test]
fn read_only_path_options_cannot_be_set() {
    on(few(), |client| {
        let [listener, socket, accepted] = connected(client, &[]);
        for socket in [socket, accepted] {
            assert_eq!(get_option(socket, IPPROTO_IP, IP_MTU), Ok(1500));
            assert_eq!(set_option(socket, IPPROTO_IP, IP_MTU, 9000), STATUS_NOT_SUPPORTED);
            assert_eq!(get_option(socket, IPPROTO_IP, IP_MTU), Ok(1500));
            close(socket);
        }
        assert_eq!(get_option(listener, IPPROTO_IP, IP_MTU), Err(STATUS_NOT_SUPPORTED));
        close(listener);
    });
}

#[test]
fn a_value_of_another_size_is_refused() {
    on(few(), |client| {
        let socket = create(client, WSK_FLAG_DATAGRAM_SOCKET, AF_INET, true);
        let option = |kind| (kind, SO_RCVBUF, SOL_SOCKET);
        for size in [1, 3, 5, 8] {
            let value = PoolBuffer::with(&vec![1; size]);
            let set = control(socket, option(WskSetOption), Some(&value), None);
            set.fail(STATUS_INVALID_PARAMETER);
        }
        control(socket, option(WskSetOption), None, None).fail(STATUS_INVALID_PARAMETER);
        let small = PoolBuffer::new(3);
        control(socket, option(WskGetOption), None, Some(&small)).fail(STATUS_BUFFER_TOO_SMALL);
        control(socket, option(WskGetOption), None, None).fail(STATUS_BUFFER_TOO_SMALL);
        let large = PoolBuffer::new(16);
        assert_eq!(control(socket, option(WskGetOption), None, Some(&large)).succeed(), 4);
        close(socket);
    });
}

#[test]
fn an_unknown_kind_of_control_completes_its_irp() {
    on(few(), |client| {
        let socket = create(client, WSK_FLAG_BASIC_SOCKET, AF_INET, true);
        control(socket, (WskControlMax, 1, SOL_SOCKET), None, None).fail(STATUS_INVALID_PARAMETER);
        let unknown = (WskGetOption, 0x7777, SOL_SOCKET);
        control(socket, unknown, None, None).fail(STATUS_NOT_SUPPORTED);
        close(socket);
    });
}

#[test]
fn each_windows_has_the_options_of_its_time() {
    for (before, since, udp, level, name) in [
        (Windows::TEN_1803, Windows::TEN_2004, true, IPPROTO_UDP, UDP_SEND_MSG_SIZE),
        (Windows::TEN_1803, Windows::TEN_2004, true, IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE),
        (Windows::TEN, Windows::TEN_1703, false, IPPROTO_TCP, TCP_FASTOPEN),
        (Windows::TEN, Windows::TEN_1703, true, IPPROTO_IP, IP_MTU_DISCOVER),
        (Windows::TEN_1703, Windows::TEN_1803, true, IPPROTO_IP, IP_RECVERR),
        (Windows::TEN_1803, Windows::TEN_2004, true, IPPROTO_IP, IP_USER_MTU),
    ] {
        for (windows, status) in [(before, STATUS_NOT_SUPPORTED), (since, STATUS_SUCCESS)] {
            on([Config::default().windows(windows)], |client| {
                let socket = create(client, WSK_FLAG_BASIC_SOCKET, AF_INET, udp);
                assert_eq!(set_option(socket, level, name, 1), status);
                close(socket);
            });
        }
    }
}

/// A listener with options, a connection to it, and the accepted one.
fn connected(client: &Client, options: &[(ULONG, ULONG, ULONG)]) -> [PWSK_SOCKET; 3] {
    let listener = create(client, WSK_FLAG_LISTEN_SOCKET, AF_INET, false);
    for (level, name, value) in options {
        assert_eq!(set_option(listener, *level, *name, *value), STATUS_SUCCESS);
    }
    bind(listener, any_port(AF_INET)).succeed();
    let socket = create(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET, false);
    bind(socket, any_port(AF_INET)).succeed();
    connect(socket, local_address(listener)).succeed();
    let accepted = accept(listener, std::ptr::null_mut(), std::ptr::null()).succeed();
    [listener, socket, socket_of(accepted)]
}

#[test]
fn an_accepted_socket_inherits_its_listeners_options() {
    everywhere(|client| {
        let inherited = [
            (SOL_SOCKET, SO_KEEPALIVE, 1),
            (SOL_SOCKET, SO_RCVBUF, 30_000),
            (IPPROTO_TCP, TCP_NODELAY, 1),
            (IPPROTO_IP, IP_TTL, 44),
        ];
        let all = [&inherited[..], &[(SOL_SOCKET, SO_REUSEADDR, 1)]].concat();
        let [listener, socket, accepted] = connected(client, &all);
        for (level, name, value) in inherited {
            assert_eq!(get_option(accepted, level, name), Ok(value));
        }
        assert_eq!(get_option(accepted, SOL_SOCKET, SO_REUSEADDR), Ok(0));
        // From here on, each has its own.
        assert_eq!(set_option(listener, IPPROTO_IP, IP_TTL, 55), STATUS_SUCCESS);
        assert_eq!(get_option(accepted, IPPROTO_IP, IP_TTL), Ok(44));
        assert_eq!(set_option(accepted, SOL_SOCKET, SO_KEEPALIVE, 0), STATUS_SUCCESS);
        assert_eq!(get_option(listener, SOL_SOCKET, SO_KEEPALIVE), Ok(1));
        // It is bound.
        let late = set_option(accepted, SOL_SOCKET, SO_REUSEADDR, 1);
        assert_eq!(late, STATUS_INVALID_DEVICE_STATE);
        for socket in [accepted, socket, listener] {
            close(socket);
        }
    });
}

/// The machine's own connection with an address at this side, and one at the other.
#[cfg(target_os = "linux")]
fn own(local: std::net::SocketAddr, remote: std::net::SocketAddr) -> socket2::Socket {
    use std::os::fd::BorrowedFd;

    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap().parse().unwrap();
        // SAFETY: it is only asked for its addresses, and may not be a socket any more.
        let found = unsafe { BorrowedFd::borrow_raw(number) };
        let socket = socket2::SockRef::from(&found);
        let is = |address: std::io::Result<socket2::SockAddr>, expected| {
            address.is_ok_and(|address| address.as_socket() == Some(expected))
        };
        if is(socket.local_addr(), local) && is(socket.peer_addr(), remote) {
            return found.try_clone_to_owned().unwrap().into();
        }
    }
    panic!("no socket is connected from {local} to {remote}");
}

/// Linux lets a process find its sockets.
#[cfg(target_os = "linux")]
#[test]
fn options_of_connections_are_the_machines() {
    use test_support::raw::{PoolAddress, call, connection};

    on(real(), |client| {
        let options = [
            (SOL_SOCKET, SO_KEEPALIVE, 1),
            (SOL_SOCKET, SO_RCVBUF, 30_000),
            (SOL_SOCKET, SO_SNDBUF, 40_000),
            (IPPROTO_TCP, TCP_NODELAY, 1),
            (IPPROTO_TCP, TCP_KEEPALIVE, 60),
            (IPPROTO_IP, IP_TTL, 44),
        ];
        let [listener, socket, accepted] = connected(client, &options);
        let address_of = |socket| {
            let address = PoolAddress::empty();
            // SAFETY: the socket is open, and the memory stays.
            let request = call(|irp| unsafe {
                connection(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp)
            });
            request.succeed();
            address.get()
        };
        let (here, there) = (address_of(accepted), address_of(socket));
        let machine = own(here, there);
        assert!(machine.keepalive().unwrap());
        assert!(machine.tcp_nodelay().unwrap());
        // Linux doubles them.
        assert_eq!(machine.recv_buffer_size().unwrap(), 60_000);
        assert_eq!(machine.send_buffer_size().unwrap(), 80_000);
        assert_eq!(machine.ttl_v4().unwrap(), 44);
        // The parameters of keep-alive do not enable it.
        let machine = own(there, here);
        assert_eq!(set_option(socket, IPPROTO_TCP, TCP_KEEPALIVE, 90), STATUS_SUCCESS);
        assert_eq!(set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 7), STATUS_SUCCESS);
        assert!(!machine.keepalive().unwrap());
        assert_eq!(set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1), STATUS_SUCCESS);
        assert!(machine.tcp_nodelay().unwrap());
        for socket in [accepted, socket, listener] {
            close(socket);
        }
    });
}
