//! The cargo workspace that a driver is a package of.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package};

/// The folder of the driver in a project for KMDF.
pub(crate) const KMDF: &str = "driver";

/// A cargo workspace, as `cargo metadata` describes it.
pub struct Workspace {
    metadata: Metadata,
    /// The folder of the manifest that was asked for, or else the current one.
    folder: PathBuf,
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
        let metadata = command.exec().map_err(|error| match error {
            // Cargo's own message, which begins with `error: ` as this program's messages do.
            cargo_metadata::Error::CargoMetadata { stderr } => {
                let stderr = stderr.trim();
                anyhow!("{}", stderr.strip_prefix("error: ").unwrap_or(stderr).to_owned())
            }
            error => anyhow!(error).context("cannot run `cargo metadata`"),
        })?;
        let current = env::current_dir().context("cannot read the current folder")?;
        let folder = manifest.and_then(Path::parent).map_or_else(PathBuf::new, PathBuf::from);
        Ok(Self { metadata, folder: current.join(folder) })
    }

    /// The folder of the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The folder that cargo builds in: `CARGO_TARGET_DIR`, the one in cargo's configuration, or `target`.
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

    /// Whether a package declares its driver model for wdk-build, and so is built with a WDK.
    pub(crate) fn needs_wdk(&self, package: &str) -> bool {
        let packages = self.metadata.workspace_packages().into_iter();
        packages.filter(|it| it.name.as_str() == package).any(|it| it.metadata.get("wdk").is_some())
    }

    /// The driver whose folder contains the manifest, or else the current folder.
    fn surrounding_driver(&self) -> Option<&str> {
        let folder =
            |package: &Package| package.manifest_path.as_std_path().parent().map(PathBuf::from);
        let packages = self.metadata.workspace_packages().into_iter();
        let around = packages.filter_map(|package| {
            let folder = folder(package).filter(|folder| self.folder.starts_with(folder))?;
            Some((folder.components().count(), package))
        });
        let (_, nearest) = around.max_by_key(|(depth, _)| *depth)?;
        is_driver(nearest).then(|| nearest.name.as_str())
    }

    /// The driver of this name. Without a name, as cargo chooses a package: the one whose folder is the current one or
    /// contains it, or else the only one.
    ///
    /// # Errors
    ///
    /// If the workspace has no driver of this name, or no name was given and it has several or none.
    pub fn driver(&self, name: Option<&str>) -> Result<&str> {
        let drivers: Vec<&str> = self.drivers().collect();
        match (name, &drivers[..]) {
            (_, []) if self.root().join(KMDF).join("Cargo.toml").is_file() => bail!(
                "the driver of this project is a workspace of its own: run the command in the folder `{KMDF}`, or with \
                 `--manifest-path {KMDF}/Cargo.toml`"
            ),
            (_, []) => bail!(
                "{} has no driver: no package has `crate-type = [\"cdylib\"]` in its [lib]",
                self.root().display()
            ),
            (None, [only]) => Ok(only),
            (None, _) => self.surrounding_driver().with_context(|| {
                format!(
                    "the workspace has several drivers: choose one of {} with --package, or change to its folder",
                    drivers.join(", ")
                )
            }),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Workspace;

    fn driver_of(manifest: &str) -> Result<String, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder");
        let workspace = Workspace::find(Some(&root.join(manifest))).expect("the workspace is read");
        workspace.driver(None).map(str::to_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn the_driver_of_the_folder_is_chosen() {
        assert_eq!(driver_of("examples/echo/driver/Cargo.toml").unwrap(), "echo-driver");
        assert_eq!(driver_of("examples/syslog/driver/Cargo.toml").unwrap(), "syslog-driver");
        for of_no_driver in ["Cargo.toml", "examples/echo/Cargo.toml"] {
            let error = driver_of(of_no_driver).unwrap_err();
            assert!(error.starts_with("the workspace has several drivers"), "{error}");
        }
    }
}
