//! Runs the images of drivers in a process. `cargo wsk run` runs the echo drivers, in Rust and in C (built by clang and by
//! gcc), and the web driver on the machine's network, with the checks that also run in Wine. The tests of `wsk-loader`
//! run images on the simulated network.

mod arm64;
mod mistakes;
mod options;
mod process;
mod project_run;
mod serving;

pub(super) use arm64::{TARGET as ARM64_TARGET, run as run_arm64};

use anyhow::{Context, Result};
use cargo_wsk::build::Arch;
use xshell::{Shell, cmd};

use crate::c_driver::CDriver;
use crate::{bench, driver, project};

pub(super) fn run() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    let images = [
        driver::build("echo", Arch::X64)?,
        bench::ECHO_IN_C.build(&shell)?,
        bench::ECHO_IN_C.build_with_gcc(&shell)?,
    ];
    cmd!(shell, "cargo build --quiet --package cargo-wsk").run()?;
    options::check(&images[0])?;
    project_run::run()?;
    for image in images {
        println!("{}", image.display());
        serving::echo(&image).with_context(|| format!("on {}", image.display()))?;
        cmd!(shell, "cargo test --quiet --package wsk-loader --test echo -- --ignored")
            .env("WSK_LOADER_IMAGE", &image)
            .run()?;
    }
    let image = driver::build("web", Arch::X64)?;
    println!("{}", image.display());
    serving::web(&image).with_context(|| format!("on {}", image.display()))?;
    let image = driver::build("scenarios", Arch::X64)?;
    println!("{}", image.display());
    cmd!(shell, "cargo test --quiet --package wsk-loader --test scenarios -- --ignored")
        .env("WSK_LOADER_SCENARIOS", &image)
        .run()?;
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
