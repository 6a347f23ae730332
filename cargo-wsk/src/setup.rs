//! Installs the tools that the commands need: Debian packages, and parts of the Rust toolchain.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

/// The rustup targets that drivers are built for.
pub const TARGETS: [&str; 2] = ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"];

/// A program or library, and its Debian package.
pub struct Dependency {
    /// Its name in messages.
    pub name: &'static str,
    /// The Debian package.
    pub package: &'static str,
    /// Whether it is installed.
    pub is_there: fn() -> bool,
}

/// Checks that every tool is installed, and installs the missing ones if `setup` is set. `flag` is the command that
/// installs them.
///
/// # Errors
///
/// If a tool is missing or cannot be installed. The error for a missing tool describes how to install it.
pub fn require(needs: &[&Dependency], setup: bool, flag: &str) -> Result<()> {
    let missing: Vec<&Dependency> =
        needs.iter().copied().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !setup {
        let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
        bail!(
            "{} is missing.\nInstall it with `{flag}`, or with `apt-get install {}` on Debian.",
            names.join(" and "),
            packages.join(" ")
        );
    }
    install(&packages)?;
    for need in missing {
        if !(need.is_there)() {
            bail!(
                "the Debian package `{}` is installed, but {} is still not there",
                need.package,
                need.name
            );
        }
    }
    Ok(())
}

/// Installs Debian packages, as root or through sudo.
///
/// # Errors
///
/// If apt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    let sudo: &[&str] = if cmd!(shell, "id -u").quiet().read()? == "0" { &[] } else { &["sudo"] };
    let environment = "DEBIAN_FRONTEND=noninteractive";
    let run = |arguments: &[&str]| {
        cmd!(shell, "env")
            .args(sudo.is_empty().then_some(environment))
            .args(sudo)
            .args(arguments)
            .run()
    };
    println!("installing {}", packages.join(" "));
    run(&["apt-get", "update", "--quiet", "--quiet"])
        .and_then(|()| {
            let install =
                ["apt-get", "install", "--quiet", "--quiet", "--yes", "--no-install-recommends"];
            run(&[&install, packages].concat())
        })
        .with_context(|| format!("cannot install the Debian packages {}", packages.join(" ")))
}

/// Whether a program is on the path.
#[must_use]
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// Ensures that the toolchain of a folder can build drivers for these targets.
///
/// # Errors
///
/// If a target is missing and `setup` is not set, or rustup cannot install it.
pub fn require_targets(folder: &Path, targets: &[&str], setup: bool, flag: &str) -> Result<()> {
    let missing: Vec<&str> =
        targets.iter().copied().filter(|target| !has_target(folder, target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !setup {
        bail!(
            "the Rust toolchain lacks {}.\nInstall it with `{flag}`, or with `rustup target add {}`.",
            missing.join(" and "),
            missing.join(" ")
        );
    }
    let shell = Shell::new()?;
    shell.change_dir(folder);
    cmd!(shell, "rustup target add")
        .args(&missing)
        .run()
        .with_context(|| format!("cannot install the Rust targets {}", missing.join(" and ")))
}

fn has_target(folder: &Path, target: &str) -> bool {
    let Ok(shell) = Shell::new() else {
        return false;
    };
    shell.change_dir(folder);
    cmd!(shell, "rustc --print target-libdir --target {target}")
        .quiet()
        .read()
        .is_ok_and(|folder| Path::new(&folder).is_dir())
}
