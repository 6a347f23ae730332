//! Sending and receiving with sockets: exactly, to the end, with flags, and many at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::connection::{buffer, sockets};
use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on_host, timings, with_all_timings};
use wsk::events::{ConnectionEvents, Data, Receipt};
use wsk::flags::SendFlags;
use wsk::socket::{ConnectionSocket, Family};
use wsk::{Buffer, ErrorKind, Provider, TcpListener};
use wsk_host::{Config, Host, Timing};

use crate::sweep::sweep;

/// Bytes that are more than a window. Miri takes long for each.
const MANY: usize = if cfg!(miri) { 300 } else { 100_000 };

#[test]
fn recv_exact_fills_its_buffer_from_any_parts() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        let data: Vec<u8> = (0..MANY).map(|n| n.to_le_bytes()[0]).collect();
        let send = async {
            for part in data.chunks(777) {
                client.send_all(buffer(part)?).await.into_result()?;
            }
            client.shutdown().await
        };
        let receive = async {
            let ((), all) = server.receive_exact(Buffer::new(MANY - 10)?).await.into_result()?;
            let rest = Buffer::new(20)?.slice(5..)?;
            let (count, rest) = server.receive_full(rest).await.into_result()?;
            assert_eq!(count, 10);
            Ok::<_, wsk::Error>([&all[..], &rest[..10]].concat())
        };
        let (sent, received) = join(send, receive).await;
        sent?;
        assert!(received? == data, "other bytes arrived");
        Ok(())
    });
}

/// As with `std::io::Read::read_exact`; what has come is in the buffer.
#[test]
fn an_early_end_of_the_stream_is_an_error() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        let result = server.receive_exact(Buffer::new(6)?).await;
        let error = result.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(error.name(), Some("STATUS_GRACEFUL_DISCONNECT"));
        assert_eq!(&result.1[..], b"hello\0");
        // Nothing is asked for, and nothing is missing.
        server.receive_exact(Buffer::empty()).await.into_result()?;
        assert_eq!(server.receive_full(Buffer::new(3)?).await.into_result()?.0, 0);
        Ok(())
    });
}

#[test]
fn drained_bytes_are_discarded() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        let send = async {
            client.send_all(buffer(&vec![1; MANY])?).await.into_result()?;
            client.shutdown().await
        };
        let (sent, drained) = join(send, server.drain()).await;
        sent?;
        drained?;
        assert_eq!(server.receive(Buffer::new(10)?).await.into_result()?.0, 0);
        // Both sides have disconnected: closing sends no reset.
        server.shutdown().await?;
        server.close().await;
        assert_eq!(client.receive(Buffer::new(10)?).await.into_result()?.0, 0);
        Ok(())
    });
}

#[test]
fn flags_match_the_documentation() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        client.send_no_delay(buffer(b"he")?).await.into_result()?;
        client.send_with(buffer(b"ll")?, SendFlags::all()).await.into_result()?;
        // WSK_FLAG_OOB, which is not.
        let result = client.send_with(buffer(b"?")?, SendFlags::from_bits_retain(1)).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(&result.1[..], b"?");
        client.send_with(buffer(b"o")?, SendFlags::empty()).await.into_result()?;
        let ((), bytes) = server.receive_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&bytes[..], b"hello");
        Ok(())
    });
}

/// Refuses data while its flag is set, and records the data it accepts.
#[derive(Default)]
struct RefusingHandler {
    is_open: AtomicBool,
    refused: AtomicUsize,
    bytes: Mutex<Vec<u8>>,
}

#[wsk::events]
impl ConnectionEvents for RefusingHandler {
    fn receive(&self, data: Data<'_>) -> Receipt {
        if !self.is_open.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Receipt::Refused;
        }
        let mut bytes = self.bytes.lock().unwrap();
        let before = bytes.len();
        // One at a time, each of which needs to be resumed after.
        bytes.resize(before + 1, 0);
        data.copy_to(&mut bytes[before..]).unwrap();
        Receipt::Partial(1)
    }
}

/// INV-56: after data was refused, or taken in part, the next event needs a receive, which may be of no bytes.
#[test]
fn resumed_events_continue() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        let socket = ConnectionSocket::builder(&wsk, Family::INET)
            .events(RefusingHandler::default())
            .connect(address)
            .await?;
        let (server, _) = listener.accept().await?;
        server.send_all(buffer(b"hello")?).await.into_result()?;
        let gate = socket.handler();
        while gate.refused.load(Ordering::SeqCst) == 0 {
            wsk::time::sleep(std::time::Duration::from_millis(1)).await?;
        }
        gate.is_open.store(true, Ordering::SeqCst);
        while gate.bytes.lock().unwrap().len() < 5 {
            // The bytes of a running callback belong to the callback (INV-54).
            socket.resume_events().await?;
            wsk::time::sleep(std::time::Duration::from_millis(1)).await?;
        }
        assert_eq!(*gate.bytes.lock().unwrap(), b"hello");
        Ok(())
    });
}

/// In both directions, and from several threads, each with requests of its own.
#[test]
fn many_requests_are_in_flight_from_many_threads() {
    const THREADS: usize = if cfg!(miri) { 2 } else { 4 };
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 50 };
    for timing in timings().take(if cfg!(miri) { 3 } else { 30 }) {
        let host = Host::new(Config::default().timing(timing).window(100));
        let inside = host.clone();
        let run = async |wsk: Provider| {
            let (client, server) = sockets(&wsk).await?;
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        let (host, client, server) = (&inside, &client, &server);
                        scope.spawn(move || {
                            let _entered = host.enter();
                            let exchange = async |socket: &ConnectionSocket| {
                                for _ in 0..ROUNDS {
                                    let (sent, received) = join(
                                        socket.send_all(buffer(b"0123456789")?),
                                        socket.receive_exact(Buffer::new(10)?),
                                    )
                                    .await;
                                    assert_eq!(sent.into_result()?.0, 10);
                                    assert_eq!(&received.into_result()?.1[..], b"0123456789");
                                }
                                Ok::<_, wsk::Error>(())
                            };
                            wsk::rt::block_on(test_support::scenario::passive(), async {
                                let (one, other) = join(exchange(client), exchange(server)).await;
                                one.and(other)
                            })
                            .unwrap()
                            .unwrap();
                        })
                    })
                    .collect();
                inside.blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap()));
            });
            for socket in [&client, &server] {
                assert_eq!(socket.receive_backlog().await?, 0);
            }
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A receive that waits for all and is dropped has taken nothing along.
#[test]
fn every_send_and_receive_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        client.send_all(buffer(b"hello")?).await.into_result()?;
        for polls in [0, 1, 1, 0] {
            drop(poll_times(server.receive_full(Buffer::new(100)?), polls).await);
            poll_times(server.resume_events(), polls).await;
        }
        for polls in [0, 1, 1, 0] {
            drop(poll_times(client.send_no_delay(buffer(b"more")?), polls).await);
            poll_times(client.drain(), polls).await;
            poll_times(server.ideal_send_backlog(), polls).await;
            poll_times(server.receive_backlog(), polls).await;
        }
        client.shutdown().await?;
        let (received, bytes) = server.receive_full(Buffer::new(100)?).await.into_result()?;
        assert!(bytes[..received].starts_with(b"hello"));
        Ok(())
    });
}

#[test]
fn exchanging_bytes_survives_failed_allocations() {
    sweep(10, async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        client.send_no_delay(buffer(b"hello")?).await.into_result()?;
        assert!(client.ideal_send_backlog().await? > 0);
        let ((), five) = server.receive_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&five[..], b"hello");
        client.shutdown_with(buffer(b"!")?).await.into_result()?;
        server.drain().await
    });
}

/// Each of a warm connection's requests, with the memory that it has.
#[test]
fn a_warm_connection_allocates_nothing() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(6)]) {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (client, server) = sockets(&wsk).await?;
            let (mut to_send, mut to_fill) = (buffer(b"ping")?, Buffer::new(4)?);
            let mut before = 0;
            for round in 0..20 {
                if round == 1 {
                    before = counted.allocations();
                }
                let (sent, received) =
                    join(client.send_no_delay(to_send), server.receive_exact(to_fill)).await;
                (_, to_send) = sent.into_result()?;
                ((), to_fill) = received.into_result()?;
                assert_eq!(&to_fill[..], b"ping");
                client.ideal_send_backlog().await?;
                assert_eq!(server.receive_backlog().await?, 0);
                poll_times(server.resume_events(), 0).await;
            }
            client.shutdown_with(to_send).await.into_result()?;
            server.drain().await?;
            server.shutdown().await?;
            client.abort().await?;
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// INV-42: from the first request that finds out on, no other is made.
#[test]
fn a_dead_socket_reports_its_death() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let killer = host.clone();
        let run = async move |wsk: Provider| {
            let (client, server) = sockets(&wsk).await?;
            killer.withdraw();
            let dead = |kind| assert_eq!(kind, ErrorKind::SocketDead);
            dead(client.receive_exact(Buffer::new(1)?).await.0.unwrap_err().kind());
            dead(client.drain().await.unwrap_err().kind());
            dead(client.resume_events().await.unwrap_err().kind());
            dead(client.send_no_delay(Buffer::new(1)?).await.0.unwrap_err().kind());
            dead(client.shutdown_with(Buffer::new(1)?).await.0.unwrap_err().kind());
            dead(client.abort().await.unwrap_err().kind());
            dead(client.receive_backlog().await.unwrap_err().kind());
            dead(client.into_silent().await.unwrap_err().0.kind());
            dead(server.receive_full(Buffer::new(1)?).await.0.unwrap_err().kind());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}
