//! The image of an echo driver on the simulated network, with clients in the same process. `cargo xtask test run` builds
//! images, and runs these tests on each.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use wsk::irql::Passive;
use wsk::{Buffer, Provider, Registration, Result, TcpStream, rt};
use wsk_host::{Config, Host, RegistryValue, Timing};
use wsk_loader::{Driver, LoadError};

const PORT: u16 = 7;

/// The image of an echo driver that serves on the port of its parameter `Port`.
fn image() -> PathBuf {
    std::env::var_os("WSK_LOADER_IMAGE").expect("the variable names an image of echo").into()
}

fn load(host: &Host) -> std::result::Result<Driver, LoadError> {
    load_on(host, PORT)
}

fn load_on(host: &Host, port: u16) -> std::result::Result<Driver, LoadError> {
    host.set_parameter("echo", "Port", RegistryValue::Dword(port.into()));
    // SAFETY: the image is of this project's driver.
    unsafe { Driver::load(image()) }
}

/// Runs clients against the driver with every timing. The result of the clients is dropped after the driver is unloaded.
fn serving<T>(clients: impl AsyncFn(Provider) -> Result<T>) {
    let timings = (0..32).map(Timing::Mixed).chain([Timing::Inline, Timing::Deferred]);
    for timing in timings {
        let host = Host::new(Config { timing, window: 1000, ..Config::default() });
        let entered = host.enter();
        let driver = load(&host).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
        let passive = unsafe { Passive::assume() };
        let registration = Registration::register(passive).unwrap();
        let wsk = registration.try_capture().unwrap();
        let result = rt::block_on(passive, clients(wsk)).unwrap();
        let result = result.unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        driver.unload();
        drop(result);
        registration.deregister(passive);
        wsk::unload(passive);
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}: not all memory was freed");
        drop(entered);
    }
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251).to_le_bytes()[0]).collect()
}

async fn is_echoed(stream: &TcpStream, size: usize) -> Result<()> {
    stream.send_all(Buffer::try_from(&*payload(size))?).await.into_result()?;
    let mut received = Vec::new();
    while received.len() < size {
        let (count, buffer) =
            stream.recv(Buffer::new(size - received.len())?).await.into_result()?;
        assert_ne!(count, 0, "the driver finished after {} of {size} bytes", received.len());
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(received, payload(size));
    Ok(())
}

fn server() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, PORT).into()
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn the_driver_echoes_with_every_timing() {
    serving(async |wsk| {
        let stream = TcpStream::connect(&wsk, server()).await?;
        // Sizes that fit the window: this client sends and receives in turn.
        for size in [1, 2, 999, 1000] {
            is_echoed(&stream, size).await?;
        }
        stream.close().await;
        Ok(())
    });
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn the_driver_is_unloaded_with_busy_connections() {
    serving(async |wsk| {
        let mut open = Vec::new();
        for number in 0..8 {
            let stream = TcpStream::connect(&wsk, server()).await?;
            if number % 2 == 0 {
                is_echoed(&stream, 500).await?;
            }
            stream.send_all(Buffer::try_from(&*payload(300))?).await.into_result()?;
            open.push(stream);
        }
        Ok(open)
    });
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn every_allocation_that_fails_is_survived() {
    // Of the driver's start and end: its count does not depend on peers.
    for number in 1.. {
        let host = Host::new(Config::default().timing(Timing::Inline));
        let _entered = host.enter();
        let before = host.allocations();
        host.fail_allocation(number);
        match load(&host) {
            Ok(driver) => driver.unload(),
            Err(LoadError::Entry(_)) => {}
            Err(error) => panic!("with the failing allocation {number}: {error}"),
        }
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "with the failing allocation {number}");
        if host.allocations() - before < number {
            assert!(number > 2, "the driver allocates nothing");
            return;
        }
    }
}

/// The checks that also run in Wine.
#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn programs_are_served_on_the_machines_network() {
    let host = Host::new(Config::real());
    let _entered = host.enter();
    let unused = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = unused.local_addr().unwrap();
    drop(unused);
    let driver = load_on(&host, server.port()).unwrap();
    for (name, check) in echo_checks::CHECKS {
        host.blocking(|| check(server)).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    driver.unload();
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0);
}
