//! rust-mqtt against mosquitto, and against its clients.

use std::net::SocketAddr;

use anyhow::Result;
use crates::mqtt;

use crate::driver;
use crate::peer::{self, Peer};

fn broker() -> Result<(Peer, SocketAddr)> {
    let address = peer::free_address()?;
    let port = address.port().to_string();
    // Without a configuration, mosquitto listens on the loopback addresses only, and accepts all clients.
    let broker = Peer::start("mosquitto", "mosquitto", ["-v", "-p", &port])?;
    broker.wait_for(|line| line.ends_with(" running"))?;
    Ok((broker, address))
}

/// The driver publishes and mosquitto's client receives, and vice versa.
#[test]
fn messages_go_both_ways() -> Result<()> {
    let (_broker, address) = broker()?;
    let port = address.port().to_string();

    let message = b"21.5";
    driver::run_pinned(move |wsk| async move {
        mqtt::publish(&wsk, address, "driver/temperature", message).await
    })??;
    let subscribe = ["-p", &port, "-t", "driver/temperature", "-C", "1", "-W", "20"];
    assert_eq!(peer::output("mosquitto_sub", "mosquitto-clients", subscribe)?, "21.5\n");

    let publish = ["-p", &port, "-t", "driver/limit", "-m", "23", "-q", "1", "-r"];
    peer::output("mosquitto_pub", "mosquitto-clients", publish)?;
    let retained = driver::run_pinned(move |wsk| async move {
        mqtt::retained(&wsk, address, "driver/limit").await
    })??;
    assert_eq!(retained, b"23");
    Ok(())
}

/// A message that does not fit into the client's memory is an error, not a panic.
#[test]
fn a_message_that_is_too_large_is_refused() -> Result<()> {
    let (_broker, address) = broker()?;
    let port = address.port().to_string();
    let message = "x".repeat(5000);
    let publish = ["-p", &port, "-t", "driver/large", "-m", &message, "-q", "1", "-r"];
    peer::output("mosquitto_pub", "mosquitto-clients", publish)?;
    let result = driver::run_pinned(move |wsk| async move {
        mqtt::retained(&wsk, address, "driver/large").await
    })?;
    assert!(matches!(result, Err(crates::Error::Mqtt(_))), "{result:?}");
    Ok(())
}
