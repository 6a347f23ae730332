//! Relays of streams.

use std::collections::HashSet;
use std::time::Duration;

use test_support::connection::{buffer, echo, receive_all, streams};
use test_support::futures::{join, poll_times, until};
use test_support::scenario::{on_host, passive, timings, unload, with_all_timings};
use test_support::seeds::seeds;
use wsk::net::{Relayed, relay, relay_with_limit};
use wsk::{Buffer, ErrorKind, Provider, Registration, Result, Runtime, TcpStream, rt, time};
use wsk_host::{Config, Host, PassedMemory, Timing};

use crate::sweep::sweep;

/// Limits of a relay: one indication at a time, few, and more than there is.
const LIMITS: [usize; 3] = [1, 700, 1 << 20];

/// A client and a server, and the relay's side of each.
async fn relayed(wsk: &Provider) -> Result<(TcpStream, TcpStream, TcpStream, TcpStream)> {
    let (client, to_client) = streams(wsk).await?;
    let (server, to_server) = streams(wsk).await?;
    Ok((client, to_client, to_server, server))
}

/// Bytes that differ from their neighbors.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n ^ (n >> 8)).to_le_bytes()[0]).collect()
}

/// Sends bytes in parts of this size, and finishes.
async fn send_parts(stream: &TcpStream, bytes: &[u8], size: usize) -> Result<()> {
    for part in bytes.chunks(size) {
        stream.send_all(buffer(part)?).await.into_result()?;
    }
    stream.shutdown().await
}

#[test]
fn both_directions_are_relayed_in_order_until_both_peers_finish() {
    for limit in LIMITS {
        with_all_timings(async |wsk| {
            let (client, to_client, to_server, server) = relayed(&wsk).await?;
            let sent = pattern(6000);
            let talk = join(send_parts(&client, &sent, 900), receive_all(&client));
            let relaying = relay_with_limit(to_client, to_server, limit);
            let (((sending, received), echoed), relayed) =
                join(join(talk, echo(&server, 500)), relaying).await;
            sending?;
            echoed?;
            assert!(received? == sent, "limit {limit}: other bytes came back");
            assert_eq!(relayed.into_result()?, (6000, 6000), "limit {limit}");
            Ok(())
        });
    }
}

/// A peer that does not receive stops the other one: data beyond the limit is refused, and indicated again later.
#[test]
fn a_slow_receiver_stops_the_sender() {
    const SIZE: usize = 3000;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing).window(512));
        let run = async |wsk: Provider| {
            let (client, to_client, to_server, server) = relayed(&wsk).await?;
            host.record_memory();
            let sent = pattern(SIZE);
            let slow = async {
                let mut all = Vec::new();
                let mut room = Buffer::new(50)?;
                loop {
                    time::sleep(Duration::from_millis(3)).await?;
                    let (received, filled) = server.recv(room).await.into_result()?;
                    if received == 0 {
                        server.shutdown().await?;
                        return Ok::<_, wsk::Error>(all);
                    }
                    all.extend_from_slice(&filled[..received]);
                    room = filled;
                }
            };
            let talk = join(send_parts(&client, &sent, 100), receive_all(&client));
            let ((received, (sending, back)), relayed) =
                join(join(slow, talk), relay_with_limit(to_client, to_server, 200)).await;
            sending?;
            assert!(back?.is_empty());
            assert!(received? == sent, "other bytes arrived");
            assert_eq!(relayed.into_result()?, (3000, 0));
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        let passed = host.recorded_memory();
        let indicated = passed.iter().filter(|passed| passed.function == "WskReceiveEvent");
        let indicated: usize = indicated.map(|passed| passed.length).sum();
        assert!(indicated > SIZE, "{timing:?}: nothing was refused");
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// A direction whose peer has finished is shut down, and the other continues: whichever finishes first.
#[test]
fn a_half_close_is_passed_on() {
    async fn ask(stream: &TcpStream) -> Result<Vec<u8>> {
        stream.shutdown_with(buffer(b"question?")?).await.into_result()?;
        receive_all(stream).await
    }
    async fn serve(stream: &TcpStream) -> Result<Vec<u8>> {
        // The end arrives before the answer is sent.
        let question = receive_all(stream).await?;
        stream.shutdown_with(buffer(b"answer")?).await.into_result()?;
        Ok(question)
    }
    for is_reversed in [false, true] {
        with_all_timings(async |wsk| {
            let (client, to_client, to_server, server) = relayed(&wsk).await?;
            let (asks, serves) = if is_reversed { (&server, &client) } else { (&client, &server) };
            let ((answer, question), relayed) =
                join(join(ask(asks), serve(serves)), relay(to_client, to_server)).await;
            assert_eq!((&question?[..], &answer?[..]), (&b"question?"[..], &b"answer"[..]));
            let expected = if is_reversed { (6, 9) } else { (9, 6) };
            assert_eq!(relayed.into_result()?, expected);
            Ok(())
        });
    }
}

/// An error ends both directions, also while the other peer sends nothing. The bytes are counted nevertheless.
#[test]
fn a_reset_ends_both_directions() {
    for is_reversed in [false, true] {
        with_all_timings(async |wsk| {
            let (client, to_client, to_server, server) = relayed(&wsk).await?;
            let (aborts, other) = if is_reversed { (&client, &server) } else { (&server, &client) };
            let talk = async {
                other.send_all(buffer(b"hello")?).await.into_result()?;
                let ((), received) = aborts.recv_exact(Buffer::new(5)?).await.into_result()?;
                assert_eq!(&received[..], b"hello");
                aborts.abort().await
            };
            let (Relayed { a_to_b, b_to_a, result }, aborted) =
                join(relay(to_client, to_server), talk).await;
            aborted?;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
            // The acknowledgment of the last send may not have arrived before the reset.
            assert!(matches!((a_to_b, b_to_a), (0 | 5, 0) | (0, 5)), "{a_to_b}, {b_to_a}");
            let error = receive_all(other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            Ok(())
        });
    }
}

/// What a dropped receive has got is relayed first.
#[test]
fn kept_data_precedes_what_is_indicated() {
    with_all_timings(async |wsk| {
        let (client, to_client, to_server, server) = relayed(&wsk).await?;
        let sent = pattern(300);
        drop(poll_times(to_client.recv(Buffer::new(7)?), 1).await);
        client.send_all(buffer(&sent[..100])?).await.into_result()?;
        let talk = join(send_parts(&client, &sent[100..], 70), receive_all(&server));
        let ((talked, ended), relayed) =
            join(join(talk, server.shutdown()), relay(to_client, to_server)).await;
        talked.0?;
        ended?;
        assert_eq!(talked.1?, sent);
        assert_eq!(relayed.into_result()?, (300, 0));
        Ok(())
    });
}

/// A dropped relay aborts both connections, at each point, and releases what it has retained: nothing is left.
#[test]
fn a_relay_that_is_dropped_aborts_both_connections() {
    for timing in timings() {
        for after in [0, 1, 2, 3, 5, 8] {
            let host = Host::new(Config::default().timing(timing));
            let run = async |wsk: Provider| {
                let (client, to_client, to_server, server) = relayed(&wsk).await?;
                let relaying = relay_with_limit(to_client, to_server, 500);
                let relaying = time::timeout(Duration::from_millis(after), relaying);
                let sending =
                    async { while client.send_all(buffer(&[7; 300]).unwrap()).await.0.is_ok() {} };
                let timed_out = until(relaying, sending).await.unwrap_err();
                assert_eq!(timed_out.kind(), ErrorKind::TimedOut);
                for stream in [client, server] {
                    let error = stream.drain().await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                }
                Ok(())
            };
            on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}, {after}: {error}"));
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, {after}");
        }
    }
}

/// A runtime ends while its tasks relay: their futures are dropped, and the registration waits for what they had.
#[test]
fn a_driver_unloads_in_the_middle_of_relays() {
    for seed in 0..seeds(100, 1) {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        host.load();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let runtime = Runtime::new(passive(), 2).unwrap();
        let spawner = runtime.spawner();
        let run = async {
            let mut peers = Vec::new();
            for _ in 0..3 {
                let (client, to_client, to_server, server) = relayed(&wsk).await?;
                spawner.spawn(async move {
                    let _ = relay_with_limit(to_client, to_server, 400).await;
                })?;
                let (reader, writer) = client.into_split();
                // It never ends by itself: the other peer does not receive everything.
                spawner.spawn(async move {
                    while writer.send_all(Buffer::new(700)?).await.0.is_ok() {}
                    Ok::<_, wsk::Error>(())
                })?;
                let (received, _) = server.recv(Buffer::new(9)?).await.into_result()?;
                assert!(received > 0);
                peers.push((reader, server));
            }
            Ok::<_, wsk::Error>(peers)
        };
        let peers = rt::block_on(passive(), run).unwrap().unwrap();
        runtime.shutdown(passive());
        drop((peers, spawner, wsk));
        registration.deregister(passive());
        unload(&host);
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}

/// What is sent on is at the addresses at which it was indicated.
#[test]
fn no_byte_is_copied() {
    const SIZE: usize = 8000;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let (client, to_client, to_server, server) = relayed(&wsk).await?;
            host.record_memory();
            let sent = pattern(SIZE);
            let talk = join(send_parts(&client, &sent, 900), receive_all(&server));
            let ((talked, ended), relayed) =
                join(join(talk, server.shutdown()), relay_with_limit(to_client, to_server, 2000))
                    .await;
            talked.0?;
            ended?;
            assert_eq!((talked.1?, relayed.into_result()?), (sent, (8000, 0)));
            Ok(host.recorded_memory())
        };
        let passed = on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        let of = |function| passed.iter().filter(move |passed| passed.function == function);
        let indicated: HashSet<_> =
            of("WskReceiveEvent").map(|passed| (passed.address, passed.length)).collect();
        let is_indicated = |sent: &&PassedMemory| indicated.contains(&(sent.address, sent.length));
        let (relayed, others): (Vec<_>, Vec<_>) = of("WskSend").partition(is_indicated);
        let bytes = |all: &[&PassedMemory]| all.iter().map(|passed| passed.length).sum::<usize>();
        assert_eq!((bytes(&relayed), bytes(&others)), (SIZE, SIZE), "{timing:?}");
    }
}

#[test]
fn every_allocation_of_a_relay_may_fail() {
    sweep(20, async |wsk| {
        let (client, to_client, to_server, server) = relayed(&wsk).await?;
        client.shutdown_with(buffer(b"to relay")?).await.into_result()?;
        server.shutdown().await?;
        let relayed = relay(to_client, to_server).await;
        assert_eq!(relayed.into_result()?, (8, 0));
        Ok(())
    });
}
