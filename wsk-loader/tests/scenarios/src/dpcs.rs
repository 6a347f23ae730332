//! Tasks at `DISPATCH_LEVEL`.
//!
//! # Safety
//!
//! Reading the current level has no conditions.

#![expect(unsafe_code, reason = "a scenario reads its level")]

use core::future::{Future, poll_fn};
use core::net::Ipv4Addr;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use wsk::net::lookup_host;
use wsk::rt::DpcExecutor;
use wsk::sync::{Arc, oneshot};
use wsk::time::sleep;
use wsk::{Buffer, ErrorKind, TcpListener, TcpStream};
use wsk_driver::{Driver, Result};
use wsk_sys::{DISPATCH_LEVEL, KeGetCurrentIrql};

use crate::check::{check, check_fails, is_payload, payload};

/// Polls a future, and notes whether that happens at another level than `DISPATCH_LEVEL`.
async fn at_dispatch<F: Future>(elsewhere: Arc<AtomicBool>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        // SAFETY: this reads the level.
        if unsafe { KeGetCurrentIrql() } != DISPATCH_LEVEL {
            elsewhere.store(true, Ordering::SeqCst);
        }
        future.as_mut().poll(context)
    })
    .await
}

/// A connection whose two ends are tasks at `DISPATCH_LEVEL`.
pub(crate) async fn run(driver: &Driver) -> Result<()> {
    const MESSAGES: usize = 5;
    const SIZE: usize = 300;
    let executor = DpcExecutor::new(driver.passive(), 2)?;
    let elsewhere = Arc::new(AtomicBool::new(false))?;
    let (listens, is_listening) = oneshot::channel()?;
    let wsk = driver.wsk()?.clone();
    let server = executor.spawn(at_dispatch(elsewhere.clone(), async move {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        // The client waits for it, or the scenario has failed.
        let _ = listens.send(listener.local_addr().await?);
        let (stream, _) = listener.accept().await?;
        let mut buffer = Buffer::new(100)?;
        loop {
            let (received, filled) = stream.recv(buffer).await.into_result()?;
            if received == 0 {
                return stream.shutdown().await;
            }
            let (_, sent) = stream.send_all(filled.slice(..received)?).await.into_result()?;
            buffer = sent.into_inner();
        }
    }))?;
    let wsk = driver.wsk()?.clone();
    let client = executor.spawn(at_dispatch(elsewhere.clone(), async move {
        let stream = TcpStream::connect(&wsk, is_listening.await?).await?;
        for _ in 0..MESSAGES {
            stream.send_all(payload(SIZE)?).await.into_result()?;
            let ((), echoed) = stream.recv_exact(Buffer::new(SIZE)?).await.into_result()?;
            check(is_payload(&echoed, 0), "the message is echoed")?;
            sleep(Duration::from_millis(1)).await?;
        }
        let names = lookup_host(&wsk, ("server.example", 80)).await;
        check_fails(&names, ErrorKind::InvalidInput, "names are resolved at PASSIVE_LEVEL only")?;
        stream.shutdown().await?;
        // Dropped before the server's end, the stream would abort the connection.
        let (end, _) = stream.recv(Buffer::new(1)?).await.into_result()?;
        check(end == 0, "the server finishes")
    }))?;
    client.await??;
    server.await??;
    executor.shutdown(driver.passive());
    check(!elsewhere.load(Ordering::SeqCst), "tasks are polled at DISPATCH_LEVEL")
}
