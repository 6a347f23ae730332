//! hickory-proto.

use alloc::boxed::Box;
use core::net::SocketAddr;

use hickory_proto::rr::RecordType;
use wsk::Provider;

use crate::Task;

pub(crate) fn run(wsk: Provider, server: SocketAddr) -> Task {
    Box::pin(async move {
        let addresses = crates::dns::addresses(&wsk, server, "example.org.", RecordType::A).await?;
        for address in addresses {
            wsk_driver::println!("example.org: {address}");
        }
        Ok(())
    })
}
