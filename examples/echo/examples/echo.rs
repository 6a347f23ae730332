//! The echo server as a process: `cargo run --example echo [PORT]`. Try it with `nc`.
//!
//! It performs the steps of `DriverEntry` at its start, and those of `DriverUnload` on Ctrl-C.

use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use wsk::irql::Passive;
use wsk::{Registration, Runtime, TcpListener, rt};
use wsk_host::{Config, Host, Network};

const DEFAULT_PORT: u16 = 7007;

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(DEFAULT_PORT), |port| port.parse())?;
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // After the first Ctrl-C, the receiver may be gone.
        let _ = interrupt.send(());
    })?;

    let _kernel = Host::new(Config { network: Network::Real, ..Config::default() }).enter();
    // SAFETY: on a host, the main thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = rt::block_on(passive, TcpListener::bind(&wsk, local))??;
    let address = rt::block_on(passive, listener.local_addr())??;
    let runtime = Runtime::new(passive, 2)?;
    let spawner = runtime.spawner();
    runtime.spawner().spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, log).await {
            log(format_args!("no more connections can be accepted: {error}"));
        }
    })?;
    println!("echo: serving on {address}. Try: nc {} {}", address.ip(), address.port());
    println!("Press Ctrl-C to stop.");
    interrupted.recv()?;

    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    let usage = wsk::pool::usage();
    println!("\npool: {} allocations, {} outstanding", usage.allocations, usage.outstanding());
    Ok(())
}

fn log(message: fmt::Arguments<'_>) {
    println!("echo: {message}");
}
