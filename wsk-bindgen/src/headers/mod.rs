//! The headers to read, and clang's options for them.

mod discovery;
mod folder;
mod include;
mod kits;
pub mod libclang;
mod machine;
mod packages;
mod selection;
#[cfg(test)]
mod tests;
mod version;
pub(crate) mod wdk;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

pub(crate) use self::include::{HeaderOrigin, IncludeTree};
use crate::project;

/// The processors that Windows drivers are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    X64,
    Arm64,
}

impl Processor {
    pub(crate) const ALL: [Self; 2] = [Self::X64, Self::Arm64];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    fn arguments(self) -> [&'static str; 3] {
        match self {
            Self::X64 => ["--target=x86_64-pc-windows-msvc", "-D_AMD64_", "-DAMD64"],
            Self::Arm64 => ["--target=aarch64-pc-windows-msvc", "-D_ARM64_", "-DARM64"],
        }
    }
}

/// Clang's options, and the temporary files that they name, which are removed with this value.
pub(crate) struct ClangArguments {
    list: Vec<String>,
    overlay: PathBuf,
}

impl ClangArguments {
    /// C++ is what names the `Basic` member of the provider's tables: in C it has no name. The Windows that
    /// is compiled for is later than all, so that no gate is closed.
    pub(crate) fn new(tree: &IncludeTree, processor: Processor) -> Result<Self> {
        let overlay = write_overlay(tree)?;
        let mut list: Vec<String> =
            ["-x", "c++", "-std=c++17", "-nostdinc", "-fms-extensions", "-fms-compatibility"]
                .into_iter()
                .chain(["-ferror-limit=0", "-D_WIN64", "-D_WIN32_WINNT=0xFFFF", "-DWINVER=0xFFFF"])
                .chain(["-DNTDDI_VERSION=0xFFFFFFFF", "-ivfsoverlay"])
                .map(str::to_owned)
                .collect();
        list.push(overlay.to_string_lossy().into_owned());
        list.extend(processor.arguments().map(str::to_owned));
        for folder in &tree.folders {
            list.extend(["-isystem".to_owned(), folder.to_string_lossy().into_owned()]);
        }
        Ok(Self { list, overlay })
    }

    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }
}

impl Drop for ClangArguments {
    fn drop(&mut self) {
        // It is in the scratch folder: `cargo clean` removes what this cannot.
        let _ = fs::remove_file(&self.overlay);
    }
}

/// Writes the file of clang's virtual file system.
fn write_overlay(tree: &IncludeTree) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("overlay-{}-{number}.json", std::process::id());
    let path = project::scratch().join(name);
    fs::create_dir_all(project::scratch())?;
    fs::write(&path, tree.overlay()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
