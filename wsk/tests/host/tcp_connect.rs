//! Connecting: in one call, with first data, and stream sockets in that role.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::connection::{buffer, receive_all};
use test_support::futures::{join, poll_times};
use test_support::scenario::{on, timings, with_all_timings};
use wsk::events::{ConnectionEvents, Data, ListenEvents, Receipt};
use wsk::socket::{ConnectionSocket, Family, StreamSocket};
use wsk::{Buffer, ErrorKind, Provider, Result, TcpListener};
use wsk_host::{Config, Windows};

use crate::sweep::sweep;

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// The most bytes that a connection begins with.
const MOST: usize = 65_535;

/// Counts bytes that come, and says when it is gone.
#[derive(Default)]
struct Counter {
    bytes: AtomicUsize,
    _alive: Option<Arc<()>>,
}

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.bytes.fetch_add(data.len(), Ordering::SeqCst);
        Receipt::All
    }
}

#[wsk::events]
impl ListenEvents for Counter {
    type Connection = ();
}

async fn listener(wsk: &Provider) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(wsk, ANY).await?;
    let address = listener.local_addr().await?;
    Ok((listener, address))
}

#[test]
fn one_call_creates_and_connects_a_socket() {
    with_all_timings(async |wsk| {
        let (listener, address) = listener(&wsk).await?;
        let socket = ConnectionSocket::connect_new(&wsk, ANY, address, ()).await?;
        let (server, peer) = listener.accept().await?;
        assert_eq!(socket.local_addr().await?, peer);
        assert_eq!(socket.peer_addr().await?, address);
        socket.send_all(buffer(b"hello")?).await.into_result()?;
        socket.shutdown().await?;
        assert_eq!(receive_all(&server).await?, b"hello");
        Ok(())
    });
}

#[test]
fn one_call_takes_the_family_of_both_addresses() {
    with_all_timings(async |wsk| {
        let any: SocketAddr = (Ipv6Addr::LOCALHOST, 0).into();
        let listener = TcpListener::bind(&wsk, any).await?;
        let address = listener.local_addr().await?;
        let socket = ConnectionSocket::connect_new(&wsk, any, address, ()).await?;
        assert_eq!(socket.peer_addr().await?, address);
        for (from, to) in [(SocketAddr::from(ANY), address), (any, ANY.into())] {
            let error = ConnectionSocket::connect_new(&wsk, from, to, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        }
        Ok(())
    });
}

/// A handler that is never called is dropped with what failed, and one that is called counts.
#[test]
fn one_call_connects_a_socket_with_a_handler() {
    with_all_timings(async |wsk| {
        let (listener, address) = listener(&wsk).await?;
        let alive = Arc::new(());
        let handler = || Counter { _alive: Some(Arc::clone(&alive)), ..Counter::default() };
        let closed_port = ([127, 0, 0, 1], 9);
        let error =
            ConnectionSocket::connect_new(&wsk, ANY, closed_port, handler()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        let socket = ConnectionSocket::connect_new(&wsk, ANY, address, handler()).await?;
        let (server, _) = listener.accept().await?;
        server.send_all(buffer(&[1; 100])?).await.into_result()?;
        while socket.handler().bytes.load(Ordering::SeqCst) < 100 {
            wsk::time::sleep(std::time::Duration::from_millis(1)).await?;
        }
        socket.close().await;
        drop((wsk, server, listener));
        Ok(())
    });
}

/// INV-20: a socket delivered to a dropped future is closed; otherwise the registration would wait for ever.
#[test]
fn connecting_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let (_listener, address) = listener(&wsk).await?;
        for polls in 0..8 {
            let one = ConnectionSocket::connect_new(&wsk, ANY, address, Counter::default());
            drop(poll_times(one, polls).await);
            let with_data = async || {
                let socket = StreamSocket::builder(&wsk, Family::INET).bind(ANY).await?;
                socket.connect_with_data(address, buffer(b"hello")?).await.into_result()
            };
            drop(poll_times(with_data(), polls).await);
        }
        Ok(())
    });
}

/// Wine: the call returns `STATUS_NOT_IMPLEMENTED`, and its IRP never completes. There is no socket whose close
/// would be its end, and still nothing is left.
#[test]
fn a_refused_wsk_socket_connect_is_unsupported() {
    for timing in timings() {
        let config = Config { refuse_socket_connect: true, ..Config::default().timing(timing) };
        let run = async |wsk: Provider| {
            let (_listener, address) = listener(&wsk).await?;
            for _ in 0..3 {
                let refused = ConnectionSocket::connect_new(&wsk, ANY, address, Counter::default());
                assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Unsupported);
            }
            let refused = ConnectionSocket::connect_new(&wsk, ANY, address, Counter::default());
            drop(poll_times(refused, 1).await);
            Ok(())
        };
        on(config, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn one_call_survives_failed_allocations() {
    sweep(10, async |wsk| {
        let (listener, address) = listener(&wsk).await?;
        let counter = Counter::default();
        let socket = ConnectionSocket::connect_new(&wsk, ANY, address, counter).await?;
        let (server, _) = listener.accept().await?;
        socket.shutdown().await?;
        assert_eq!(receive_all(&server).await?, b"");
        Ok(())
    });
}

/// The next connection's bytes, to their end.
async fn received(listener: &TcpListener) -> Result<Vec<u8>> {
    let (server, _) = listener.accept().await?;
    receive_all(&server).await
}

/// With as many bytes as may be, through a window that is smaller, and the buffer comes back.
#[cfg(not(miri))] // Miri takes too long for this many bytes.
#[test]
fn a_connect_sends_first_bytes() {
    let first: Vec<u8> = (0..MOST).map(|n| n.to_le_bytes()[0]).collect();
    for timing in timings() {
        let config = Config::default().timing(timing).window(20_000);
        let run = async |wsk: Provider| {
            let (listener, address) = listener(&wsk).await?;
            let connection = async {
                let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
                let (socket, back) =
                    socket.connect_with_data(address, buffer(&first)?).await.into_result()?;
                assert!(back[..] == first[..]);
                socket.shutdown().await.map(|()| socket)
            };
            let (socket, bytes) = join(connection, received(&listener)).await;
            assert!(bytes? == first, "other bytes arrived");
            drop(socket?);

            // A part of a buffer, from a stream socket.
            let stream = async {
                let socket = StreamSocket::builder(&wsk, Family::INET).bind(ANY).await?;
                let part = buffer(b"--hello--")?.slice(2..7)?;
                let (socket, back) = socket.connect_with_data(address, part).await.into_result()?;
                assert_eq!(&back[..], b"hello");
                assert_eq!(&back.into_inner()[..], b"--hello--");
                socket.shutdown().await.map(|()| socket)
            };
            let (socket, bytes) = join(stream, received(&listener)).await;
            assert_eq!(bytes?, b"hello");
            drop(socket?);

            // None at all.
            let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
            let none = socket.connect_with_data(address, Buffer::empty()).await;
            let (socket, _) = none.into_result()?;
            socket.shutdown().await?;
            assert_eq!(received(&listener).await?, b"");
            Ok(())
        };
        on(config, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// INV-29, INV-32: what is not possible is refused before the call, and the buffer comes back from every failure.
#[test]
fn a_failed_connect_returns_its_buffer() {
    with_all_timings(async |wsk| {
        let (_listener, address) = listener(&wsk).await?;
        let v6: SocketAddr = (Ipv6Addr::LOCALHOST, 7).into();
        let closed_port: SocketAddr = ([127, 0, 0, 1], 9).into();
        let cases = [
            (address, MOST + 1, ErrorKind::InvalidSize),
            (v6, 4, ErrorKind::AddrNotAvailable),
            (closed_port, 4, ErrorKind::ConnectionRefused),
        ];
        for (to, size, kind) in cases {
            let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
            let mut first = Buffer::new(size)?;
            first.fill(7);
            let result = socket.connect_with_data(to, first).await;
            assert_eq!(result.0.unwrap_err().kind(), kind);
            assert_eq!(result.1.len(), size);
            assert!(result.1.iter().all(|byte| *byte == 7));
        }
        Ok(())
    });
}

#[test]
fn connecting_with_data_survives_failed_allocations() {
    sweep(10, async |wsk| {
        let (listener, address) = listener(&wsk).await?;
        let socket = StreamSocket::builder(&wsk, Family::INET).bind(ANY).await?;
        let first = buffer(b"hello")?;
        let (socket, _) = socket.connect_with_data(address, first).await.into_result()?;
        socket.shutdown().await?;
        assert_eq!(received(&listener).await?, b"hello");
        Ok(())
    });
}

/// INV-8: older systems have neither the function in their tables nor stream sockets.
#[test]
fn older_windows_has_fewer_ways_to_connect() {
    let all = [
        (Windows::EIGHT, false),
        (Windows::TEN, false),
        (Windows::TEN_1703, true),
        (Windows::ELEVEN, true),
    ];
    for (windows, has_streams) in all {
        let run = async |wsk: Provider| {
            let (_listener, address) = listener(&wsk).await?;
            let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
            let result = socket.connect_with_data(address, buffer(b"hello")?).await;
            assert_eq!(&result.1[..], b"hello");
            let unsupported = result.0.is_err_and(|e| e.kind() == ErrorKind::Unsupported);
            assert_eq!(unsupported, !has_streams);
            let stream = StreamSocket::builder(&wsk, Family::INET).connect(address).await;
            let unsupported = stream.is_err_and(|e| e.kind() == ErrorKind::Unsupported);
            assert_eq!(unsupported, !has_streams);
            // What all have.
            ConnectionSocket::connect_new(&wsk, ANY, address, ()).await.map(drop)
        };
        on(Config::default().windows(windows), run).unwrap();
    }
}

/// A stream socket that connects is a connection in all.
#[test]
fn a_stream_socket_exchanges_bytes() {
    with_all_timings(async |wsk| {
        let (listener, address) = listener(&wsk).await?;
        let socket = StreamSocket::builder(&wsk, Family::INET)
            .events(Counter::default())
            .connect(address)
            .await?;
        let (server, peer) = listener.accept().await?;
        assert_eq!(socket.local_addr().await?, peer);
        assert_eq!(socket.peer_addr().await?, address);
        assert!(socket.ideal_send_backlog().await? > 0);
        socket.send_all(buffer(b"question")?).await.into_result()?;
        socket.shutdown_with(buffer(b"!")?).await.into_result()?;
        assert_eq!(receive_all(&server).await?, b"question!");
        // Its events are a connection's.
        server.send_all(buffer(b"answer")?).await.into_result()?;
        while socket.handler().bytes.load(Ordering::SeqCst) < 6 {
            wsk::time::sleep(std::time::Duration::from_millis(1)).await?;
        }
        server.shutdown().await?;
        socket.drain().await?;
        socket.close().await;
        Ok(())
    });
}

#[test]
fn a_connection_is_made_from_a_local_address() {
    with_all_timings(async |wsk| {
        let (_listener, address) = listener(&wsk).await?;
        let local: SocketAddr = ([127, 0, 0, 1], 4000).into();
        let builder = || ConnectionSocket::builder(&wsk, Family::INET);
        let socket = builder().connect_from(local, address).await?;
        assert_eq!(socket.local_addr().await?, local);
        socket.close().await;
        let _first = builder().exclusive_address().bind(local).await?;
        let error = builder().connect_from(local, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        Ok(())
    });
}
