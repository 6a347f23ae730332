//! A driver that uses the crates when it starts, each for one task.
//!
//! Built by `cargo wsk build --release --features all` in this folder. Its parameters in the registry are addresses such as
//! `192.0.2.1:1883`; a task without its address does not run:
//!
//! | name | feature | task |
//! |---|---|---|
//! | `Broker` | `rust-mqtt` | publishes a message, which the broker keeps, and reads it again |
//! | `Clock` | `sntpc` | asks the NTP server for the time |
//! | `Names` | `hickory-proto` | asks the DNS server for the addresses of `example.org` |
//! | `Origin` | `edge-http` | fetches the page `/` |

#![cfg_attr(windows, no_std)]

extern crate alloc;

#[cfg(feature = "hickory-proto")]
mod dns;
#[cfg(feature = "edge-http")]
mod http;
#[cfg(feature = "rust-mqtt")]
mod mqtt;
#[cfg(feature = "sntpc")]
mod ntp;

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
async fn start(driver: &Driver) -> Result<()> {
    #[cfg(feature = "rust-mqtt")]
    spawn(driver, "Broker", mqtt::run)?;
    #[cfg(feature = "sntpc")]
    spawn(driver, "Clock", ntp::run)?;
    #[cfg(feature = "hickory-proto")]
    spawn(driver, "Names", dns::run)?;
    #[cfg(feature = "edge-http")]
    spawn(driver, "Origin", http::run)?;
    wsk_driver::println!("started");
    Ok(())
}

/// A task, in the pool: the stack of a thread does not have room for it.
type Task = Pin<Box<dyn Future<Output = crates::Result<()>>>>;

/// Spawns a task for a peer, if its address is a parameter. It stays on its thread: not all of these futures are `Send`.
#[cfg_attr(not(feature = "all"), allow(dead_code))]
fn spawn(
    driver: &Driver,
    peer: &'static str,
    task: fn(Provider, SocketAddr) -> Task,
) -> Result<()> {
    let Some(address) = driver.parameters().address(peer)? else {
        return Ok(());
    };
    let wsk = driver.wsk()?.clone();
    driver.spawner()?.spawn_pinned(move |_| async move {
        match task(wsk, address).await {
            Ok(()) => wsk_driver::println!("{peer}: done"),
            Err(error) => wsk_driver::println!("{peer}: {error}"),
        }
    })?;
    Ok(())
}
