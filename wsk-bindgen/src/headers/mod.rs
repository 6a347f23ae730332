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

use std::collections::BTreeSet;
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

/// Headers are parsed as C++, in which the member `Basic` of the provider's tables has a name.
const LANGUAGE: [&str; 7] =
    ["-x", "c++", "-std=c++17", "-nostdinc", "-fms-extensions", "-fms-compatibility", "-D_WIN64"];

/// The one warning that matters reports members that C has and C++ lacks. The others are off: one of them would make an
/// error of a number that is cast to an enumeration without that value.
const WARNINGS: [&str; 4] = [
    "-ferror-limit=0",
    "--no-system-header-prefix=wsk.h",
    "-Wno-everything",
    "-Wmissing-declarations",
];

/// A target later than every Windows, so that every gate is open.
const LATEST_WINDOWS: [&str; 3] =
    ["-D_WIN32_WINNT=0xFFFF", "-DWINVER=0xFFFF", "-DNTDDI_VERSION=0xFFFFFFFF"];

impl ClangArguments {
    pub(crate) fn new(tree: &IncludeTree, processor: Processor) -> Result<Self> {
        let overlay = write_overlay(tree)?;
        let mut list: Vec<String> =
            LANGUAGE.into_iter().chain(WARNINGS).chain(LATEST_WINDOWS).map(str::to_owned).collect();
        list.push("-ivfsoverlay".to_owned());
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
        // The file is in the scratch folder, so `cargo clean` removes it if this fails.
        let _ = fs::remove_file(&self.overlay);
    }
}

/// The prefix of the names of a process's overlays.
fn overlay_prefix(process: u32) -> String {
    format!("overlay-{process}-")
}

/// The paths of the file `header` that a process was reading when it crashed, from the overlays that it left behind.
/// Removes these overlays.
///
/// # Errors
///
/// If the folder of the overlays cannot be read, or one of them cannot be removed.
pub fn take_overlays_of(process: u32, header: &str) -> Result<BTreeSet<String>> {
    let mut headers = BTreeSet::new();
    for path in folder::entries(&project::scratch())? {
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(&overlay_prefix(process))) {
            // The process may have crashed while it wrote the overlay.
            let overlay = fs::read(&path).ok();
            let overlay = overlay.and_then(|text| serde_json::from_slice(&text).ok());
            let overlay: serde_json::Value = overlay.unwrap_or_default();
            let folders = overlay["roots"].as_array().into_iter().flatten();
            let files = folders.filter_map(|folder| folder["contents"].as_array()).flatten();
            let files = files.filter(|file| {
                file["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(header))
            });
            headers
                .extend(files.filter_map(|it| Some(it["external-contents"].as_str()?.to_owned())));
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(headers)
}

/// Writes the file of clang's virtual file system.
fn write_overlay(tree: &IncludeTree) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}{number}.json", overlay_prefix(std::process::id()));
    let path = project::scratch().join(name);
    fs::create_dir_all(project::scratch())?;
    fs::write(&path, tree.overlay()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
