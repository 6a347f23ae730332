//! What the captured sockets do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wsk::irql::Passive;
use wsk::options::{ip as ipv4, ipv6};
use wsk::socket::{DatagramSocket, Family};
use wsk::{Buffer, Provider, Registration, Result, TcpListener, TcpStream, UdpSocket, rt};
use wsk_host::Host;

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// By the addresses of the sender and the receiver.
    pub(crate) streams: BTreeMap<(SocketAddr, SocketAddr), Vec<u8>>,
    /// In the order in which they were sent, with the ports of the sender and the receiver.
    pub(crate) datagrams: Vec<(u16, u16, Vec<u8>)>,
    /// The payloads of datagrams that nothing was bound for.
    pub(crate) reported: Vec<Vec<u8>>,
}

/// Bytes whose place can be told.
fn bytes(length: usize, first: u8) -> Vec<u8> {
    (0..length).map(|place| (place / 7 + place).to_le_bytes()[0].wrapping_add(first)).collect()
}

/// Makes connections and sends datagrams over both families.
pub(crate) fn carry(host: &Host) -> Carried {
    let _entered = host.enter();
    // SAFETY: the thread of a test runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive).unwrap();
    let wsk = registration.try_capture().unwrap();
    let mut carried = Carried::default();
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let scenario = async {
            exchange(&wsk, ip, &mut carried).await?;
            reset(&wsk, ip).await?;
            refused(&wsk, ip).await;
            datagrams(&wsk, ip, &mut carried).await?;
            unreachable(&wsk, ip, &mut carried).await
        };
        rt::block_on(passive, scenario).unwrap().unwrap();
    }
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    carried
}

/// A connection that carries bytes in both directions, and ends in order.
async fn exchange(wsk: &Provider, ip: IpAddr, carried: &mut Carried) -> Result<()> {
    let listener = TcpListener::bind(wsk, (ip, 0)).await?;
    let address = listener.local_addr().await?;
    let client = TcpStream::connect(wsk, address).await?;
    let (server, peer) = listener.accept().await?;
    for (length, first) in [(1, 1), (1440, 2), (1441, 3), (50_000, 4)] {
        for ((from, to), addresses) in
            [((&client, &server), (peer, address)), ((&server, &client), (address, peer))]
        {
            let bytes = bytes(length, first);
            from.send_all(Buffer::try_from(&bytes[..])?).await.into_result()?;
            let ((), received) = to.recv_exact(Buffer::new(length)?).await.into_result()?;
            assert!(received[..] == bytes);
            carried.streams.entry(addresses).or_default().extend(bytes);
        }
    }
    for stream in [&client, &server] {
        stream.shutdown().await?;
    }
    for stream in [client, server] {
        assert_eq!(stream.recv_into(&mut [0; 8]).await?, 0);
        stream.close().await;
    }
    listener.close().await;
    Ok(())
}

/// A connection that one side aborts.
async fn reset(wsk: &Provider, ip: IpAddr) -> Result<()> {
    let listener = TcpListener::bind(wsk, (ip, 0)).await?;
    let client = TcpStream::connect(wsk, listener.local_addr().await?).await?;
    let (server, _) = listener.accept().await?;
    client.send_all(Buffer::try_from(&b"lost"[..])?).await.into_result()?;
    drop(client);
    while server.recv_into(&mut [0; 8]).await.is_ok_and(|received| received > 0) {}
    Ok(())
}

/// A connection that nothing listens for.
async fn refused(wsk: &Provider, ip: IpAddr) {
    assert!(TcpStream::connect(wsk, (ip, 9)).await.is_err());
}

async fn datagrams(wsk: &Provider, ip: IpAddr, carried: &mut Carried) -> Result<()> {
    let one = UdpSocket::bind(wsk, (ip, 0)).await?;
    let other = UdpSocket::bind(wsk, (ip, 0)).await?;
    let ports = (one.local_addr().await?.port(), other.local_addr().await?.port());
    for (length, first) in [(0, 0), (1, 5), (1400, 6), (9000, 7)] {
        let bytes = bytes(length, first);
        one.send_copy_to(&bytes, (ip, ports.1)).await?;
        let mut received = vec![0; 10_000];
        let (count, _) = other.recv_from_into(&mut received).await?;
        assert!(received[..count] == bytes);
        carried.datagrams.push((ports.0, ports.1, bytes));
    }
    Ok(())
}

/// A datagram that nothing is bound for, which an ICMP error reports.
async fn unreachable(wsk: &Provider, ip: IpAddr, carried: &mut Carried) -> Result<()> {
    let unbound = {
        let socket = UdpSocket::bind(wsk, (ip, 0)).await?;
        let address = socket.local_addr().await?;
        socket.close().await;
        address
    };
    let family = if ip.is_ipv4() { Family::INET } else { Family::INET6 };
    let socket = DatagramSocket::builder(wsk, family).bind(SocketAddr::new(ip, 0)).await?;
    if ip.is_ipv4() {
        socket.set(ipv4::RECEIVE_ERRORS, true).await?;
    } else {
        socket.set(ipv6::RECEIVE_ERRORS, true).await?;
    }
    let socket = UdpSocket::from(socket);
    let bytes = bytes(600, 8);
    socket.send_copy_to(&bytes, unbound).await?;
    assert!(socket.recv_from_into(&mut [0; 100]).await.is_err());
    carried.datagrams.push((socket.local_addr().await?.port(), unbound.port(), bytes.clone()));
    carried.reported.push(bytes);
    Ok(())
}

/// A connection to a server of another program, which returns what it gets.
pub(crate) fn carry_elsewhere(host: &Host) -> Carried {
    let server = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (stream, peer) = server.accept().unwrap();
        std::io::copy(&mut &stream, &mut &stream).unwrap();
        peer
    });
    let _entered = host.enter();
    // SAFETY: the thread of a test runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive).unwrap();
    let wsk = registration.try_capture().unwrap();
    let bytes = bytes(20_000, 9);
    let scenario = async {
        let client = TcpStream::connect(&wsk, address).await?;
        client.send_all(Buffer::try_from(&bytes[..])?).await.into_result()?;
        let ((), received) = client.recv_exact(Buffer::new(bytes.len())?).await.into_result()?;
        assert!(received[..] == bytes);
        client.shutdown().await?;
        assert_eq!(client.recv_into(&mut [0; 8]).await?, 0);
        client.close().await;
        Ok::<_, wsk::Error>(())
    };
    rt::block_on(passive, scenario).unwrap().unwrap();
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    let peer = host.blocking(|| echo.join().unwrap());
    let streams = [((peer, address), bytes.clone()), ((address, peer), bytes)];
    Carried { streams: streams.into(), ..Carried::default() }
}
