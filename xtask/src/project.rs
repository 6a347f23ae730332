//! Where things are in this project.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

/// Scratch space that `cargo clean` removes.
pub(crate) fn scratch() -> PathBuf {
    root().join("target").join("xtask")
}

/// The minimum Rust version, as the workspace's `Cargo.toml` promises it.
pub(crate) fn minimum_rust() -> Result<String> {
    let manifest = root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: toml::Table = text.parse().context("Cargo.toml is not TOML")?;
    let version = manifest["workspace"]["package"]["rust-version"].as_str();
    version.map(str::to_owned).context("Cargo.toml promises no minimum Rust version")
}
