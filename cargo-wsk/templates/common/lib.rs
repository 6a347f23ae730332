//! The logic of {{name}}: an echo server. It is the same in a driver, in Wine, and in a test.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;
use core::time::Duration;

use wsk::{Buffer, ErrorKind, Result, Spawner, TcpListener, TcpStream, rt, time};

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
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer disconnected before it was served.
            Err(error) if is_caused_by_peer(error.kind()) => continue,
            // Memory is short. The connection waits.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                log(format_args!("cannot accept a connection: {error}"));
                pause().await;
                continue;
            }
            Err(error) => return Err(error),
        };
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

/// Waits for a second, in which memory may be freed.
async fn pause() {
    if time::sleep(Duration::from_secs(1)).await.is_err() {
        // There is not even memory for a timer: other tasks run first.
        rt::yield_now().await;
    }
}

/// Whether a connection ended because of its peer: the next one can be accepted.
fn is_caused_by_peer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::NotConnected
    )
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
