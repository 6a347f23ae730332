//! The projects that `cargo wsk new` creates.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cargo_wsk::Workspace;
use cargo_wsk::audit::Report;
use cargo_wsk::build::{Arch, Build};
use cargo_wsk::project::{Project, ProjectKind};
use xshell::{Shell, cmd};

use crate::{project, wine};

/// The stack budget for a call in a new driver or an example. A kernel stack has 24 KiB.
pub(super) const BUDGET: u32 = 4096;

/// A new driver links without optimization, and has none of the defects that do not depend on optimization.
pub(super) fn build() -> Result<()> {
    let workspace = create("hello", ProjectKind::Wdm)?;
    let driver = Build { profile: "dev", ..Build::release("hello-driver", Arch::X64) };
    cargo_wsk::audit::Summary::of(&driver.run(&workspace)?)?;
    println!("x64: a new project's driver links, not optimized");
    Ok(())
}

/// New projects pass their own tests; the driver builds optimized, passes the audit, and runs in Wine.
pub(super) fn run() -> Result<()> {
    for (name, kind) in [
        ("hello-lib", ProjectKind::Lib),
        ("hello-kmdf", ProjectKind::Kmdf),
        ("hello", ProjectKind::Wdm),
    ] {
        let workspace = create(name, kind)?;
        let shell = Shell::new()?;
        shell.change_dir(workspace.root());
        cmd!(shell, "cargo test --quiet").run().with_context(|| format!("the tests of {name}"))?;
        cmd!(shell, "cargo fmt --all --check").run().context("the new project is not formatted")?;
    }
    let workspace = create("hello", ProjectKind::Wdm)?;
    let images = Arch::ALL.map(|arch| Build::release("hello-driver", arch).run(&workspace));
    for image in images {
        let image = image?;
        let report = Report::of(&image, Some(BUDGET))?;
        print!("{report}");
        ensure!(report.findings.is_empty(), "the audit of a new driver has findings");
        if image.ends_with("x64/release/hello.sys") {
            wine::test_new("hello", &image)?;
        }
    }
    Ok(())
}

/// The driver of a new project for KMDF compiles for both processors, and is formatted.
pub(super) fn check_kmdf() -> Result<()> {
    let workspace = create("hello-kmdf", ProjectKind::Kmdf)?;
    let driver = workspace.root().join("driver");
    let locked = project::root().join("wsk-sys").join("tests").join("wdk-sys").join("Cargo.lock");
    fs::copy(locked, driver.join("Cargo.lock"))?;
    let shell = Shell::new()?;
    shell.change_dir(&driver);
    cmd!(shell, "cargo fmt --all --check").run().context("the new driver is not formatted")?;
    let driver = Workspace::find(Some(&driver.join("Cargo.toml")))?;
    cargo_wsk::check::check(&driver, None, &Arch::ALL)
}

/// Creates a project in a new folder. It is built in this project's target folder, which already has its dependencies.
pub(super) fn create(name: &str, kind: ProjectKind) -> Result<Workspace> {
    let parent = project::scratch()?.join("new");
    let folder = parent.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Project { folder: &folder, kind, wsk: Some(&project::root()) }.create()?;
    let settings = parent.join(".cargo");
    fs::create_dir_all(&settings)?;
    let target: PathBuf = project::target()?.into();
    let text = format!("[build]\ntarget-dir = '{}'\n", target.display());
    fs::write(settings.join("config.toml"), text)?;
    // The versions that this project has been tested with, without the network.
    fs::copy(project::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let shell = Shell::new()?;
    shell.change_dir(&folder);
    cmd!(shell, "cargo update --workspace --offline --quiet").quiet().run()?;
    Workspace::find(Some(&folder.join("Cargo.toml")))
}
