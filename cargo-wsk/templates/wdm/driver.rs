//! The driver. Its parameter in the registry: `Port`, a DWORD, the port to serve on; 7007 by default.

#![cfg_attr(windows, no_std)]

use core::net::Ipv4Addr;

use wsk::TcpListener;
use wsk_driver::{Context as _, Driver, Result};

wsk_driver::driver! {
    name: "{{name}}",
    pool_tag: b"{{tag}}",
    start: start,
}

/// Starts the server, which runs until the driver is unloaded.
async fn start(driver: &Driver) -> Result<()> {
    let port = driver.parameters().port("Port")?.unwrap_or(7007);
    let listener = TcpListener::bind(driver.wsk()?, (Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    let spawner = driver.spawner()?;
    driver.spawn(async move {
        if let Err(error) = {{crate}}::serve(listener, spawner, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving on port {port}");
    Ok(())
}
