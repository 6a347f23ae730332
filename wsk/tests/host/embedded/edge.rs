//! The traits of `edge-nal`, used by code that knows nothing of WSK.

use std::net::{Ipv4Addr, SocketAddr};

use edge_nal::{
    Close, MulticastV4, Readable, TcpAccept, TcpBind, TcpConnect, TcpShutdown, TcpSplit, UdpBind,
    UdpConnect, UdpReceive, UdpSend, UdpSplit,
};
use embedded_io_async::{Read, Write};
use test_support::futures::join;
use test_support::scenario::with_all_timings;
use wsk::UdpSocket;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Accepts a connection, and sends back what arrives, through its halves.
async fn echo<A: TcpAccept>(listener: &A) -> Result<SocketAddr, A::Error> {
    let (peer, mut socket) = listener.accept().await?;
    let mut bytes = [0; 10];
    socket.readable().await?;
    let (mut reader, mut writer) = socket.split();
    loop {
        match reader.read(&mut bytes).await? {
            0 => break,
            count => writer.write_all(&bytes[..count]).await?,
        }
    }
    drop((reader, writer));
    socket.close(Close::Both).await?;
    Ok(peer)
}

async fn ask<N: TcpConnect>(network: &N, server: SocketAddr) -> Result<Vec<u8>, N::Error> {
    let mut socket = network.connect(server).await?;
    socket.write_all(b"some words").await?;
    socket.close(Close::Write).await?;
    let (mut answer, mut bytes) = (Vec::new(), [0; 4]);
    loop {
        match socket.read(&mut bytes).await? {
            0 => return Ok(answer),
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
}

#[test]
fn a_server_and_a_client_of_the_traits_talk() {
    with_all_timings(async |wsk| {
        let listener = TcpBind::bind(&wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        let (peer, answer) = join(echo(&listener), ask(&wsk, address)).await;
        assert!(peer?.ip().is_loopback());
        assert_eq!(answer?, b"some words");
        Ok(())
    });
}

/// Exchanges datagrams of a bound and a connected socket, and through their halves.
async fn exchange<N>(network: &N, address: SocketAddr) -> Result<(), <N as UdpBind>::Error>
where
    N: UdpBind + UdpConnect<Error = <N as UdpBind>::Error>,
{
    let mut server = UdpBind::bind(network, address).await?;
    let mut client = UdpConnect::connect(network, LOCAL, address).await?;
    // The address is ignored.
    client.send(LOCAL, b"question").await?;
    let mut bytes = [0; 4];
    let (count, peer) = server.receive(&mut bytes).await?;
    assert_eq!((count, &bytes), (8, b"ques"), "the size is that of the whole");
    {
        let (mut receiver, mut sender) = server.split();
        sender.send(peer, b"one").await?;
        let (mut answer, mut again) = client.split();
        answer.readable().await?;
        let (count, from) = answer.receive(&mut bytes).await?;
        assert_eq!((&bytes[..count], from), (&b"one"[..], address));
        again.send(LOCAL, b"two").await?;
        receiver.readable().await?;
        assert_eq!(receiver.receive(&mut bytes).await?, (3, peer));
    }
    let group = Ipv4Addr::new(239, 1, 2, 3);
    server.join_v4(group, Ipv4Addr::UNSPECIFIED).await?;
    server.leave_v4(group, Ipv4Addr::UNSPECIFIED).await
}

#[test]
fn datagrams_of_the_traits_are_exchanged() {
    with_all_timings(async |wsk| {
        // A port that was just free.
        let socket = UdpSocket::bind(&wsk, LOCAL).await?;
        let address = socket.local_addr().await?;
        socket.close().await;
        exchange(&wsk, address).await
    });
}
