//! The web server as a Windows kernel driver.
//!
//! Built by `cargo xtask driver web`. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Port` | DWORD | the HTTP port; 80 by default |
//! | `Url` | string | the page served as `/page`, such as `http://example.org/`; none by default |

#![cfg_attr(windows, no_std)]

use core::net::Ipv4Addr;

use web::{Site, Url};
use wsk::TcpListener;
use wsk_driver::{Context as _, Driver, Error, Result};
use wsk_sys::STATUS_INVALID_PARAMETER;

wsk_driver::driver! {
    name: "web",
    pool_tag: b"WebS",
    threads: 2,
    start: start,
}

/// Starts the server.
async fn start(driver: &Driver) -> Result<()> {
    let port = driver.parameters().port("Port")?.unwrap_or(80);
    let page = match driver.parameters().text("Url")? {
        None => None,
        Some(text) => Some(Url::try_from(text.as_str()).map_err(|_| too_long(text.as_str()))?),
    };
    let wsk = driver.wsk()?.clone();
    let listener = TcpListener::bind(&wsk, (Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    let spawner = driver.spawner()?;
    driver.spawn(async move {
        let site = Site { wsk, page, log: wsk_driver::print };
        if let Err(error) = web::serve(listener, spawner, site).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("serving on port {port}");
    Ok(())
}

fn too_long(url: &str) -> Error {
    let length = url.len();
    Error::new(
        STATUS_INVALID_PARAMETER,
        format_args!("the parameter Url has {length} bytes; it may have {}", Url::new().capacity()),
    )
}
