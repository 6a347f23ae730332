//! The web server as a process: `cargo run --example web [PORT [URL]]`. Try it with `curl`.
//!
//! It performs the steps of `DriverEntry` at its start, and those of `DriverUnload` on Ctrl-C.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use web::{Site, Url};
use wsk::irql::Passive;
use wsk::{Registration, Runtime, TcpListener, rt};
use wsk_host::{Config, Host, Network};

const DEFAULT_PORT: u16 = 8080;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(DEFAULT_PORT), |port| port.parse())?;
    let page = arguments.next().map(|url| Url::try_from(&*url)).transpose();
    let page = page.map_err(|_| "the URL is too long")?;
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
    let listener = rt::block_on(passive, TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, port)))??;
    let address = rt::block_on(passive, listener.local_addr())??;
    let runtime = Runtime::new(passive, 2)?;
    let spawner = runtime.spawner();
    let site = Site { wsk: wsk.clone(), page, log };
    runtime.spawner().spawn(async move {
        if let Err(error) = web::serve(listener, spawner, site).await {
            log(format_args!("no more connections can be accepted: {error}"));
        }
    })?;
    println!("web: serving on {address}. Try: curl http://{address}/square/12");
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
    println!("web: {message}");
}
