//! `cargo xtask test`: everything that must hold, step by step.

mod c;
mod callback_cost;
mod headers;
mod miri;
mod release;
mod steps;

use std::time::Instant;

use anyhow::{Result, bail};

use cargo_wsk::setup::{self, Need};
use cargo_wsk::wine::NEEDS as WINE;

use self::steps::STEPS;
use crate::wine::WEB_NEEDS;
use crate::{bindgen, project, tool, toolchain};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The steps to run [default: all but those for releases]
    #[arg(value_name = "STEP", value_parser = step_names())]
    steps: Vec<String>,
    /// Install what is missing first: Debian packages, and parts of the Rust toolchain
    #[arg(long)]
    setup: bool,
    /// Also run the steps for releases
    #[arg(long, conflicts_with = "steps")]
    all: bool,
    /// List the steps
    #[arg(long)]
    list: bool,
}

/// One thing to check.
pub(crate) struct Step {
    name: &'static str,
    about: &'static str,
    /// It takes long, and what it looks for seldom comes about: it is run by its name, and before a release.
    is_for_releases: bool,
    /// What has to be installed, besides the toolchain.
    needs: fn() -> Vec<&'static Need>,
    run: fn() -> Result<()>,
}

fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        for step in &STEPS {
            let when = if step.is_for_releases { " (for releases)" } else { "" };
            println!("{:<13} {}{when}", step.name, step.about);
        }
        return Ok(());
    }
    let is_wanted = |step: &&Step| match &args.steps[..] {
        [] => args.all || !step.is_for_releases,
        names => names.iter().any(|name| name == step.name),
    };
    let steps: Vec<&Step> = STEPS.iter().filter(is_wanted).collect();
    require(&steps, args.setup)?;

    let started = Instant::now();
    let mut results = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.about);
        let started = Instant::now();
        let result = (step.run)();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        results.push((step.name, result.is_ok(), started.elapsed()));
    }

    println!("\n{:<13} {:>7}", "step", "seconds");
    for (name, passed, time) in &results {
        let state = if *passed { "" } else { "   FAILED" };
        println!("{name:<13} {:>7.1}{state}", time.as_secs_f32());
    }
    println!("{:<13} {:>7.1}", "all", started.elapsed().as_secs_f32());
    let failed: Vec<&str> =
        results.iter().filter(|result| !result.1).map(|result| result.0).collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}. To run a step again: `cargo xtask test {}`",
            failed.join(", "),
            failed[0]
        );
    }
    Ok(())
}

/// Before the first step, so that nothing is half done when something is missing.
fn require(steps: &[&Step], setup: bool) -> Result<()> {
    const FLAG: &str = "cargo xtask test --setup";
    let mut needs: Vec<&Need> = Vec::new();
    for need in steps.iter().flat_map(|step| (step.needs)()) {
        if !needs.iter().any(|known| known.package == need.package) {
            needs.push(need);
        }
    }
    setup::require(&needs, setup, FLAG)?;
    toolchain::require_components(&["rustfmt", "clippy"], setup, FLAG)?;
    setup::require_targets(&project::root(), &setup::TARGETS, setup, FLAG)?;
    if steps.iter().any(|step| step.name == steps::MINIMUM) {
        toolchain::require_toolchain(&project::minimum_rust()?, setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::MIRI) {
        miri::require(setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::LICENCES) {
        tool::DENY.require(setup, FLAG)?;
    }
    if steps.iter().any(|step| step.name == steps::SEMVER) && release::has_version()? {
        tool::SEMVER_CHECKS.require(setup, FLAG)?;
    }
    Ok(())
}

static GCC: Need = Need { name: "gcc", package: "gcc", is_there: || setup::on_path("gcc") };
static GXX: Need = Need { name: "g++", package: "g++", is_there: || setup::on_path("g++") };
pub(crate) static CLANG: Need =
    Need { name: "clang", package: "clang", is_there: || setup::on_path("clang") };

fn nothing() -> Vec<&'static Need> {
    Vec::new()
}

fn compilers() -> Vec<&'static Need> {
    vec![&GCC, &GXX, &CLANG]
}

fn libclang() -> Vec<&'static Need> {
    vec![&bindgen::LIBCLANG]
}

/// What the unit tests of the workspace need: the bindings' own, and what the web server is tested with.
fn units() -> Vec<&'static Need> {
    libclang().into_iter().chain(&WEB_NEEDS).collect()
}

fn wine() -> Vec<&'static Need> {
    WINE.iter().chain(&WEB_NEEDS).collect()
}
