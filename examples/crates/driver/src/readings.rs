//! embassy-sync, postcard and heapless.

use alloc::boxed::Box;
use core::net::SocketAddr;

use crates::readings::Receiver;
use wsk::Provider;

use crate::Task;

pub(crate) fn run(wsk: Provider, address: SocketAddr) -> Task {
    Box::pin(async move {
        let receiver = Receiver::bind(&wsk, address).await?;
        loop {
            let reading = receiver.recv().await;
            wsk_driver::println!("{}: {}", reading.sensor, reading.temperature);
        }
    })
}
