//! Accepting.

use std::net::SocketAddr;
use std::time::Duration;

use test_support::futures::{join, poll_times};
use test_support::scenario::with_all_timings;
use wsk::socket::{Family, ListenSocket};
use wsk::time::timeout;
use wsk::{ErrorKind, TcpListener, TcpStream};

/// A listener's accept survives the future that waits for it.
#[test]
fn dropping_an_accept_loses_no_connection() {
    with_all_timings(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        assert!(poll_times(listener.accept(), 1).await.is_none());
        let client = TcpStream::connect(&wsk, address).await?;
        let (_server, peer) = listener.accept().await?;
        assert_eq!(peer, client.local_addr().await?);
        Ok(())
    });
}

#[test]
fn connections_wait_to_be_accepted() {
    with_all_timings(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([0, 0, 0, 0], 0)).await?;
        let port = listener.local_addr().await?.port();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(TcpStream::connect(&wsk, ([127, 0, 0, 1], port)).await?);
        }
        for client in &clients {
            let (_server, peer) = listener.accept().await?;
            assert_eq!(peer, client.local_addr().await?);
        }
        Ok(())
    });
}

#[test]
fn a_listener_closes_with_an_abandoned_accept_and_a_backlog() {
    with_all_timings(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        let (accepted, client) = join(poll_times(listener.accept(), 1), async {
            TcpStream::connect(&wsk, address).await
        })
        .await;
        // Whether the accept saw the connection before it was dropped is a matter of timing.
        drop(accepted);
        let client = client?;
        let waiting = TcpStream::connect(&wsk, address).await?;
        listener.close().await;
        drop((client, waiting));
        Ok(())
    });
}

/// Timeouts of an accept lose no connection, whenever it comes.
#[test]
fn an_accept_that_times_out_loses_no_connection() {
    with_all_timings(async |wsk| {
        let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        for wait in (0..2000).step_by(250).map(Duration::from_micros) {
            let connect = TcpStream::connect(&wsk, address);
            let (client, accepted) = join(connect, timeout(wait, listener.accept())).await;
            let client = client?;
            let (_server, peer) = match accepted {
                Ok(accepted) => accepted?,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    listener.accept().await?
                }
            };
            assert_eq!(peer, client.local_addr().await?);
        }
        Ok(())
    });
}

/// What the names of `std` do not have is the socket's.
#[test]
fn a_listener_is_a_socket_with_options() {
    with_all_timings(async |wsk| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let builder = ListenSocket::builder(&wsk, Family::of(address)).exclusive_address();
            let mut listener = TcpListener::from(builder.bind(address).await?);
            let before = listener.ttl().await?;
            listener.set_ttl(before + 1).await?;
            assert_eq!(listener.ttl().await?, before + 1);
            let address = listener.local_addr().await?;
            assert_eq!(listener.as_socket().local_addr().await?, address);
            let client = TcpStream::connect(&wsk, address).await?;
            let (_stream, peer) = listener.accept().await?;
            assert_eq!(peer, client.local_addr().await?);
            listener.into_socket().close().await;
        }
        Ok(())
    });
}
