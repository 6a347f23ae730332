//! Datagrams between sockets of WSK and other programs of the machine, for which std's sockets stand.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use wsk_sys::*;

use crate::calls::{Receive, V4, V6, any_port, bound, dual, on, real, receive, send_to};
use crate::raw::close;

/// A socket of the machine's.
fn peer(address: impl Into<SocketAddr>) -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind(address.into()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

/// What it receives, and from whom.
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
fn a_cancelled_receive_leaves_what_arrives_to_the_next() {
    on(real(), |client| {
        let (socket, address) = bound(client, any_port(AF_INET));
        let (peer, _) = peer(any_port(AF_INET));
        let mut cancelled = 0;
        for round in 0..1000_u16 {
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
        eprintln!("{cancelled} of 1000 were cancelled");
        close(socket);
    });
}
