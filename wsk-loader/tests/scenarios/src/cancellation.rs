//! Requests that are cancelled while they complete: no data is lost, and nothing is delivered twice.

use core::net::Ipv4Addr;
use core::time::Duration;

use wsk::sync::CancellationToken;
use wsk::time::{sleep, timeout};
use wsk::{Buffer, ErrorKind, Provider, TcpListener, TcpStream, UdpSocket};
use wsk_driver::{Driver, Result};

use crate::check::{check, is_payload, payload, poll_times};

/// Any port of this machine.
const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    let wsk = driver.wsk()?;
    timeouts(driver, wsk).await?;
    dropped_futures(wsk).await?;
    aborted_tasks(driver, wsk).await
}

async fn streams(wsk: &Provider) -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(wsk, ANY).await?;
    let client = TcpStream::connect(wsk, listener.local_addr().await?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// Receives end by a timeout while the peer sends, a byte or a few at a time.
async fn timeouts(driver: &Driver, wsk: &Provider) -> Result<()> {
    const SIZE: usize = 40;
    let (client, server) = streams(wsk).await?;
    let sent = driver.spawner()?.spawn(async move {
        let mut all = payload(SIZE)?.slice(..)?;
        for position in 0..SIZE / 2 {
            let part = all.into_inner().slice(2 * position..2 * position + 2)?;
            (_, all) = client.send_all(part).await.into_result()?;
            sleep(Duration::from_millis(1 + position as u64 % 3)).await?;
        }
        // Dropped here, it would abort the connection.
        client.shutdown().await.map(|()| client)
    })?;
    let (mut total, mut round) = (0, 0);
    loop {
        round += 1;
        let receive = server.recv(Buffer::new(3)?);
        let (received, filled) = match timeout(Duration::from_millis(round % 4), receive).await {
            Ok(received) => received.into_result()?,
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            Err(error) => return Err(error.into()),
        };
        if received == 0 {
            break;
        }
        check(is_payload(&filled[..received], total), "the bytes arrive in their order")?;
        total += received;
    }
    check(total == SIZE, "no byte is lost")?;
    let client = sent.await??;
    server.shutdown().await?;
    client.close().await;
    Ok(())
}

/// Futures are dropped after a number of polls.
async fn dropped_futures(wsk: &Provider) -> Result<()> {
    let listener = TcpListener::bind(wsk, ANY).await?;
    let address = listener.local_addr().await?;
    let datagrams = UdpSocket::bind(wsk, ANY).await?;
    let to = datagrams.local_addr().await?;
    for polls in 0..4 {
        drop(poll_times(TcpStream::connect(wsk, address), polls).await);
        drop(poll_times(listener.accept(), polls).await);
        drop(poll_times(datagrams.recv_from(Buffer::new(10)?), polls).await);
        datagrams.send_to(payload(10)?, to).await.into_result()?;
        let ((length, _), filled) = datagrams.recv_from(Buffer::new(20)?).await.into_result()?;
        check(length == 10 && is_payload(&filled[..10], 0), "the next datagram arrives")?;
    }
    Ok(())
}

/// Tasks are aborted, or cancelled by a token, while they receive.
async fn aborted_tasks(driver: &Driver, wsk: &Provider) -> Result<()> {
    let spawner = driver.spawner()?;
    let token = CancellationToken::new()?;
    for number in 0..4 {
        let (client, server) = streams(wsk).await?;
        let aborted = spawner.spawn(async move {
            let _ = server.recv(Buffer::new(10)?).await;
            core::future::pending::<Result<()>>().await
        })?;
        let child = token.child_token()?;
        let is_cancelled = spawner.spawn(async move {
            let receive = async { client.recv(Buffer::new(10)?).await.into_result() };
            Ok::<_, wsk::Error>(child.run_until_cancelled(receive).await.is_none())
        })?;
        if number % 2 == 0 {
            sleep(Duration::from_millis(1)).await?;
        }
        if number == 3 {
            // The receive ends by the peer's end, or by the token.
            token.cancel();
        }
        aborted.abort();
        let ended = aborted.await;
        check(
            matches!(ended, Err(error) if error.kind() == ErrorKind::Cancelled),
            "the task was aborted",
        )?;
        match is_cancelled.await? {
            // Without the token, the peer's end has ended it.
            Ok(is_cancelled) => check(number == 3 || !is_cancelled, "the peer's end is an end")?,
            Err(error) if error.kind() == ErrorKind::OutOfMemory => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(())
}
