//! Peers of `std::net`, on the network of this machine.

use std::io::{Read, Write};
use std::net::{
    Ipv4Addr, Shutdown, SocketAddr, TcpListener as StdListener, TcpStream as StdStream,
};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use test_support::connection::{buffer, receive_all};
use test_support::futures::poll_times;
use test_support::scenario::{on, on_host};
use wsk::socket::{ConnectionSocket, Family};
use wsk::{Buffer, ErrorKind, Provider, Result, TcpListener, TcpStream, net};
use wsk_host::{Config, Network, Timing};

const LOCALHOST: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
const SIZE: usize = 1 << 20;

/// Runs a scenario with a few timings.
fn real(scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)] {
        let config = Config { network: Network::Real, timing, ..Config::default() };
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

fn std_listener() -> StdListener {
    StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// Connected from here to a peer of `std::net`.
async fn connected(wsk: &Provider) -> Result<(TcpStream, StdStream)> {
    let listener = std_listener();
    let stream = TcpStream::connect(wsk, listener.local_addr().unwrap()).await?;
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    Ok((stream, peer))
}

#[test]
fn a_client_talks_to_a_std_server() {
    real(async |wsk| {
        let data: Vec<u8> = (0..SIZE).map(|n| (n % 251).to_le_bytes()[0]).collect();
        let (stream, mut peer) = connected(&wsk).await?;
        assert_eq!(stream.peer_addr().await?, peer.local_addr().unwrap());
        assert_eq!(stream.local_addr().await?, peer.peer_addr().unwrap());
        let server = thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            peer.write_all(&received).unwrap();
        });
        stream.send_all(buffer(&data)?).await.into_result()?;
        stream.shutdown().await?;
        assert!(receive_all(&stream).await? == data, "other bytes came back");
        server.join().unwrap();
        Ok(())
    });
}

#[test]
fn connecting_to_a_closed_port_is_refused() {
    real(async |wsk| {
        let address = std_listener().local_addr().unwrap();
        let error = TcpStream::connect(&wsk, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn a_port_of_another_program_is_in_use() {
    real(async |wsk| {
        let other = std_listener();
        let error = TcpListener::bind(&wsk, other.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        Ok(())
    });
}

/// Established connections wait for the listener's client, instead of being dropped and tried again after a second.
#[test]
fn hundreds_of_connections_wait_to_be_accepted() {
    const COUNT: usize = 400;
    real(async |wsk| {
        let listener = TcpListener::bind(&wsk, LOCALHOST).await?;
        let address = listener.local_addr().await?;
        let connect = |_| StdStream::connect_timeout(&address, Duration::from_secs(30)).unwrap();
        let clients: Vec<StdStream> = (0..COUNT).map(connect).collect();
        for client in &clients {
            let (_, peer) = listener.accept().await?;
            assert_eq!(peer, client.local_addr().unwrap());
        }
        Ok(())
    });
}

/// The address that a socket has before it connects is its address afterwards; without a question for it, the system
/// chooses the port when the socket connects.
#[test]
fn a_connecting_socket_keeps_the_port_that_it_has_shown() {
    real(async |wsk| {
        let server = std_listener();
        let address = server.local_addr().unwrap();
        for local in [([0, 0, 0, 0], 0), ([127, 0, 0, 1], 0)] {
            let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(local).await?;
            let bound = socket.local_addr().await?;
            assert_ne!(bound.port(), 0);
            assert_eq!(bound.ip(), Ipv4Addr::from(local.0));
            let socket = socket.connect(address).await?;
            assert_eq!(
                socket.local_addr().await?,
                SocketAddr::from(([127, 0, 0, 1], bound.port()))
            );
            assert_eq!(server.accept().unwrap().1.port(), bound.port());
            socket.shutdown().await?;
        }
        Ok(())
    });
}

#[test]
fn a_dropped_receive_loses_no_bytes() {
    real(async |wsk| {
        let (stream, mut peer) = connected(&wsk).await?;
        assert!(poll_times(stream.recv(Buffer::new(100)?), 1).await.is_none());
        peer.write_all(b"hello").unwrap();
        let (received, bytes) = stream.recv(Buffer::new(100)?).await.into_result()?;
        assert_eq!(&bytes[..received], b"hello");
        Ok(())
    });
}

#[test]
fn an_empty_receive_waits_for_data() {
    real(async |wsk| {
        let (stream, mut peer) = connected(&wsk).await?;
        peer.write_all(b"hello").unwrap();
        let (received, _) = stream.recv(Buffer::new(0)?).await.into_result()?;
        assert_eq!(received, 0);
        let (received, _) = stream.recv(Buffer::new(100)?).await.into_result()?;
        assert_eq!(received, 5);
        Ok(())
    });
}

#[test]
fn a_dropped_connection_is_reset_unless_it_was_disconnected() {
    real(async |wsk| {
        let (stream, mut peer) = connected(&wsk).await?;
        drop(stream);
        let error = peer.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        let (stream, mut peer) = connected(&wsk).await?;
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(receive_all(&stream).await?.is_empty());
        stream.shutdown().await?;
        drop(stream);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        Ok(())
    });
}

#[test]
fn a_peer_that_resets_is_noticed_by_every_request() {
    real(async |wsk| {
        let (stream, mut peer) = connected(&wsk).await?;
        // Closed with bytes unread: the machine resets.
        stream.send_all(buffer(b"unread")?).await.into_result()?;
        assert_eq!(peer.read(&mut [0]).unwrap(), 1);
        drop(peer);
        for _ in 0..3 {
            let error = stream.recv(Buffer::new(1)?).await.into_result().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let error = stream.send(buffer(b"more")?).await.into_result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn connections_and_accepts_wait_for_each_other() {
    real(async |wsk| {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr().await?;
        let early = StdStream::connect(address).unwrap();
        let (_stream, peer) = listener.accept().await?;
        assert_eq!(peer, early.local_addr().unwrap());

        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let late = scope.spawn(|| {
                barrier.wait();
                StdStream::connect(address).unwrap()
            });
            let accepted = wsk::rt::block_on(test_support::scenario::passive(), async {
                // Started and dropped: the connection waits for the next.
                assert!(poll_times(listener.accept(), 1).await.is_none());
                barrier.wait();
                listener.accept().await
            });
            let (_stream, peer) = accepted??;
            assert_eq!(peer, late.join().unwrap().local_addr().unwrap());
            Ok(())
        })
    });
}

/// The machine's own names, as `std` sees them.
#[test]
fn names_are_resolved_by_the_machine() {
    use std::net::{SocketAddr, ToSocketAddrs};

    use wsk::flags::NameInfoFlags;
    use wsk::resolve::{Hints, Service};

    real(async |wsk| {
        let expected: Vec<SocketAddr> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        let found: Vec<SocketAddr> = net::lookup_host(&wsk, ("localhost", 80)).await?.collect();
        for address in expected {
            assert!(found.contains(&address), "{found:?} and not {address}");
        }
        let list = wsk.resolve("127.0.0.1", "7", Hints::stream()).await?;
        assert!(list.addresses().eq([(Ipv4Addr::LOCALHOST, 7).into()]));
        // `.invalid` is reserved for names that do not exist.
        let error = wsk.resolve("name.invalid", Service::None, Hints::stream()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);

        let numeric = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
        let names = wsk.name_of((Ipv4Addr::LOCALHOST, 7), numeric).await?;
        assert_eq!(
            (names.host().to_string(), names.service().unwrap().to_string()),
            ("127.0.0.1".to_owned(), "7".to_owned())
        );
        let names = wsk.name_of((Ipv4Addr::LOCALHOST, 80), NameInfoFlags::empty()).await?;
        assert!(!names.host().units().is_empty());
        Ok(())
    });
}

#[test]
fn a_std_server_is_found_by_its_name() {
    real(async |wsk| {
        let listener = std_listener();
        let port = listener.local_addr().unwrap().port();
        let stream = net::connect_host(&wsk, ("localhost", port)).await?;
        let (mut peer, address) = listener.accept().unwrap();
        assert_eq!(stream.local_addr().await?, address);
        peer.write_all(b"hello").unwrap();
        drop(peer);
        assert_eq!(receive_all(&stream).await?, b"hello");
        Ok(())
    });
}

#[test]
fn binding_to_another_machines_name_fails() {
    use wsk_host::Host;

    for timing in [Timing::Inline, Timing::Deferred] {
        let host = Host::new(Config { network: Network::Real, timing, ..Config::default() });
        // An address that is reserved for documentation.
        host.add_name("other.example", [192, 0, 2, 1]);
        let error = on_host(&host, async |wsk| {
            Ok(net::listen_host(&wsk, "other.example:0").await.unwrap_err())
        });
        assert_eq!(error.unwrap().kind(), ErrorKind::AddrNotAvailable);
        host.add_name("this.example", [127, 0, 0, 1]);
        on_host(&host, async |wsk| net::listen_host(&wsk, "this.example:0").await.map(drop))
            .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// On the machine's network a look-up takes its own time in a thread of its own: it may end after everything else.
#[test]
fn look_ups_can_be_dropped() {
    use wsk::resolve::Hints;

    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)] {
        let config = Config { network: Network::Real, timing, ..Config::default() };
        on(config, async |wsk| {
            for _ in 0..20 {
                drop(poll_times(wsk.resolve("localhost", 80, Hints::new()), 1).await);
            }
            Ok(())
        })
        .unwrap();
    }
}
