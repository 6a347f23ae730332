//! reqwless with embedded-tls.

use alloc::boxed::Box;

use wsk::Provider;
use wsk_driver::Text;

use crate::Task;

/// The maximum size of a page in bytes.
const PAGE: usize = 64 * 1024;

/// The root certificate that was given at build time, or nothing.
static ROOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/root.der"));

pub(crate) fn run(wsk: Provider, url: Text) -> Task {
    Box::pin(async move {
        let (status, page) = crates::https::get(&wsk, url.as_str(), ROOT, PAGE).await?;
        wsk_driver::println!("status {status}, {} bytes", page.len());
        Ok(())
    })
}
