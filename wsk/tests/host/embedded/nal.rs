//! Connections and names of `embedded-nal-async`.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use embedded_io_async::{ErrorKind as Kind, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use test_support::futures::{join, poll_times};
use test_support::scenario::{on_host, timings, with_all_timings};
use wsk::{Error, ErrorKind, TcpListener};
use wsk_host::{Config, Host};

use crate::sweep::sweep;

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Sends a word to a host, and reads the answer to its end. Knows nothing of WSK.
async fn ask<N: TcpConnect + Dns<Error = <N as TcpConnect>::Error>>(
    network: &N,
    (host, port): (&str, u16),
    word: &[u8],
) -> Result<Vec<u8>, <N as TcpConnect>::Error> {
    let address = network.get_host_by_name(host, AddrType::IPv4).await?;
    let mut connection = network.connect(SocketAddr::new(address, port)).await?;
    connection.write_all(word).await?;
    connection.flush().await?;
    let (mut answer, mut slice) = (Vec::new(), [0; 7]);
    loop {
        match connection.read(&mut slice).await? {
            0 => return Ok(answer),
            count => answer.extend_from_slice(&slice[..count]),
        }
    }
}

/// Serves one connection: receives a word of `size` bytes and sends it twice.
async fn twice(listener: TcpListener, size: usize) -> wsk::Result<()> {
    let mut stream = listener.accept().await?.0.buffered();
    let mut word = vec![0; size];
    stream.read_exact(&mut word).await?;
    stream.write_all(&word).await?;
    stream.write_all(&word).await?;
    stream.shutdown().await?;
    // The client closes, which the traits have no shutdown before.
    let error = stream.read(&mut word).await.unwrap_err();
    if error.kind() == ErrorKind::ConnectionReset { Ok(()) } else { Err(error) }
}

#[test]
fn a_host_is_reached_by_its_name() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ANY).await?;
        let server = ("localhost", listener.local_addr().await?.port());
        let (answer, served) = join(ask(&wsk, server, b"word"), twice(listener, 4)).await;
        served?;
        assert_eq!(answer?, b"wordword");
        // By a reference, as clients of others keep it.
        let network = &wsk;
        let error = ask(&network, server, b"word").await.unwrap_err();
        assert_eq!(embedded_io_async::Error::kind(&error), Kind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn a_look_up_returns_the_requested_family() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let (v4, v6) =
            (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1));
        host.add_name("both.example", v6);
        host.add_name("both.example", v4);
        host.add_name("four.example", v4);
        on_host(&host, async |wsk| {
            let ask = async |name, family| wsk.get_host_by_name(name, family).await;
            assert_eq!(ask("both.example", AddrType::IPv4).await?, v4);
            assert_eq!(ask("both.example", AddrType::IPv6).await?, v6);
            assert_eq!(ask("both.example", AddrType::Either).await?, v6);
            assert_eq!(ask("four.example", AddrType::Either).await?, v4);
            for (name, family) in
                [("four.example", AddrType::IPv6), ("none.example", AddrType::Either)]
            {
                let error: Error = ask(name, family).await.unwrap_err();
                assert_eq!(embedded_io_async::Error::kind(&error), Kind::NotFound);
            }
            // Nothing is lost by not waiting.
            assert_ne!(
                poll_times(ask("both.example", AddrType::IPv4), 1).await,
                Some(Ok(v6.into()))
            );

            let mut name = [0; 255];
            let length = wsk.get_host_by_address(IpAddr::V4(v4), &mut name).await?;
            assert!([&b"both.example"[..], b"four.example"].contains(&&name[..length]));
            let error = wsk.get_host_by_address(v4.into(), &mut name[..11]).await.unwrap_err();
            assert_eq!(embedded_io_async::Error::kind(&error), Kind::InvalidInput);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

#[test]
fn a_dropped_connect_leaves_nothing() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ANY).await?;
        let server = listener.local_addr().await?;
        for polls in 0..4 {
            drop(poll_times(TcpConnect::connect(&wsk, server), polls).await);
        }
        let (connected, accepted) =
            join(TcpConnect::connect(&wsk, server), async { listener.accept().await }).await;
        connected?.close().await;
        accepted.map(drop)
    });
}

#[test]
fn a_client_survives_every_failing_allocation() {
    sweep(8, async |wsk| {
        let listener = TcpListener::bind(&wsk, ANY).await?;
        let server = ("localhost", listener.local_addr().await?.port());
        let mut client = pin!(ask(&wsk, server, b"word"));
        let mut serving = pin!(twice(listener, 4));
        // The failing side ends the other one, whose error is only a consequence.
        let answer = poll_fn(|context| match client.as_mut().poll(context) {
            Poll::Pending => match serving.as_mut().poll(context) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            },
            ready @ Poll::Ready(_) => ready,
        })
        .await;
        assert_eq!(answer?, b"wordword");
        Ok(())
    });
}
