//! `cargo xtask wine`: runs a driver in Wine, on Linux, to be talked to or to be tested.
//!
//! Wine loads a real `.sys` and gives it its own ntoskrnl.exe and netio.sys. We wrote neither, so this
//! shows that a driver of ours loads, links and talks. It does not show IRQL, paging, callbacks, UDP,
//! IPv6, options or cancellation: Wine has none of them.

mod echo;
mod log;
mod netio;
mod prefix;
mod service;
mod test;
mod web;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};

use self::log::Log;
pub(crate) use self::prefix::NEEDS;
use self::prefix::{Channels, Prefix};
use self::service::{Parameters, Service};
pub(crate) use self::test::{run as test, run_image as test_image};
use crate::driver::{self, Arch};
use crate::setup::{self, Need};

/// Options of `cargo xtask wine`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The example: a folder below examples/ with a crate `driver`
    name: String,
    /// Run the checks of the example against the driver, and exit
    #[arg(long)]
    test: bool,
    /// Install Wine, nc to talk to it, and the Rust target first, if they are missing (Debian)
    #[arg(long)]
    setup: bool,
    /// The port to serve on [default: 7007, or a free one]
    #[arg(long)]
    port: Option<u16>,
    /// For web: the page of another server that it serves, too
    #[arg(long)]
    url: Option<String>,
}

const FLAG: &str = "cargo xtask wine NAME --setup";

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require(&NEEDS.each_ref(), args.setup, FLAG)?;
    setup::require_targets(&["x86_64-pc-windows-msvc"], args.setup, FLAG)?;
    if args.test {
        if args.port.is_some() || args.url.is_some() {
            bail!("--test chooses its own ports and pages");
        }
        if args.name == "web" {
            setup::require(&WEB_NEEDS.each_ref(), args.setup, FLAG)?;
        }
        return test(&args.name);
    }
    if args.setup {
        setup::require(&[&NC], true, FLAG)?;
    }
    serve(&args.name, args.port, args.url.as_deref())
}

/// Whoever talks to the driver may use anything else, so it is only ever installed, not required.
static NC: Need = Need { name: "nc", package: "netcat-openbsd", is_there: || setup::on_path("nc") };

/// What the checks of `web` ask, and what they ask with.
pub(crate) static WEB_NEEDS: [Need; 2] = [
    Need { name: "curl", package: "curl", is_there: || setup::on_path("curl") },
    Need { name: "Python", package: "python3", is_there: || setup::on_path("python3") },
];

/// Serves until Ctrl-C.
fn serve(name: &str, port: Option<u16>, url: Option<&str>) -> Result<()> {
    // Before anything is started that would have to be stopped.
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Once is enough; a second Ctrl-C finds the receiver gone, or this one still unread.
        let _ = interrupt.send(());
    })?;

    let image = driver::build(name, Arch::X64)?;
    let address = address(port)?;
    println!("starting Wine");
    let log = Log::streaming();
    let prefix = Prefix::create(&log, Channels::Messages)?;
    let parameters = Parameters { port: address.port(), url, host: None };
    let service = Service::start(&prefix, name, &image, parameters)
        .with_context(|| format!("the driver does not start\n{}", log.text()))?;
    let talk = match name {
        "web" => format!("curl http://{address}/square/12"),
        _ => format!("nc {} {}", address.ip(), address.port()),
    };
    println!("{name} serves on {address}. Talk to it with: {talk}");
    println!("Ctrl-C stops it.");
    interrupted.recv().context("nothing can interrupt this any more")?;

    println!();
    service.stop().with_context(|| format!("the driver does not stop\n{}", log.text()))?;
    prefix.remove()
}

fn address(port: Option<u16>) -> Result<SocketAddr> {
    const USUAL: u16 = 7007;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    let port = match port {
        Some(port) if !is_free(port) => bail!("port {port} is in use; choose another with --port"),
        Some(port) => port,
        None if is_free(USUAL) => USUAL,
        None => free_port()?,
    };
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
