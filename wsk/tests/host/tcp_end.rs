//! How connections end: with last data, at once, in silence, and not at all.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::{buffer, sockets};
use test_support::futures::{join, poll_times};
use test_support::scenario::{on, timings, with_all_timings};
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::time::timeout;
use wsk::{Buffer, ErrorKind, Provider, Result};
use wsk_host::{Config, Host, Timing, Windows};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_disconnect_sends_the_last_bytes() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        client.send_all(buffer(b"good")?).await.into_result()?;
        let last = buffer(b"-bye-")?.slice(1..4)?;
        let ((), last) = client.shutdown_with(last).await.into_result()?;
        assert_eq!(&last[..], b"bye");
        let (count, bytes) = server.receive_full(Buffer::new(20)?).await.into_result()?;
        assert_eq!(&bytes[..count], b"goodbye");
        // The other side has no last bytes.
        server.shutdown_with(Buffer::empty()).await.into_result()?;
        client.drain().await?;
        // A second end is none.
        let error = client.shutdown_with(buffer(b"more")?).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        Ok(())
    });
}

/// Requests in flight fail, and the peer is reset.
#[test]
fn an_abort_fails_every_request_at_once() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = sockets(&wsk).await?;
            let (ended, aborted) = join(
                join(
                    client.receive(Buffer::new(10)?),
                    join(client.send(Buffer::new(1000)?), client.drain()),
                ),
                client.abort(),
            )
            .await;
            aborted?;
            let (received, (sent, drained)) = ended;
            for error in [received.0.unwrap_err(), sent.0.unwrap_err(), drained.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
            }
            let error = client.send(buffer(b"more")?).await.0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            // Bytes that have arrived may still be received.
            let error = loop {
                match server.receive(Buffer::new(100)?).await.0 {
                    Ok(count) => assert_ne!(count, 0, "an abort is no end"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            Ok(())
        };
        on(Config::default().timing(timing).window(10), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// INV-50: a graceful end that does not come is given up, and the connection is aborted.
#[test]
fn a_disconnect_that_hangs_times_out() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = sockets(&wsk).await?;
            // The peer does not read, so what is to be sent before the end waits.
            let mut sending = Box::pin(client.send(Buffer::new(1000)?));
            let polled = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            let error = timeout(HOUR, client.shutdown()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let last = client.shutdown_with(buffer(b"last")?);
            let error = timeout(HOUR, last).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            client.abort().await?;
            assert_eq!(sending.await.0.unwrap_err().kind(), ErrorKind::ConnectionAborted);
            client.close().await;
            drop(server);
            Ok(())
        };
        on(Config::default().timing(timing).window(10), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn every_disconnect_can_be_dropped_at_any_point() {
    with_all_timings(async |wsk| {
        for polls in 0..4 {
            let (client, server) = sockets(&wsk).await?;
            drop(poll_times(client.shutdown_with(buffer(b"bye")?), polls).await);
            poll_times(server.abort(), polls).await;
            poll_times(client.abort(), polls).await;
            poll_times(client.close(), polls).await;
            let (client, _server) = remote(&wsk, polls).await?;
            drop(poll_times(client.into_silent(), polls).await);
        }
        Ok(())
    });
}

/// A connection between two machines, as far as a host's addresses go.
async fn remote(wsk: &Provider, port: usize) -> Result<(ConnectionSocket, ConnectionSocket)> {
    for ip in [[192, 0, 2, 1], [192, 0, 2, 2]] {
        Host::current().add_address(ip);
    }
    let address = ([192, 0, 2, 1], 7000 + u16::try_from(port).unwrap_or(0));
    let listener = ListenSocket::builder(wsk, Family::INET).bind(address).await?;
    let client = ConnectionSocket::builder(wsk, Family::INET)
        .connect_from(([192, 0, 2, 2], 0), address)
        .await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// INV-43: silence needs that nothing is being sent, and afterwards there is the close, of which the peer hears
/// nothing.
#[test]
fn a_connection_enters_silent_mode() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = remote(&wsk, 0).await?;
            let mut sending = Box::pin(client.send(Buffer::new(100)?));
            let polled = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            // Its request is in flight, and the host never completes it.
            std::mem::forget(sending);
            let (error, client) = client.into_silent().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            client.close().await;
            drop(server);

            let (client, server) = remote(&wsk, 1).await?;
            client.send_all(buffer(b"last words")?).await.into_result()?;
            let silent = client.into_silent().await.map_err(|(error, _)| error)?;
            let ((), bytes) = server.receive_exact(Buffer::new(10)?).await.into_result()?;
            assert_eq!(&bytes[..], b"last words");
            silent.close().await;
            let heard = timeout(HOUR, server.receive(Buffer::new(1)?)).await;
            assert_eq!(heard.unwrap_err().kind(), ErrorKind::TimedOut, "not even a reset");
            Ok(())
        };
        let host = wsk_host::Host::new(Config::default().timing(timing).window(10));
        test_support::scenario::on_host(&host, run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "the forgotten request is the socket's");
    }
}

/// Forgotten futures keep memory, and later requests may allocate. Nothing else changes: the socket sends, receives, and
/// becomes silent, since every send has completed.
#[test]
fn forgotten_futures_cost_memory_and_nothing_else() {
    const FORGOTTEN: usize = 7;
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        test_support::scenario::on_host(&host, async |wsk| {
            let (client, server) = remote(&wsk, 0).await?;
            let mut issued = 0;
            for _ in 0..FORGOTTEN {
                let mut sending = Box::pin(client.send(buffer(b"x")?));
                let mut context = Context::from_waker(Waker::noop());
                if sending.as_mut().poll(&mut context).is_pending() {
                    issued += 1;
                    std::mem::forget(sending);
                }
            }
            let (count, _) = server.receive_full(Buffer::new(FORGOTTEN)?).await.into_result()?;
            assert_eq!(count, FORGOTTEN);
            host.settle();
            let before = host.allocations();
            let warm = client.send_all(buffer(b"hello")?).await.into_result()?.1;
            client.send_all(warm).await.into_result()?;
            let (_, bytes) = server.receive_full(Buffer::new(10)?).await.into_result()?;
            assert_eq!(&bytes[..], b"hellohello");
            if timing == Timing::Deferred {
                assert_eq!(issued, FORGOTTEN, "none completes at once");
                // Two buffers, and a request for each send, since no reusable one is left.
                assert_eq!(host.allocations() - before, 4);
            }
            let silent = client.into_silent().await.map_err(|(error, _)| error)?;
            silent.close().await;
            // The socket has freed four requests with their buffers; the others are lost with their futures.
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// A send whose future was dropped is being cancelled: until that is done, no silence.
#[test]
fn silent_mode_waits_for_a_dropped_send() {
    with_all_timings(async |wsk| {
        let (client, _server) = remote(&wsk, 0).await?;
        drop(poll_times(client.send(Buffer::new(100_000)?), 1).await);
        let client = match client.into_silent().await {
            Ok(silent) => {
                silent.close().await;
                return Ok(());
            }
            Err((error, client)) => {
                assert_eq!(error.kind(), ErrorKind::NotConnected);
                client
            }
        };
        wsk::time::sleep(HOUR).await?;
        client.into_silent().await.map(drop).map_err(|(error, _)| error)
    });
}

#[test]
fn silent_mode_is_for_other_machines_since_windows_8() {
    for windows in [Windows::SEVEN, Windows::EIGHT] {
        let run = async |wsk: Provider| {
            let (client, _server) = sockets(&wsk).await?;
            let (error, client) = client.into_silent().await.unwrap_err();
            let expected = if windows == Windows::SEVEN {
                ErrorKind::Unsupported
            } else {
                ErrorKind::NotConnected
            };
            assert_eq!(error.kind(), expected);
            // It is as good as before.
            client.send_all(buffer(b"hello")?).await.into_result()?;
            client.shutdown().await
        };
        on(Config::default().windows(windows), run).unwrap();
    }
}

#[test]
fn send_backlogs_are_reported() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        assert!(client.ideal_send_backlog().await? >= 1000);
        assert_eq!(server.receive_backlog().await?, 0);
        client.send_all(buffer(&[1; 1000])?).await.into_result()?;
        wsk::time::sleep(HOUR).await?;
        assert_eq!(server.receive_backlog().await?, 1000);
        server.receive_exact(Buffer::new(400)?).await.into_result()?;
        assert_eq!(server.receive_backlog().await?, 600);
        Ok(())
    });
}
