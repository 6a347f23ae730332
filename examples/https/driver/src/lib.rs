//! A driver that fetches a page over HTTPS when it starts, and logs the page.
//!
//! Build it with `cargo wsk build --release` in this folder. Its parameter in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Url` | string | the page, such as `https://example.org/` |
//!
//! It trusts the certificates of Mozilla's list, and the one in the file that `HTTPS_ROOT` named when it was built.

#![cfg_attr(windows, no_std)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec;
use core::time::Duration;

use https::Roots;
use wsk::Provider;
use wsk_driver::{Driver, Error, Result, Text};
use wsk_sys::STATUS_INVALID_PARAMETER;

wsk_driver::driver! {
    name: "https",
    pool_tag: b"Http",
    start: start,
}

/// The maximum size of a page in bytes.
const PAGE: usize = 64 * 1024;

/// The root certificate that was given at build time, or nothing.
static OWN_ROOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/root.der"));

/// Starts the task that fetches the page.
async fn start(driver: &Driver) -> Result<()> {
    let Some(url) = driver.parameters().text("Url")? else {
        return Err(Error::new(
            STATUS_INVALID_PARAMETER,
            format_args!("the parameter Url is not set"),
        ));
    };
    let wsk = driver.wsk()?.clone();
    // The future of the fetch is created when the task runs, in the pool, because it is too large for this thread's
    // stack.
    driver.spawn(async move { Box::pin(fetch(wsk, url)).await })?;
    Ok(())
}

async fn fetch(wsk: Provider, url: Text) {
    let url = url.as_str();
    let own = Some(OWN_ROOT).filter(|own| !own.is_empty());
    let fetched = async {
        let roots = Roots::new(own, webpki_roots::TLS_SERVER_ROOTS)?;
        let mut page = vec![0; PAGE];
        https::get(&wsk, &roots, url, &mut page).await
    };
    match wsk::time::timeout(Duration::from_secs(30), fetched).await {
        Ok(Ok((status, size))) => wsk_driver::println!("{url}: status {status}, {size} bytes"),
        Ok(Err(error)) => wsk_driver::println!("{url} was not fetched: {error}"),
        Err(error) => wsk_driver::println!("{url} was not fetched: {error}"),
    }
}
