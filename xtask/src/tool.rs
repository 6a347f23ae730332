//! Third-party cargo subcommands, in the versions that this project uses.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cargo_wsk::setup;
use xshell::{Shell, cmd};

use crate::project;

/// A subcommand from a package of the registry.
pub(crate) struct Tool {
    /// The package and the program.
    name: &'static str,
    version: &'static str,
}

/// Licenses and sources of the dependencies.
pub(crate) static DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Coverage-guided inputs for the targets of `fuzz/`.
pub(crate) static FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

/// The effect of a change on dependents of a crate.
pub(crate) static SEMVER_CHECKS: Tool = Tool { name: "cargo-semver-checks", version: "0.51.0" };

impl Tool {
    /// The program: the copy in this project's `target`, or else the one on the path.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let own = folder().ok()?.join("bin").join(self.name);
        if own.is_file() {
            return Some(own);
        }
        setup::on_path(self.name).then(|| self.name.into())
    }

    /// Checks that the tool is installed. If it is missing, installs it into the project's `target` if `setup` is set,
    /// and otherwise returns an error that says how to.
    pub(crate) fn require(&self, setup: bool, flag: &str) -> Result<()> {
        let Self { name, version } = self;
        if self.program().is_some() {
            return Ok(());
        }
        if !setup {
            bail!(
                "{name} is missing.\nInstall it with `{flag}`, or with `cargo install {name} --version {version} \
                 --locked`."
            );
        }
        let shell = Shell::new()?;
        let folder = folder()?;
        // Not optimized: it runs for a second, and an optimized build would take minutes.
        cmd!(
            shell,
            "cargo install {name} --version ={version} --locked --debug --quiet --root {folder}"
        )
        .run()
        .with_context(|| format!("cannot install {name} {version}"))
    }
}

fn folder() -> Result<PathBuf> {
    Ok(project::target()?.join("tools"))
}
