//! Chains of buffers.

use std::net::Ipv4Addr;
use std::time::Duration;

use test_support::connection::{sockets, streams};
use test_support::futures::join;
use test_support::scenario::{on, on_host, timings, with_all_timings, with_whole_receives};
use wsk::socket::{ConnectionSocket, Family};
use wsk::{Buffer, Chain, ErrorKind, Slice, TcpListener, UdpSocket, time};
use wsk_host::{Config, Host, Timing};

use crate::sweep::sweep;

/// Sizes of parts: of one byte, of a page and more, and of many in all.
const SIZES: &[usize] = &[1, 30, 5000, 2, 1, 4096, 700, 17, 3, 1];

/// Bytes that differ from their neighbors.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n ^ (n >> 8)).to_le_bytes()[0]).collect()
}

/// A chain of parts of these sizes, each in the middle of a larger buffer.
fn parts(sizes: &[usize]) -> wsk::Result<Chain> {
    let mut chain = Chain::new();
    for size in sizes {
        chain.push_back(Buffer::new(size + 7)?.slice(3..3 + size)?).expect("no part is empty");
    }
    Ok(chain)
}

/// A chain of parts of these sizes, with these bytes.
fn filled(sizes: &[usize], mut bytes: &[u8]) -> wsk::Result<Chain> {
    let mut chain = parts(sizes)?;
    for part in &mut chain {
        let (first, rest) = bytes.split_at(part.len());
        part.copy_from_slice(first);
        bytes = rest;
    }
    Ok(chain)
}

fn bytes(chain: &Chain) -> Vec<u8> {
    chain.iter().flatten().copied().collect()
}

/// The bytes around the parts are as they were.
fn assert_margins(chain: Chain) {
    for part in chain {
        let buffer = part.into_inner();
        let (before, after) = (&buffer[..3], &buffer[buffer.len() - 4..]);
        assert_eq!((before, after), (&[0; 3][..], &[0; 4][..]));
    }
}

#[test]
fn parts_come_back_in_order_with_their_whole_buffers() {
    let mut chain = filled(&[2, 1], b"123").unwrap();
    chain.push_front(Buffer::try_from(b"ABC").unwrap()).unwrap();
    let mut other = Chain::from(Buffer::try_from(b"z").unwrap());
    chain.append(&mut other);
    chain.append(&mut other);
    assert_eq!((chain.len(), chain.iter().len(), other.is_empty()), (7, 4, true));
    assert_eq!(bytes(&chain), b"ABC123z");
    assert_eq!(format!("{chain:?}"), "[3, 2, 1, 1]");
    let taken: Vec<Slice> = chain.into_iter().collect();
    let taken: Vec<_> =
        taken.into_iter().map(|part| (part.to_vec(), part.into_inner().len())).collect();
    let expected = [(&b"ABC"[..], 3), (b"12", 9), (b"3", 8), (b"z", 1)];
    assert_eq!(taken, expected.map(|(part, size)| (part.to_vec(), size)));
}

#[test]
fn an_empty_part_is_refused() {
    let mut chain = Chain::new();
    assert_eq!(chain.push_back(Buffer::empty()).unwrap_err().len(), 0);
    let refused = chain.push_front(Buffer::new(4).unwrap().slice(4..).unwrap()).unwrap_err();
    assert_eq!(refused.into_inner().len(), 4);
    assert_eq!((chain.len(), chain.is_empty(), chain.pop_front().is_none()), (0, true, true));
    assert!(Chain::from(Buffer::empty()).is_empty());
}

/// A part that was taken out can be used alone, as a whole and in another chain.
#[test]
fn a_buffer_is_as_it_was_after_it_has_been_a_part() {
    with_whole_receives(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (sent, mut chain) = client.send_all(filled(&[2, 3], b"ab123")?).await.into_result()?;
        assert_eq!(sent, 5);
        let mut part = chain.pop_front().expect("there are two").into_inner();
        part.copy_from_slice(b"123456789");
        chain.push_front(part.slice(1..3)?).expect("it has bytes");
        let (_, mut chain) = client.send_all(chain).await.into_result()?;
        let whole = chain.pop_front().expect("there are two").into_inner();
        client.send_all(whole).await.into_result()?;
        let ((), received) = server.recv_exact(Buffer::new(19)?).await.into_result()?;
        assert_eq!(&received[..], b"ab12323123123456789");
        Ok(())
    });
}

/// The sending side resumes in the middle of parts, as the receiving side does.
#[test]
fn a_chain_arrives_as_one_stream_of_bytes() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        let count = SIZES.iter().sum();
        let sent = async {
            let chain = filled(SIZES, &pattern(count))?;
            let (sent, chain) = client.send_all(chain).await.into_result()?;
            assert_eq!((sent, bytes(&chain)), (count, pattern(count)));
            client.shutdown_with(filled(&[2, 4], b"at end")?).await.into_result()
        };
        let received = async {
            let other_sizes = [3, 4000, 1, 1, count - 4007, 2];
            let ((), first) = server.receive_exact(parts(&other_sizes)?).await.into_result()?;
            assert_eq!(bytes(&first), pattern(count));
            assert_margins(first);
            let (received, last) = server.receive_full(parts(&[5, 1, 10])?).await.into_result()?;
            assert_eq!((received, &bytes(&last)[..6]), (6, &b"at end"[..]));
            assert_eq!(last.iter().len(), 3);
            Ok::<_, wsk::Error>(())
        };
        let (sent, received) = join(sent, received).await;
        sent?;
        received
    });
}

/// What a receive has got whose future was dropped, in the middle of a part, is in no part of the next one twice.
#[test]
fn a_dropped_receive_loses_no_byte_of_a_chain() {
    let config = Config::default();
    for timing in timings() {
        on(config.timing(timing), async |wsk| {
            let (client, server) = streams(&wsk).await?;
            let count = SIZES.iter().sum();
            let sent = async {
                let mut all = &pattern(count)[..];
                for size in SIZES {
                    let (first, rest) = all.split_at(*size);
                    client.send_all(Buffer::try_from(first)?).await.into_result()?;
                    time::sleep(Duration::from_millis(2)).await?;
                    all = rest;
                }
                client.shutdown().await
            };
            let received = async {
                let mut all = Vec::new();
                loop {
                    let receive = server.recv_full(parts(&[7, 1, 900, 2])?);
                    match time::timeout(Duration::from_millis(1), receive).await {
                        Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                        Ok(result) => {
                            let (count, chain) = result.into_result()?;
                            all.extend_from_slice(&bytes(&chain)[..count]);
                            if count < 910 {
                                return Ok::<_, wsk::Error>(all);
                            }
                        }
                    }
                    let receive = server.recv(parts(&[2, 1, 30])?);
                    if let Ok(result) = time::timeout(Duration::from_millis(1), receive).await {
                        let (count, chain) = result.into_result()?;
                        all.extend_from_slice(&bytes(&chain)[..count]);
                    }
                }
            };
            let (sent, received) = join(sent, received).await;
            sent?;
            assert!(received? == pattern(count), "other bytes arrived");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn a_datagram_is_gathered_and_scattered() {
    with_all_timings(async |wsk| {
        let receiver = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let to = receiver.local_addr().await?;
        let sender = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let sizes = [4, 1, 1000];
        let (sent, _) = sender.send_to(filled(&sizes, &pattern(1005))?, to).await.into_result()?;
        assert_eq!(sent, 1005);
        let result = receiver.recv_from(parts(&[1, 2, 1500])?).await.into_result()?;
        let ((received, _), chain) = result;
        assert_eq!((received, &bytes(&chain)[..1005]), (1005, &pattern(1005)[..]));
        assert_margins(chain);

        // One whose receive was dropped is copied from parts to parts.
        let dropped = receiver.recv_from(parts(&[5, 2000])?);
        assert!(time::timeout(Duration::from_millis(1), dropped).await.is_err());
        sender.send_to(filled(&sizes, &pattern(1005))?, to).await.into_result()?;
        let result = receiver.recv_from(parts(&[3, 3, 1500])?).await.into_result()?;
        let ((received, _), chain) = result;
        assert_eq!((received, &bytes(&chain)[..1005]), (1005, &pattern(1005)[..]));
        Ok(())
    });
}

#[test]
fn the_first_data_of_a_connection_are_gathered() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let to = listener.local_addr().await?;
        let socket =
            ConnectionSocket::builder(&wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
        let connects = socket.connect_with_data(to, filled(&[3, 2], b"hello")?);
        let (connected, accepted) = join(connects, listener.accept()).await;
        let (client, _) = connected.into_result()?;
        let (server, _) = accepted?;
        let ((), received) = server.recv_exact(parts(&[1, 4])?).await.into_result()?;
        assert_eq!(bytes(&received), b"hello");
        drop(client);
        Ok(())
    });
}

#[test]
fn a_warm_chain_allocates_nothing() {
    for timing in timings().take(2) {
        let host = Host::new(Config::default().timing(timing).partial_receives(false));
        on_host(&host, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            let (mut sends, mut receives) = (filled(&[3, 9], b"hello, world")?, parts(&[8, 4])?);
            let mut warm = 0;
            for round in 0..10 {
                if round == 3 {
                    warm = host.allocations();
                }
                sends = client.send_all(sends).await.into_result()?.1;
                receives = server.recv_exact(receives).await.into_result()?.1;
                assert_eq!(bytes(&receives), b"hello, world");
            }
            assert_eq!(host.allocations(), warm);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn a_chain_is_one_request() {
    let host = Host::new(Config::default().timing(Timing::Inline).partial_receives(false));
    on_host(&host, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(filled(&[3, 9], b"hello, world")?).await.into_result()?;
        let ((), received) = server.recv_exact(parts(&[1, 4, 5, 2])?).await.into_result()?;
        assert_eq!(bytes(&received), b"hello, world");
        let calls = |name| host.trace().iter().filter(|line| line.contains(name)).count();
        assert_eq!((calls("WskSend"), calls("WskReceive")), (1, 1), "{:?}", host.trace());
        Ok(())
    })
    .unwrap();
}

#[test]
fn chains_survive_each_failing_allocation() {
    sweep(10, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(filled(&[3, 2], b"hello")?).await.into_result()?;
        let ((), received) = server.recv_exact(parts(&[1, 4])?).await.into_result()?;
        assert_eq!(bytes(&received), b"hello");
        Ok(())
    });
}
