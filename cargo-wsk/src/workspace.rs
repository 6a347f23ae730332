//! The cargo workspace that a driver is a package of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package};

/// A cargo workspace, as `cargo metadata` describes it.
pub struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// The workspace of a manifest, or of the current folder.
    ///
    /// # Errors
    ///
    /// If cargo finds no manifest, or cannot read it.
    pub fn find(manifest: Option<&Path>) -> Result<Self> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        if let Some(manifest) = manifest {
            command.manifest_path(manifest);
        }
        let metadata = command.exec().context("cargo cannot read the workspace")?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The folder that cargo builds in: `CARGO_TARGET_DIR`, that of cargo's configuration, or `target`.
    #[must_use]
    pub fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// A folder for temporary files, which `cargo clean` removes.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.target().join("cargo-wsk")
    }

    /// The names of the packages that are drivers: those with a library of the type `cdylib`.
    pub fn drivers(&self) -> impl Iterator<Item = &str> {
        let packages = self.metadata.workspace_packages().into_iter();
        packages.filter(|package| is_driver(package)).map(|package| package.name.as_str())
    }

    /// The driver of this name, or the only one.
    ///
    /// # Errors
    ///
    /// If the workspace has no driver of this name, or no name was given and it has several or none.
    pub fn driver(&self, name: Option<&str>) -> Result<&str> {
        let drivers: Vec<&str> = self.drivers().collect();
        match (name, &drivers[..]) {
            (_, []) => bail!(
                "{} has no driver: no package has `crate-type = [\"cdylib\"]` in its [lib]",
                self.root().display()
            ),
            (None, [only]) => Ok(only),
            (None, _) => bail!(
                "the workspace has several drivers: choose one of {} with --package",
                drivers.join(", ")
            ),
            (Some(name), _) => {
                let found = drivers.iter().find(|driver| **driver == name);
                found.copied().with_context(|| {
                    format!("no driver is called `{name}`; the drivers are {}", drivers.join(", "))
                })
            }
        }
    }
}

fn is_driver(package: &Package) -> bool {
    package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib))
}
