//! The discard protocol: receives, and counts the bytes.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicU64, Ordering};

use wsk::sync::Arc;
use wsk::{Buffer, ErrorKind, Provider, Spawner, TcpListener, TcpStream};
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
        let report = |error| wsk_driver::println!("cannot accept a connection: {error}");
        let (stream, peer) = listener.accept_retrying(report).await?;
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
