//! A driver that uses the crates, each for one task.
//!
//! Build it with `cargo wsk build --release --features all` in this folder. Its parameters in the registry are
//! addresses such as `192.0.2.1:1883`. A task without its parameter does not run:
//!
//! | name | feature | task |
//! |---|---|---|
//! | `Broker` | `rust-mqtt` | publishes a message, which the broker keeps, and reads it again |
//! | `Clock` | `sntpc` | asks the NTP server for the time |
//! | `Names` | `hickory-proto` | asks the DNS server for the addresses of `example.org` |
//! | `Origin` | `edge-http` | fetches the page `/` |
//! | `Serve` | `edge-http-server` | serves a page at this address |
//! | `ServeEmbassy` | `embassy-executor` | the same, by tasks of embassy-executor |
//! | `Readings` | `embassy-sync` | logs readings that are sent to this address |
//! | `Url` | `reqwless` | fetches this page over TLS, with the root certificate that `CRATES_ROOT` named when the driver was built |

#![cfg_attr(windows, no_std)]

extern crate alloc;

#[cfg(feature = "hickory-proto")]
mod dns;
#[cfg(feature = "embassy-executor")]
mod executor;
#[cfg(feature = "edge-http")]
mod http;
#[cfg(feature = "edge-http-server")]
mod http_server;
#[cfg(feature = "reqwless")]
mod https;
#[cfg(feature = "rust-mqtt")]
mod mqtt;
#[cfg(feature = "sntpc")]
mod ntp;
#[cfg(feature = "embassy-sync")]
mod readings;

use alloc::boxed::Box;
use core::net::SocketAddr;
use core::pin::Pin;

use wsk::Provider;
use wsk_driver::{Driver, Result};

wsk_driver::driver! {
    name: "crates",
    pool_tag: b"Crat",
    start: start,
}

/// Starts the tasks.
#[cfg_attr(not(feature = "all"), allow(unused_variables))]
async fn start(driver: &Driver) -> Result<()> {
    #[cfg(any(feature = "edge-http-server", feature = "embassy-executor"))]
    driver.spawn(async {
        if let Err(error) = crates::clock::run().await {
            wsk_driver::println!("no more timeouts: {error}");
        }
    })?;
    #[cfg(feature = "rust-mqtt")]
    spawn(driver, "Broker", mqtt::run)?;
    #[cfg(feature = "sntpc")]
    spawn(driver, "Clock", ntp::run)?;
    #[cfg(feature = "hickory-proto")]
    spawn(driver, "Names", dns::run)?;
    #[cfg(feature = "edge-http")]
    spawn(driver, "Origin", http::run)?;
    #[cfg(feature = "edge-http-server")]
    spawn(driver, "Serve", http_server::run)?;
    #[cfg(feature = "embassy-executor")]
    spawn(driver, "ServeEmbassy", executor::run)?;
    #[cfg(feature = "embassy-sync")]
    spawn(driver, "Readings", readings::run)?;
    #[cfg(feature = "reqwless")]
    if let Some(url) = driver.parameters().text("Url")? {
        spawn_with(driver, "Url", url, https::run)?;
    }
    wsk_driver::println!("started");
    Ok(())
}

/// A task, allocated in the pool, because it is too large for the stack of a thread.
type Task = Pin<Box<dyn Future<Output = crates::Result<()>>>>;

/// Spawns a task that needs an address, if the parameter is set.
#[cfg_attr(not(feature = "all"), allow(dead_code))]
fn spawn(
    driver: &Driver,
    name: &'static str,
    task: fn(Provider, SocketAddr) -> Task,
) -> Result<()> {
    match driver.parameters().address(name)? {
        Some(address) => spawn_with(driver, name, address, task),
        None => Ok(()),
    }
}

/// Spawns a task that stays on its thread: not all of these futures are `Send`.
#[cfg_attr(not(feature = "all"), allow(dead_code))]
fn spawn_with<T: Send + 'static>(
    driver: &Driver,
    name: &'static str,
    parameter: T,
    task: fn(Provider, T) -> Task,
) -> Result<()> {
    let wsk = driver.wsk()?.clone();
    driver.spawner()?.spawn_pinned(move |_| async move {
        match task(wsk, parameter).await {
            Ok(()) => wsk_driver::println!("{name}: done"),
            Err(error) => wsk_driver::println!("{name}: {error}"),
        }
    })?;
    Ok(())
}
