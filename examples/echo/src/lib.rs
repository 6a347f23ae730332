//! A TCP echo server.
//!
//! This crate has the logic, which is the same in a driver, in Wine and on a host. The crate `echo-driver`, in the
//! folder `driver`, wraps it in a driver.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

use wsk::{Buffer, ErrorKind, Result, Spawner, TcpListener, TcpStream};

/// Runs the programs in the README as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Receives messages: sends them to the kernel debugger, or prints them.
pub type Log = fn(fmt::Arguments<'_>);

/// The size of a connection's buffer in bytes.
const BUFFER_SIZE: usize = 64 * 1024;

/// Serves connections until the listener fails or the runtime shuts down.
///
/// # Errors
///
/// The error for which no more connections can be accepted.
pub async fn serve(listener: TcpListener, spawner: Spawner, log: Log) -> Result<()> {
    loop {
        let report = |error| log(format_args!("cannot accept a connection: {error}"));
        let (stream, peer) = listener.accept_retrying(report).await?;
        let served = spawner.spawn(async move {
            match echo(&stream).await {
                Ok(()) => stream.close().await,
                Err(error) if error.kind().is_disconnect() => {}
                Err(error) => log(format_args!("the connection of {peer} failed: {error}")),
            }
        });
        match served {
            Ok(_) => {}
            // The runtime is shutting down and will drop this task.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            Err(error) => log(format_args!("cannot serve {peer}: {error}")),
        }
    }
}

/// Serves one connection until the peer finishes sending.
async fn echo(stream: &TcpStream) -> Result<()> {
    let mut buffer = Buffer::new(BUFFER_SIZE)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            break;
        }
        let (_, sent) = stream.send_all(filled.slice(..received)?).await.into_result()?;
        buffer = sent.into_inner();
    }
    match stream.shutdown().await {
        // Wine's WSK has no disconnect. There, closing a connection is graceful.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        result => result,
    }
}
