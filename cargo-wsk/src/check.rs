//! Checks a driver of windows-drivers-rs without a WDK: compiles it without linking, with crates that replace wdk-sys
//! and wdk-build and have their names and types.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::Workspace;
use crate::build::Arch;
use crate::cargo_error::cargo_error;

macro_rules! source {
    ($path:literal) => {
        ($path, include_str!(concat!("../stand-in/", $path)))
    };
}

/// The sources of the crates, and their names.
const SOURCES: [(&str, &str); 6] = [
    source!("wdk-build/lib.rs"),
    source!("wdk-sys/lib.rs"),
    source!("wdk-sys/ntddk.rs"),
    source!("wdk-sys/types.rs"),
    source!("wdk-sys/wdf.rs"),
    source!("wdk-sys/wdf_types.rs"),
];

/// The crates, with the versions that they replace.
const CRATES: [(&str, &str); 2] = [("wdk-build", "0.6.0"), ("wdk-sys", "0.5.2")];

/// Checks the driver of a workspace for these processors.
///
/// # Errors
///
/// If the driver does not use wdk-sys, or does not compile: the error has the messages of cargo.
pub fn check(workspace: &Workspace, package: Option<&str>, archs: &[Arch]) -> Result<()> {
    let package = workspace.driver(package)?;
    ensure!(
        workspace.needs_wdk(package),
        "`{package}` needs no WDK: `cargo wsk build` builds it. This command is for drivers with wdk-sys"
    );
    let crates = workspace.scratch().join("stand-in");
    write(&crates)?;
    let patches = CRATES
        .map(|(name, _)| format!("patch.crates-io.{name}.path='{}'", crates.join(name).display()));
    // Cargo changes the lock file because two crates are replaced.
    let _lock = RestoredFile::read(workspace.root().join("Cargo.lock"))?;
    let shell = Shell::new()?;
    shell.change_dir(workspace.root());
    for arch in archs {
        let target = arch.target();
        let output = cmd!(shell, "cargo check --quiet --package {package} --target {target}")
            .args(patches.iter().flat_map(|patch| ["--config", patch]))
            .quiet()
            .ignore_status()
            .output()?;
        let messages = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let what = format!("`{package}` does not compile for {}", arch.name());
            return Err(cargo_error(&what, &messages));
        }
        eprint!("{messages}");
        println!("{package} compiles for {}. It was not linked.", arch.name());
    }
    Ok(())
}

/// Writes the crates. Files that are up to date are left alone, because cargo would compile them again.
fn write(folder: &Path) -> Result<()> {
    let manifests = CRATES.map(|(name, version)| {
        let text = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[features]\ntest-stubs = []\n\n\
             [lib]\npath = \"lib.rs\"\n\n[workspace]\n"
        );
        (format!("{name}/Cargo.toml"), text)
    });
    let sources = SOURCES.map(|(path, text)| (path.to_owned(), text.to_owned()));
    for (path, text) in manifests.iter().chain(&sources) {
        let path = folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Restores the contents of a file when dropped, or removes it if it did not exist.
struct RestoredFile {
    path: PathBuf,
    contents: Option<Vec<u8>>,
}

impl RestoredFile {
    fn read(path: PathBuf) -> Result<Self> {
        let contents = match fs::read(&path) {
            Ok(contents) => Some(contents),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self { path, contents })
    }
}

impl Drop for RestoredFile {
    fn drop(&mut self) {
        let result = match &self.contents {
            Some(contents) => fs::write(&self.path, contents),
            None => fs::remove_file(&self.path),
        };
        if let Err(error) = result
            && self.contents.is_some()
        {
            eprintln!("warning: cannot restore {}: {error}", self.path.display());
        }
    }
}
