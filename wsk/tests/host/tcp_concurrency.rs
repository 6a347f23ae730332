//! One stream, or one listener, used by many tasks at once; and combinators that drop what they do not need.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use test_support::connection::{LOCAL, buffer, echo, streams};
use test_support::futures::join;
use test_support::scenario::{on_host, passive};
use test_support::seeds::seeds;
use wsk::rt::yield_now;
use wsk::time::sleep;
use wsk::{Buffer, Provider, Result, Runtime, Spawner, TcpListener, TcpStream};
use wsk_host::{Config, Host};

/// Runs a scenario on hosts with these seeds, each with a runtime of two threads.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn with_runtimes(all_seeds: u64, scenario: impl AsyncFn(&Provider, &Spawner) -> Result<()>) {
    for seed in 0..seeds(all_seeds, 1) {
        let host = Host::new(Config::default().seed(seed));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 2)?;
            // An error drops the runtime, and the tasks with it.
            scenario(&wsk, &runtime.spawner()).await?;
            runtime.finish(passive());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}

/// Every byte reaches exactly one of four tasks that receive on the same stream, and each sees the end.
#[test]
fn tasks_that_receive_on_one_stream_share_its_bytes() {
    with_runtimes(32, async |wsk, spawner| {
        let (client, server) = streams(wsk).await?;
        let server = Arc::new(server);
        let receivers = (0..4).map(|_| {
            let server = Arc::clone(&server);
            spawner.spawn(async move {
                let (mut total, mut buffer) = (0, Buffer::new(64)?);
                loop {
                    let (received, back) = server.recv(buffer).await.into_result()?;
                    if received == 0 {
                        return Ok::<usize, wsk::Error>(total);
                    }
                    total += received;
                    buffer = back;
                }
            })
        });
        let receivers: Vec<_> = receivers.collect::<Result<_>>()?;
        for _ in 0..100 {
            client.send_all(Buffer::new(50)?).await.into_result()?;
        }
        client.shutdown().await?;
        let mut total = 0;
        for receiver in receivers {
            total += receiver.await??;
        }
        assert_eq!(total, 5000);
        server.shutdown().await
    });
}

/// Concurrent sends of one stream arrive whole and in the order of their first polls.
#[test]
fn concurrent_sends_arrive_whole_and_in_order() {
    const SIZE: usize = 1000;
    with_runtimes(8, async |wsk, _| {
        let (client, server) = streams(wsk).await?;
        let send = async {
            let sends = (0..50_u8).map(|number| client.send_all(buffer(&[number; SIZE]).unwrap()));
            for sent in join_all(sends).await {
                sent.into_result()?;
            }
            client.shutdown().await
        };
        let (sent, received) = join(send, test_support::connection::receive_all(&server)).await;
        sent?;
        let received = received?;
        assert_eq!(received.len(), 50 * SIZE);
        for (number, part) in received.chunks(SIZE).enumerate() {
            assert!(part.iter().all(|byte| usize::from(*byte) == number), "part {number}");
        }
        server.shutdown().await
    });
}

/// `select` drops a buffered read whenever a timer is faster: no byte is lost.
#[test]
fn a_buffered_read_in_a_select_loses_no_byte() {
    with_runtimes(64, async |wsk, spawner| {
        let (client, server) = streams(wsk).await?;
        let sender = spawner.spawn(async move {
            for number in 0..100_u32 {
                server.send_all(buffer(&number.to_le_bytes())?).await.into_result()?;
                yield_now().await;
            }
            server.shutdown().await?;
            server.drain().await
        })?;
        let mut client = client.buffered();
        let mut received = Vec::new();
        loop {
            let mut bytes = [0; 3];
            let count =
                match select(pin!(client.read(&mut bytes)), pin!(sleep(Duration::from_micros(50))))
                    .await
                {
                    Either::Left((count, _)) => count?,
                    Either::Right((timer, _)) => {
                        timer?;
                        continue;
                    }
                };
            if count == 0 {
                break;
            }
            received.extend_from_slice(&bytes[..count]);
        }
        client.shutdown().await?;
        sender.await??;
        let expected: Vec<u8> = (0..100_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(received, expected);
        Ok(())
    });
}

/// Three hundred clients of one listener, all at once: each gets its own byte back.
#[test]
fn three_hundred_clients_are_served_at_once() {
    let count = if cfg!(miri) { 3 } else { 300_u32 };
    with_runtimes(4, async |wsk, spawner| {
        let listener = TcpListener::bind(wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        let servers = spawner.clone();
        let accepting = spawner.spawn(async move {
            for _ in 0..count {
                let (stream, _) = listener.accept().await?;
                drop(servers.spawn(async move { echo(&stream, 16).await.unwrap() })?);
            }
            Ok::<(), wsk::Error>(())
        })?;
        let clients = (0..count).map(|number| {
            let wsk = wsk.clone();
            spawner.spawn(async move {
                let mut stream = TcpStream::connect(&wsk, address).await?.buffered();
                let byte = [number.to_le_bytes()[0]];
                stream.write_all(&byte).await?;
                stream.flush().await?;
                let mut back = [0];
                stream.read_exact(&mut back).await?;
                assert_eq!(back, byte);
                stream.shutdown().await?;
                // Dropping the stream before the server has finished would reset it.
                assert_eq!(stream.read(&mut back).await?, 0);
                Ok::<(), wsk::Error>(())
            })
        });
        let clients: Vec<_> = clients.collect::<Result<_>>()?;
        for client in clients {
            client.await??;
        }
        accepting.await?
    });
}

/// A stream that has shut down its side still receives; an abort fails what waits on both sides.
#[test]
fn a_half_closed_stream_receives_and_an_aborted_one_fails() {
    with_runtimes(32, async |wsk, _| {
        let (client, server) = streams(wsk).await?;
        client.shutdown().await?;
        assert_eq!(server.recv(Buffer::new(10)?).await.into_result()?.0, 0);
        server.send_all(buffer(b"late")?).await.into_result()?;
        server.shutdown().await?;
        assert_eq!(test_support::connection::receive_all(&client).await?, b"late");

        let (client, server) = streams(wsk).await?;
        let abort = async {
            yield_now().await;
            server.abort().await
        };
        let (received, aborted) = join(server.recv(Buffer::new(10)?), abort).await;
        aborted?;
        assert!(received.into_result().is_err());
        assert!(client.recv(Buffer::new(10)?).await.into_result().is_err());
        assert!(server.send(Buffer::new(10)?).await.into_result().is_err());
        Ok(())
    });
}
