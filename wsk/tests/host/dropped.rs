//! Futures that are dropped or forgotten, at every point.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::poll_times;
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::{Buffer, Provider, TcpListener, TcpStream};
use wsk_host::{Config, Host, Timing};

/// Creation, bind and connect are dropped after every number of polls: a socket that arrives too late is
/// closed (INV-20), or the registration would wait for it for ever.
#[test]
fn connecting_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let address = listener.local_addr().await?;
        for polls in 0..8 {
            drop(poll_times(TcpStream::connect(&wsk, address), polls).await);
        }
        for polls in 0..8 {
            drop(poll_times(TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)), polls).await);
        }
        Ok(())
    });
}

/// A dropped receive keeps its buffer until it completes (INV-21), and the connection continues.
#[test]
fn a_receive_can_be_dropped() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for polls in [0, 1, 1, 0] {
            assert!(poll_times(server.recv(Buffer::new(100)?), polls).await.is_none());
        }
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        assert_eq!(receive_all(&server).await?, b"hello");
        Ok(())
    });
}

/// A receive is dropped while data arrives: its completion races with its cancellation, and no byte is lost.
#[test]
fn a_receive_can_be_dropped_while_it_completes() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for byte in 0..if cfg!(miri) { 5 } else { 50 } {
            let mut receive = Box::pin(server.recv(Buffer::new(1)?));
            let mut context = Context::from_waker(Waker::noop());
            let polled = receive.as_mut().poll(&mut context);
            client.send_all(buffer(&[byte])?).await.into_result()?;
            drop((receive, polled));
        }
        Ok(())
    });
}

#[test]
fn a_send_can_be_dropped() {
    for timing in timings() {
        let host = Host::new(Config { timing, window: 10, ..Config::default() });
        let run = async |wsk: Provider| {
            let (client, _server) = streams(&wsk).await?;
            for polls in [0, 1, 1, 0] {
                assert!(poll_times(client.send(buffer(&[1; 1000])?), polls).await.is_none());
            }
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// The streams are dropped before the futures' requests have ended.
#[test]
fn a_stream_can_be_dropped_with_requests_in_flight() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut context = Context::from_waker(Waker::noop());
        for stream in [&client, &server] {
            for _ in 0..3 {
                let mut receive = pin!(stream.recv(Buffer::new(10)?));
                assert!(receive.as_mut().poll(&mut context).is_pending());
            }
        }
        drop((client, server));
        Ok(())
    });
}

/// A close continues when its future is dropped, and several wakers can wait for it in turn.
#[test]
fn a_close_can_be_dropped() {
    with_all_timings(async |wsk| {
        for polls in 0..3 {
            let (client, server) = streams(&wsk).await?;
            poll_times(client.close(), polls).await;
            poll_times(server.close(), polls).await;
        }
        Ok(())
    });
}

/// Forgetting a future is safe: its request and buffer are the socket's, which frees them.
#[test]
fn a_receive_can_be_forgotten() {
    let host = Host::new(Config { timing: Timing::Deferred, ..Config::default() });
    let run = async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        let mut receive = Box::pin(server.recv(Buffer::new(10)?));
        let mut context = Context::from_waker(Waker::noop());
        assert!(receive.as_mut().poll(&mut context).is_pending());
        std::mem::forget(receive);
        // The forgotten request takes these bytes.
        client.send_all(buffer(b"hello")?).await.into_result()?;
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0, "the request and its buffer");
}

/// What a future is woken by may change between polls, as when it moves between tasks.
#[test]
fn the_waker_may_change() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut receive = Box::pin(server.recv(Buffer::new(5)?));
        let mut no_waker = Context::from_waker(Waker::noop());
        assert!(receive.as_mut().poll(&mut no_waker).is_pending());
        client.send_all(buffer(b"hello")?).await.into_result()?;
        assert!((1..=5).contains(&receive.await.into_result()?.0));
        Ok(())
    });
}
