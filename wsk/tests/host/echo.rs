//! Talking.

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::join;
use test_support::scenario::{on, timings, with_all_timings, with_whole_receives};
use wsk::{Buffer, ErrorKind, TcpListener, TcpStream};
use wsk_host::{Config, Timing};

/// Bytes that are more than a window. Miri takes long for each.
const MANY: usize = if cfg!(miri) { 300 } else { 100_000 };

#[test]
fn bytes_arrive_in_order_and_then_the_end_of_the_stream() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let data: Vec<u8> = (0..MANY).map(|n| n.to_le_bytes()[0]).collect();
        let send = async {
            client.send_all(buffer(&data)?).await.into_result()?;
            client.shutdown().await
        };
        let (result, received) = join(send, receive_all(&server)).await;
        result?;
        assert_eq!(received?, data);
        Ok(())
    });
}

#[test]
fn bytes_travel_in_both_directions_at_once() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let exchange = async |stream: &TcpStream, byte: u8| {
            let send = async {
                stream.send_all(buffer(&vec![byte; MANY])?).await.into_result()?;
                stream.shutdown().await
            };
            let (result, received) = join(send, receive_all(stream)).await;
            result.and(received)
        };
        let (client, server) = join(exchange(&client, 1), exchange(&server, 2)).await;
        assert_eq!(client?, vec![2; MANY]);
        assert_eq!(server?, vec![1; MANY]);
        Ok(())
    });
}

#[test]
fn several_receives_in_flight_are_filled_in_order() {
    with_whole_receives(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let receive = async || server.recv(Buffer::new(3)?).await.into_result();
        let (received, sent) = join(join(receive(), receive()), async {
            client.send_all(buffer(b"abcdef")?).await.into_result()
        })
        .await;
        sent?;
        let (first, second) = received;
        assert_eq!((&first?.1[..], &second?.1[..]), (&b"abc"[..], &b"def"[..]));
        Ok(())
    });
}

#[test]
fn ipv6_works_the_same() {
    with_all_timings(async |wsk| {
        let listener =
            TcpListener::bind(&wsk, ("::1".parse::<std::net::Ipv6Addr>().unwrap(), 0)).await?;
        let address = listener.local_addr().await?;
        let client = TcpStream::connect(&wsk, address).await?;
        let (server, peer) = listener.accept().await?;
        assert!(address.is_ipv6());
        assert_eq!(client.peer_addr().await?, address);
        assert_eq!(server.local_addr().await?, address);
        assert_eq!(client.local_addr().await?, peer);
        assert_eq!(server.peer_addr().await?, peer);
        Ok(())
    });
}

#[test]
fn connecting_to_a_closed_port_is_refused() {
    with_all_timings(async |wsk| {
        let error = TcpStream::connect(&wsk, ([127, 0, 0, 1], 9)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn an_address_that_is_in_use() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        let error = TcpListener::bind(&wsk, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        listener.close().await;
        TcpListener::bind(&wsk, address).await.map(drop)
    });
}

#[test]
fn a_reset_by_the_peer_returns_the_buffer() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.close().await;
        let result = server.recv(buffer(b"kept")?).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(&result.1[..], b"kept");
        Ok(())
    });
}

#[test]
fn closing_after_both_sides_disconnected_sends_no_reset() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.shutdown().await?;
        server.shutdown().await?;
        assert!(receive_all(&client).await?.is_empty());
        client.close().await;
        assert!(receive_all(&server).await?.is_empty());
        Ok(())
    });
}

/// Wine: `WskDisconnect` returns `STATUS_NOT_IMPLEMENTED`, and its IRP never completes (wine.md).
#[test]
fn an_unimplemented_call_fails_at_once_and_is_freed_with_its_socket() {
    for timing in timings() {
        let config = Config { timing, refuse_disconnect: true, ..Config::default() };
        let run = async |wsk: wsk::Provider| {
            let (client, server) = streams(&wsk).await?;
            for _ in 0..3 {
                let error = client.shutdown().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
            }
            // A future that was not even polled leaves no more behind.
            drop(client.shutdown());
            // The socket is as good as before.
            client.send_all(buffer(b"hello")?).await.into_result()?;
            let (received, _) = server.recv(Buffer::new(5)?).await.into_result()?;
            assert!((1..=5).contains(&received));
            Ok(())
        };
        on(config, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn a_sender_waits_for_room() {
    let config = Config { timing: Timing::Deferred, window: 10, ..Config::default() };
    let run = async |wsk: wsk::Provider| {
        let (client, server) = streams(&wsk).await?;
        let many = if cfg!(miri) { 100 } else { 1000 };
        let send = async {
            let (sent, _) = client.send(buffer(&vec![7; many])?).await.into_result()?;
            client.shutdown().await.map(|()| sent)
        };
        let (result, received) = join(send, receive_all(&server)).await;
        assert_eq!((result?, received?), (many, vec![7; many]));
        Ok(())
    };
    on(config, run).unwrap();
}
