//! Datagrams that are cut off, and those that report errors.

use std::net::SocketAddr;

use test_support::connection::buffer;
use test_support::futures::poll_times;
#[cfg(all(target_os = "linux", not(miri)))]
use test_support::scenario::on;
use test_support::scenario::{with_all_timings, with_all_timings_of};
use wsk::cmsg::ReceivedError;
use wsk::options::{ip, ipv6};
use wsk::socket::{DatagramSocket, Family};
use wsk::{Buffer, ErrorKind, Provider, Result, UdpSocket};
#[cfg(all(target_os = "linux", not(miri)))]
use wsk_host::Timing;
use wsk_host::{Config, Windows};

use super::bound;

/// WSK may say by a flag or by a status that a datagram was cut off: neither is an error of `receive_message`.
#[test]
fn a_datagram_that_is_cut_off_is_received_however_wsk_says_so() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        for _ in 0..4 {
            socket.send_copy_to(b"123456", address).await?;
            let received = socket.as_socket().receive_message(Buffer::new(4)?).await;
            let (received, bytes) = received.into_result()?;
            assert_eq!((received.len(), received.is_truncated()), (4, true));
            assert_eq!((&bytes[..], received.peer()), (&b"1234"[..], address));
            socket.send_copy_to(b"123456", address).await?;
            let received = socket.recv_from(Buffer::new(4)?).await;
            assert_eq!(received.0.unwrap_err().kind(), ErrorKind::InvalidSize);
            assert_eq!(&received.1[..], b"1234");
            let mut receiver = socket.receiver(4)?;
            socket.send_copy_to(b"123456", address).await?;
            let (bytes, received) = receiver.receive_message().await?;
            assert_eq!((bytes, received.is_truncated()), (&b"1234"[..], true));
        }
        Ok(())
    });
}

/// The same of a receive whose future was dropped.
#[test]
fn a_kept_datagram_that_is_cut_off_is_received() {
    with_all_timings(async |wsk| {
        let (socket, address) = bound(&wsk).await?;
        let mut receive = Box::pin(socket.recv_from(Buffer::new(4)?));
        assert!(poll_times(receive.as_mut(), 1).await.is_none());
        socket.send_copy_to(b"123456", address).await?;
        drop(receive);
        // The datagram was received by then, or is received by the next, which has more room.
        let received = socket.as_socket().receive_message(Buffer::new(8)?).await;
        let (received, bytes) = received.into_result()?;
        let expected = if received.is_truncated() { &b"1234"[..] } else { b"123456" };
        assert_eq!(&bytes[..received.len()], expected);
        Ok(())
    });
}

/// An address of the family at which nothing is bound.
async fn unbound(wsk: &Provider, family: Family) -> Result<SocketAddr> {
    let any: SocketAddr = if family == Family::INET {
        ([127, 0, 0, 1], 0).into()
    } else {
        ([0, 0, 0, 0, 0, 0, 0, 1_u16], 0).into()
    };
    let socket = UdpSocket::bind(wsk, any).await?;
    let address = socket.local_addr().await?;
    socket.close().await;
    Ok(address)
}

async fn with_errors(wsk: &Provider, family: Family) -> Result<UdpSocket> {
    let any: SocketAddr = if family == Family::INET {
        ([127, 0, 0, 1], 0).into()
    } else {
        ([0, 0, 0, 0, 0, 0, 0, 1_u16], 0).into()
    };
    let socket = DatagramSocket::builder(wsk, family).bind(any).await?;
    if family == Family::INET {
        socket.set(ip::RECEIVE_ERRORS, true).await?;
    } else {
        socket.set(ipv6::RECEIVE_ERRORS, true).await?;
    }
    Ok(socket.into())
}

/// Sends to an address without a socket, and receives the error; then sends to itself, and receives that.
async fn receives_errors(wsk: &Provider) -> Result<()> {
    for (family, is_v6, kind, code) in [(Family::INET, false, 3, 3), (Family::INET6, true, 1, 4)] {
        let unbound_address = unbound(wsk, family).await?;
        let socket = with_errors(wsk, family).await?;
        socket.send_copy_to(b"hello", unbound_address).await?;
        let received = socket.as_socket().receive_message(Buffer::new(100)?).await;
        let (received, _) = received.into_result()?;
        let error = received.control_messages().received_error().expect("an error");
        assert_eq!(error, ReceivedError { is_v6, kind, code, info: 0 });
        assert_eq!(received.peer(), unbound_address);
        // A datagram of a peer is none.
        socket.send_copy_to(b"hello", socket.local_addr().await?).await?;
        let received = socket.as_socket().receive_message(Buffer::new(100)?).await;
        let (received, _) = received.into_result()?;
        assert_eq!(received.control_messages().received_error(), None);
    }
    Ok(())
}

#[test]
fn errors_arrive_as_datagrams_with_a_message() {
    let config = Config { windows: Windows::ELEVEN, ..Config::default() };
    with_all_timings_of(config, async |wsk| receives_errors(&wsk).await);
}

/// Linux keeps the errors of a socket in a queue.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn errors_arrive_on_the_machines_network() {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(7)] {
        let config = Config { windows: Windows::ELEVEN, ..Config::real().timing(timing) };
        on(config, async |wsk| receives_errors(&wsk).await).unwrap();
    }
}

/// A receive that returns nothing but data does not return a report as the peer's data.
#[test]
fn receives_of_data_return_the_error() {
    with_all_timings_of(Config { windows: Windows::ELEVEN, ..Config::default() }, async |wsk| {
        let unbound_address = unbound(&wsk, Family::INET).await?;
        let mut socket = with_errors(&wsk, Family::INET).await?;
        let name = Some("STATUS_PORT_UNREACHABLE");
        socket.send_copy_to(b"hello", unbound_address).await?;
        let error = socket.recv_from(Buffer::new(100)?).await.0.unwrap_err();
        assert_eq!((error.name(), error.kind()), (name, ErrorKind::ConnectionRefused));
        let mut receiver = socket.receiver(100)?;
        socket.send_copy_to(b"hello", unbound_address).await?;
        assert_eq!(receiver.recv_from().await.unwrap_err().name(), name);
        socket.send_copy_to(b"hello", unbound_address).await?;
        assert_eq!(receiver.recv_from_into(&mut [0; 100]).await.unwrap_err().name(), name);
        drop(receiver);
        let connected = socket.connect(unbound_address).await?;
        connected.send(buffer(b"hello")?).await.into_result()?;
        assert_eq!(connected.recv(Buffer::new(100)?).await.0.unwrap_err().name(), name);
        Ok(())
    });
}
