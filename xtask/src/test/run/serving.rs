//! The checks of the example drivers that also run in Wine, against images that `cargo wsk run` has loaded.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use web_checks::Origin;

use super::process::{self, RunningDriver};
use crate::program::{ProgramOutput, execute};
use crate::project;

/// The maximum time for a start that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check of a server, and its name.
type Check = (&'static str, fn(SocketAddr) -> Result<()>);

/// Runs the checks of the echo driver, and unloads it with open connections.
pub(super) fn echo(image: &Path) -> Result<()> {
    let driver = RunningDriver::load(image, &[])?;
    all(&driver, &echo_checks::CHECKS)?;
    echo_checks::one_after_another(driver.server, 100)?;
    let clients = echo_checks::open(driver.server, 32)?;
    driver.unload()?;
    clients.into_iter().try_for_each(echo_checks::has_ended)?;
    println!("   unload with 32 connections open");
    port_in_use(image)
}

/// Runs the checks of the web driver: with a page of another server, with one that the server does not have, without
/// the server, and without a page.
pub(super) fn web(image: &Path) -> Result<()> {
    let load = |url: &str| RunningDriver::load(image, &[&format!("Url={url}")]);
    let origin = Origin::start(&project::scratch()?)?;
    let driver = load(&origin.url())?;
    all(&driver, &web_checks::CHECKS)?;
    driver.unload()?;

    let driver = load(&origin.url_without_page())?;
    web_checks::not_fetched(driver.server, "404")?;
    println!("   a page that the other server does not have");
    drop(origin);
    web_checks::not_fetched(driver.server, "502")?;
    let messages = driver.unload()?;
    ensure!(messages.contains("cannot fetch"), "the driver has printed:\n{messages}");
    println!("   another server that is not there");

    let driver = RunningDriver::load(image, &[])?;
    web_checks::not_fetched(driver.server, "404")?;
    driver.unload()?;
    println!("   no other server");
    port_in_use(image)
}

/// Runs checks that leave the server unchanged.
pub(super) fn all(driver: &RunningDriver, checks: &[Check]) -> Result<()> {
    for (name, check) in checks {
        check(driver.server).with_context(|| (*name).to_owned())?;
        println!("   {name}");
    }
    Ok(())
}

/// The driver does not start on the port of another program, and says so.
fn port_in_use(image: &Path) -> Result<()> {
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = taken.local_addr()?.port();
    let mut command = process::command()?;
    command.arg(image).arg(format!("--param=Port={port}"));
    let output = project::scratch()?.join("port-in-use");
    let ProgramOutput { status, err, .. } = execute(&mut command, &output, PATIENCE)?;
    let refused = format!("cannot serve on port {port}");
    ensure!(
        status.code() == Some(1) && err.contains(&refused) && err.contains("DriverEntry"),
        "on a used port, the driver has ended with {status}:\n{err}"
    );
    println!("   load fails when the port is in use");
    Ok(())
}
