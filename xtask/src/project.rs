//! Paths of this project.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
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

/// The minimum Rust version, from the workspace's `Cargo.toml`.
pub(crate) fn minimum_rust() -> Result<String> {
    let manifest = root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: toml::Table = text.parse().context("Cargo.toml is not TOML")?;
    let version = manifest["workspace"]["package"]["rust-version"].as_str();
    version.map(str::to_owned).context("Cargo.toml has no `rust-version`")
}
