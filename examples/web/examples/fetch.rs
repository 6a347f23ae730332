//! The client as a process: `cargo run --example fetch URL` prints the page.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use wsk::irql::Passive;
use wsk::{Buffer, Registration, rt, time};
use wsk_host::{Config, Host, Network};

/// The maximum size of the page in bytes.
const PAGE: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("missing argument: cargo run --example fetch URL")?;
    let _kernel = Host::new(Config { network: Network::Real, ..Config::default() }).enter();
    // SAFETY: on a host, the main thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let mut page = Buffer::new(PAGE)?;
    let fetching = web::fetch(&wsk, &url, &mut page);
    let (status, length) =
        rt::block_on(passive, time::timeout(Duration::from_secs(30), fetching))???;
    eprintln!("{status}, {length} bytes");
    std::io::stdout().write_all(&page[..length])?;
    drop(wsk);
    registration.deregister(passive);
    Ok(())
}
