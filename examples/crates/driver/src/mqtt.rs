//! rust-mqtt.

use alloc::boxed::Box;
use core::net::SocketAddr;

use wsk::Provider;

use crate::Task;

const TOPIC: &str = "driver/state";

pub(crate) fn run(wsk: Provider, broker: SocketAddr) -> Task {
    Box::pin(async move {
        crates::mqtt::publish(&wsk, broker, TOPIC, b"started").await?;
        let state = crates::mqtt::retained(&wsk, broker, TOPIC).await?;
        wsk_driver::println!("the broker keeps {} bytes", state.len());
        Ok(())
    })
}
