//! Checks of the published crates.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::project;
use crate::tool::{self, Tool};

/// The published crates with their folders, in the order in which they are published.
pub(super) const CRATES: [(&str, &str); 9] = [
    ("wsk-sys", "wsk-sys"),
    ("wsk-host-macros", "wsk-host/macros"),
    ("wsk-host", "wsk-host"),
    ("wsk-host-c", "wsk-host/c"),
    ("wsk-macros", "wsk-macros"),
    ("wsk", "wsk"),
    ("wsk-driver", "wsk-driver"),
    ("wsk-loader", "wsk-loader"),
    ("cargo-wsk", "cargo-wsk"),
];

/// The files of each package besides its sources. The licenses are copies of the project's.
const LICENSES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// Every dependency has an accepted license and source.
pub(super) fn licenses() -> Result<()> {
    let shell = shell()?;
    let deny = program(&tool::DENY)?;
    // Licenses are read from the sources, including those for other systems and of features that no step builds.
    cmd!(shell, "cargo fetch --quiet --locked").run()?;
    // From here on, without the network. Advisories depend on the date, not on a change.
    cmd!(shell, "{deny} --offline check licenses bans sources")
        .run()
        .context("deny.toml lists the accepted licenses and sources")
}

/// Each crate can be packaged without the network. The package is complete: the crate builds from it.
pub(super) fn packages() -> Result<()> {
    let shell = shell()?;
    let names = CRATES.map(|(name, _)| ["--package", name]).concat();
    for (name, folder) in CRATES {
        require_contents(&shell, name, &project::root().join(folder))?;
    }
    // A package of the same version counts as the same to cargo, whatever it contains: nothing of an earlier run may be left.
    forget_unpacked()?;
    let target = project::scratch()?.join("packages");
    if target.is_dir() {
        fs::remove_dir_all(&target)
            .with_context(|| format!("cannot remove {}", target.display()))?;
    }
    cmd!(shell, "cargo package --quiet --offline --allow-dirty --target-dir {target}")
        .args(names)
        .run()
        .context("a package does not build from its own contents")
}

/// Removes what cargo has unpacked of the packages in an earlier run.
fn forget_unpacked() -> Result<()> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let Ok(folders) = fs::read_dir(home.join("registry").join("src")) else { return Ok(()) };
    for folder in folders {
        let folder = folder?.path();
        // A registry in a folder, such as cargo makes of packages that depend on each other, has no host in its name.
        let is_local =
            folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"-"));
        if !is_local {
            continue;
        }
        for (name, _) in CRATES {
            let package = folder.join(format!("{name}-{}", env!("CARGO_PKG_VERSION")));
            if package.is_dir() {
                fs::remove_dir_all(&package)
                    .with_context(|| format!("cannot remove {}", package.display()))?;
            }
        }
    }
    Ok(())
}

fn require_contents(shell: &Shell, name: &str, folder: &Path) -> Result<()> {
    let list = cmd!(shell, "cargo package --list --offline --allow-dirty --package {name}").quiet();
    let list = list.read()?.replace('\\', "/");
    let files: BTreeSet<&str> = list.lines().collect();
    for wanted in [&LICENSES[..], &["README.md", "Cargo.toml", "src/lib.rs"]].concat() {
        ensure!(
            files.contains(wanted),
            "{name}'s package has no {wanted}: see `include` in its Cargo.toml"
        );
    }
    for license in LICENSES {
        let [own, copy] = [project::root(), folder.into()].map(|folder| folder.join(license));
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        ensure!(read(&own)? == read(&copy)?, "{} differs from {}", copy.display(), own.display());
    }
    let is_header =
        |file: &&&str| Path::new(file).extension().is_some_and(|end| end.eq_ignore_ascii_case("h"));
    let header = files.iter().filter(|file| **file != "include/wsk_host.h").find(is_header);
    if let Some(header) = header {
        bail!("{name}'s package has the header {header}: only our own is published");
    }
    println!("{name}: {} files", files.len());
    Ok(())
}

/// The newest version's tag, once there is one.
fn last_tag(shell: &Shell) -> Result<Option<String>> {
    let tags =
        cmd!(shell, "git tag --list v* --sort=-version:refname --merged HEAD").quiet().read()?;
    Ok(tags.lines().next().map(str::to_owned))
}

/// Whether an earlier version exists to compare with.
pub(super) fn has_version() -> Result<bool> {
    Ok(last_tag(&shell()?)?.is_some())
}

/// The version matches the changes since the last release.
pub(super) fn semver() -> Result<()> {
    let shell = shell()?;
    let Some(tag) = last_tag(&shell)? else {
        println!(
            "nothing was compared: no tag v* leads to this commit, so there is no version to be compatible with"
        );
        return Ok(());
    };
    let checks = program(&tool::SEMVER_CHECKS)?;
    // The tool cannot see the exports of macros and of the library for C.
    let names = ["wsk-sys", "wsk-host", "wsk"].map(|name| ["--package", name]).concat();
    // By default it would enable all features, including `wdk-sys`, which needs a WDK.
    cmd!(shell, "{checks} semver-checks --only-explicit-features --baseline-rev {tag}")
        .args(names)
        .run()
        .with_context(|| format!("the version does not match the changes since {tag}"))
}

fn shell() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    Ok(shell)
}

fn program(tool: &Tool) -> Result<std::path::PathBuf> {
    tool.program().context("the tool has disappeared since the first step")
}
