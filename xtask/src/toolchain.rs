//! Parts of the Rust toolchain that only this project needs: components, and the minimum version.

use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_wsk::setup::TARGETS;
use xshell::{Shell, cmd};

use crate::project;

/// Ensures that the toolchain has these components.
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

/// Checks that another toolchain is installed with the target of x64, or installs it.
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
