//! The commands of `wsk-bindgen`. Running one builds `wsk-bindgen`, and bindgen with it.

pub(crate) mod digests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_wsk::setup::{self, Dependency};

use crate::project;

/// Options of a command of `wsk-bindgen`: `--help` shows them.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Options and arguments; with --setup, libclang is installed first if it is missing (Debian)
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The library that bindgen reads headers with.
pub(crate) static LIBCLANG: Dependency =
    Dependency { name: "libclang", package: "libclang1-19", is_there: has_libclang };

/// Runs a command of `wsk-bindgen`, with the output in the terminal.
pub(crate) fn run(command: &str, args: &Args) -> Result<()> {
    let (setup, arguments): (Vec<_>, Vec<_>) =
        args.arguments.iter().partition(|argument| *argument == "--setup");
    if !setup.is_empty() {
        setup::require(&[&LIBCLANG], true, "cargo xtask regen --setup")?;
    }
    let status = program().arg(command).args(arguments).status().context("cannot run cargo")?;
    // The program has printed the reason.
    ensure!(status.success(), "`cargo xtask {command}` failed");
    // With --check or --list, it writes nothing.
    if command == "regen" && !args.arguments.iter().any(|it| it == "--check" || it == "--list") {
        digests::write()?;
    }
    Ok(())
}

/// The folders of every usable libclang that Debian's packages have installed.
pub(crate) fn libclangs() -> Result<Vec<PathBuf>> {
    let output = program().arg("libclang").output().context("cannot run cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "libclang cannot be loaded:\n{errors}");
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect())
}

fn has_libclang() -> bool {
    libclangs().is_ok()
}

/// The command that runs `wsk-bindgen`, which is built first. The current folder does not change, since arguments may
/// be relative to it.
fn program() -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--package", "wsk-bindgen", "--manifest-path"])
        .arg(project::root().join("Cargo.toml"))
        .arg("--");
    command
}
