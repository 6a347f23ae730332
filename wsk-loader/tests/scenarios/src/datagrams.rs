//! Datagrams of IPv4 and IPv6: exchanges, batches, and timeouts.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use wsk::{Batch, Buffer, ErrorKind, Provider, UdpSocket};
use wsk_driver::{Context as _, Driver, Result};

use crate::check::{check, check_fails, is_payload, payload, unexpected};

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    let wsk = driver.wsk()?;
    exchange(wsk, Ipv4Addr::LOCALHOST.into()).await.context("IPv4")?;
    exchange(wsk, Ipv6Addr::LOCALHOST.into()).await.context("IPv6")
}

async fn exchange(wsk: &Provider, ip: IpAddr) -> Result<()> {
    let server = UdpSocket::bind(wsk, (ip, 0)).await?;
    let client = UdpSocket::bind(wsk, (ip, 0)).await?;
    let client = client.into_connected(server.local_addr().await?).await?;
    let mut buffer = Buffer::new(9000)?;
    for size in [0, 1, 1000, 8000] {
        client.send(payload(size)?).await.into_result()?;
        let ((length, peer), filled) = server.recv_from(buffer).await.into_result()?;
        check(length == size && is_payload(&filled[..length], 0), "the datagram arrives")?;
        let (_, sent) = server.send_to(filled.slice(..length)?, peer).await.into_result()?;
        let (length, filled) = client.recv(sent.into_inner()).await.into_result()?;
        check(length == size && is_payload(&filled[..length], 0), "the datagram is echoed")?;
        buffer = filled;
    }

    let mut batch = Batch::with_capacity(3)?;
    for size in [10, 20, 30] {
        batch.push(payload(size)?).map_err(|_| unexpected("the batch has space"))?;
    }
    client.send_batch(batch).await.into_result()?;
    let mut total = 0;
    for _ in 0..3 {
        let ((length, _), filled) = server.recv_from(buffer).await.into_result()?;
        check(is_payload(&filled[..length], 0), "a datagram of the batch arrives")?;
        total += length;
        buffer = filled;
    }
    check(total == 60, "the datagrams of the batch have 60 bytes")?;

    server.set_read_timeout(Some(Duration::from_millis(10)))?;
    let nothing = server.recv_from(buffer).await.into_result();
    check_fails(&nothing, ErrorKind::TimedOut, "nothing more arrives")?;
    client.close().await;
    server.close().await;
    Ok(())
}
