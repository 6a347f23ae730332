//! The image of a driver that uses all parts of `wsk`: its scenarios, and clients in this process, on the simulated
//! network. `cargo xtask test run` builds the image.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use wsk::irql::Passive;
use wsk::rt::JoinHandle;
use wsk::sync::{CancellationToken, oneshot};
use wsk::{Buffer, ErrorKind, Provider, Registration, Result, Runtime, TcpStream, UdpSocket, rt};
use wsk_host::{Config, Host, RegistryValue, Timing};
use wsk_loader::{Driver, LoadError};
use wsk_sys::STATUS_INVALID_PARAMETER;

/// The driver's scenarios, with a lower bound of the allocations of each.
const SCENARIOS: [(&str, usize); 11] = [
    ("datagrams", 30),
    ("streams", 20),
    ("first data", 20),
    ("events", 20),
    ("cancellation", 20),
    ("names", 10),
    ("time", 20),
    ("tasks", 10),
    ("DPCs", 20),
    ("work items", 8),
    ("unfinished", 20),
];

/// More allocations than any scenario makes.
const MOST: usize = 2000;

const PORT: u16 = 7;

fn image() -> PathBuf {
    std::env::var_os("WSK_LOADER_SCENARIOS").expect("the variable names the image").into()
}

/// Every timing: inline, deferred, and mixed by each of 32 seeds.
fn timings() -> impl Iterator<Item = Timing> {
    [Timing::Inline, Timing::Deferred].into_iter().chain((0..32).map(Timing::Mixed))
}

/// A host with the names of the scenarios.
fn host(timing: Timing) -> Host {
    let host = Host::new(Config { timing, window: 1000, ..Config::default() });
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        host.add_name("server.example", address);
    }
    host.stall_name("stalled.example");
    host
}

fn load(host: &Host, scenario: &str) -> std::result::Result<Driver, LoadError> {
    host.set_parameter("scenarios", "Run", RegistryValue::String(scenario.to_owned()));
    // SAFETY: the image is of this project's driver.
    unsafe { Driver::load(image()) }
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn every_scenario_succeeds_with_every_timing() {
    for (scenario, _) in SCENARIOS {
        for timing in timings() {
            let host = host(timing);
            let _entered = host.enter();
            let driver = load(&host, scenario)
                .unwrap_or_else(|error| panic!("{scenario}, {timing:?}: {error}"));
            driver.unload();
            host.settle();
            assert_eq!(host.outstanding_allocations(), 0, "{scenario}, {timing:?}");
        }
    }
    let host = host(Timing::Inline);
    let _entered = host.enter();
    let unknown = load(&host, "nothing");
    assert!(matches!(unknown, Err(LoadError::Entry(STATUS_INVALID_PARAMETER))));
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn every_allocation_of_a_scenario_may_fail() {
    for (scenario, at_least) in SCENARIOS {
        for timing in [Timing::Inline, Timing::Deferred] {
            let failed = (1..MOST).find(|number| !fails(scenario, timing, *number));
            let failed = failed.unwrap_or_else(|| panic!("{scenario}: {MOST} allocations"));
            assert!(failed > at_least, "{scenario}: only {failed} allocations");
        }
    }
}

/// Whether the scenario makes this allocation, which fails. The driver may do without it. If one end of a connection fails
/// by it, the scenario may fail by the error of the other end.
fn fails(scenario: &str, timing: Timing, number: usize) -> bool {
    let run = format!("{scenario}, {timing:?}, allocation {number}");
    let host = host(timing);
    let _entered = host.enter();
    host.fail_allocation(number);
    let loaded = load(&host, scenario);
    let has_failed = host.allocations() >= number;
    match loaded {
        Ok(driver) => driver.unload(),
        Err(LoadError::Entry(_)) if has_failed => {}
        Err(error) => panic!("{run}: {error}"),
    }
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0, "{run}");
    has_failed
}

/// A peer of the driver.
type Peer = JoinHandle<Result<()>>;

/// A token for the thread of a test.
fn passive() -> Passive {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    unsafe { Passive::assume() }
}

/// The address of every second peer is of IPv6.
fn server(number: usize) -> (IpAddr, u16) {
    let ip = if number % 2 == 0 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    (ip, PORT)
}

/// Exchanges messages on a connection until the driver ends it.
fn connection(runtime: &Runtime, wsk: &Provider, number: usize, mut ready: Ready) -> Result<Peer> {
    let wsk = wsk.clone();
    runtime.spawn(async move {
        let stream = TcpStream::connect(&wsk, server(number)).await?;
        loop {
            stream.send_all(Buffer::new(300)?).await.into_result()?;
            stream.recv_exact(Buffer::new(300)?).await.into_result()?;
            report_once(&mut ready);
        }
    })
}

/// Exchanges datagrams until the token is cancelled.
fn datagrams(
    runtime: &Runtime,
    wsk: &Provider,
    number: usize,
    mut ready: Ready,
    end: CancellationToken,
) -> Result<Peer> {
    let wsk = wsk.clone();
    runtime.spawn(async move {
        let (any, _) = server(number);
        let any: IpAddr =
            if any.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(&wsk, (any, 0)).await?;
        let exchange = async {
            loop {
                socket.send_to(Buffer::new(300)?, server(number)).await.into_result()?;
                socket.recv_from(Buffer::new(300)?).await.into_result()?;
                report_once(&mut ready);
            }
        };
        end.run_until_cancelled(exchange).await.unwrap_or(Ok(()))
    })
}

/// Whether a connection ended because the driver closed it.
fn is_the_peers_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof
    )
}

/// Reports that a peer has exchanged a message.
type Ready = Option<oneshot::Sender<()>>;

fn report_once(ready: &mut Ready) {
    if let Some(ready) = ready.take() {
        ready.send(()).expect("the test waits for it");
    }
}

#[test]
#[ignore = "needs an image: run `cargo xtask test run`"]
fn the_driver_is_unloaded_with_32_busy_peers() {
    const PEERS: usize = 16;
    for timing in timings() {
        let host = host(timing);
        let entered = host.enter();
        host.set_parameter("scenarios", "Port", RegistryValue::Dword(PORT.into()));
        let driver = load(&host, "unfinished").unwrap();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let runtime = Runtime::new(passive(), 2).unwrap();
        let end = CancellationToken::new().unwrap();
        let (mut connections, mut sockets, mut are_ready) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..PEERS {
            let (ready, is_ready) = oneshot::channel().unwrap();
            connections.push(connection(&runtime, &wsk, number, Some(ready)).unwrap());
            are_ready.push(is_ready);
            let (ready, is_ready) = oneshot::channel().unwrap();
            sockets.push(datagrams(&runtime, &wsk, number, Some(ready), end.clone()).unwrap());
            are_ready.push(is_ready);
        }
        for is_ready in are_ready {
            rt::block_on(passive(), is_ready).unwrap().unwrap();
        }
        driver.unload();
        for connection in connections {
            let error = rt::block_on(passive(), connection).unwrap().unwrap().unwrap_err();
            assert!(is_the_peers_end(error.kind()), "{timing:?}: {error}");
        }
        end.cancel();
        for socket in sockets {
            // A datagram to the driver's port may be refused before the token is cancelled.
            let _ = rt::block_on(passive(), socket).unwrap().unwrap();
        }
        runtime.shutdown(passive());
        drop((wsk, end));
        registration.deregister(passive());
        wsk::unload(passive());
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
        drop(entered);
    }
}
