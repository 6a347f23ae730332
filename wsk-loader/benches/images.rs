//! What the image of an echo driver costs: its instructions for each message, and the time of its load and unload.
//!
//! `images IMAGE inline|deferred MESSAGES` sends messages of 64 bytes to the driver, one after the other, on the simulated
//! network. It prints the number of the process's allocations of pool, and the addresses of the functions through which
//! images call the host: a tool that counts instructions finds the image's own by their addresses. `images IMAGE load`
//! prints the time of a load and an unload in microseconds, the shortest of many. `cargo xtask bench --images` does both, and
//! writes `docs/cost-images.md`. Without arguments it does nothing: it needs an image.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use wsk::irql::Passive;
use wsk::{Buffer, Provider, Registration, Result, TcpStream, rt};
use wsk_host::{Config, Host, RegistryValue, Timing, images};
use wsk_loader::Driver;

const PORT: u16 = 7;

/// The size of a message in bytes.
const SIZE: usize = 64;

/// The messages before those that are counted: the tables of the host and the pools of the driver reach their sizes.
const WARM_UP: u32 = 500;

/// The number of loads, of which the fastest counts.
const LOADS: u32 = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        [image, "load"] => println!("{}", fastest_load(image.as_ref()).as_micros()),
        [image, timing, messages] => {
            let timing = match timing {
                "inline" => Timing::Inline,
                "deferred" => Timing::Deferred,
                _ => panic!("{timing} is no timing"),
            };
            let messages = messages.parse().expect("the number of messages is a number");
            let allocations = exchange(image.as_ref(), timing, messages);
            let entry_points = images::entry_points();
            let (start, end) = (entry_points[0], entry_points[entry_points.len() - 1]);
            println!("{allocations} allocations; entry points {start:#x} {end:#x}");
        }
        _ => panic!("expected IMAGE load, or IMAGE inline|deferred MESSAGES"),
    }
}

fn load(host: &Host, image: &Path) -> Driver {
    host.set_parameter("echo", "Port", RegistryValue::Dword(PORT.into()));
    // SAFETY: the image is of this project's driver.
    unsafe { Driver::load(image) }.expect("the driver starts")
}

fn fastest_load(image: &Path) -> Duration {
    let time = || {
        let host = Host::new(Config::default().timing(Timing::Inline));
        let _entered = host.enter();
        let start = Instant::now();
        load(&host, image).unload();
        start.elapsed()
    };
    (0..LOADS).map(|_| time()).min().unwrap_or_default()
}

/// Exchanges messages with the driver. Returns the number of allocations that these have made.
fn exchange(image: &Path, timing: Timing, messages: u32) -> usize {
    let host = Host::new(Config::default().timing(timing).partial_receives(false));
    let entered = host.enter();
    let driver = load(&host, image);
    // SAFETY: the thread of a program runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive).expect("WSK registers a client");
    let wsk = registration.try_capture().expect("WSK is ready");
    let allocations = rt::block_on(passive, client(&wsk, &host, messages));
    let allocations = allocations.and_then(|result| result).expect("the driver echoes");
    drop(wsk);
    registration.deregister(passive);
    driver.unload();
    drop(entered);
    allocations
}

async fn client(wsk: &Provider, host: &Host, messages: u32) -> Result<usize> {
    let stream = TcpStream::connect(wsk, (Ipv4Addr::LOCALHOST, PORT)).await?;
    let mut buffer = Buffer::new(SIZE)?;
    let mut before = 0;
    for number in 0..WARM_UP + messages {
        if number == WARM_UP {
            before = host.allocations();
        }
        (_, buffer) = stream.send_all(buffer).await.into_result()?;
        ((), buffer) = stream.recv_exact(buffer).await.into_result()?;
    }
    let allocations = host.allocations() - before;
    stream.shutdown().await?;
    stream.drain().await?;
    Ok(allocations)
}
