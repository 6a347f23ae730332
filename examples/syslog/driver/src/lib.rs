//! The syslog sender as a Windows kernel driver: it sends a message for each datagram that it receives, and for each
//! `log` on its control port. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Server` | string | the address of the syslog server, such as `192.0.2.1:514`; without one, messages are counted as dropped |
//! | `Watch` | DWORD | the UDP port whose datagrams are reported, or 0 for none; 5140 by default |
//! | `Control` | DWORD | the TCP port for `log TEXT` and `stats`, on this machine only; 5141 by default |

#![cfg_attr(windows, no_std)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use syslog::{Queue, Sender, Watch};
use wsk::socket::{DatagramSocket, Family};
use wsk::{TcpListener, UdpSocket};
use wsk_driver::{Context as _, Driver, Result};

wsk_driver::driver! {
    name: "syslog",
    pool_tag: b"Sysl",
    start: start,
}

/// Starts the tasks. The driver keeps the watched socket, whose callbacks fill the queue.
async fn start(driver: &Driver) -> Result<Option<DatagramSocket<Watch>>> {
    let parameters = driver.parameters();
    let watch = parameters.port("Watch")?.unwrap_or(5140);
    let control = parameters.port("Control")?.unwrap_or(5141);
    let server = parameters.address("Server")?;
    let (sender, queue) = Sender::new(256)?;
    match server {
        Some(server) => start_sending(driver, server, queue).await?,
        // The queue has no receiver, and rejects messages.
        None => wsk_driver::println!("without the parameter Server, messages are dropped"),
    }
    start_control(driver, control, sender.clone()).await?;
    if watch == 0 {
        return Ok(None);
    }
    let watched = DatagramSocket::builder(driver.wsk()?, Family::INET)
        .events(Watch::new(sender))
        .bind((Ipv4Addr::UNSPECIFIED, watch))
        .await;
    let watched = watched.context(format_args!("cannot watch port {watch}"))?;
    wsk_driver::println!("watching port {watch}");
    Ok(Some(watched))
}

/// Starts the task that sends the messages.
async fn start_sending(driver: &Driver, server: SocketAddr, queue: Queue) -> Result<()> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(driver.wsk()?, (any, 0)).await;
    let socket = socket.context(format_args!("cannot send to {server}"))?;
    driver.spawn(async move {
        if let Err(error) = syslog::send(&socket, server, queue).await {
            wsk_driver::println!("no more messages can be sent to {server}: {error}");
        }
    })?;
    wsk_driver::println!("sending to {server}");
    Ok(())
}

/// Starts the task that serves the control port.
async fn start_control(driver: &Driver, port: u16, sender: Sender) -> Result<()> {
    let listener = TcpListener::bind(driver.wsk()?, (Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.context(format_args!("cannot serve on port {port}"))?;
    driver.spawn(async move {
        if let Err(error) = syslog::control(listener, sender).await {
            wsk_driver::println!("no more commands can be accepted: {error}");
        }
    })?;
    wsk_driver::println!("commands on port {port}");
    Ok(())
}
