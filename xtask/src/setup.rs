//! Installing what the commands need: Debian's packages, and parts of the Rust toolchain.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::project;

/// The rustup targets that drivers are built for.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"];

/// A program or library, and the Debian package that brings it.
pub(crate) struct Need {
    /// What a message calls it.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) is_there: fn() -> bool,
}

/// Makes sure that everything is there: installs it if `setup` says so, and otherwise says how.
pub(crate) fn require(needs: &[&Need], setup: bool, flag: &str) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().copied().filter(|need| !(need.is_there)()).collect();
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
pub(crate) fn install(packages: &[&str]) -> Result<()> {
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
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// Makes sure that the toolchain can build drivers.
pub(crate) fn require_targets(targets: &[&str], setup: bool, flag: &str) -> Result<()> {
    let missing: Vec<&str> = targets.iter().copied().filter(|target| !has_target(target)).collect();
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
    shell.change_dir(project::root());
    cmd!(shell, "rustup target add")
        .args(&missing)
        .run()
        .with_context(|| format!("cannot install the Rust targets {}", missing.join(" and ")))
}

fn has_target(target: &str) -> bool {
    let Ok(shell) = Shell::new() else {
        return false;
    };
    shell.change_dir(project::root());
    cmd!(shell, "rustc --print target-libdir --target {target}")
        .quiet()
        .read()
        .is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// Makes sure that the toolchain has components.
pub(crate) fn require_components(components: &[&str], setup: bool, flag: &str) -> Result<()> {
    let program = |component: &str| if component == "clippy" { "cargo-clippy" } else { "rustfmt" };
    let works = |component: &&str| {
        let shell = Shell::new()?;
        shell.change_dir(project::root());
        let program = program(component);
        cmd!(shell, "{program} --version").quiet().ignore_stderr().ignore_stdout().run()?;
        Ok::<(), anyhow::Error>(())
    };
    let missing: Vec<&str> = components.iter().copied().filter(|c| works(c).is_err()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !setup {
        bail!(
            "the Rust toolchain lacks {}.\nInstall it with `{flag}`, or with `rustup component add {}`.",
            missing.join(" and "),
            missing.join(" ")
        );
    }
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    cmd!(shell, "rustup component add")
        .args(&missing)
        .run()
        .with_context(|| format!("cannot install {}", missing.join(" and ")))
}

/// Makes sure that another toolchain is there, with the target of x64.
pub(crate) fn require_toolchain(version: &str, setup: bool, flag: &str) -> Result<()> {
    let shell = Shell::new()?;
    let target = TARGETS[0];
    let libraries =
        cmd!(shell, "rustup run {version} rustc --print target-libdir --target {target}");
    if libraries.quiet().ignore_stderr().read().is_ok_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    if !setup {
        bail!(
            "Rust {version}, the minimum version, is not there.\nInstall it with `{flag}`, or with \
             `rustup toolchain install {version} --profile minimal --target {target}`."
        );
    }
    cmd!(
        shell,
        "rustup toolchain install {version} --profile minimal --target {target} --no-self-update"
    )
    .run()
    .with_context(|| format!("cannot install Rust {version}"))
}
