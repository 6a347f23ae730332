//! The syslog sender as a Windows kernel driver: it sends a message for each datagram that it receives, and for each `log` on
//! its control port. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Server` | string | the address of the syslog server, such as `192.0.2.1:514`; required |
//! | `Watch` | DWORD | the UDP port whose datagrams are reported; 5140 by default |
//! | `Control` | DWORD | the TCP port for `log TEXT` and `stats`, on this machine only; 5141 by default |

#![cfg_attr(windows, no_std)]

use core::net::{Ipv4Addr, SocketAddr};

use syslog::{Sender, Watch};
use wsk::socket::{DatagramSocket, Family};
use wsk::{TcpListener, UdpSocket};
use wsk_driver::{Context as _, Driver, Error, Result};

wsk_driver::driver! {
    name: "syslog",
    pool_tag: b"Sysl",
    start: start,
}

/// The status of a parameter that is missing or malformed.
const STATUS_INVALID_PARAMETER: i32 = i32::from_ne_bytes(0xC000_000D_u32.to_ne_bytes());

/// Starts the tasks. The driver keeps the watched socket, whose callbacks fill the queue.
async fn start(driver: &Driver) -> Result<DatagramSocket<Watch>> {
    let parameters = driver.parameters();
    let watch = parameters.port("Watch")?.unwrap_or(5140);
    let control = parameters.port("Control")?.unwrap_or(5141);
    let server: Option<SocketAddr> =
        parameters.text("Server")?.and_then(|server| server.as_str().parse().ok());
    let server = server.ok_or_else(|| {
        let what = format_args!("the parameter Server is no address such as 192.0.2.1:514");
        Error::new(STATUS_INVALID_PARAMETER, what)
    })?;

    let wsk = driver.wsk()?;
    let (sender, queue) = Sender::new(256)?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let any: SocketAddr = any.parse().map_err(|_| {
        Error::new(STATUS_INVALID_PARAMETER, format_args!("no address of the family of {server}"))
    })?;
    let socket = UdpSocket::bind(wsk, any).await.context("the socket to the server")?;
    driver.spawn(async move {
        if let Err(error) = syslog::send(&socket, server, queue).await {
            wsk_driver::println!("no more messages can be sent to {server}: {error}");
        }
    })?;
    let listener = TcpListener::bind(wsk, (Ipv4Addr::LOCALHOST, control)).await;
    let listener = listener.context(format_args!("cannot serve on port {control}"))?;
    let commands = sender.clone();
    driver.spawn(async move {
        if let Err(error) = syslog::control(listener, commands).await {
            wsk_driver::println!("no more commands can be accepted: {error}");
        }
    })?;
    let watched = DatagramSocket::builder(wsk, Family::INET)
        .events(Watch::new(sender))
        .bind((Ipv4Addr::UNSPECIFIED, watch))
        .await;
    let watched = watched.context(format_args!("cannot watch port {watch}"))?;
    wsk_driver::println!("watching port {watch} for {server}; commands on port {control}");
    Ok(watched)
}
