//! Accepting.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use test_support::futures::{join, poll_times};
use test_support::scenario::{on_host, passive, timings, with_all_timings};
use wsk::rt::JoinSet;
use wsk::socket::{Family, ListenSocket};
use wsk::sync::Arc;
use wsk::time::timeout;
use wsk::{ErrorKind, Runtime, TcpListener, TcpStream};
use wsk_host::{Config, Host};

/// A listener's accept survives the future that waits for it.
#[test]
fn dropping_an_accept_loses_no_connection() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
        let listener = TcpListener::bind(&wsk, ([0, 0, 0, 0], 0)).await?;
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
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
            let listener = TcpListener::from(builder.bind(address).await?);
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

/// Several tasks accept at once: each connection is that of one task, and WSK has one accept at a time.
#[test]
fn each_connection_is_accepted_by_one_of_several_tasks() {
    const COUNT: usize = 12;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 3)?;
            let listener = Arc::new(TcpListener::bind(&wsk, "127.0.0.1:0").await?)?;
            let address = listener.local_addr().await?;
            let mut acceptors = JoinSet::new(runtime.spawner())?;
            for _ in 0..COUNT {
                let listener = listener.clone();
                acceptors.spawn(async move { listener.accept().await })?;
            }
            let (mut clients, mut accepted) = (Vec::new(), Vec::new());
            for _ in 0..COUNT {
                clients.push(TcpStream::connect(&wsk, address).await?);
            }
            while let Some(connection) = acceptors.join_next().await {
                accepted.push(connection??);
            }
            let peers: BTreeSet<SocketAddr> = accepted.iter().map(|(_, peer)| *peer).collect();
            let mut expected = BTreeSet::new();
            for client in &clients {
                expected.insert(client.local_addr().await?);
            }
            assert_eq!((peers, accepted.len()), (expected, COUNT), "{timing:?}");
            runtime.shutdown(passive());
            Ok(())
        })
        .unwrap();
        assert_eq!(most_accepts_in_flight(&host.trace()), 1, "{timing:?}");
    }
}

/// The largest number of accepts in flight, according to a host's trace.
fn most_accepts_in_flight(trace: &[String]) -> usize {
    let (mut in_flight, mut most) = (Vec::new(), 0);
    for line in trace {
        let Some((_, irp)) = line.rsplit_once("IRP ") else { continue };
        let number: String = irp.chars().take_while(char::is_ascii_digit).collect();
        if line.contains("WskAccept") {
            in_flight.push(number);
            most = most.max(in_flight.len());
        } else if line.contains("completes") {
            in_flight.retain(|other| *other != number);
        }
    }
    most
}

/// Futures that wait are served in the order of their first polls, and one that is dropped leaves its place and its
/// connection to the next.
#[test]
fn a_dropped_accept_leaves_its_turn_to_the_next() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        let mut second = pin!(listener.accept());
        let (mut third, mut context) =
            (Box::pin(listener.accept()), Context::from_waker(Waker::noop()));
        let mut fourth = pin!(listener.accept());
        {
            let mut first = pin!(listener.accept());
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            assert!(third.as_mut().poll(&mut context).is_pending());
            assert!(fourth.as_mut().poll(&mut context).is_pending());
        }
        let client = TcpStream::connect(&wsk, address).await?;
        let (_stream, peer) = second.await?;
        assert_eq!(peer, client.local_addr().await?);
        // It has the turn, and is dropped while its accept is in flight.
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(third);
        let other = TcpStream::connect(&wsk, address).await?;
        let (_stream, peer) = fourth.await?;
        assert_eq!(peer, other.local_addr().await?);
        Ok(())
    });
}

/// A future that is forgotten keeps the turn, which harms no memory: the listener ends with its accept in flight.
#[test]
fn a_listener_closes_with_a_forgotten_accept() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        let mut forgotten = Box::pin(listener.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(forgotten.as_mut().poll(&mut context), Poll::Pending));
        assert!(poll_times(listener.accept(), 1).await.is_none());
        std::mem::forget(forgotten);
        drop(listener);
        Ok(())
    });
}

/// A listener of both families has peers of both.
#[test]
fn a_dual_stack_listener_accepts_both_families() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind_dual_stack(&wsk, 0).await?;
        assert!(!listener.only_v6().await?);
        let port = listener.local_addr().await?.port();
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let client = TcpStream::connect(&wsk, (ip, port)).await?;
            let (_stream, peer) = listener.accept().await?;
            let local = client.local_addr().await?;
            assert_eq!((peer.ip().to_canonical(), peer.port()), (local.ip(), local.port()));
        }
        let restricted = TcpListener::bind(&wsk, "[::1]:0").await?;
        assert!(restricted.only_v6().await?);
        assert!(TcpListener::bind(&wsk, "127.0.0.1:0").await?.only_v6().await.is_err());
        Ok(())
    });
}
