//! Datagrams between machines.

use std::time::Duration;

use wsk::{Buffer, ErrorKind, UdpSocket};
use wsk_host::{Link, run_world};

use super::driver::{Driver, at, buffer, data, ip, pair};

/// The datagrams of the client that arrive until a second is quiet.
async fn receive_all(receiver: &UdpSocket) -> Vec<Vec<u8>> {
    receiver.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut all = Vec::new();
    let mut room = Buffer::new(65_000).unwrap();
    loop {
        match receiver.recv_from(room).await.into_result() {
            Ok(((size, from), filled)) => {
                assert!([ip("10.0.0.1"), ip("fd00::1")].contains(&from.ip()));
                all.push(filled[..size].to_vec());
                room = filled;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return all;
            }
        }
    }
}

#[test]
fn datagrams_arrive_once_twice_or_not_as_the_link_decides() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let latency = Duration::from_millis(1)..=Duration::from_millis(10);
        let link =
            Link { latency, loss: 200, duplication: 200, reordering: 500, ..Link::default() };
        world.set_link_one_way(&client, &server, link).unwrap().keep();
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        world.block_on(async {
            let to = at("10.0.0.2:53");
            let receiver = other.run(async |wsk| UdpSocket::bind(wsk, to).await.unwrap()).await;
            one.run(async |wsk| {
                let sender = UdpSocket::bind(wsk, at("0.0.0.0:0")).await.unwrap();
                for number in 0..200_u8 {
                    let bytes = buffer(&[number]).unwrap();
                    sender.send_to(bytes, to).await.into_result().unwrap();
                }
            })
            .await;
            let numbers = other
                .run(async |_| {
                    let numbers: Vec<u8> = receive_all(&receiver).await.concat();
                    drop(receiver);
                    numbers
                })
                .await;
            let mut different = numbers.clone();
            different.sort_unstable();
            different.dedup();
            // 200 with a loss of a fifth, of which a fifth is doubled.
            assert!((130..=185).contains(&different.len()), "{}", different.len());
            assert!(numbers.len() > different.len() + 10, "{}", numbers.len());
            assert!(!numbers.is_sorted());
        });
        one.end();
        other.end();
    });
}

#[test]
fn a_large_datagram_arrives_whole_and_is_lost_more_often() {
    run_world(0..4, |world| {
        let (client, server) = pair(&world);
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        let link = Link { loss: 50, ..Link::default() };
        world.set_link(&client, &server, link).unwrap().keep();
        world.block_on(async {
            let to = at("[fd00::2]:53");
            let receiver = other.run(async |wsk| UdpSocket::bind(wsk, to).await.unwrap()).await;
            let count = |size: usize| {
                let (one, other, receiver) = (&one, &other, &receiver);
                async move {
                    let bytes = data(size);
                    let bytes = &bytes;
                    one.run(async |wsk| {
                        let sender = UdpSocket::bind(wsk, at("[::]:0")).await.unwrap();
                        for _ in 0..100 {
                            sender.send_copy_to(bytes, to).await.unwrap();
                        }
                    })
                    .await;
                    other
                        .run(async |_| {
                            let received = receive_all(receiver).await;
                            assert!(received.iter().all(|datagram| datagram == bytes));
                            received.len()
                        })
                        .await
                }
            };
            let (small, large) = (count(100).await, count(30_000).await);
            // 0.95, and its 21st power.
            assert!((85..=100).contains(&small), "{small}");
            assert!((15..=55).contains(&large), "{large}");
            other.run(async |_| drop(receiver)).await;
        });
        one.end();
        other.end();
    });
}

#[test]
fn a_datagram_takes_the_latency() {
    run_world(0..4, |world| {
        let (client, server) = pair(&world);
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        let link = Link::with_latency(Duration::from_secs(3));
        world.set_link_one_way(&client, &server, link).unwrap().keep();
        world.block_on(async {
            let to = at("10.0.0.2:53");
            let receiver = other.run(async |wsk| UdpSocket::bind(wsk, to).await.unwrap()).await;
            let begin = world.elapsed();
            one.run(async |wsk| {
                let sender = UdpSocket::bind(wsk, at("10.0.0.1:1000")).await.unwrap();
                sender.send_to(buffer(b"x").unwrap(), to).await.into_result().unwrap();
            })
            .await;
            other
                .run(async |_| {
                    let received = receiver.recv_from(Buffer::new(10).unwrap()).await;
                    assert_eq!(received.into_result().unwrap().0, (1, at("10.0.0.1:1000")));
                    drop(receiver);
                })
                .await;
            let time = world.elapsed().saturating_sub(begin);
            assert!((3000..3100).contains(&time.as_millis()), "{time:?}");
        });
        one.end();
        other.end();
    });
}
