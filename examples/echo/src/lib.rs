//! A TCP echo server: sends back whatever it receives.
//!
//! The logic is here, and the same in a driver, under Wine and on a host; what a driver needs around it
//! is in the crate `echo-driver`, in the folder `driver`.

#![no_std]

use core::fmt;

use wsk::{Buffer, ErrorKind, Result, Spawner, TcpListener, TcpStream};

/// The program in the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Where messages go: the kernel debugger, or a terminal.
pub type Log = fn(fmt::Arguments<'_>);

/// Bytes that one connection receives at once.
const BUFFER_SIZE: usize = 64 * 1024;

/// Serves connections until the listener fails or the runtime shuts down.
///
/// # Errors
///
/// Why no more connections can be accepted.
pub async fn serve(mut listener: TcpListener, spawner: Spawner, log: Log) -> Result<()> {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer left before it was served.
            Err(error) if is_the_peers_doing(error.kind()) => continue,
            Err(error) => return Err(error),
        };
        let served = spawner.spawn(async move {
            match echo(&stream).await {
                Ok(()) => stream.close().await,
                Err(error) if is_the_peers_doing(error.kind()) => {}
                Err(error) => log(format_args!("the connection of {peer} failed: {error}")),
            }
        });
        match served {
            Ok(_) => {}
            // The runtime is shutting down, and drops this task next.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            Err(error) => log(format_args!("cannot serve {peer}: {error}")),
        }
    }
}

/// Serves one connection, until the peer has finished sending.
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
        // Wine cannot shut a connection down, and need not: there, closing it is graceful.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        result => result,
    }
}

fn is_the_peers_doing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::NotConnected
    )
}
