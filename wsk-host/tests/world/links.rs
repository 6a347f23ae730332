//! Links with delays and losses, partitions, and what TCP makes of them.

use std::time::Duration;

use test_support::futures::join;
use wsk::{Buffer, Result, TcpListener, TcpStream};
use wsk_host::{Config, Link, World, run_world};
use wsk_sys::{STATUS_CONNECTION_REFUSED, STATUS_IO_TIMEOUT};

use super::driver::{Driver, at, buffer, data, pair, pair_with, receive_all};

const ADDRESS: &str = "10.0.0.2:7";

/// Sends bytes to a server, which returns them, over this link. Returns the time that it takes, and the traces.
fn echo(world: &World, link: Link, count: usize) -> (Duration, Vec<String>) {
    let (client, server) = pair(world);
    world.set_link(&client, &server, link).unwrap().keep();
    let (client, server) = (Driver::start(&client.host()), Driver::start(&server.host()));
    let sent = data(count);
    let serve = server.run(async |wsk| -> Result<()> {
        let listener = TcpListener::bind(wsk, at(ADDRESS)).await?;
        let (stream, _) = listener.accept().await?;
        let received = receive_all(&stream).await?;
        stream.send_all(buffer(&received)?).await.into_result()?;
        stream.shutdown().await
    });
    let ask = client.run(async |wsk| -> Result<()> {
        let stream = loop {
            match TcpStream::connect(wsk, at(ADDRESS)).await {
                Err(error) if error.status() == STATUS_CONNECTION_REFUSED => {}
                stream => break stream?,
            }
        };
        stream.send_all(buffer(&sent)?).await.into_result()?;
        stream.shutdown().await?;
        assert!(receive_all(&stream).await? == sent, "other bytes were received");
        Ok(())
    });
    let (served, asked) = world.block_on(join(serve, ask));
    let time = world.elapsed();
    served.unwrap();
    asked.unwrap();
    let mut trace = client.host.trace();
    trace.extend(server.host.trace());
    client.end();
    server.end();
    (time, trace)
}

#[test]
fn bytes_arrive_exactly_over_a_link_that_loses_doubles_and_reorders_packets() {
    run_world(0..8, |world| {
        let link = Link {
            latency: Duration::from_millis(1)..=Duration::from_millis(20),
            loss: 50,
            duplication: 50,
            reordering: 100,
            ..Link::default()
        };
        echo(&world, link, 200_000);
    });
}

#[test]
fn a_latency_and_a_bandwidth_take_their_time() {
    run_world(0..4, |world| {
        // The handshake and the end each way: at least four times the latency.
        let (time, _) = echo(&world, Link::with_latency(Duration::from_millis(500)), 10);
        assert!((2000..4000).contains(&time.as_millis()), "{time:?}");
    });
    run_world(0..4, |world| {
        // 100 kB both ways at 1 MB/s.
        let link =
            Link { bandwidth: Some(8_000_000), ..Link::with_latency(Duration::from_millis(1)) };
        let (time, _) = echo(&world, link, 100_000);
        assert!((200..600).contains(&time.as_millis()), "{time:?}");
    });
}

#[test]
fn the_same_seed_makes_the_same_run_and_another_seed_another() {
    let link = || Link {
        latency: Duration::from_millis(1)..=Duration::from_millis(20),
        loss: 30,
        ..Link::default()
    };
    let run = |seed| {
        let world = World::new(seed);
        let _entered = world.enter();
        echo(&world, link(), 50_000)
    };
    for seed in 0..8 {
        let (first, again) = (run(seed), run(seed));
        assert_eq!(first.0, again.0);
        assert_eq!(first.1, again.1);
        assert_ne!(first.0, run(seed + 100).0);
    }
}

#[test]
fn a_small_mtu_carries_the_same_bytes() {
    run_world(0..4, |world| {
        echo(&world, Link { mtu: 1280, ..Link::with_latency(Duration::from_millis(1)) }, 50_000);
    });
}

/// A connection between the machines: the client's side, and the server's with its listener.
async fn connect(client: &Driver, server: &Driver) -> (TcpStream, (TcpStream, TcpListener)) {
    let listener = server.run(async |wsk| TcpListener::bind(wsk, at(ADDRESS)).await).await.unwrap();
    let accept = server.run(async |_| {
        let (stream, _) = listener.accept().await.unwrap();
        (stream, listener)
    });
    let connect = client.run(async |wsk| TcpStream::connect(wsk, at(ADDRESS)).await.unwrap());
    join(connect, accept).await
}

#[test]
fn data_behind_a_partition_times_out_and_a_request_for_a_connection_too() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        world.block_on(async {
            let (stream, (accepted, listener)) = connect(&one, &other).await;
            let partition = world.partition(&client, &server);
            let begin = world.elapsed();
            let status = one
                .run(async |_| {
                    stream.send_all(buffer(b"data").unwrap()).await.into_result().unwrap();
                    let result = stream.recv(Buffer::new(10).unwrap()).await.into_result();
                    drop(stream);
                    result.unwrap_err().status()
                })
                .await;
            assert_eq!(status, STATUS_IO_TIMEOUT);
            let time = world.elapsed().saturating_sub(begin);
            assert!((21..23).contains(&time.as_secs()), "{time:?}");
            let request = one.run(async |wsk| TcpStream::connect(wsk, at(ADDRESS)).await.map(drop));
            assert_eq!(request.await.unwrap_err().status(), STATUS_IO_TIMEOUT);
            drop(partition);
            other.run(async |_| drop((accepted, listener))).await;
        });
        one.end();
        other.end();
    });
}

#[test]
fn a_partition_that_ends_in_time_only_delays() {
    run_world(0..8, |world| {
        let config = Config::default().partial_receives(false);
        let (client, server) = pair_with(&world, config);
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        world.block_on(async {
            let (stream, (accepted, listener)) = connect(&one, &other).await;
            // One way: the data arrives, and its acknowledgment does not.
            let partition = world.partition_one_way(&server, &client);
            one.run(async |_| {
                stream.send_all(buffer(b"data").unwrap()).await.into_result().unwrap();
            })
            .await;
            let answer = other.run(async |_| {
                let (count, filled) =
                    accepted.recv(Buffer::new(10).unwrap()).await.into_result().unwrap();
                assert_eq!(&filled[..count], b"data");
                wsk::time::sleep(Duration::from_secs(5)).await.unwrap();
                drop(partition);
                accepted.send_all(buffer(b"answer").unwrap()).await.into_result().unwrap();
            });
            let wait = one.run(async |_| {
                let (count, filled) =
                    stream.recv(Buffer::new(10).unwrap()).await.into_result().unwrap();
                assert_eq!(&filled[..count], b"answer");
            });
            join(answer, wait).await;
            assert!(world.elapsed() >= Duration::from_secs(5));
            one.run(async |_| drop(stream)).await;
            other.run(async |_| drop((accepted, listener))).await;
        });
        one.end();
        other.end();
    });
}

#[test]
fn a_receiver_without_room_stops_its_sender_and_is_probed_until_it_has_room() {
    run_world(0..8, |world| {
        let config = Config::default().window(4096);
        let (client, server) = pair_with(&world, config);
        let (one, other) = (Driver::start(&client.host()), Driver::start(&server.host()));
        world.block_on(async {
            let (stream, (accepted, listener)) = connect(&one, &other).await;
            let sent = data(50_000);
            let send = one.run(async |_| {
                stream.send_all(buffer(&sent).unwrap()).await.into_result().unwrap();
                stream.shutdown().await.unwrap();
                let finished = world.elapsed();
                assert_eq!(receive_all(&stream).await.unwrap(), b"");
                drop(stream);
                finished
            });
            // Longer than a peer that does not answer is waited for.
            let receive = other.run(async |_| {
                wsk::time::sleep(Duration::from_secs(60)).await.unwrap();
                let received = receive_all(&accepted).await.unwrap();
                accepted.shutdown().await.unwrap();
                drop((accepted, listener));
                received
            });
            let (finished, received) = join(send, receive).await;
            assert!(received == sent);
            assert!(finished >= Duration::from_secs(60), "{finished:?}");
        });
        one.end();
        other.end();
    });
}
