//! `cargo xtask driver`: builds a driver of `examples/`, on any system, and inspects the image.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use cargo_wsk::audit::Summary;
use cargo_wsk::build::{Arch, Build};
use cargo_wsk::setup;

use crate::project;

/// Options of `cargo xtask driver`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The example: a folder below examples/ with a crate `driver`
    name: String,
    /// The processor that the driver is for [default: both]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Install the Rust targets first, if they are missing
    #[arg(long)]
    setup: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    const FLAG: &str = "cargo xtask driver NAME --setup";
    let archs = args.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch]);
    let targets: Vec<&str> = archs.iter().map(|arch| arch.target()).collect();
    setup::require_targets(&project::root(), &targets, args.setup, FLAG)?;
    for arch in archs {
        print!("{}", describe(&build(&args.name, arch)?)?);
    }
    Ok(())
}

/// The profile of this workspace that has the settings of a new project's drivers.
pub(crate) const PROFILE: &str = "driver";

/// Builds a driver of an example, and returns its path: `target/driver/ARCH/PROFILE/NAME.sys`.
pub(crate) fn build(name: &str, arch: Arch) -> Result<PathBuf> {
    build_with(name, arch, true)
}

/// Builds a driver like [`build`], with or without its default features, at the same path.
pub(crate) fn build_with(name: &str, arch: Arch, default_features: bool) -> Result<PathBuf> {
    let workspace = project::workspace()?;
    let package = format!("{name}-driver");
    let known: Vec<&str> =
        workspace.drivers().filter_map(|driver| driver.strip_suffix("-driver")).collect();
    ensure!(
        known.contains(&name),
        "no driver is called `{name}`; the drivers are {}",
        known.join(", ")
    );
    let features = &[FEATURE];
    let driver = Build::release(&package, arch);
    Build { features, default_features, profile: PROFILE, ..driver }.run(workspace)
}

/// A feature of `wsk` that the audit driver enables. The examples enable it, too, and so share that build of `wsk`.
/// Unused code does not end up in an image.
const FEATURE: &str = "wsk/embedded-nal-async";

/// The images that a driver of this project may import from.
const KERNEL_IMAGES: [&str; 4] = ["cng.sys", "hal.dll", "netio.sys", "ntoskrnl.exe"];

/// Describes an image and its imports. Fails if the kernel would not load it.
pub(crate) fn describe(driver: &Path) -> Result<Summary> {
    let summary = Summary::of(driver)?;
    for (image, names) in &summary.imports {
        ensure!(
            KERNEL_IMAGES.contains(&image.as_str()),
            "{} imports {} from {image}; a driver of this project uses only {}",
            driver.display(),
            names.join(", "),
            KERNEL_IMAGES.join(", ")
        );
    }
    Ok(summary)
}
