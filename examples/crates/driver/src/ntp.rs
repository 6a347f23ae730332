//! sntpc.

use alloc::boxed::Box;
use core::net::SocketAddr;

use wsk::Provider;

use crate::Task;

pub(crate) fn run(wsk: Provider, server: SocketAddr) -> Task {
    Box::pin(async move {
        let time = crates::ntp::time(&wsk, server).await?;
        wsk_driver::println!("{} s since 1970, offset {} us", time.sec(), time.offset());
        Ok(())
    })
}
