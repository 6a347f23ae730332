//! The traits of futures-io and tokio, and errors of `std`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use test_support::connection::streams;
use test_support::futures::{join, poll_times};
use test_support::scenario::with_all_timings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wsk::Error;
use wsk::net::Compat;

/// A scenario's errors are those of this crate.
fn own(error: &io::Error) -> Error {
    Error::from_io_error(error)
}

#[test]
fn a_protocol_of_futures_io_runs_on_a_stream() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (mut client, mut server) = (Compat::from(client), Compat::from(server));
        let sent: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let send = async {
            client.write_all(b"a line\n").await?;
            client.write_all(&sent).await?;
            client.close().await
        };
        let receive = async {
            let (mut line, mut rest) = (String::new(), Vec::new());
            // Dropped futures lose nothing.
            for _ in 0..3 {
                assert_ne!(
                    poll_times(server.read(&mut []), 1).await.map(|r| r.is_ok()),
                    Some(false)
                );
                poll_times(server.fill_buf(), 1).await.transpose()?;
            }
            server.read_line(&mut line).await?;
            server.read_to_end(&mut rest).await?;
            Ok::<_, io::Error>((line, rest))
        };
        let (sending, received) = join(send, receive).await;
        sending.map_err(|error| own(&error))?;
        let (line, rest) = received.map_err(|error| own(&error))?;
        assert_eq!(line, "a line\n");
        assert!(rest == sent, "{} bytes", rest.len());
        Ok(())
    });
}

/// By the traits themselves: tokio's helpers are behind a feature of it.
#[test]
fn a_stream_has_the_traits_of_tokio() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (mut client, mut server) = (Compat::from(client), Compat::from(server));
        let send = async {
            let mut left = &b"some words"[..];
            while !left.is_empty() {
                let mut client = Pin::new(&mut client);
                let write =
                    poll_fn(|context| AsyncWrite::poll_write(client.as_mut(), context, left));
                left = &left[write.await?..];
            }
            poll_fn(|context| AsyncWrite::poll_flush(Pin::new(&mut client), context)).await?;
            poll_fn(|context| AsyncWrite::poll_shutdown(Pin::new(&mut client), context)).await
        };
        let receive = async {
            let mut all = Vec::new();
            loop {
                let mut bytes = [0; 3];
                let mut buffer = ReadBuf::new(&mut bytes);
                poll_fn(|context| {
                    AsyncRead::poll_read(Pin::new(&mut server), context, &mut buffer)
                })
                .await?;
                if buffer.filled().is_empty() {
                    return Ok::<_, io::Error>(all);
                }
                all.extend_from_slice(buffer.filled());
            }
        };
        let (sending, received) = join(send, receive).await;
        sending.map_err(|error| own(&error))?;
        assert_eq!(received.map_err(|error| own(&error))?, b"some words");
        Ok(())
    });
}

/// Errors keep their status on the way through `std`; those of `std` keep their kind.
#[test]
fn errors_are_those_of_std_and_back() {
    for status in [0xC000_0236_u32, 0xC000_020D, 0xC000_00A3, 0x8000_0005, 0xC000_0120] {
        let error = Error::from_status(status.cast_signed()).unwrap();
        let of_std = io::Error::from(error);
        assert_eq!(Error::from_io_error(&of_std), error);
        assert_ne!(of_std.kind(), io::ErrorKind::Interrupted);
    }
    for kind in [
        io::ErrorKind::AddrInUse,
        io::ErrorKind::AddrNotAvailable,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::NotConnected,
        io::ErrorKind::NotFound,
        io::ErrorKind::OutOfMemory,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::TimedOut,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::Unsupported,
        io::ErrorKind::WouldBlock,
    ] {
        assert_eq!(io::Error::from(Error::from_io_error(&kind.into())).kind(), kind);
    }
}
