//! The logic of {{name}}: an echo server. It is the same in a driver, in Wine, and in a test.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

use wsk::{Buffer, ErrorKind, Result, Spawner, TcpListener, TcpStream};

/// Receives messages: sends them to the kernel debugger, or prints them.
pub type Log = fn(fmt::Arguments<'_>);

/// Serves connections, each in its own task, until the listener fails or the driver is unloaded. A connection that fails
/// does not end the server.
///
/// # Errors
///
/// The error after which no more connections can be accepted.
pub async fn serve(listener: TcpListener, spawner: Spawner, log: Log) -> Result<()> {
    loop {
        let report = |error| log(format_args!("cannot accept a connection: {error}"));
        let (stream, peer) = listener.accept_retrying(report).await?;
        let served = spawner.spawn(async move {
            if let Err(error) = echo(&stream).await {
                log(format_args!("the connection of {peer} failed: {error}"));
            }
        });
        match served {
            Ok(_) => {}
            // The driver is being unloaded.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            // Memory is short. The connection is closed, and the next one may work.
            Err(error) => log(format_args!("cannot serve {peer}: {error}")),
        }
    }
}

/// Sends back everything it receives, until the peer finishes sending.
async fn echo(stream: &TcpStream) -> Result<()> {
    let mut buffer = Buffer::new(16 * 1024)?;
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
