//! Builds in which clippy is the compiler: one compilation of a crate serves its lints and its tests.
//!
//! `cargo clippy` only checks, so that every crate and all dependencies would be compiled twice, for the lints and for the tests.
//! Its driver is rustc with more lints. It also compiles, if it is called as cargo calls a wrapper, for the crates of this
//! workspace only. What it compiles is less optimized, which is no matter for tests.

use std::env::consts::EXE_EXTENSION;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use xshell::{Shell, cmd};

use crate::project;

/// The variable with which cargo compiles each crate as a whole. In parts, of which a later build compiles only those that have
/// changed, the first build takes a fifth longer.
pub(super) const WHOLE: (&str, &str) = ("CARGO_INCREMENTAL", "0");

/// Options with which cargo omits line tables, a seventh of the processor time, for crates whose tests compare no line of a report.
/// Messages of panics have their lines nevertheless; plain `cargo test` repeats a failure with those of backtraces, too.
pub(super) const WITHOUT_LINES: [&str; 6] = [
    "--config",
    "profile.dev.package.wsk.debug=false",
    "--config",
    "profile.dev.package.cargo-wsk.debug=false",
    "--config",
    "profile.dev.package.xtask.debug=false",
];

/// The variables with which cargo compiles with clippy and denies all warnings, in the form that `cargo clippy` gives them.
pub(super) fn variables() -> Result<[(&'static str, &'static str); 3]> {
    static DRIVER: OnceLock<String> = OnceLock::new();
    if DRIVER.get().is_none() {
        let path = driver()?;
        DRIVER.get_or_init(|| path);
    }
    let driver = DRIVER.get().context("it was set above")?;
    Ok([
        ("RUSTC_WORKSPACE_WRAPPER", driver),
        ("CLIPPY_ARGS", "--deny__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__"),
        WHOLE,
    ])
}

/// The path of clippy's driver, beside the compiler.
fn driver() -> Result<String> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    let sysroot = cmd!(shell, "rustc --print sysroot").quiet().read()?;
    let path = Path::new(&sysroot).join("bin").join("clippy-driver");
    let path = path.with_extension(EXE_EXTENSION);
    ensure!(
        path.exists(),
        "{} is missing: `rustup component add clippy` installs it",
        path.display()
    );
    path.into_os_string().into_string().map_err(|path| anyhow!("{} is not UTF-8", path.display()))
}
