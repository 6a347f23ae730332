//! The headers to read: the project's own, or those of a WDK.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// The folders that a kernel driver's compiler searches.
#[derive(Debug)]
pub(crate) struct IncludeTree {
    /// What a report calls these headers.
    pub(crate) name: String,
    /// `km/crt` (where there is one), `km` and `shared`, in the order of their search.
    pub(crate) folders: Vec<PathBuf>,
}

/// A file that each folder has in every WDK.
const MARKER: [(&str, &str); 2] = [("km", "wsk.h"), ("shared", "ws2def.h")];

impl IncludeTree {
    /// The headers in this project.
    pub(crate) fn own(headers: &Path) -> Result<Self> {
        let mut tree = Self::find(&[headers.to_path_buf()])?;
        "headers/".clone_into(&mut tree.name);
        Ok(tree)
    }

    /// Looks for `km` and `shared` below each of `given`: directly, in `Include` or `c/Include`, and
    /// there in the folder of the newest version. A NuGet package may have one without the other, so
    /// the two may come from different folders.
    pub(crate) fn find(given: &[PathBuf]) -> Result<Self> {
        let mut found = [None, None];
        let mut name = None;
        for folder in given {
            let folder = std::path::absolute(folder)?;
            if !folder.is_dir() {
                bail!("{} is not a folder", folder.display());
            }
            for candidate in candidates(&folder)? {
                for ((part, marker), slot) in MARKER.iter().zip(&mut found) {
                    if slot.is_some() {
                        continue;
                    }
                    let Some(part) = child(&candidate.path, part)? else {
                        continue;
                    };
                    if child(&part, marker)?.is_some() {
                        *slot = Some(part);
                        if name.is_none() {
                            name.clone_from(&candidate.version);
                        }
                    }
                }
            }
        }
        let [Some(km), Some(shared)] = found else { bail!("{}", not_a_wdk(given, &found)) };
        let mut folders = Vec::new();
        folders.extend(child(&km, "crt")?);
        folders.extend([km, shared]);
        let name = name.map_or_else(
            || format!("the headers in {}", given[0].display()),
            |version| format!("WDK {version}"),
        );
        Ok(Self { name, folders })
    }

    /// A clang virtual file system over the folders in which letter case does not matter: the WDK's
    /// headers include one another in a case that is not the files', which only Windows ignores.
    pub(crate) fn overlay(&self) -> Result<String> {
        let mut roots = Vec::new();
        for folder in &self.folders {
            let mut contents = Vec::new();
            for file in sorted_entries(folder)?.into_iter().filter(|path| path.is_file()) {
                contents.push(OverlayEntry::File {
                    name: file_name(&file)?.to_owned(),
                    external_contents: utf8(&file)?.to_owned(),
                });
            }
            roots.push(OverlayEntry::Directory { name: utf8(folder)?.to_owned(), contents });
        }
        let overlay = Overlay { version: 0, case_sensitive: "false", roots };
        Ok(serde_json::to_string_pretty(&overlay)?)
    }
}

/// The order of the fields is that of the output: libclang 14 wants the version first.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Overlay {
    version: u32,
    case_sensitive: &'static str,
    roots: Vec<OverlayEntry>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum OverlayEntry {
    Directory { name: String, contents: Vec<OverlayEntry> },
    File { name: String, external_contents: String },
}

struct Candidate {
    path: PathBuf,
    version: Option<String>,
}

/// The folders that may hold `km` and `shared`, most direct and then newest first.
fn candidates(folder: &Path) -> Result<Vec<Candidate>> {
    let mut found = vec![Candidate { path: folder.to_path_buf(), version: None }];
    for nested in ["Include", "c/Include"] {
        let mut include = Some(folder.to_path_buf());
        for part in nested.split('/') {
            include = match include {
                Some(path) => child(&path, part)?,
                None => None,
            };
        }
        let Some(include) = include else { continue };
        let mut versions = Vec::new();
        for entry in sorted_entries(&include)? {
            if let Some(version) = version_of(&entry) {
                versions.push((version, entry));
            }
        }
        versions.sort_by_key(|(version, _)| Reverse(version.clone()));
        found.push(Candidate { path: include, version: None });
        for (_, path) in versions {
            let version = Some(file_name(&path)?.to_owned());
            found.push(Candidate { path, version });
        }
    }
    Ok(found)
}

/// `10.0.26100.0` as numbers.
fn version_of(folder: &Path) -> Option<Vec<u32>> {
    let name = folder.file_name()?.to_str()?;
    name.split('.').map(|part| part.parse().ok()).collect()
}

/// The entry of `folder` that has this name in any letter case.
fn child(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let exact = folder.join(name);
    if exact.exists() {
        return Ok(Some(exact));
    }
    let matches = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
    };
    Ok(sorted_entries(folder)?.into_iter().find(matches))
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut entries = read().with_context(|| format!("cannot list {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn file_name(path: &Path) -> Result<&str> {
    path.file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} is not Unicode, which clang needs", path.display()))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not Unicode, which clang needs", path.display()))
}

fn not_a_wdk(given: &[PathBuf], found: &[Option<PathBuf>; 2]) -> String {
    let folders =
        given.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ");
    let mut message = format!("{folders}: no WDK here.");
    for ((part, marker), slot) in MARKER.iter().zip(found) {
        let _ = match slot {
            Some(path) => write!(message, "\nFound {part} at {}.", path.display()),
            None => write!(
                message,
                "\nNo folder `{part}` with {marker}, neither directly nor in Include/<version> or \
                 c/Include/<version>."
            ),
        };
    }
    message.push_str(
        "\nGive an installed kit (such as `Windows Kits/10`), an unpacked NuGet package, or a folder \
         with `km` and `shared`. When these are in two packages, give --wdk twice.",
    );
    message
}
