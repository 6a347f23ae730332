//! UDP, in memory and with programs of this machine.

mod batch;
mod control;
mod errors;
mod groups;
#[cfg(not(miri))] // Miri has no network.
mod machine;
mod memory;
mod peer;
mod readiness;
mod receiver;
mod timeouts;

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::buffer;
use test_support::futures::{join, poll_times};
use test_support::scenario::{on_host, with_all_timings};
use wsk::cmsg::{PacketInfo, SendControl};
use wsk::{Buffer, ErrorKind, Provider, Result, UdpSocket};
use wsk_host::{Config, Faults, Host, Timing};

/// Any port of the loopback interface.
const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A socket at any port, and its address.
async fn bound(wsk: &Provider) -> Result<(UdpSocket, SocketAddr)> {
    let socket = UdpSocket::bind(wsk, LOCAL).await?;
    let address = socket.local_addr().await?;
    Ok((socket, address))
}

#[test]
fn datagrams_travel_both_ways_with_their_source() {
    with_all_timings(async |wsk| {
        let ((server, server_address), (client, client_address)) =
            (bound(&wsk).await?, bound(&wsk).await?);
        let (sent, _) = client.send_to(buffer(b"ping")?, server_address).await.into_result()?;
        assert_eq!(sent, 4);
        let ((received, from), filled) = server.recv_from(Buffer::new(10)?).await.into_result()?;
        assert_eq!((&filled[..received], from), (&b"ping"[..], client_address));
        server.send_to(filled.slice(..received)?, from).await.into_result()?;
        let ((received, from), filled) = client.recv_from(Buffer::new(4)?).await.into_result()?;
        assert_eq!((&filled[..received], from), (&b"ping"[..], server_address));
        Ok(())
    });
}

#[test]
fn ipv6_behaves_alike_and_families_do_not_mix() {
    with_all_timings(async |wsk| {
        let socket = UdpSocket::bind(&wsk, (Ipv6Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr().await?;
        socket.send_to(buffer(b"six")?, address).await.into_result()?;
        let ((received, from), _) = socket.recv_from(Buffer::new(10)?).await.into_result()?;
        assert_eq!((received, from), (3, address));

        let (mut v4, _) = bound(&wsk).await?;
        let result = v4.send_to(buffer(b"kept")?, address).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(&result.1[..], b"kept");
        assert!(v4.connect(address).await.is_err());
        Ok(())
    });
}

#[test]
fn a_truncated_datagram_is_an_error_with_its_first_bytes() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        socket.send_to(buffer(b"too long")?, address).await.into_result()?;
        let result = socket.recv_from(Buffer::new(3)?).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::InvalidSize);
        assert_eq!(&result.1[..], b"too");
        // The next one is whole.
        socket.send_to(Buffer::empty(), address).await.into_result()?;
        let ((received, _), _) = socket.recv_from(Buffer::new(3)?).await.into_result()?;
        assert_eq!(received, 0);
        Ok(())
    });
}

#[test]
fn a_connected_udp_socket_receives_from_its_peer_only() {
    with_all_timings(async |wsk| {
        let ((server, address), (other, _)) = (bound(&wsk).await?, bound(&wsk).await?);
        let (mut client, client_address) = bound(&wsk).await?;
        let client = client.connect(address).await?;
        other.send_to(buffer(b"noise")?, client_address).await.into_result()?;
        client.send(buffer(b"hello")?).await.into_result()?;
        let ((_, from), filled) = server.recv_from(Buffer::new(5)?).await.into_result()?;
        server.send_to(filled, from).await.into_result()?;
        let (received, filled) = client.recv(Buffer::new(10)?).await.into_result()?;
        assert_eq!(&filled[..received], b"hello");
        Ok(())
    });
}

#[test]
fn receiving_can_be_dropped_and_several_can_wait() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        // Not even polled, and in flight.
        for polls in 0..2 {
            assert!(poll_times(socket.recv_from(Buffer::new(10)?), polls).await.is_none());
        }
        let receive = async || socket.recv_from(Buffer::new(10)?).await.into_result();
        let send = async {
            for bytes in [b"one", b"two"] {
                socket.send_to(buffer(bytes)?, address).await.into_result()?;
            }
            Ok::<_, wsk::Error>(())
        };
        let ((first, second), result) = join(join(receive(), receive()), send).await;
        result?;
        let mut received = [first?, second?].map(|((count, _), bytes)| bytes[..count].to_vec());
        received.sort();
        assert_eq!(received, [b"one", b"two"]);
        socket.close().await;
        Ok(())
    });
}

/// Requests keep what they were given until they complete, with control data or without (INV-21, INV-26), and what
/// follows finds the socket as it should be.
#[test]
fn every_request_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let inner = socket.as_socket();
        inner.set_receive_packet_info(true).await?;
        let here = PacketInfo { address: Ipv4Addr::LOCALHOST.into(), interface: 0 };
        let control = SendControl::new().packet_info(here);
        for polls in 0..3 {
            drop(poll_times(socket.send_to(buffer(b"dropped")?, address), polls).await);
            let said = inner.send_to_with(buffer(b"dropped")?, address, &control);
            drop(poll_times(said, polls).await);
            let _ = poll_times(socket.send_copy_to(b"dropped", address), polls).await;
        }
        for _ in 0..4 {
            for polls in 0..2 {
                drop(poll_times(socket.recv_from(Buffer::new(10)?), polls).await);
                drop(poll_times(inner.receive_message(Buffer::new(10)?), polls).await);
            }
        }
        inner.send_to_with(buffer(b"the last")?, address, &control).await.into_result()?;
        loop {
            let (received, filled) = inner.receive_message(Buffer::new(10)?).await.into_result()?;
            assert_eq!((received.peer(), received.is_truncated()), (address, false));
            let destination = received.control_messages().packet_info().map(|info| info.address);
            assert_eq!(destination, Some(here.address));
            match &filled[..received.len()] {
                b"the last" => return Ok(()),
                other => assert_eq!(other, b"dropped"),
            }
        }
    });
}

/// The socket frees a request that is forgotten, with what it was given.
#[test]
fn requests_can_be_forgotten() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    on_host(&host, async |wsk: Provider| {
        let (socket, address) = bound(&wsk).await?;
        let mut context = Context::from_waker(Waker::noop());
        let mut receive = Box::pin(socket.as_socket().receive_message(Buffer::new(10)?));
        assert!(receive.as_mut().poll(&mut context).is_pending());
        std::mem::forget(receive);
        let mut send = Box::pin(socket.send_copy_to(b"forgotten", address));
        assert!(send.as_mut().poll(&mut context).is_pending());
        std::mem::forget(send);
        // The forgotten request has taken the first.
        socket.send_copy_to(b"heard", address).await?;
        let ((count, _), filled) = socket.recv_from(Buffer::new(10)?).await.into_result()?;
        assert_eq!(&filled[..count], b"heard");
        Ok(())
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0, "the requests are the socket's");
}

/// The host's clock decides when nothing comes any more.
#[test]
fn lost_datagrams_are_not_received() {
    let config = Config::default()
        .faults(Faults { loss: 300, ..Faults::default() })
        .delay(Duration::from_millis(5));
    for seed in 0..if cfg!(miri) { 1 } else { 20 } {
        let host = Host::new(config.seed(seed));
        let settling = host.clone();
        let run = async move |wsk: Provider| {
            let (socket, address) = bound(&wsk).await?;
            for number in 0..50 {
                socket.send_to(buffer(&[number])?, address).await.into_result()?;
            }
            settling.settle();
            let mut received = Vec::new();
            loop {
                match poll_times(socket.recv_from(Buffer::new(1)?), 1).await {
                    Some(result) => received.push(result.into_result()?.1[0]),
                    // It may only have been put off.
                    None if received.is_empty() => {}
                    None => break,
                }
            }
            Ok(received)
        };
        let received = on_host(&host, run).unwrap();
        assert!(received.len() < 50, "{received:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}
