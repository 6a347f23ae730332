//! Receives whose futures are dropped: the next receive returns the data that they still receive.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use test_support::connection::{buffer, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{on, on_host, passive};
use test_support::seeds::seeds;
use wsk::{Buffer, ErrorKind, Provider, Result, Runtime, TcpStream, UdpSocket, time};
use wsk_host::{Config, Host, Timing};

/// The timeout of a receive, which is often too short.
const PATIENCE: Duration = Duration::from_micros(500);

/// The sent data: each byte encodes its position.
fn numbered(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// Sends a few bytes at a time, and waits in between.
async fn trickle(stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    for part in bytes.chunks(10) {
        stream.send_all(buffer(part)?).await.into_result()?;
        time::sleep(Duration::from_micros(300)).await?;
    }
    stream.shutdown().await
}

/// The way of receiving from a stream with timeouts around each receive.
#[derive(Clone, Copy, Debug)]
enum ReceiveMethod {
    Recv,
    /// Into buffers that are smaller than the data that arrives at once.
    RecvLittle,
    RecvExact,
    RecvFull,
    /// Through a buffered stream that is taken apart after each read.
    Buffered,
}

/// Receives everything, and gives up each receive after a moment.
async fn impatient(mut stream: TcpStream, way: ReceiveMethod) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let size = match way {
            ReceiveMethod::RecvLittle => 3,
            ReceiveMethod::RecvExact | ReceiveMethod::RecvFull => 25,
            _ => 100,
        };
        let received = match way {
            ReceiveMethod::Recv | ReceiveMethod::RecvLittle => {
                let receive = stream.recv(Buffer::new(size)?);
                let Ok(received) = time::timeout(PATIENCE, receive).await else { continue };
                let (count, buffer) = received.into_result()?;
                buffer[..count].to_vec()
            }
            ReceiveMethod::RecvFull => {
                let receive = stream.recv_full(Buffer::new(size)?);
                let Ok(received) = time::timeout(PATIENCE, receive).await else { continue };
                let (count, buffer) = received.into_result()?;
                buffer[..count].to_vec()
            }
            ReceiveMethod::RecvExact => {
                let receive = stream.recv_exact(Buffer::new(size)?);
                let Ok(received) = time::timeout(PATIENCE, receive).await else { continue };
                match received.into_result() {
                    Ok(((), buffer)) => buffer.to_vec(),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(all),
                    Err(error) => return Err(error),
                }
            }
            ReceiveMethod::Buffered => {
                let mut buffered = stream.buffered();
                let mut bytes = [0; 7];
                let read = time::timeout(PATIENCE, buffered.read(&mut bytes)).await;
                stream = buffered.into_inner();
                let Ok(count) = read else { continue };
                bytes[..count?].to_vec()
            }
        };
        if received.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(&received);
    }
}

fn receives_all(way: ReceiveMethod) {
    const SIZE: usize = if cfg!(miri) { 100 } else { 1000 };
    for seed in 0..seeds(64, 2) {
        let host = Host::new(Config::default().seed(seed));
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 1)?;
            let (client, server) = streams(&wsk).await?;
            let sender = runtime.spawner().spawn(async move {
                trickle(&client, &numbered(SIZE)).await?;
                client.drain().await
            })?;
            let received = impatient(server, way).await?;
            assert_eq!(received, numbered(SIZE), "{way:?}, seed {seed}");
            let _ended = sender.await?;
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{way:?}, seed {seed}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{way:?}, seed {seed}");
    }
}

#[test]
fn a_receive_under_a_timeout_loses_nothing() {
    receives_all(ReceiveMethod::Recv);
}

#[test]
fn a_receive_with_little_room_under_a_timeout_loses_nothing() {
    receives_all(ReceiveMethod::RecvLittle);
}

#[test]
fn an_exact_receive_under_a_timeout_loses_nothing() {
    receives_all(ReceiveMethod::RecvExact);
}

#[test]
fn a_full_receive_under_a_timeout_loses_nothing() {
    receives_all(ReceiveMethod::RecvFull);
}

#[test]
fn a_buffered_stream_that_is_taken_apart_loses_nothing() {
    receives_all(ReceiveMethod::Buffered);
}

/// What two receives have received that were both dropped arrives in order, and later receives get it in the order in
/// which these were begun.
#[test]
fn dropped_receives_keep_their_order() {
    for seed in 0..seeds(64, 2) {
        let config = Config::default().seed(seed).partial_receives(false);
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            let mut first = Box::pin(server.recv(Buffer::new(2)?));
            let mut second = Box::pin(server.recv(Buffer::new(2)?));
            poll_fn(|context| {
                assert!(first.as_mut().poll(context).is_pending());
                assert!(second.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            // The requests complete, but not the futures, which are dropped the wrong way round.
            client.send_all(buffer(b"abcd")?).await.into_result()?;
            time::sleep(Duration::from_millis(20)).await?;
            drop(second);
            drop(first);
            client.send_all(buffer(b"efgh")?).await.into_result()?;
            client.shutdown().await?;
            let mut all = Vec::new();
            loop {
                let begun = (server.recv(Buffer::new(3)?), server.recv(Buffer::new(1)?));
                let (first, second) = join(begun.0, begun.1).await;
                let (count, bytes) = first.into_result()?;
                all.extend_from_slice(&bytes[..count]);
                let (next, bytes) = second.into_result()?;
                all.extend_from_slice(&bytes[..next]);
                if count == 0 {
                    break;
                }
            }
            assert_eq!(all, b"abcdefgh");
            Ok(())
        };
        on(config, run).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// The end of the stream comes after the bytes, and stays.
#[test]
fn the_end_of_the_stream_follows_the_data_of_dropped_receives() {
    for seed in 0..seeds(64, 2) {
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            let abandoned = async |server: &TcpStream| {
                let mut receive = Box::pin(server.recv_full(Buffer::new(100)?));
                poll_fn(|context| {
                    assert!(receive.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
                client.send_all(buffer(b"last")?).await.into_result()?;
                client.shutdown().await?;
                time::sleep(Duration::from_millis(20)).await?;
                drop(receive);
                Ok::<_, wsk::Error>(())
            };
            abandoned(&server).await?;
            let (count, bytes) = server.recv_full(Buffer::new(10)?).await.into_result()?;
            assert_eq!(bytes[..count], *b"last");
            for _ in 0..2 {
                let (count, _) = server.recv(Buffer::new(10)?).await.into_result()?;
                assert_eq!(count, 0);
            }
            server.drain().await?;
            server.shutdown().await
        };
        on(Config::default().seed(seed), run)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// A drain also discards the kept data.
#[test]
fn a_drain_discards_what_dropped_receives_have_received() {
    for seed in 0..seeds(64, 2) {
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            poll_times(server.recv(Buffer::new(10)?), 1).await;
            client.send_all(buffer(b"discarded")?).await.into_result()?;
            client.shutdown().await?;
            server.drain().await?;
            let (count, _) = server.recv(Buffer::new(10)?).await.into_result()?;
            assert_eq!(count, 0);
            Ok(())
        };
        on(Config::default().seed(seed), run)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// The stream's timeout also applies to the wait for earlier receives.
#[test]
fn a_timeout_applies_while_earlier_receives_are_waited_for() {
    let config = Config { refuse_cancel: true, ..Config::default() };
    let run = async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        poll_times(server.recv(Buffer::new(10)?), 1).await;
        server.set_read_timeout(Some(Duration::from_millis(5)))?;
        for _ in 0..3 {
            let error = server.recv(Buffer::new(10)?).await.into_result().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        let mut buffered = server.buffered();
        assert!(!buffered.read_ready()?);
        client.send_all(buffer(b"late")?).await.into_result()?;
        let mut bytes = [0; 4];
        buffered.read_exact(&mut bytes).await?;
        assert_eq!(&bytes, b"late");
        Ok(())
    };
    on(config, run).unwrap();
}

#[test]
fn a_datagram_of_a_dropped_receive_goes_to_the_next_one() {
    const COUNT: u8 = if cfg!(miri) { 10 } else { 100 };
    for seed in 0..seeds(64, 2) {
        let run = async |wsk: Provider| {
            let from = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let to = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let (peer, address) = (from.local_addr().await?, to.local_addr().await?);
            let send = async {
                for number in 0..COUNT {
                    from.send_copy_to(&[number; 3], address).await?;
                    time::sleep(Duration::from_micros(300)).await?;
                }
                Ok::<_, wsk::Error>(())
            };
            let receive = async {
                let mut all = Vec::new();
                let mut receiver = None;
                // Not for ever, should a datagram be lost.
                for _ in 0..20 * usize::from(COUNT) {
                    if all.len() == usize::from(COUNT) {
                        break;
                    }
                    // Each third by a receiver, which is then dropped with its request.
                    if all.len() % 3 == 0 {
                        let receiver = receiver.insert(to.receiver(10)?);
                        let Ok(received) = time::timeout(PATIENCE, receiver.recv_from()).await
                        else {
                            continue;
                        };
                        all.push(received?.0[0]);
                        continue;
                    }
                    receiver = None;
                    let receive = to.recv_from(Buffer::new(10)?);
                    let Ok(received) = time::timeout(PATIENCE, receive).await else { continue };
                    let ((count, from), buffer) = received.into_result()?;
                    assert_eq!((count, from), (3, peer));
                    all.push(buffer[0]);
                }
                Ok::<_, wsk::Error>(all)
            };
            let (sent, received) = join(send, receive).await;
            sent?;
            let mut received = received?;
            received.sort_unstable();
            assert_eq!(received, (0..COUNT).collect::<Vec<_>>());
            Ok(())
        };
        on(Config::default().seed(seed), run)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The task of a dropped receive may be freed at once: neither the kept request has its waker, nor does one that a later
/// receive waited for.
#[test]
fn a_dropped_receive_keeps_no_waker() {
    let mut configs = vec![Config::default().timing(Timing::Deferred)];
    configs.extend((0..8).map(|seed| Config::default().seed(seed)));
    for config in configs {
        on(config, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            for _ in 0..2 {
                let woken = Arc::new(Count(AtomicUsize::new(0)));
                let waker = Waker::from(Arc::clone(&woken));
                let mut receive = Box::pin(client.recv(Buffer::new(10)?));
                let is_ready = receive.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
                assert!(!is_ready, "nothing was sent");
                drop(receive);
                drop(waker);
                assert_eq!(Arc::strong_count(&woken), 1, "{config:?}");
            }
            server.send_all(buffer(b"late")?).await.into_result()?;
            let (received, bytes) = client.recv_full(Buffer::new(4)?).await.into_result()?;
            assert_eq!((received, &bytes[..]), (4, &b"late"[..]));
            Ok(())
        })
        .unwrap();
    }
}
