//! Connections over perfect links.

use test_support::futures::join;
use wsk::net::lookup_host;
use wsk::{Result, TcpListener, TcpStream};
use wsk_host::{Config, Windows, run_world};
use wsk_sys::{
    STATUS_CONNECTION_REFUSED, STATUS_HOST_UNREACHABLE, STATUS_INVALID_ADDRESS_COMPONENT,
    STATUS_NETWORK_UNREACHABLE,
};

use super::driver::{Driver, at, buffer, data, ip, pair, receive_all};

#[test]
fn two_machines_connect_and_exchange_bytes_in_both_directions() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let (client, server) = (Driver::start(&client.host()), Driver::start(&server.host()));
        for address in ["10.0.0.2:7", "[fd00::2]:7"].map(at) {
            let sent = data(100_000);
            let serve = server.run(async |wsk| -> Result<()> {
                let listener = TcpListener::bind(wsk, address).await?;
                let (stream, peer) = listener.accept().await?;
                assert_eq!(stream.local_addr().await?, address);
                assert_eq!(stream.peer_addr().await?, peer);
                let received = receive_all(&stream).await?;
                stream.send_all(buffer(&received)?).await.into_result()?;
                stream.shutdown().await
            });
            let ask = client.run(async |wsk| -> Result<()> {
                // The listener may not be bound yet: a refusal says so.
                let stream = loop {
                    match TcpStream::connect(wsk, address).await {
                        Err(error) if error.status() == STATUS_CONNECTION_REFUSED => {}
                        stream => break stream?,
                    }
                };
                assert_eq!(stream.peer_addr().await?, address);
                let local = stream.local_addr().await?.ip();
                assert_eq!(local, ip(if address.is_ipv4() { "10.0.0.1" } else { "fd00::1" }));
                stream.send_all(buffer(&sent)?).await.into_result()?;
                stream.shutdown().await?;
                assert_eq!(receive_all(&stream).await?, sent);
                Ok(())
            });
            let (served, asked) = world.block_on(join(serve, ask));
            served.unwrap();
            asked.unwrap();
        }
        client.end();
        server.end();
    });
}

#[test]
fn a_machine_reaches_itself_at_each_of_its_addresses_and_each_has_its_own_ports() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let (client, server) = (Driver::start(&client.host()), Driver::start(&server.host()));
        // The same port on both.
        for (driver, own) in [(&client, "10.0.0.1"), (&server, "10.0.0.2")] {
            let wait = driver.run(async |wsk| -> Result<()> {
                let listener = TcpListener::bind(wsk, at("0.0.0.0:80")).await?;
                for address in [own, "127.0.0.1"] {
                    let remote = (ip(address), 80).into();
                    let (stream, accepted) =
                        join(TcpStream::connect(wsk, remote), listener.accept()).await;
                    let ((accepted, peer), stream) = (accepted?, stream?);
                    assert_eq!((accepted.local_addr().await?, peer.ip()), (remote, ip(address)));
                    stream.shutdown().await?;
                    assert_eq!(receive_all(&accepted).await?, b"");
                }
                Ok(())
            });
            world.block_on(wait).unwrap();
        }
        client.end();
        server.end();
    });
}

#[test]
fn what_cannot_be_reached_has_the_status_of_its_reason() {
    run_world(0..8, |world| {
        let (client, server) = pair(&world);
        let lonely = world.add("lonely", Config::default(), []).unwrap();
        let (client, lonely) = (Driver::start(&client.host()), Driver::start(&lonely.host()));
        drop(server);
        let status = |driver: &Driver, address: &str| {
            let connect =
                driver.run(async |wsk| TcpStream::connect(wsk, at(address)).await.map(drop));
            world.block_on(connect).unwrap_err().status()
        };
        assert_eq!(status(&client, "10.0.0.2:7"), STATUS_CONNECTION_REFUSED);
        assert_eq!(status(&client, "[fd00::2]:7"), STATUS_CONNECTION_REFUSED);
        assert_eq!(status(&client, "127.0.0.1:7"), STATUS_CONNECTION_REFUSED);
        assert_eq!(status(&client, "10.0.0.9:7"), STATUS_HOST_UNREACHABLE);
        assert_eq!(status(&client, "[fd00::9]:7"), STATUS_HOST_UNREACHABLE);
        assert_eq!(status(&lonely, "10.0.0.1:7"), STATUS_NETWORK_UNREACHABLE);
        let bind = client.run(async |wsk| TcpListener::bind(wsk, at("10.0.0.2:7")).await.map(drop));
        let refused = world.block_on(bind).unwrap_err();
        assert_eq!(refused.status(), STATUS_INVALID_ADDRESS_COMPONENT);
        client.end();
        lonely.end();
    });
}

#[test]
fn machines_have_windows_versions_and_names_that_all_share() {
    run_world(0..4, |world| {
        let old = Config::default().windows(Windows::SEVEN);
        let one = world.add("one.example", old, [ip("192.0.2.1"), ip("192.0.2.2")]).unwrap();
        let two = world.add("two.example", Config::default(), [ip("192.0.2.3")]).unwrap();
        world.add_name("www.example", ip("192.0.2.3"));
        assert_eq!(one.host().config().windows, Windows::SEVEN);
        assert_eq!(two.host().config().windows, Windows::ELEVEN);
        for machine in [&one, &two] {
            let driver = Driver::start(&machine.host());
            for (name, expected) in [
                ("one.example", vec![at("192.0.2.1:7"), at("192.0.2.2:7")]),
                ("www.example", vec![at("192.0.2.3:7")]),
            ] {
                let found = driver.run(async |wsk| {
                    lookup_host(wsk, (name, 7)).await.map(Iterator::collect::<Vec<_>>)
                });
                assert_eq!(world.block_on(found).unwrap(), expected);
            }
            driver.end();
        }
    });
}
