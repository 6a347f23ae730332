//! Requests of tasks at `DISPATCH_LEVEL`.

use std::env;
use std::net::Ipv4Addr;
use std::time::Duration;

use test_support::connection::{buffer, echo, receive_all, streams};
use test_support::scenario::{on_host, passive, timings};
use test_support::seeds::ALL_SEEDS;
use wsk::net::lookup_host;
use wsk::rt::DpcExecutor;
use wsk::sync::{mpsc, oneshot};
use wsk::{Buffer, ErrorKind, Provider, Result, TcpListener, TcpStream, UdpSocket, time};
use wsk_host::{Config, Host, Timing};

use super::{at_dispatch, with_executors};

/// A server and a client: everything but the creation of the provider happens at `DISPATCH_LEVEL`.
#[test]
fn a_whole_connection_runs_in_dpcs() {
    with_executors(&async |wsk, executor, _| {
        let address = (Ipv4Addr::LOCALHOST, 7);
        let (listens, is_listening) = oneshot::channel()?;
        let of_the_server = wsk.clone();
        let server = executor.spawn(at_dispatch(async move {
            let listener = TcpListener::bind(&of_the_server, address).await?;
            let _ = listens.send(());
            let (stream, _) = listener.accept().await?;
            listener.close().await;
            echo(&stream, 100).await
        }))?;
        let wsk = wsk.clone();
        let client = executor.spawn(at_dispatch(async move {
            is_listening.await?;
            let stream = TcpStream::connect(&wsk, address).await?;
            stream.set_nodelay(true).await?;
            for _ in 0..5 {
                stream.send_all(buffer(b"message")?).await.into_result()?;
                time::sleep(Duration::from_millis(1)).await?;
            }
            stream.shutdown().await?;
            let received = receive_all(&stream).await?;
            stream.close().await;
            Ok::<_, wsk::Error>(received)
        }))?;
        server.await??;
        assert_eq!(client.await??, b"message".repeat(5));
        Ok(())
    });
}

/// Datagrams, a channel from a DPC to a thread, and back.
#[test]
fn dpcs_and_threads_share_channels() {
    with_executors(&async |wsk, executor, _| {
        let (sender, mut receiver) = mpsc::channel(2)?;
        let socket = UdpSocket::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr().await?;
        let receives = executor.spawn(at_dispatch(async move {
            for _ in 0..4 {
                let (datagram, _) = socket.recv_from(Buffer::new(10)?).await.into_result()?;
                // A full channel makes it wait.
                sender.send(datagram).await.map_err(|_| ()).unwrap();
            }
            Ok::<_, wsk::Error>(())
        }))?;
        let sends = UdpSocket::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        for length in 1..=4 {
            sends.send_to(Buffer::new(length)?, address).await.into_result()?;
            let (received, _) = receiver.recv().await.unwrap();
            assert_eq!(received, length);
        }
        receives.await??;
        assert!(receiver.recv().await.is_none());
        Ok(())
    });
}

/// What Windows does at `PASSIVE_LEVEL` only fails.
#[test]
fn functions_of_passive_level_fail_in_a_dpc() {
    with_executors(&async |wsk, executor, _| {
        let wsk = wsk.clone();
        let task = executor.spawn(at_dispatch(async move {
            lookup_host(&wsk, "localhost:80").await.map(Iterator::count)
        }))?;
        assert_eq!(task.await?.unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

/// Messages of streams that were made elsewhere: neither an event is signaled nor does a thread wait.
#[test]
fn a_message_costs_no_event_and_no_wait() {
    const MESSAGES: usize = 20;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let observer = host.clone();
        let run = async |wsk: Provider| {
            let executor = DpcExecutor::new(passive(), 2)?;
            let (client, server) = streams(&wsk).await?;
            let echoes = executor.spawn(async move { echo(&server, 10).await })?;
            let task = executor.spawn(async move {
                let mut message = buffer(b"message")?;
                let mut calls = Vec::new();
                for _ in 0..MESSAGES {
                    (_, message) = client.send_all(message).await.into_result()?;
                    ((), message) = client.recv_exact(message).await.into_result()?;
                    calls.push(observer.kernel().event_calls());
                }
                client.shutdown().await?;
                Ok::<_, wsk::Error>((client, calls))
            })?;
            // The thread waits meanwhile.
            let (client, calls) = task.await??;
            assert_eq!(calls.len(), MESSAGES);
            assert!(calls.windows(2).all(|pair| pair[0] == pair[1]), "{timing:?}: {calls:?}");
            echoes.await??;
            drop(client);
            executor.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Requests that complete at once do not nest: the stack of a task is as deep after a million of them. By default it makes a part
/// of them: 64 KiB are 3 bytes for each.
#[test]
fn inline_completions_need_no_stack() {
    let messages = match env::var_os(ALL_SEEDS) {
        _ if cfg!(miri) => 300,
        Some(_) => 500_000,
        None => 10_000,
    };
    let host = Host::new(Config::default().timing(Timing::Inline));
    let run = async |wsk: Provider| -> Result<()> {
        let executor = DpcExecutor::new(passive(), 1)?;
        let (client, server) = streams(&wsk).await?;
        let task = executor.spawn(async move {
            let (mut to_send, mut to_fill) = (buffer(b"message")?, Buffer::new(7)?);
            let (mut lowest, mut highest) = (usize::MAX, 0);
            for _ in 0..messages {
                (_, to_send) = client.send_all(to_send).await.into_result()?;
                ((), to_fill) = server.recv_exact(to_fill).await.into_result()?;
                let local = 0_u8;
                let depth = (&raw const local).addr();
                (lowest, highest) = (lowest.min(depth), highest.max(depth));
            }
            Ok::<_, wsk::Error>(highest - lowest)
        })?;
        let depth = task.await??;
        assert!(depth < 64 * 1024, "the stack has grown by {depth} bytes");
        executor.shutdown(passive());
        Ok(())
    };
    on_host(&host, run).unwrap();
}
