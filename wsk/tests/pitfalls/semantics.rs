//! What calls mean.

use std::net::{IpAddr, SocketAddr};

use test_support::scenario::{on, on_host};
use wsk::socket::{DatagramSocket, Family, Protocol};
use wsk::sys::STATUS_INTERNAL_ERROR;
use wsk::{Buffer, ErrorKind, Provider, TcpListener, TcpStream, net};
use wsk_host::{Config, Host};

/// `SOCK_RAW`.
const RAW: u16 = 3;

/// A socket that connects is bound first.
#[test]
fn pitfall_20_a_connection_is_bound_before_it_connects() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk: Provider| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
        client.close().await;
        Ok(())
    })
    .unwrap();
    let trace = host.trace();
    let at = |what: &str| trace.iter().rposition(|line| line.contains(what)).unwrap();
    assert!(at("WskBind") < at("WskConnect "), "{trace:#?}");
}

/// One accept at a time is in flight, however often one is begun and given up. That a second one cannot be
/// written is shown with [`wsk::TcpListener::accept`].
#[test]
fn pitfall_21_one_accept_at_a_time() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk: Provider| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        for _ in 0..5 {
            assert!(test_support::futures::poll_times(listener.accept(), 1).await.is_none());
        }
        Ok(())
    })
    .unwrap();
    let accepts = host.trace().iter().filter(|line| line.contains("WskAccept")).count();
    assert_eq!(accepts, 1);
}

/// No slice extends beyond its buffer.
#[test]
fn pitfall_21_a_length_beyond_the_buffer() {
    on(Config::default(), async |_| {
        assert!(Buffer::new(8)?.slice(0..9).is_err());
        assert!(Buffer::new(8)?.slice(4..)?.slice(0..5).is_err());
        assert!(Buffer::new(8)?.slice(..=usize::MAX).is_err());
        Ok(())
    })
    .unwrap();
}

/// A look-up that fails inside the system is made once more, and not for ever.
#[test]
fn pitfall_22_a_look_up_that_fails_intermittently() {
    for (failures, is_found) in [(0, true), (1, true), (2, false)] {
        let host = Host::new(Config::default());
        host.add_name("server.example", IpAddr::from([192, 0, 2, 1]));
        for _ in 0..failures {
            host.fail_name("server.example", STATUS_INTERNAL_ERROR);
        }
        let found = on_host(&host, async |wsk: Provider| {
            Ok(net::lookup_host(&wsk, "server.example:80").await?.collect::<Vec<_>>())
        });
        match found {
            Ok(ref found) => assert_eq!(*found, [SocketAddr::from(([192, 0, 2, 1], 80))]),
            Err(ref error) => assert_eq!(error.name(), Some("STATUS_INTERNAL_ERROR")),
        }
        let asked = host.trace().iter().filter(|line| line.contains("WskGetAddressInfo")).count();
        assert_eq!((found.is_ok(), asked), (is_found, 2.min(failures + 1)));
    }
}

/// Raw sockets are documented, and fail: with an error.
#[test]
fn pitfall_23_a_raw_socket() {
    on(Config::default(), async |wsk| {
        let icmp = Protocol::from_raw(1);
        let raw = DatagramSocket::builder(&wsk, Family::INET).socket_type(RAW).protocol(icmp);
        let failed = raw.bind(([127, 0, 0, 1], 0)).await.unwrap_err();
        assert_ne!(failed.kind(), ErrorKind::OutOfMemory, "{failed}");
        Ok(())
    })
    .unwrap();
}
