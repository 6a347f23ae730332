//! Runs the images of the echo drivers, in Rust and in C (built by clang and by gcc), in a process. `cargo wsk run`
//! runs them on the machine's network, with the checks that also run in Wine. The tests of `wsk-loader` run them on the
//! simulated network.

mod mistakes;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cargo_wsk::build::Arch;
use wait_timeout::ChildExt as _;
use xshell::{Shell, cmd};

use crate::c_driver::CDriver;
use crate::{bench, driver, project, wine};

/// The maximum time for unloading the driver.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    let images = [
        driver::build("echo", Arch::X64)?,
        bench::ECHO_IN_C.build(&shell)?,
        bench::ECHO_IN_C.build_with_gcc(&shell)?,
    ];
    cmd!(shell, "cargo build --quiet --package cargo-wsk").run()?;
    for image in images {
        println!("{}", image.display());
        serve(&shell, &image).with_context(|| format!("on {}", image.display()))?;
        cmd!(shell, "cargo test --quiet --package wsk-loader --test echo -- --ignored")
            .env("WSK_LOADER_IMAGE", &image)
            .run()?;
    }
    let image = DEVICE.build(&shell)?;
    cmd!(shell, "cargo test --quiet --package wsk-loader --test device -- --ignored")
        .env("WSK_LOADER_DEVICE", &image)
        .run()?;
    mistakes::run(&shell)
}

/// A driver with devices that programs open.
const DEVICE: CDriver<'_> = CDriver {
    name: "device",
    folder: "wsk-loader/tests/drivers",
    sources: &["device"],
    output: "device",
};

/// Runs the checks against a driver that `cargo wsk run` has loaded, and unloads it with open connections.
fn serve(shell: &Shell, image: &Path) -> Result<()> {
    let port = wine::free_port()?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut running = Command::new(project::target()?.join("debug").join("cargo-wsk"))
        .args(["wsk", "run"])
        .arg(image)
        .arg(format!("--param=Port={port}"))
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo-wsk does not start")?;
    let checked = check(&mut running, server, shell);
    if checked.is_err() {
        // The process may have ended by itself.
        let _ = running.kill();
        running.wait()?;
    }
    checked
}

fn check(running: &mut Child, server: SocketAddr, shell: &Shell) -> Result<()> {
    let output = running.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let first = lines.next().context("the driver was not loaded")??;
    ensure!(first.ends_with("is loaded. Ctrl-C unloads it."), "the first line is: {first}");
    for (name, check) in echo_checks::CHECKS {
        check(server).with_context(|| name.to_owned())?;
        println!("   {name}");
    }
    echo_checks::one_after_another(server, 100)?;
    let clients = echo_checks::open(server, 32)?;
    let id = running.id().to_string();
    cmd!(shell, "kill -INT {id}").quiet().run()?;
    let status = running.wait_timeout(PATIENCE)?.context("the driver is not unloaded")?;
    ensure!(status.success(), "`cargo wsk run` has ended with {status}");
    clients.into_iter().try_for_each(echo_checks::has_ended)?;
    println!("   unload with 32 connections open");
    let last = lines.last().context("there is no line about the end")??;
    ensure!(last.ends_with("It left nothing behind."), "the last line is: {last}");
    Ok(())
}
