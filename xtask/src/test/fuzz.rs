//! The fuzz targets of `fuzz/` under libFuzzer, each for a bounded number of runs.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::project;
use crate::tool;

const TOOLCHAIN: &str = "nightly";

/// The number of inputs for one target.
const RUNS: u32 = 20_000;

/// The time limit of one target in seconds, if its inputs are slow.
const SECONDS: u32 = 60;

/// Checks for a nightly toolchain and for cargo-fuzz, and installs missing ones if `setup` is set.
pub(super) fn require(setup: bool, flag: &str) -> Result<()> {
    let shell = Shell::new()?;
    let version = cmd!(shell, "rustup run {TOOLCHAIN} rustc --version");
    if version.quiet().ignore_stdout().ignore_stderr().run().is_err() {
        let install = "toolchain install nightly --profile minimal";
        if !setup {
            bail!(
                "fuzzing needs a nightly toolchain.\nInstall it with `{flag}`, or with `rustup {install}`."
            );
        }
        cmd!(shell, "rustup")
            .args(install.split(' '))
            .arg("--no-self-update")
            .run()
            .context("cannot install a nightly toolchain")?;
    }
    tool::FUZZ.require(setup, flag)
}

/// Runs every target over its seeds and inputs derived from them. New inputs stay below `target/fuzz`.
pub(super) fn run() -> Result<()> {
    let program = tool::FUZZ.program().context("cargo-fuzz is missing")?;
    let root = project::root();
    let seeds = root.join("fuzz/seeds");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&seeds).with_context(|| format!("cannot read {}", seeds.display()))? {
        targets.push(entry?.file_name().into_string().map_err(|name| {
            anyhow::anyhow!("{} is not UTF-8: rename this folder of seeds", name.display())
        })?);
    }
    targets.sort();
    ensure!(!targets.is_empty(), "{} has no targets", seeds.display());
    let shell = Shell::new()?;
    shell.change_dir(&root);
    // The workspace's release profile takes minutes to compile and link, for code that runs for seconds.
    shell.set_var("CARGO_PROFILE_RELEASE_LTO", "off");
    shell.set_var("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    shell.set_var("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    shell.set_var("RUSTUP_TOOLCHAIN", TOOLCHAIN);
    let folder = project::target()?.join("fuzz");
    for target in &targets {
        let corpus = folder.join("corpus").join(target);
        shell.create_dir(&corpus)?;
        let own_seeds = seeds.join(target);
        cmd!(
            shell,
            "{program} fuzz run --fuzz-dir fuzz --features libfuzzer --target-dir {folder}"
        )
        .arg(target)
        .args([&corpus, &own_seeds])
        .args(["--", "-max_len=256"])
        .arg(format!("-runs={RUNS}"))
        .arg(format!("-max_total_time={SECONDS}"))
        .run()
        .with_context(|| {
            format!("the fuzz target {target} failed; cargo-fuzz prints the input above")
        })?;
    }
    Ok(())
}
