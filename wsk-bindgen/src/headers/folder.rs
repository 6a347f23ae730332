//! Folders whose entries are found in any letter case.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The entry of `folder` that has this name in any letter case.
pub(super) fn child(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let exact = folder.join(name);
    if exact.exists() {
        return Ok(Some(exact));
    }
    let matches = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
    };
    Ok(entries(folder)?.into_iter().find(matches))
}

/// The folder at the end of a path of names in any letter case.
pub(super) fn descendant(folder: &Path, names: &str) -> Result<Option<PathBuf>> {
    let mut found = folder.to_path_buf();
    for name in names.split('/') {
        match child(&found, name)? {
            Some(path) if path.is_dir() => found = path,
            _ => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The entries of a folder, sorted by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut entries = read().with_context(|| format!("cannot list {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

pub(super) fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| {
        format!(
            "{} is not Unicode, which libclang needs: copy or link the headers to another path",
            path.display()
        )
    })
}
