//! Streams of `embedded-io-async`.

use embedded_io_async::{BufRead, ErrorKind, Read, ReadExactError, ReadReady, Write, WriteReady};
use test_support::connection::streams;
use test_support::futures::{join, poll_times};
use test_support::scenario::with_all_timings;
use wsk::net::BufferedStream;
use wsk::time::sleep;
use wsk::{Error, Provider, Result, sys};

use crate::sweep::sweep;

/// Both sides of a connection, with small buffers.
async fn buffered_streams(wsk: &Provider) -> Result<(BufferedStream, BufferedStream)> {
    let (client, server) = streams(wsk).await?;
    Ok((BufferedStream::with_capacity(client, 3, 5), BufferedStream::with_capacity(server, 4, 7)))
}

/// Sends a message with its length before it.
async fn send<W: Write>(writer: &mut W, message: &[u8]) -> core::result::Result<(), W::Error> {
    writer.write_all(&[u8::try_from(message.len()).unwrap()]).await?;
    writer.write_all(message).await?;
    writer.flush().await
}

/// Receives a message, or none at the end.
async fn receive<R: Read>(
    reader: &mut R,
) -> core::result::Result<Option<Vec<u8>>, ReadExactError<R::Error>> {
    let mut length = [0];
    match reader.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::UnexpectedEof) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut message = vec![0; length[0].into()];
    reader.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Reads to the end, through the reader's own buffer.
async fn rest<R: BufRead>(mut reader: R) -> core::result::Result<Vec<u8>, R::Error> {
    let mut all = Vec::new();
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(all);
        }
        // Not all of it at once.
        let count = bytes.len().div_ceil(2);
        all.extend_from_slice(&bytes[..count]);
        reader.consume(count);
    }
}

#[test]
fn messages_travel_both_ways_until_the_end() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered_streams(&wsk).await?;
        for size in [0, 1, 5, 100] {
            let message = vec![size; size.into()];
            let echo = async {
                let message = receive(&mut server).await.unwrap().unwrap();
                send(&mut server, &message).await
            };
            let ask = async {
                send(&mut client, &message).await?;
                Ok::<_, Error>(receive(&mut client).await.unwrap())
            };
            let (asked, echoed) = join(ask, echo).await;
            echoed?;
            assert_eq!(asked?, Some(message));
        }
        client.shutdown().await?;
        assert_eq!(receive(&mut server).await, Ok(None));
        // In the middle of a message.
        Write::write_all(&mut server, &[9, 1, 2]).await?;
        server.shutdown().await?;
        assert_eq!(receive(&mut client).await, Err(ReadExactError::UnexpectedEof));
        Ok(())
    });
}

#[test]
fn halves_implement_the_traits_and_readers_lend_their_buffer() {
    with_all_timings(async |wsk| {
        let (client, server) = buffered_streams(&wsk).await?;
        let (_reader, mut writer) = client.into_split();
        let (reader, _writer) = server.into_split();
        let sending = async {
            for byte in 0..50 {
                Write::write_all(&mut writer, &[byte]).await?;
            }
            writer.shutdown().await
        };
        let (sent, received) = join(sending, rest(reader)).await;
        sent?;
        assert_eq!(received?, (0..50).collect::<Vec<_>>());
        Ok(())
    });
}

#[test]
fn readiness_is_reported() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered_streams(&wsk).await?;
        assert!(WriteReady::write_ready(&mut client)?);
        assert!(!ReadReady::read_ready(&mut server)?);
        send(&mut client, b"now").await?;
        while !ReadReady::read_ready(&mut server)? {
            sleep(core::time::Duration::from_millis(1)).await?;
        }
        let mut first = [0];
        assert_eq!(poll_times(Read::read(&mut server, &mut first), 1).await, Some(Ok(1)));
        assert_eq!(first, [3]);
        Ok(())
    });
}

#[test]
fn dropped_futures_lose_no_byte() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered_streams(&wsk).await?;
        let (mut received, mut slice) = (Vec::new(), [0; 4]);
        for round in 0..20 {
            if round % 2 == 0 {
                send(&mut client, &[round, round + 1]).await?;
            }
            // Polled once and dropped, whether something has come or not.
            if let Some(count) = poll_times(Read::read(&mut server, &mut slice), 1).await {
                received.extend_from_slice(&slice[..count?]);
            }
        }
        client.shutdown().await?;
        received.extend(rest(&mut server).await?);
        let expected: Vec<u8> =
            (0..20).step_by(2).flat_map(|round| [2, round, round + 1]).collect();
        assert_eq!(received, expected);
        Ok(())
    });
}

#[test]
fn errors_map_to_the_traits_kinds_and_never_to_interrupted() {
    let kind =
        |status| Error::from_status(status).map(|error| embedded_io_async::Error::kind(&error));
    for (status, expected) in [
        (sys::STATUS_CONNECTION_REFUSED, ErrorKind::ConnectionRefused),
        (sys::STATUS_CONNECTION_RESET, ErrorKind::ConnectionReset),
        (sys::STATUS_IO_TIMEOUT, ErrorKind::TimedOut),
        (sys::STATUS_INSUFFICIENT_RESOURCES, ErrorKind::OutOfMemory),
        (sys::STATUS_FILE_FORCED_CLOSED, ErrorKind::NotConnected),
        (sys::STATUS_BUFFER_TOO_SMALL, ErrorKind::InvalidInput),
        (sys::STATUS_NOT_IMPLEMENTED, ErrorKind::Unsupported),
        (sys::STATUS_CANCELLED, ErrorKind::Other),
        (sys::STATUS_HOST_UNREACHABLE, ErrorKind::Other),
    ] {
        assert_eq!(kind(status), Some(expected), "{status:#X}");
    }
}

#[test]
fn errors_pass_through_unchanged() {
    with_all_timings(async |wsk| {
        let (client, mut server) = buffered_streams(&wsk).await?;
        client.abort().await?;
        let error = rest(&mut server).await.unwrap_err();
        assert_eq!(embedded_io_async::Error::kind(&error), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn a_stream_survives_every_failing_allocation() {
    sweep(8, async |wsk| {
        let (mut client, mut server) = buffered_streams(&wsk).await?;
        send(&mut client, b"hello").await?;
        match receive(&mut server).await {
            Ok(message) => assert_eq!(message.as_deref(), Some(&b"hello"[..])),
            Err(ReadExactError::Other(error)) => return Err(error),
            Err(ReadExactError::UnexpectedEof) => panic!("the message was cut off"),
        }
        client.close().await;
        Ok(())
    });
}
