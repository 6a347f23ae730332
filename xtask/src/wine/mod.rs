//! `cargo xtask wine`: runs an example driver in Wine, on Linux, until Ctrl-C, or tests it there.

mod echo;
mod metrics;
mod syslog;
mod test;
mod web;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use cargo_wsk::build::Arch;
use cargo_wsk::setup::{self, Dependency};
use cargo_wsk::wine::{self, RegistryValue, ServiceParameter};

pub(crate) use self::test::{run as test, run_image as test_image, run_new as test_new, with_echo};
use crate::driver;
use crate::project;

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
    setup::require(&wine::NEEDS.each_ref(), args.setup, FLAG)?;
    setup::require_targets(&project::root(), &[Arch::X64.target()], args.setup, FLAG)?;
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

/// The user can choose another program as the driver's peer, so this one is installed but not required.
static NC: Dependency =
    Dependency { name: "nc", package: "netcat-openbsd", is_there: || setup::on_path("nc") };

/// The requests of the checks of `web`, and their programs.
pub(crate) static WEB_NEEDS: [Dependency; 2] = [
    Dependency { name: "curl", package: "curl", is_there: || setup::on_path("curl") },
    Dependency { name: "Python", package: "python3", is_there: || setup::on_path("python3") },
];

/// Serves until Ctrl-C.
fn serve(name: &str, port: Option<u16>, url: Option<&str>) -> Result<()> {
    let address = address(port)?;
    let port = if name == "syslog" { CONTROL } else { PORT };
    let mut parameters = vec![self::port(port, address.port())];
    parameters.extend(url.map(self::url));
    let talk = match name {
        "metrics" => format!("curl http://{address}/metrics"),
        "web" => format!("curl http://{address}/square/12"),
        _ => format!("nc {} {}", address.ip(), address.port()),
    };
    wine::Run { name, parameters: &parameters }.until_interrupted(
        &project::scratch()?,
        || driver::build(name, Arch::X64),
        || println!("{name} serves on {address}. Talk to it with: {talk}\nCtrl-C stops it."),
    )
}

/// The parameter of most drivers that is the port to serve on.
const PORT: &str = "Port";

/// The port parameter of the syslog driver.
const CONTROL: &str = "Control";

/// The port that a driver serves on.
fn port(name: &str, port: u16) -> ServiceParameter {
    (name.to_owned(), RegistryValue::Number(port.into()))
}

/// The host that a driver serves at.
fn host(host: &str) -> ServiceParameter {
    ("Host".to_owned(), RegistryValue::Text(host.to_owned()))
}

/// The page of another server.
fn url(url: &str) -> ServiceParameter {
    ("Url".to_owned(), RegistryValue::Text(url.to_owned()))
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

/// A port that is currently unused.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
