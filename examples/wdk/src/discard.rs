//! The discard protocol: receives, and counts the bytes.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use wsk::sync::Arc;
use wsk::{Buffer, ErrorKind, Provider, Spawner, TcpListener, TcpStream, rt, time};
use wsk_driver::{Context as _, Result};

/// The port of the discard service.
const PORT: u16 = 9;

/// Starts the server, whose tasks add to `discarded`.
pub(crate) async fn start(
    wsk: &Provider,
    spawner: &Spawner,
    discarded: Arc<AtomicU64>,
) -> Result<()> {
    let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, PORT)).await;
    let listener = listener.context(format_args!("cannot serve on port {PORT}"))?;
    let tasks = spawner.clone();
    spawner.spawn(async move {
        if let Err(error) = serve(listener, &tasks, &discarded).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("discarding data on port {PORT}");
    Ok(())
}

/// Serves connections until the listener fails or the driver shuts down. A connection that fails does not end the server.
async fn serve(
    listener: TcpListener,
    spawner: &Spawner,
    discarded: &Arc<AtomicU64>,
) -> wsk::Result<()> {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer disconnected before it was served.
            Err(error) if is_caused_by_peer(error.kind()) => continue,
            // Memory is short. The connection waits.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                wsk_driver::println!("cannot accept a connection: {error}");
                pause().await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let discarded = discarded.clone();
        let served = spawner.spawn(async move {
            if let Err(error) = discard(&stream, &discarded).await {
                wsk_driver::println!("the connection of {peer} failed: {error}");
            }
        });
        match served {
            Ok(_) => {}
            // The runtime is shutting down and will drop this task.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            Err(error) => wsk_driver::println!("cannot serve {peer}: {error}"),
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

/// Receives until the peer finishes sending.
async fn discard(stream: &TcpStream, discarded: &AtomicU64) -> wsk::Result<()> {
    let mut buffer = Buffer::new(0x1000)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return stream.shutdown().await;
        }
        discarded.fetch_add(received as u64, Ordering::Relaxed);
        buffer = filled;
    }
}
