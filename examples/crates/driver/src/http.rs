//! edge-http.

use alloc::boxed::Box;
use core::net::SocketAddr;

use wsk::{Buffer, Provider};

use crate::Task;

/// The maximum size of a page in bytes.
const PAGE: usize = 64 * 1024;

pub(crate) fn run(wsk: Provider, server: SocketAddr) -> Task {
    Box::pin(async move {
        let mut page = Buffer::new(PAGE)?;
        let (status, size) = crates::http::get(&wsk, server, "/", &mut page).await?;
        wsk_driver::println!("status {status}, {size} bytes");
        Ok(())
    })
}
