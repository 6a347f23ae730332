//! The driver, loaded on a host.

#![cfg(not(windows))]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use wsk::irql::Passive;
use wsk::{Buffer, Registration, Result, TcpStream, rt};
use wsk_host::{Config, Driver, Host, Network, RegistryValue, Timing};

fn load() -> Driver {
    // SAFETY: the crate defines its entry point by `driver!`.
    unsafe { Driver::load("echo", Some(echo_driver::DriverEntry)) }.unwrap()
}

/// Loads the driver, has a client talk to it, and unloads it.
fn serve(host: &Host, address: (Ipv4Addr, u16)) -> Result<()> {
    let driver = load();
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    rt::block_on(passive, async {
        let stream = TcpStream::connect(&wsk, address).await?;
        stream.send_all(Buffer::try_from(b"hello")?).await.into_result()?;
        let ((), buffer) = stream.recv_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&buffer[..], b"hello");
        Ok::<_, wsk::Error>(())
    })??;
    drop(wsk);
    // For the host, the client is a part of the driver.
    registration.deregister(passive);
    driver.unload();
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
    Ok(())
}

#[test]
fn serves_at_the_port_of_its_parameter() {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)] {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        host.set_parameter("echo", "Port", RegistryValue::Dword(7007));
        serve(&host, (Ipv4Addr::LOCALHOST, 7007)).unwrap();
    }
}

#[test]
fn serves_at_the_addresses_of_a_name() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    host.add_name("server.test", IpAddr::from(Ipv4Addr::LOCALHOST));
    host.set_parameter("echo", "Host", RegistryValue::String("server.test".to_owned()));
    serve(&host, (Ipv4Addr::LOCALHOST, 7)).unwrap();
}

#[test]
fn unloads_with_an_open_connection() {
    let host = Host::new(Config { network: Network::Real, ..Config::default() });
    let _entered = host.enter();
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = any.local_addr().unwrap();
    drop(any);
    host.set_parameter("echo", "Port", RegistryValue::Dword(address.port().into()));
    let driver = load();
    let mut stream = host.blocking(|| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream
    });
    driver.unload();
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "the connection is still open");
}
