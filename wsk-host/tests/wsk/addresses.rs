//! One table of addresses and calls on both networks, and where the two differ.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use test_support::hosts::on;
use test_support::raw::datagrams::{any_port, bound, local_address, send, unbound};
use test_support::raw::{Client, PoolBuffer, bind, close, connect, control, set_option, socket_of};
use wsk_host::{Config, Timing};
use wsk_sys::*;

/// The addresses: of the machine, of another one, of none, of groups, of a link that is not named or does not exist.
const ADDRESSES: [&str; 14] = [
    "0.0.0.0:0",
    "127.0.0.1:0",
    "127.0.0.2:0",
    "192.0.2.1:0",
    "224.0.0.251:0",
    "255.255.255.255:0",
    "[::]:0",
    "[::1]:0",
    "[2001:db8::1]:0",
    "[ff02::1]:0",
    "[fe80::1]:0",
    "[fe80::1%99999]:0",
    "[::ffff:127.0.0.1]:0",
    "[::ffff:192.0.2.1]:0",
];

/// The outcome of a call.
fn name(status: NTSTATUS) -> String {
    match status {
        STATUS_SUCCESS => "ok".to_owned(),
        STATUS_INVALID_ADDRESS_COMPONENT => "address".to_owned(),
        STATUS_INVALID_PARAMETER => "parameter".to_owned(),
        STATUS_INVALID_DEVICE_STATE => "state".to_owned(),
        STATUS_CONNECTION_REFUSED => "refused".to_owned(),
        STATUS_ACCESS_DENIED => "denied".to_owned(),
        STATUS_ADDRESS_ALREADY_EXISTS => "exists".to_owned(),
        other => format!("{other:#010x}"),
    }
}

fn family_of(address: SocketAddr) -> ADDRESS_FAMILY {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn created(client: &Client, flags: ULONG, kind: (ADDRESS_FAMILY, USHORT, ULONG)) -> PWSK_SOCKET {
    socket_of(client.create(flags, kind, ptr::null_mut(), ptr::null()).succeed())
}

/// Lets an IPv6 socket also use IPv4.
fn share_families(socket: PWSK_SOCKET, address: SocketAddr) {
    if address.is_ipv6() {
        assert_eq!(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0), STATUS_SUCCESS);
    }
}

/// `WskBind` of a socket of a category.
fn binds(client: &Client, flags: ULONG, address: SocketAddr) -> NTSTATUS {
    let (kind, protocol) = if flags == WSK_FLAG_DATAGRAM_SOCKET {
        (SOCK_DGRAM, IPPROTO_UDP)
    } else {
        (SOCK_STREAM, IPPROTO_TCP)
    };
    let socket = created(client, flags, (family_of(address), kind, protocol));
    share_families(socket, address);
    let (status, _) = bind(socket, address).wait();
    close(socket);
    status
}

fn wildcard(address: SocketAddr) -> SocketAddr {
    if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() }
}

/// `WskConnect` of a bound socket.
fn connects(client: &Client, address: SocketAddr) -> NTSTATUS {
    let kind = (family_of(address), SOCK_STREAM, IPPROTO_TCP);
    let socket = created(client, WSK_FLAG_CONNECTION_SOCKET, kind);
    share_families(socket, address);
    bind(socket, wildcard(address)).succeed();
    let (status, _) = connect(socket, address).wait();
    close(socket);
    status
}

/// `WskSendTo` of a bound socket.
fn sends(client: &Client, address: SocketAddr) -> NTSTATUS {
    let socket = unbound(client, family_of(address));
    share_families(socket, address);
    bind(socket, wildcard(address)).succeed();
    let (status, _) = send(socket, b"x", Some(address));
    close(socket);
    status
}

/// `WskBind` to the address, and another one to the same address and port.
fn binds_twice(client: &Client, address: SocketAddr) -> NTSTATUS {
    let [first, second] = [(); 2].map(|()| unbound(client, family_of(address)));
    share_families(first, address);
    share_families(second, address);
    bind(first, address).succeed();
    let (status, _) = bind(second, local_address(first)).wait();
    close(first);
    close(second);
    status
}

/// An address of IPv4 in all three calls of a socket for IPv6 only.
fn mapped(client: &Client) -> [NTSTATUS; 3] {
    let address: SocketAddr = "[::ffff:127.0.0.1]:1".parse().unwrap();
    let socket = unbound(client, AF_INET6);
    let (binds, _) = bind(socket, SocketAddr::new(address.ip(), 0)).wait();
    close(socket);
    let (socket, _) = bound(client, wildcard(address));
    let (sends, _) = send(socket, b"x", Some(address));
    close(socket);
    let kind = (AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    let socket = created(client, WSK_FLAG_CONNECTION_SOCKET, kind);
    bind(socket, wildcard(address)).succeed();
    let (connects, _) = connect(socket, address).wait();
    close(socket);
    [binds, connects, sends]
}

/// `IP_ADD_MEMBERSHIP` or `IPV6_ADD_MEMBERSHIP`, by the size of the group's address.
fn joins<const N: usize>(client: &Client, group: [u8; N], interface: [u8; 4]) -> NTSTATUS {
    let (family, level, option) = match N {
        4 => (AF_INET, IPPROTO_IP, IP_ADD_MEMBERSHIP),
        _ => (AF_INET6, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP),
    };
    let (socket, _) = bound(client, any_port(family));
    let request = PoolBuffer::with(&[&group[..], &interface[..]].concat());
    let (status, _) = control(socket, (WskSetOption, option, level), Some(&request), None).wait();
    close(socket);
    status
}

/// Whether a call with the address has no effect on the world outside of this machine, which a test leaves alone.
fn stays_here(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// A row for each address: it is bound to as each category, connected to and sent to, at port 0 and at port 1.
fn table(config: Config) -> String {
    let all = std::cell::RefCell::default();
    on([config], |client| {
        let mut table = String::new();
        for address in ADDRESSES {
            let address: SocketAddr = address.parse().unwrap();
            let at = |port| {
                let mut address = address;
                address.set_port(port);
                address
            };
            let mut row = Vec::new();
            for flags in
                [WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET]
            {
                row.push(name(binds(client, flags, at(0))));
            }
            row.push(name(connects(client, at(0))));
            row.push(name(sends(client, at(0))));
            // A link that is not named cannot be reached, so that these stay here, too.
            let is_link = matches!(address, SocketAddr::V6(v6)
                if v6.ip().is_unicast_link_local() && v6.scope_id() == 0);
            if stays_here(address) || is_link {
                row.push(name(connects(client, at(1))));
                row.push(name(sends(client, at(1))));
            }
            if stays_here(address) {
                row.push(name(binds_twice(client, at(0))));
            }
            writeln!(table, "{address} {}", row.join(" ")).unwrap();
        }
        for (group, interface) in
            [([224, 0, 0, 251], [127, 0, 0, 1]), ([224, 0, 0, 251], [192, 0, 2, 1])]
        {
            let (joined, by) = (joins(client, group, interface), Ipv4Addr::from(interface));
            writeln!(table, "{} by {by} {}", Ipv4Addr::from(group), name(joined)).unwrap();
        }
        writeln!(table, "only IPv6 {}", mapped(client).map(name).join(" ")).unwrap();
        for interface in [1_u32, 99_999] {
            let group: Ipv6Addr = "ff02::fb".parse().unwrap();
            let joined = joins(client, group.octets(), interface.to_ne_bytes());
            writeln!(table, "{group} by {interface} {}", name(joined)).unwrap();
        }
        all.replace(table);
    });
    all.into_inner()
}

/// By address: whether it is bound as a listener, a connection and a datagram socket; connected to and sent to at port 0; then, where that
/// stays on the machine, at port 1; and bound to twice. Then groups, by the interface that they are joined at.
const SIMULATED: &str = "\
0.0.0.0:0 ok ok ok address address address address exists
127.0.0.1:0 ok ok ok address address refused ok exists
127.0.0.2:0 ok ok ok address address refused ok exists
192.0.2.1:0 address address address address address
224.0.0.251:0 address address address address address
255.255.255.255:0 address address address address denied
[::]:0 ok ok ok address address address address exists
[::1]:0 ok ok ok address address refused ok exists
[2001:db8::1]:0 address address address address address
[ff02::1]:0 address address address address address
[fe80::1]:0 address address address address address address address
[fe80::1%99999]:0 address address address address address
[::ffff:127.0.0.1]:0 ok ok ok address address refused ok exists
[::ffff:192.0.2.1]:0 address address address address address
224.0.0.251 by 127.0.0.1 ok
224.0.0.251 by 192.0.2.1 address
only IPv6 address address address
ff02::fb by 1 ok
ff02::fb by 99999 address
";

/// The rows that differ on the machine's network.
const DIFFERENCES: [&str; 0] = [];

#[test]
fn both_networks_take_the_same_addresses() {
    let simulated = table(Config::default().timing(Timing::Inline));
    assert_eq!(simulated, SIMULATED);
    if cfg!(miri) {
        return;
    }
    let real = table(Config::real());
    let differing = real.lines().zip(simulated.lines()).filter(|(real, other)| real != other);
    let differing: Vec<&str> = differing.map(|(real, _)| real).collect();
    assert_eq!(differing, DIFFERENCES);
}
