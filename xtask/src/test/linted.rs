//! Builds with clippy as the compiler, so that one compilation of a crate serves both its lints and its tests.
//!
//! `cargo clippy` only checks: every crate and all dependencies would be compiled twice, for the lints and for the
//! tests. Clippy's driver is rustc with more lints, and it also compiles if it is called like one of cargo's compiler
//! wrappers. It is called for the crates of this workspace only. Its code is less optimized, which does not matter for
//! tests.

use std::env::consts::EXE_EXTENSION;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use xshell::{Shell, cmd};

use crate::project;

/// The variable that makes cargo compile each crate as a whole. Incremental compilation would make the first build take
/// a fifth longer.
pub(super) const WHOLE: (&str, &str) = ("CARGO_INCREMENTAL", "0");

/// Options that make cargo omit line tables, which take a seventh of the processor time, for crates whose tests do not
/// compare the lines in a report. Panic messages still have their lines. A plain `cargo test` repeats a failure with
/// the lines of backtraces, too.
pub(super) const WITHOUT_LINES: [&str; 6] = [
    "--config",
    "profile.dev.package.wsk.debug=false",
    "--config",
    "profile.dev.package.cargo-wsk.debug=false",
    "--config",
    "profile.dev.package.xtask.debug=false",
];

/// The variables that make cargo compile with clippy and deny all warnings, in the form that `cargo clippy` uses.
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
