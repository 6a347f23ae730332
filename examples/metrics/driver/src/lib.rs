//! The Prometheus exporter as a Windows kernel driver. Its parameter in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Port` | DWORD | the port that serves `/metrics`; 9182 by default |

#![cfg_attr(windows, no_std)]

use core::net::Ipv4Addr;

use wsk::TcpListener;
use wsk_driver::{Context as _, Driver, Result};

wsk_driver::driver! {
    name: "metrics",
    pool_tag: b"Metr",
    start: start,
}

/// Starts the exporter.
async fn start(driver: &Driver) -> Result<()> {
    let port = driver.parameters().port("Port")?.unwrap_or(9182);
    let listener = TcpListener::bind(driver.wsk()?, (Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    let spawner = driver.spawner()?;
    driver.spawn(async move {
        if let Err(error) = metrics::serve(listener, spawner, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving /metrics on port {port}");
    Ok(())
}
