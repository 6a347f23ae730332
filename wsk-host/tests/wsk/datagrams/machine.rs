//! Datagrams between sockets of WSK and other programs of the machine, for which std's sockets stand.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use test_support::hosts::{on, real};
use test_support::raw::close;
use test_support::raw::datagrams::{Receive, V4, V6, any_port, bound, dual, receive, send_to};
use test_support::seeds::seeds;
use wsk_sys::*;

/// A socket of the machine.
fn peer(address: impl Into<SocketAddr>) -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind(address.into()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

/// The next datagram it receives, and its source.
#[track_caller]
fn taken(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 64 << 10];
    let (count, from) = peer.recv_from(&mut bytes).unwrap();
    bytes.truncate(count);
    (bytes, from)
}

#[test]
fn other_programs_are_peers() {
    on(real(), |client| {
        for family in [AF_INET, AF_INET6] {
            let (socket, address) = bound(client, any_port(family));
            let (peer, its) = peer(any_port(family));
            peer.send_to(b"from the machine", address).unwrap();
            let received = receive(socket);
            assert_eq!((&*received.bytes, received.from), (&b"from the machine"[..], its));
            send_to(socket, b"to the machine", its);
            assert_eq!(taken(&peer), (b"to the machine".to_vec(), address));
            close(socket);
        }
    });
}

#[test]
fn other_programs_of_both_families_are_peers_of_a_dual_socket() {
    on(real(), |client| {
        let (socket, port) = dual(client);
        for (own, at) in
            [(any_port(AF_INET), (V4, port).into()), (any_port(AF_INET6), (V6, port).into())]
        {
            let (peer, its) = peer(own);
            peer.send_to(b"hello", at).unwrap();
            let received = receive(socket);
            assert_eq!(received.from.ip().to_canonical(), its.ip());
            assert!(received.from.is_ipv6());
            send_to(socket, b"hello", received.from);
            assert_eq!(taken(&peer).1, at);
        }
        close(socket);
    });
}

#[test]
fn a_cancelled_receive_leaves_datagrams_to_the_next() {
    on(real(), |client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        let (peer, _) = peer(any_port(AF_INET));
        let mut cancelled = 0;
        // Each is a race, which either may win.
        let rounds = u16::try_from(seeds(1000, 1000)).unwrap();
        for round in 0..rounds {
            let first = Receive::new(socket, 2, 0);
            peer.send_to(&round.to_ne_bytes(), address).unwrap();
            // The network adapters' thread is about to serve it.
            for _ in 0..round % 50 * 20 {
                std::hint::spin_loop();
            }
            first.request.cancel();
            let received = first.wait().unwrap_or_else(|status| {
                assert_eq!(status, STATUS_CANCELLED);
                cancelled += 1;
                receive(socket)
            });
            assert_eq!(received.bytes, round.to_ne_bytes());
        }
        eprintln!("{cancelled} of {rounds} were cancelled");
        close(socket);
    });
}

/// The machine's own socket at an address.
#[cfg(target_os = "linux")]
fn own(address: SocketAddr) -> socket2::Socket {
    use std::os::fd::BorrowedFd;

    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap().parse().unwrap();
        // SAFETY: it is only asked for its address, and may not be a socket any more.
        let found = unsafe { BorrowedFd::borrow_raw(number) };
        let is_it = socket2::SockRef::from(&found)
            .local_addr()
            .is_ok_and(|local| local.as_socket() == Some(address));
        if is_it {
            return found.try_clone_to_owned().unwrap().into();
        }
    }
    panic!("no socket is at {address}");
}

/// Linux lets a process find its sockets.
#[cfg(target_os = "linux")]
#[test]
fn a_hop_limit_applies_to_one_datagram_on_the_machine() {
    use test_support::raw::datagrams::{number, send_with_control};
    use test_support::raw::set_option;

    on(real(), |client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        let machine = own(address);
        let seven = [number(IPPROTO_IP, IP_HOPLIMIT, 7)];
        assert_eq!(send_with_control(socket, b"", address, &seven), STATUS_SUCCESS);
        assert_eq!(machine.ttl_v4().unwrap(), 7);
        send_to(socket, b"", address);
        assert_eq!(machine.ttl_v4().unwrap(), 128);
        assert_eq!(set_option(socket, IPPROTO_IP, IP_TTL, 9), STATUS_SUCCESS);
        assert_eq!(machine.ttl_v4().unwrap(), 9);
        assert_eq!(send_with_control(socket, b"", address, &seven), STATUS_SUCCESS);
        send_to(socket, b"", address);
        assert_eq!(machine.ttl_v4().unwrap(), 9);
        close(socket);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn options_are_those_of_the_machine() {
    use test_support::raw::datagrams::{local_address, unbound};
    use test_support::raw::{bind, set_option};

    on(real(), |client| {
        for before in [true, false] {
            let socket = unbound(client, AF_INET);
            let set = || {
                for (level, name, value) in [
                    (SOL_SOCKET, SO_BROADCAST, 1),
                    (SOL_SOCKET, SO_RCVBUF, 100_000),
                    (SOL_SOCKET, SO_SNDBUF, 50_000),
                    (IPPROTO_IP, IP_TTL, 33),
                    (IPPROTO_IP, IP_MULTICAST_TTL, 3),
                    (IPPROTO_IP, IP_MULTICAST_LOOP, 0),
                ] {
                    assert_eq!(set_option(socket, level, name, value), STATUS_SUCCESS);
                }
            };
            if before {
                set();
            }
            bind(socket, any_port(AF_INET)).succeed();
            if !before {
                set();
            }
            let machine = own(local_address(socket));
            assert!(machine.broadcast().unwrap());
            // Linux doubles them.
            assert_eq!(machine.recv_buffer_size().unwrap(), 200_000);
            assert_eq!(machine.send_buffer_size().unwrap(), 100_000);
            assert_eq!(machine.ttl_v4().unwrap(), 33);
            assert_eq!(machine.multicast_ttl_v4().unwrap(), 3);
            assert!(!machine.multicast_loop_v4().unwrap());
            close(socket);
        }
    });
}

#[test]
fn many_datagrams_of_other_programs_arrive_in_order() {
    on(real(), |client| {
        let (socket, address) = bound(client, any_port(AF_INET6));
        let (peer, _) = peer(any_port(AF_INET6));
        for round in 0..100_u8 {
            peer.send_to(&[round; 50], address).unwrap();
        }
        for round in 0..100_u8 {
            assert_eq!(receive(socket).bytes, [round; 50]);
        }
        close(socket);
    });
}
