//! Paths of this project.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use cargo_metadata::{MetadataCommand, Package};
use cargo_wsk::Workspace;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

/// The workspace, as cargo describes it.
pub(crate) fn workspace() -> Result<&'static Workspace> {
    static WORKSPACE: OnceLock<Workspace> = OnceLock::new();
    if let Some(workspace) = WORKSPACE.get() {
        return Ok(workspace);
    }
    let workspace = Workspace::find(Some(&root().join("Cargo.toml")))?;
    Ok(WORKSPACE.get_or_init(|| workspace))
}

/// The folder that cargo builds in.
pub(crate) fn target() -> Result<&'static Path> {
    Ok(workspace()?.target())
}

/// A folder for temporary files, which `cargo clean` removes.
pub(crate) fn scratch() -> Result<PathBuf> {
    Ok(target()?.join("xtask"))
}

/// The packages of the workspace, with what their manifests say.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().no_deps().manifest_path(manifest).exec();
    Ok(metadata.context("cargo cannot read the workspace")?.packages)
}

/// The minimum Rust version of the libraries, from the manifest of `wsk`.
pub(crate) fn minimum_rust() -> Result<String> {
    let packages = packages()?;
    let wsk = packages.iter().find(|package| package.name.as_str() == "wsk");
    let wsk = wsk.context("the workspace has no package `wsk`")?;
    let version = wsk.rust_version.as_ref().context("wsk/Cargo.toml has no `rust-version`")?;
    Ok(format!("{}.{}", version.major, version.minor))
}
