//! A driver that uses all parts of `wsk`: the tests of `wsk-loader` load its image. Its parameters in the registry:
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `Run` | string | the scenario to run; the driver is loaded if the scenario succeeds |
//! | `Port` | DWORD | the port of TCP and of UDP to echo on, on all local addresses; none by default |
//!
//! Each scenario has both ends of its connections.

#![cfg_attr(windows, no_std)]
#![deny(unsafe_code)]

mod cancellation;
mod check;
mod datagrams;
mod dpcs;
mod events;
mod names;
mod streams;
mod tasks;
mod time;
mod unfinished;
mod work_items;

use core::time::Duration;

use wsk::pool::PoolBox;
use wsk::time::timeout;
use wsk::{Buffer, TcpListener, UdpSocket};
use wsk_driver::{Context as _, Driver, Error, Result};
use wsk_sys::STATUS_INVALID_PARAMETER;

use self::unfinished::Unfinished;

wsk_driver::driver! {
    name: "scenarios",
    pool_tag: b"Scen",
    threads: 2,
    start: start,
}

/// Starts the servers, and runs a scenario. Returns what the driver keeps until it is unloaded.
async fn start(driver: &Driver) -> Result<Option<Unfinished>> {
    if let Some(port) = driver.parameters().port("Port")? {
        serve(driver, port).await.context(format_args!("cannot serve on port {port}"))?;
    }
    let Some(name) = driver.parameters().text("Run")? else {
        return Ok(None);
    };
    // The state of a scenario is in the pool: that of the start is on the stack.
    PoolBox::pin_with(|| run(driver, name.as_str()))?.await.context(name.as_str())
}

/// The maximum time of a scenario. A part that lacks memory ends, and another may wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a scenario.
async fn run(driver: &Driver, name: &str) -> Result<Option<Unfinished>> {
    match name {
        "unfinished" => return unfinished::run(driver).await.map(Some),
        // This one must not be dropped before its end.
        "work items" => work_items::run(driver).await?,
        _ => timeout(PATIENCE, run_with_timeout(driver, name)).await??,
    }
    Ok(None)
}

async fn run_with_timeout(driver: &Driver, name: &str) -> Result<()> {
    match name {
        "datagrams" => datagrams::run(driver).await,
        "streams" => streams::run(driver).await,
        "first data" => streams::first_data(driver).await,
        "events" => events::run(driver).await,
        "cancellation" => cancellation::run(driver).await,
        "names" => names::run(driver).await,
        "time" => time::run(driver).await,
        "tasks" => tasks::run(driver).await,
        "DPCs" => dpcs::run(driver).await,
        _ => Err(Error::new(STATUS_INVALID_PARAMETER, format_args!("no such scenario"))),
    }
}

/// Starts servers that echo: connections and datagrams.
async fn serve(driver: &Driver, port: u16) -> Result<()> {
    let (wsk, spawner) = (driver.wsk()?, driver.spawner()?);
    let listener = TcpListener::bind_dual_stack(wsk, port).await?;
    driver.spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, wsk_driver::print).await {
            wsk_driver::println!("no more connections can be accepted: {error}");
        }
    })?;
    let socket = UdpSocket::bind_dual_stack(wsk, port).await?;
    driver.spawn(async move {
        if let Err(error) = echo_datagrams(&socket).await {
            wsk_driver::println!("no more datagrams can be received: {error}");
        }
    })
}

/// Sends each datagram back.
async fn echo_datagrams(socket: &UdpSocket) -> wsk::Result<()> {
    let mut buffer = Buffer::new(9000)?;
    loop {
        let ((length, peer), filled) = socket.recv_from(buffer).await.into_result()?;
        let sent = socket.send_to(filled.slice(..length)?, peer).await;
        // A peer that has left is no reason to end.
        buffer = sent.1.into_inner();
    }
}
