//! Calls on streams that do not wait, and waiting for data without receiving it.

use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{with_all_timings, with_whole_receives};
use wsk::time::{sleep, timeout};
use wsk::{Buffer, ErrorKind, Result, TcpStream};

use crate::sweep::sweep;
use crate::sync::at_dispatch_level;

/// Receives until the end by tries, and waits between them.
async fn receive_by_tries(stream: &TcpStream) -> Result<Vec<u8>> {
    let (mut all, mut bytes) = (Vec::new(), [0; 37]);
    loop {
        match stream.try_recv(&mut bytes) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::NotReady => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
}

/// Sends by tries, and waits for the peer between them.
async fn send_by_tries(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match stream.try_send(&bytes[..bytes.len().min(500)]) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::NotReady => {
                sleep(Duration::from_millis(1)).await?;
            }
            Err(error) => return Err(error),
        }
    }
    stream.shutdown().await
}

#[test]
fn try_send_and_try_recv_keep_every_byte_in_order() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let sent: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let (sending, received) =
            join(send_by_tries(&client, &sent), receive_by_tries(&server)).await;
        sending?;
        assert_eq!(received?, sent);
        // The end stays.
        server.readable().await?;
        assert_eq!(server.try_recv(&mut [0])?, 0);
        assert_eq!(server.recv_into(&mut [0]).await?, 0);
        Ok(())
    });
}

/// What was received ahead is that of the next receive, of whatever kind.
#[test]
fn what_is_readable_is_received_next() {
    with_whole_receives(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for kind in 0..5 {
            client.send_all(buffer(b"123456")?).await.into_result()?;
            server.readable().await?;
            server.readable().await?;
            let mut bytes = [0; 6];
            match kind {
                0 => assert_eq!(server.recv_into(&mut bytes).await?, 6),
                1 => assert_eq!(server.try_recv(&mut bytes)?, 6),
                2 => {
                    let ((), filled) = server.recv_exact(Buffer::new(6)?).await.into_result()?;
                    bytes.copy_from_slice(&filled);
                }
                3 => {
                    // A part, and the rest after it.
                    assert_eq!(server.recv_into(&mut bytes[..2]).await?, 2);
                    assert_eq!(server.try_recv(&mut bytes[2..])?, 4);
                }
                _ => {
                    let (count, filled) = server.recv(Buffer::new(6)?).await.into_result()?;
                    bytes.copy_from_slice(&filled[..count]);
                }
            }
            assert_eq!(&bytes, b"123456", "{kind}");
        }
        let mut buffered = server.buffered();
        client.send_all(buffer(b"more")?).await.into_result()?;
        buffered.stream().readable().await?;
        let mut bytes = [0; 4];
        buffered.read_exact(&mut bytes).await?;
        assert_eq!(&bytes, b"more");
        Ok(())
    });
}

/// Dropped futures leave their receive in flight, and its data to the next.
#[test]
fn a_dropped_wait_loses_nothing() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for polls in 1..4 {
            assert!(poll_times(server.readable(), 1).await.is_none(), "nothing was sent");
            let _ = timeout(Duration::from_micros(polls * 700), server.readable()).await;
            client.send_all(buffer(&[7; 100])?).await.into_result()?;
            let ((), filled) = server.recv_exact(Buffer::new(100)?).await.into_result()?;
            assert_eq!(&filled[..], &[7; 100]);
        }
        // A timeout of the stream, too.
        server.set_read_timeout(Some(Duration::from_millis(5)))?;
        assert_eq!(server.readable().await.unwrap_err().kind(), ErrorKind::TimedOut);
        server.set_read_timeout(None)?;
        client.shutdown_with(buffer(b"last")?).await.into_result()?;
        assert_eq!(receive_all(&server).await?, b"last");
        Ok(())
    });
}

/// An error is that of the next receive, once the stream is readable.
#[test]
fn a_reset_makes_a_stream_readable() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (waited, aborted) = join(server.readable(), client.abort()).await;
        aborted?;
        waited?;
        let error = server.try_recv(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

/// One send at a time is in flight, and it continues without a future.
#[test]
fn a_tried_send_continues() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        assert_eq!(client.try_send(b"")?, 0);
        let mut accepted = 0;
        for _ in 0..4 {
            match client.try_send(b"word") {
                Ok(count) => accepted += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotReady),
            }
        }
        assert!(accepted >= 4);
        client.shutdown().await?;
        assert_eq!(receive_all(&server).await?.len(), accepted);
        Ok(())
    });
}

/// A callback may try, too.
#[test]
fn tries_work_at_dispatch_level() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut bytes = [0; 9];
        let error = at_dispatch_level(|| server.try_recv(&mut bytes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
        assert_eq!(at_dispatch_level(|| client.try_send(b"some word"))?, 9);
        let mut count = 0;
        while count < 9 {
            server.readable().await?;
            count += at_dispatch_level(|| server.try_recv(&mut bytes[count..]))?;
        }
        assert_eq!(&bytes, b"some word");
        Ok(())
    });
}

/// A stream that is closed with a receive in flight, which no future waits for.
#[test]
fn a_stream_closes_with_a_receive_in_flight() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        assert_eq!(server.try_recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::NotReady);
        assert!(client.try_send(b"unread")? > 0);
        server.close().await;
        drop(client);
        Ok(())
    });
}

#[test]
fn buffered_streams_try_to_read_and_write() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (mut client, mut server) = (client.buffered(), server.buffered());
        let mut bytes = [0; 10];
        assert_eq!(server.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::NotReady);
        assert_eq!(client.try_write(b"words")?, 5);
        client.flush().await?;
        server.fill_buf().await?;
        let mut count = server.try_read(&mut bytes)?;
        assert!(count > 0);
        while count < 5 {
            server.fill_buf().await?;
            count += server.try_read(&mut bytes[count..])?;
        }
        assert_eq!(&bytes[..5], b"words");
        client.shutdown().await?;
        assert!(server.fill_buf().await?.is_empty());
        server.fill_buf().await?;
        assert_eq!(server.read(&mut bytes).await?, 0);
        Ok(())
    });
}

#[test]
fn every_allocation_of_a_try_may_fail() {
    sweep(10, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        match server.try_recv(&mut [0; 10]) {
            Err(error) if error.kind() == ErrorKind::NotReady => {}
            result => return result.map(drop),
        }
        client.try_send(b"hello")?;
        server.readable().await?;
        server.try_recv(&mut [0; 10]).map(drop)
    });
}
