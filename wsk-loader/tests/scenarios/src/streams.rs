//! Connections: over IPv4 and IPv6, with first data, and by `WskSocketConnect`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wsk::rt::JoinHandle;
use wsk::socket::{ConnectionSocket, Family, StreamSocket};
use wsk::{Buffer, ErrorKind, Provider, TcpListener, TcpStream};
use wsk_driver::{Context as _, Driver, Result};

use crate::check::{check, check_fails, is_payload, payload};

/// More than the receive window of the tests' network.
const LARGE: usize = 10_000;

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        exchange(driver, ip).await.context(ip)?;
    }
    Ok(())
}

/// A client sends and receives at the same time.
async fn exchange(driver: &Driver, ip: IpAddr) -> Result<()> {
    let (wsk, spawner) = (driver.wsk()?, driver.spawner()?);
    let listener = TcpListener::bind(wsk, (ip, 0)).await?;
    let address = listener.local_addr().await?;
    let served = spawner.spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut buffer = Buffer::new(700)?;
        loop {
            let (received, filled) = stream.recv(buffer).await.into_result()?;
            if received == 0 {
                return stream.shutdown().await;
            }
            let (_, sent) = stream.send_all(filled.slice(..received)?).await.into_result()?;
            buffer = sent.into_inner();
        }
    })?;
    let stream = TcpStream::connect(wsk, address).await?;
    check(stream.peer_addr().await? == address, "the peer is the listener")?;
    stream.set_nodelay(true).await?;
    let (receives, sends) = stream.into_split();
    let sent = spawner.spawn(async move {
        sends.send_all(payload(LARGE)?).await.into_result()?;
        sends.shutdown().await
    })?;
    let mut buffer = Buffer::new(900)?;
    let mut total = 0;
    loop {
        let (received, filled) = receives.recv(buffer).await.into_result()?;
        if received == 0 {
            break;
        }
        check(is_payload(&filled[..received], total), "the payload is echoed")?;
        total += received;
        buffer = filled;
    }
    check(total == LARGE, "all of the payload is echoed")?;
    sent.await??;
    served.await??;

    let refused = TcpStream::connect(wsk, (ip, 9)).await;
    check_fails(&refused, ErrorKind::ConnectionRefused, "nothing listens on port 9")
}

/// Connections that begin with data, and sockets that one call creates and connects.
pub(crate) async fn first_data(driver: &Driver) -> Result<()> {
    let wsk = driver.wsk()?;
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let any = SocketAddr::from((ip, 0));
        let family = Family::of(any);

        let (address, received) = receive(driver, wsk, any).await?;
        let socket = ConnectionSocket::builder(wsk, family).bind(any).await?;
        let (socket, _) = socket.connect_with_data(address, payload(LARGE)?).await.into_result()?;
        socket.shutdown().await?;
        check(received.await?? == LARGE, "the first data of a connection socket arrives")?;
        socket.close().await;

        let (address, received) = receive(driver, wsk, any).await?;
        let socket = StreamSocket::builder(wsk, family).bind(any).await?;
        let (socket, _) = socket.connect_with_data(address, payload(5)?).await.into_result()?;
        socket.shutdown().await?;
        check(received.await?? == 5, "the first data of a stream socket arrives")?;
        drop(socket);

        let (address, received) = receive(driver, wsk, any).await?;
        let socket = ConnectionSocket::connect_new(wsk, any, address, ()).await?;
        socket.send_all(payload(LARGE)?).await.into_result()?;
        socket.shutdown().await?;
        check(received.await?? == LARGE, "the data of WskSocketConnect's socket arrives")?;
        socket.close().await;
    }
    Ok(())
}

/// Starts a task that receives one connection's payload to its end, and returns its size.
async fn receive(
    driver: &Driver,
    wsk: &Provider,
    any: SocketAddr,
) -> Result<(SocketAddr, JoinHandle<Result<usize>>)> {
    let listener = TcpListener::bind(wsk, any).await?;
    let address = listener.local_addr().await?;
    let received = driver.spawner()?.spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut buffer = Buffer::new(800)?;
        let mut total = 0;
        loop {
            let (received, filled) = stream.recv(buffer).await.into_result()?;
            if received == 0 {
                stream.shutdown().await?;
                return Ok(total);
            }
            check(is_payload(&filled[..received], total), "the payload arrives")?;
            total += received;
            buffer = filled;
        }
    })?;
    Ok((address, received))
}
