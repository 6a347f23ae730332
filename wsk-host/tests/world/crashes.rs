//! Machines that crash and start again.

use std::time::Duration;

use test_support::futures::join;
use wsk::{Buffer, TcpListener, TcpStream};
use wsk_host::{Machine, World, run_world};
use wsk_sys::{STATUS_CONNECTION_RESET, STATUS_FILE_FORCED_CLOSED, STATUS_IO_TIMEOUT};

use super::driver::{Driver, at, buffer, pair, receive_all};

const ADDRESS: &str = "10.0.0.2:7";

/// A connection of the client to the server, whose driver then crashes with its machine.
async fn connect_and_crash(world: &World, one: &Driver, server: &Machine) -> TcpStream {
    let other = Driver::start(&server.host());
    let listener = other.run(async |wsk| TcpListener::bind(wsk, at(ADDRESS)).await.unwrap()).await;
    let connect = one.run(async |wsk| TcpStream::connect(wsk, at(ADDRESS)).await.unwrap());
    let accept = other.run(async |_| listener.accept().await.unwrap());
    let (stream, (accepted, _)) = join(connect, accept).await;
    let wait = other.run(async |_| {
        let received = accepted.recv(Buffer::new(10).unwrap()).await.into_result();
        assert_eq!(received.unwrap_err().status(), STATUS_FILE_FORCED_CLOSED);
        drop((accepted, listener));
    });
    let before = world.elapsed();
    join(wait, async { server.crash() }).await;
    assert!(world.elapsed().saturating_sub(before) < Duration::from_secs(1));
    other.end();
    stream
}

#[test]
fn a_crash_is_silent_and_the_peer_learns_of_it_by_its_time_out() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let one = Driver::start(&client.host());
        world.block_on(async {
            let stream = connect_and_crash(&world, &one, &server).await;
            one.run(async |_| {
                // The connection is half open: without data, nothing happens to it.
                wsk::time::sleep(Duration::from_secs(300)).await.unwrap();
                stream.send_all(buffer(b"data").unwrap()).await.into_result().unwrap();
                let received = stream.recv(Buffer::new(10).unwrap()).await.into_result();
                assert_eq!(received.unwrap_err().status(), STATUS_IO_TIMEOUT);
                drop(stream);
            })
            .await;
        });
        one.end();
    });
}

#[test]
fn a_machine_that_has_started_again_resets_the_connections_of_before() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let one = Driver::start(&client.host());
        world.block_on(async {
            let stream = connect_and_crash(&world, &one, &server).await;
            let former = server.host();
            let other = Driver::start(&server.restart().unwrap());
            assert!(!former.kernel().is_same(other.host.kernel()));
            one.run(async |_| {
                stream.send_all(buffer(b"data").unwrap()).await.into_result().unwrap();
                let received = stream.recv(Buffer::new(10).unwrap()).await.into_result();
                assert_eq!(received.unwrap_err().status(), STATUS_CONNECTION_RESET);
                drop(stream);
            })
            .await;
            // It is reached again, at the same port.
            let listener =
                other.run(async |wsk| TcpListener::bind(wsk, at(ADDRESS)).await.unwrap());
            let listener = listener.await;
            let ask = one.run(async |wsk| {
                let stream = TcpStream::connect(wsk, at(ADDRESS)).await.unwrap();
                stream.send_all(buffer(b"again").unwrap()).await.into_result().unwrap();
                stream.shutdown().await.unwrap();
                assert_eq!(receive_all(&stream).await.unwrap(), b"");
            });
            let serve = other.run(async |_| {
                let (stream, _) = listener.accept().await.unwrap();
                assert_eq!(receive_all(&stream).await.unwrap(), b"again");
                stream.shutdown().await.unwrap();
                drop((stream, listener));
            });
            join(ask, serve).await;
            other.end();
        });
        one.end();
    });
}

#[test]
fn only_a_machine_that_has_crashed_starts_again() {
    let world = World::new(0);
    let (client, _) = pair(&world);
    assert_eq!(
        client.restart().unwrap_err().to_string(),
        "the machine `client` is up: only one that has crashed starts again"
    );
}
