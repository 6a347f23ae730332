//! Connections on the machine's network, beside those of `std`.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Instant;

use wsk::rt::Spawner;
use wsk::{Buffer, Provider, TcpListener, TcpStream};
use wsk_host::{Config, Network};

use crate::{each, on_host};

fn real() -> Config {
    Config { network: Network::Real, ..Config::default() }
}

/// Connects to a server of `std`'s, one connection after the other.
pub(crate) fn short_connections(count: u32) {
    let server = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let serving = thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = server.accept().unwrap();
            // The client closes first.
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    });
    let time = on_host(real(), async |wsk, _| {
        each(count, async |_| {
            let stream = TcpStream::connect(wsk, address).await?;
            stream.shutdown().await?;
            assert_eq!(stream.recv(Buffer::new(1)?).await.0?, 0);
            Ok(())
        })
        .await
    });
    serving.join().unwrap();
    println!(
        "{count} short connections on this machine's network: {:.2} microseconds each",
        time * 1e6
    );
}

/// Connects many sockets at once to a listener that accepts them one after the other: on a host, and with `std`, by
/// 64 threads.
pub(crate) fn connections_at_once(count: usize) {
    let start = Instant::now();
    with_std(count);
    let plain = start.elapsed().as_secs_f64();
    let start = Instant::now();
    on_host(real(), async |wsk, spawner| with_host(wsk, spawner, count).await);
    let host = start.elapsed().as_secs_f64();
    println!(
        "{count} simultaneous connects on this machine's network: {host:.3} s, with std {plain:.3} s, ratio {:.2}",
        host / plain
    );
}

async fn with_host(wsk: &Provider, spawner: &Spawner, count: usize) -> wsk::Result<()> {
    let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    let address: SocketAddr = listener.local_addr().await?;
    let connects: Vec<_> = (0..count)
        .map(|_| {
            let wsk = wsk.clone();
            spawner.spawn(async move { TcpStream::connect(&wsk, address).await })
        })
        .collect::<wsk::Result<_>>()?;
    let mut accepted = Vec::new();
    for _ in 0..count {
        accepted.push(listener.accept().await?);
    }
    for connect in connects {
        accepted.push((connect.await??, address));
    }
    assert_eq!(accepted.len(), 2 * count);
    Ok(())
}

fn with_std(count: usize) {
    const THREADS: usize = 64;
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connecting: Vec<_> = (0..THREADS)
        .map(|thread| {
            let own = (thread..count).step_by(THREADS).count();
            thread::spawn(move || {
                let connect = |_| std::net::TcpStream::connect(address).unwrap();
                (0..own).map(connect).collect::<Vec<_>>()
            })
        })
        .collect();
    let accepted: Vec<_> = (0..count).map(|_| listener.accept().unwrap()).collect();
    let streams: Vec<_> =
        connecting.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!((accepted.len(), streams.len()), (count, count));
}
