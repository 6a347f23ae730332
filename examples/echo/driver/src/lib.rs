//! The echo server as a Windows kernel driver.
//!
//! Built by `cargo xtask driver echo`. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Port` | DWORD | the port to serve on; 7 by default |
//! | `Host` | string | serve only on the addresses of this name; on all addresses by default |

#![cfg_attr(windows, no_std)]

use core::net::Ipv4Addr;
use core::time::Duration;

use wsk::{Provider, TcpListener, net, time};
use wsk_driver::{Context as _, Driver, Result, Text};

wsk_driver::driver! {
    name: "echo",
    pool_tag: b"Echo",
    threads: 2,
    start: start,
}

/// The timeout for resolving the host name.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the server.
async fn start(driver: &Driver) -> Result<()> {
    let port = driver.parameters().port("Port")?.unwrap_or(7);
    let host = driver.parameters().text("Host")?;
    let listener = listen(driver.wsk()?, host.as_ref().map(Text::as_str), port).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    let spawner = driver.spawner()?;
    driver.spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving on port {port}");
    Ok(())
}

/// Listens on the addresses of `host`, or on every local address.
async fn listen(wsk: &Provider, host: Option<&str>, port: u16) -> wsk::Result<TcpListener> {
    match host {
        Some(host) => time::timeout(PATIENCE, net::listen_host(wsk, (host, port))).await?,
        None => TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, port)).await,
    }
}
