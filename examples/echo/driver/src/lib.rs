//! The echo server as a Windows kernel driver.
//!
//! Built by `cargo xtask driver echo`. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Port` | DWORD | the port to serve on; 7 by default |
//! | `Host` | string | serve only on the addresses of this name; on all addresses by default (feature `host-name`) |

#![cfg_attr(windows, no_std)]

use core::net::Ipv4Addr;

use wsk::TcpListener;
use wsk_driver::{Context as _, Driver, Result};

wsk_driver::driver! {
    name: "echo",
    pool_tag: b"Echo",
    threads: 2,
    start: start,
}

/// Starts the server.
async fn start(driver: &Driver) -> Result<()> {
    let port = driver.parameters().port("Port")?.unwrap_or(7);
    let listener = listen(driver, port).await?;
    let spawner = driver.spawner()?;
    driver.spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving on port {port}");
    Ok(())
}

/// Listens on the addresses of the host name in the parameters, or on every local address.
async fn listen(driver: &Driver, port: u16) -> Result<TcpListener> {
    #[cfg(feature = "host-name")]
    if let Some(host) = driver.parameters().text("Host")? {
        let listener = listen_host(driver.wsk()?, host.as_str(), port).await;
        return listener.context(format_args!("cannot serve on port {port}"));
    }
    let listener = TcpListener::bind(driver.wsk()?, (Ipv4Addr::UNSPECIFIED, port)).await;
    listener.context(format_args!("cannot serve on port {port}"))
}

/// Listens on the addresses of `host`.
#[cfg(feature = "host-name")]
async fn listen_host(wsk: &wsk::Provider, host: &str, port: u16) -> wsk::Result<TcpListener> {
    /// The timeout for resolving the name.
    const PATIENCE: core::time::Duration = core::time::Duration::from_secs(5);
    wsk::time::timeout(PATIENCE, wsk::net::listen_host(wsk, (host, port))).await?
}
