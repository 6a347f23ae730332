//! The driver, loaded on a host.

#![cfg(not(windows))]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use wsk_host::{Config, Driver, Host, Network, RegistryValue};

#[test]
fn serves_and_unloads() {
    let host = Host::new(Config { network: Network::Real, ..Config::default() });
    let _entered = host.enter();
    // A free port.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    host.set_parameter("{{name}}", "Port", RegistryValue::Dword(address.port().into()));

    // SAFETY: `driver!` defines a driver's entry point.
    let driver = unsafe { Driver::load("{{name}}", Some({{crate}}_driver::DriverEntry)) }.unwrap();
    let mut client = host.blocking(|| {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        let mut echoed = [0; 5];
        client.read_exact(&mut echoed).unwrap();
        assert_eq!(&echoed, b"hello");
        client
    });
    // With an open connection.
    driver.unload();
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "the connection is still open");
}
