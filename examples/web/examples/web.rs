//! The web server as a process: `cargo run --example web [PORT [URL]]`, and ask it with `curl`.
//!
//! What a driver does in `DriverEntry` and `DriverUnload`, this does before and after Ctrl-C.

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
        // Once is enough: a second Ctrl-C may find nobody waiting.
        let _ = interrupt.send(());
    })?;

    let _kernel = Host::new(Config { network: Network::Real, ..Config::default() }).enter();
    // SAFETY: the main thread of a process stands for one at PASSIVE_LEVEL.
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
    println!("web serves on {address}. Ask it with: curl http://{address}/square/12");
    println!("Ctrl-C stops it.");
    interrupted.recv()?;

    runtime.shutdown(passive);
    drop((wsk, registration));
    let usage = wsk::pool::usage();
    println!("\n{} allocations, {} outstanding", usage.allocations, usage.outstanding());
    Ok(())
}

fn log(message: fmt::Arguments<'_>) {
    println!("web: {message}");
}
