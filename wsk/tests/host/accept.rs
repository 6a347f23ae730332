//! Accepting.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::futures::{join, poll_and_forget, poll_times};
use test_support::scenario::{on_host, passive, timings, with_all_timings};
use wsk::rt::{JoinSet, yield_now};
use wsk::socket::{Family, ListenSocket};
use wsk::sync::Arc;
use wsk::time::timeout;
use wsk::{Error, ErrorKind, Runtime, TcpListener, TcpStream};
use wsk_host::{Config, Faults, Host};

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

/// Methods without a counterpart in `std` are on the socket.
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

/// A future that is dropped, before or after the connection came, leaves it to another one.
#[test]
fn a_dropped_accept_leaves_its_connection_to_another() {
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
        // It starts the next accept, and is dropped while that is in flight.
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(third);
        let other = TcpStream::connect(&wsk, address).await?;
        let (_stream, peer) = fourth.await?;
        assert_eq!(peer, other.local_addr().await?);
        Ok(())
    });
}

/// A future that is forgotten harms no memory: the listener ends with its accept in flight.
#[test]
fn a_listener_closes_with_a_forgotten_accept() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        poll_and_forget(listener.accept());
        assert!(poll_times(listener.accept(), 1).await.is_none());
        drop(listener);
        Ok(())
    });
}

/// Forgotten futures block no other one, whichever of them started the accept: the connection wakes the task that is polled.
#[test]
fn a_forgotten_accept_blocks_no_other() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        let address = listener.local_addr().await?;
        for forgets_first in [false, true] {
            let forget = || (0..20).for_each(|_| poll_and_forget(listener.accept()));
            if forgets_first {
                forget();
            }
            let connect = async {
                // The accept waits by now.
                if !forgets_first {
                    forget();
                }
                TcpStream::connect(&wsk, address).await
            };
            let (accepted, client) = join(listener.accept(), connect).await;
            assert_eq!(accepted?.1, client?.local_addr().await?);
        }
        Ok(())
    });
}

/// A task that no longer polls its future, which another one has started, blocks no other task.
#[test]
fn an_accept_that_is_not_polled_blocks_no_other() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        let address = listener.local_addr().await?;
        let mut idle = pin!(listener.accept());
        for _ in 0..3 {
            assert!(idle.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let (accepted, client) =
                join(listener.accept(), TcpStream::connect(&wsk, address)).await;
            assert_eq!(accepted?.1, client?.local_addr().await?);
        }
        let client = TcpStream::connect(&wsk, address).await?;
        assert_eq!(idle.await?.1, client.local_addr().await?);
        Ok(())
    });
}

/// Tasks that accept for a while, give up, forget a future and start again: each connection reaches exactly one of them.
#[test]
fn no_connection_is_lost_among_tasks_that_give_up() {
    const TASKS: u64 = 6;
    const COUNT: usize = 18;
    for seed in 0..8 {
        let host = Host::new(Config::default().seed(seed));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 3)?;
            let listener = Arc::new(TcpListener::bind(&wsk, "127.0.0.1:0").await?)?;
            let address = listener.local_addr().await?;
            let (sender, mut receiver) = wsk::sync::mpsc::channel(COUNT)?;
            let token = wsk::sync::CancellationToken::new()?;
            let mut acceptors = JoinSet::new(runtime.spawner())?;
            for task in 0..TASKS {
                let (listener, sender, token) = (listener.clone(), sender.clone(), token.clone());
                acceptors.spawn(async move {
                    let wait = Duration::from_micros(50 + 130 * task);
                    while !token.is_cancelled() {
                        if let Ok(accepted) = timeout(wait, listener.accept()).await {
                            assert!(sender.send(accepted).await.is_ok());
                        }
                    }
                })?;
            }
            let mut clients = BTreeSet::new();
            let mut open = Vec::new();
            for _ in 0..COUNT {
                let client = TcpStream::connect(&wsk, address).await?;
                assert!(clients.insert(client.local_addr().await?));
                open.push(client);
            }
            for _ in 0..COUNT {
                let (_stream, peer) = receiver.recv().await.unwrap()?;
                assert!(clients.remove(&peer), "{peer} was accepted twice (seed {seed})");
            }
            token.cancel();
            while let Some(ended) = acceptors.join_next().await {
                ended?;
            }
            runtime.shutdown(passive());
            Ok(())
        })
        .unwrap();
        assert_eq!(most_accepts_in_flight(&host.trace()), 1, "seed {seed}");
    }
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

/// Every other connection is reset before it is accepted.
#[test]
fn accept_retrying_skips_connections_that_were_reset() {
    for timing in timings() {
        let config = Config::default().timing(timing);
        let host = Host::new(config.faults(Faults { accept: 500, ..Faults::default() }));
        on_host(&host, async |wsk| {
            let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
            let address = listener.local_addr().await?;
            let mut clients = Vec::new();
            for _ in 0..20 {
                clients.push(TcpStream::connect(&wsk, address).await?);
            }
            let mut locals = BTreeSet::new();
            for client in &clients {
                locals.insert(client.local_addr().await?);
            }
            let report = |error| panic!("memory is not short: {error}");
            let mut accepted = BTreeSet::new();
            while let Ok(next) =
                timeout(Duration::from_secs(60), listener.accept_retrying(report)).await
            {
                assert!(accepted.insert(next?.1));
            }
            assert!(accepted.is_subset(&locals));
            assert!((1..20).contains(&accepted.len()), "{} of 20 were accepted", accepted.len());
            Ok(())
        })
        .unwrap();
    }
}

/// There is no memory even for a timer, at first.
#[test]
fn accept_retrying_waits_while_memory_is_short() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        on_host(&host, async |wsk| {
            let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
            let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
            let mut reports = Vec::new();
            host.fail_allocations_from(1);
            let report = |error: Error| reports.push(error.kind());
            let (accepted, ()) = join(listener.accept_retrying(report), async {
                for _ in 0..100 {
                    yield_now().await;
                }
                host.fail_allocations_from(usize::MAX / 2);
            })
            .await;
            assert_eq!(accepted?.1, client.local_addr().await?);
            assert_eq!(reports, [ErrorKind::OutOfMemory]);
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn accept_retrying_returns_other_errors() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        host.withdraw();
        let report = |error| panic!("memory is not short: {error}");
        let error = listener.accept_retrying(report).await.err().map(Error::kind);
        assert_eq!(error, Some(ErrorKind::SocketDead));
        Ok(())
    })
    .unwrap();
}
