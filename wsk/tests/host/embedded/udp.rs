//! Datagrams of `embedded-nal-async`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use embedded_io_async::ErrorKind;
use embedded_nal_async::{ConnectedUdp, UdpStack, UnconnectedUdp};
use test_support::futures::poll_times;
use test_support::scenario::{on, on_host, timings, with_all_timings};
use wsk::embedded::{ConnectedUdpSocket, UnconnectedUdpSocket};
use wsk::socket::{DatagramSocket, Family};
use wsk::{Error, Provider, Result};
use wsk_host::{Config, Host, Network};

use crate::sweep::sweep;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn any_v4(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

fn kind(error: Error) -> ErrorKind {
    embedded_io_async::Error::kind(&error)
}

/// A server with one address, and a client connected to it. Neither uses WSK's own types.
async fn connected<N: UdpStack>(
    network: &N,
) -> core::result::Result<((SocketAddr, N::UniquelyBound), (SocketAddr, N::Connected)), N::Error> {
    let server = network.bind_single(LOCAL).await?;
    let client = network.connect(server.0).await?;
    Ok((server, client))
}

#[test]
fn answers_are_sent_from_each_form_of_source_address() {
    with_all_timings(async |wsk| {
        let ((server_address, mut server), (_, mut client)) = connected(&wsk).await?;
        let mut slice = [0; 100];
        for question in [&b"who?"[..], b"", &[7; 100]] {
            client.send(question).await?;
            let (length, local, remote) = server.receive_into(&mut slice).await?;
            assert_eq!((&slice[..length], local), (question, server_address));
            // From the address that was asked, from any, and with a port only.
            for from in [local, any_v4(0), any_v4(local.port())] {
                server.send(from, remote, b"me").await?;
                assert_eq!(client.receive_into(&mut slice).await?, 2);
                assert_eq!(&slice[..2], b"me");
            }
        }
        Ok(())
    });
}

#[cfg(not(miri))] // Miri takes too long for this many bytes.
#[test]
fn the_size_of_a_truncated_datagram_is_reported() {
    with_all_timings(async |wsk| {
        let ((_, mut server), (_, mut client)) = connected(&wsk).await?;
        for (size, byte) in [(6, 1), (1400, 2), (60_000, 3), (0, 4), (5, 5)] {
            client.send(&vec![byte; size]).await?;
            let mut slice = [0; 5];
            let (length, ..) = server.receive_into(&mut slice).await?;
            assert_eq!(length, size);
            assert!(slice[..size.min(5)].iter().all(|found| *found == byte));
        }
        // More than any datagram has.
        let error = client.send(&vec![0; 65_528]).await.unwrap_err();
        assert_eq!(kind(error), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_dropped_receive_loses_no_datagram() {
    with_all_timings(async |wsk| {
        let ((_, mut server), (_, mut client)) = connected(&wsk).await?;
        let (mut received, mut slice) = (Vec::new(), [0; 1]);
        for round in 0..10 {
            client.send(&[round]).await?;
            if poll_times(server.receive_into(&mut slice), 1).await.transpose()?.is_some() {
                received.push(slice[0]);
            }
        }
        while received.len() < 10 {
            server.receive_into(&mut slice).await?;
            received.push(slice[0]);
        }
        received.sort_unstable();
        assert!(received.iter().copied().eq(0..10), "{received:?}");
        // A send that is dropped may have been one, and the socket can still be used.
        for polls in 0..3 {
            let _ = poll_times(client.send(&[100]), polls).await;
        }
        client.send(&[101]).await?;
        while slice[0] != 101 {
            server.receive_into(&mut slice).await?;
            assert!([100, 101].contains(&slice[0]));
        }
        Ok(())
    });
}

#[test]
fn a_connected_socket_receives_from_its_peer_only() {
    with_all_timings(async |wsk| {
        let ((_, mut server), (client_address, mut client)) = connected(&wsk).await?;
        let (_, mut other) = wsk.bind_single(LOCAL).await?;
        // What a client is bound to is the system's business; datagrams to its port come to it.
        let client_address = SocketAddr::new(LOCAL.ip(), client_address.port());
        other.send(LOCAL, client_address, b"noise").await?;
        let mut slice = [0; 10];
        client.send(b"ping").await?;
        let (length, local, remote) = server.receive_into(&mut slice).await?;
        server.send(local, remote, &slice[..length]).await?;
        assert_eq!(client.receive_into(&mut slice).await?, 4);
        assert_eq!(&slice[..4], b"ping");
        Ok(())
    });
}

#[test]
fn a_multi_homed_socket_reports_the_destination_and_answers_from_it() {
    with_all_timings(async |wsk| {
        for (any, own) in [
            (any_v4(0), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            ((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()),
        ] {
            let mut server = wsk.bind_multiple(any).await?;
            let port = server.as_socket().local_addr().await?.port();
            let asked = SocketAddr::new(own.ip(), port);
            let (_, mut client) = wsk.connect_from(own, asked).await?;
            client.send(b"ping").await?;
            let mut slice = [0; 10];
            let (length, local, remote) = server.receive_into(&mut slice).await?;
            assert_eq!((length, local), (4, asked));
            // The client has no other peer than that address: what comes from another does not arrive.
            server.send(local, remote, &slice[..length]).await?;
            assert_eq!(client.receive_into(&mut slice).await?, 4);
        }
        Ok(())
    });
}

#[test]
fn a_foreign_source_address_is_refused() {
    with_all_timings(async |wsk| {
        let (address, mut one) = wsk.bind_single(LOCAL).await?;
        let mut many = wsk.bind_multiple(any_v4(0)).await?;
        let other_port = SocketAddr::new(address.ip(), address.port() ^ 1);
        let of_other_family = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let other_ip = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 0));
        for from in [other_port, of_other_family, other_ip] {
            let error = one.send(from, address, b"").await.unwrap_err();
            assert_eq!(kind(error), ErrorKind::AddrNotAvailable, "{from}");
        }
        let own_port = many.as_socket().local_addr().await?.port();
        let other_port = SocketAddr::new(address.ip(), own_port ^ 1);
        for from in [other_port, of_other_family] {
            let error = many.send(from, address, b"").await.unwrap_err();
            assert_eq!(kind(error), ErrorKind::AddrNotAvailable, "{from}");
        }
        Ok(())
    });
}

#[test]
fn a_source_address_is_chosen_if_none_is_given() {
    with_all_timings(async |wsk| {
        for any in [any_v4(0), (Ipv6Addr::UNSPECIFIED, 0).into()] {
            let (address, mut server) = wsk.bind_single(any).await?;
            assert!(!address.ip().is_unspecified() && address.port() != 0, "{address}");
            let (_, mut client) = wsk.connect(address).await?;
            client.send(b"1").await?;
            let (_, local, _) = server.receive_into(&mut [0]).await?;
            assert_eq!(local, address);
        }
        Ok(())
    });
}

/// A socket of one's own, with options that the traits do not know.
#[test]
fn a_connected_socket_can_wrap_the_users_socket() {
    with_all_timings(async |wsk| {
        let (address, mut server) = wsk.bind_single(LOCAL).await?;
        let socket = DatagramSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let mut client = ConnectedUdpSocket::from(socket.connect(address).await?);
        client.send(b"own").await?;
        let (length, _, remote) = server.receive_into(&mut [0; 3]).await?;
        assert_eq!((length, remote), (3, client.as_socket().local_addr().await?));
        Ok(())
    });
}

#[test]
fn a_warm_socket_allocates_nothing() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let allocated = on_host(&host, async |wsk: Provider| {
            let ((_, mut server), (_, mut client)) = connected(&wsk).await?;
            let (mut slice, mut before) = ([0; 2000], 0);
            for round in 0..10 {
                if round == 2 {
                    before = counted.allocations();
                }
                client.send(&[round; 1500]).await?;
                let (length, local, remote) = server.receive_into(&mut slice).await?;
                server.send(local, remote, &slice[..length]).await?;
                assert_eq!(client.receive_into(&mut slice).await?, 1500);
            }
            Ok(counted.allocations() - before)
        });
        assert_eq!(allocated.unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Sends and receives with sockets of every kind.
async fn conversation(wsk: Provider) -> Result<()> {
    let ((_, mut server), (_, mut client)) = connected(&wsk).await?;
    client.send(b"hello").await?;
    let mut slice = [0; 5];
    let (_, local, remote) = server.receive_into(&mut slice).await?;
    server.send(local, remote, &slice).await?;
    client.receive_into(&mut slice).await?;
    let mut many: UnconnectedUdpSocket = wsk.bind_multiple(any_v4(0)).await?;
    let own = many.as_socket().local_addr().await?;
    let own = SocketAddr::new(LOCAL.ip(), own.port());
    many.send(own, own, b"self").await?;
    assert_eq!(many.receive_into(&mut slice).await?, (4, own, own));
    Ok(())
}

#[test]
fn sockets_survive_every_failing_allocation() {
    sweep(12, conversation);
}

/// With this machine's own network: one that we have not written.
#[test]
#[cfg(not(miri))]
fn this_machines_network_works_the_same() {
    for timing in timings().take(3) {
        on(Config { network: Network::Real, timing, ..Config::default() }, conversation).unwrap();
    }
    on(Config { network: Network::Real, ..Config::default() }, async |wsk: Provider| {
        let (address, mut server) = wsk.bind_single(LOCAL).await?;
        let program = std::net::UdpSocket::bind(LOCAL).unwrap();
        program.send_to(b"from a program", address).unwrap();
        let mut slice = [0; 4];
        let (length, local, remote) = server.receive_into(&mut slice).await?;
        assert_eq!((length, local, &slice), (14, address, b"from"));
        assert_eq!(remote, program.local_addr().unwrap());
        server.send(local, remote, b"answer").await?;
        let mut answer = [0; 10];
        let (length, from) = program.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..length], from), (&b"answer"[..], address));
        Ok(())
    })
    .unwrap();
}
