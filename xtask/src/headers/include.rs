//! The headers to read: the project's own, or those of a WDK.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Processor;

/// The folders that a kernel driver's compiler searches.
#[derive(Debug)]
pub(crate) struct IncludeTree {
    /// What a report calls these headers.
    pub(crate) name: String,
    /// Of the folder that they are in, such as `10.0.26100.0`, if it has one.
    pub(crate) version: Option<String>,
    /// `km/crt` (where there is one), `km` and `shared`, in the order of their search.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether they are laid out as before Windows 8.
    is_old: bool,
}

/// The two folders of every WDK, by their names since Windows 8 and before, and a file that each has.
const PARTS: [([&str; 2], &str); 2] = [(["km", "ddk"], "wsk.h"), (["shared", "api"], "ws2def.h")];

impl IncludeTree {
    /// The headers in this project.
    pub(crate) fn own(headers: &Path) -> Result<Self> {
        let mut tree = Self::find(&[headers.to_path_buf()])?;
        "headers/".clone_into(&mut tree.name);
        Ok(tree)
    }

    /// Looks for `km` and `shared` below each of `given`: directly, in `Include` or `c/Include`, and
    /// there in the folder of the newest version; or for their predecessors `ddk` and `api`, in `inc`. A
    /// NuGet package may have one without the other, so the two may come from different folders.
    pub(crate) fn find(given: &[PathBuf]) -> Result<Self> {
        let mut found = [None, None];
        let mut version = None;
        for folder in given {
            let folder = std::path::absolute(folder)?;
            if !folder.is_dir() {
                bail!("{} is not a folder", folder.display());
            }
            for candidate in candidates(&folder)? {
                for ((names, marker), slot) in PARTS.iter().zip(&mut found) {
                    for part in names {
                        let Some(part) = child(&candidate.path, part)? else {
                            continue;
                        };
                        if slot.is_none() && child(&part, marker)?.is_some() {
                            *slot = Some(part);
                            if version.is_none() {
                                version.clone_from(&candidate.version);
                            }
                        }
                    }
                }
            }
        }
        let [Some(km), Some(shared)] = found else { bail!("{}", not_a_wdk(given, &found)) };
        let mut folders = Vec::new();
        let is_old = km.ends_with(PARTS[0].0[1]);
        let beside = if is_old { km.parent().unwrap_or(&km) } else { &km };
        folders.extend(child(beside, "crt")?);
        folders.extend([km, shared]);
        let name = match &version {
            Some(version) => format!("WDK {version}"),
            None => format!("the headers in {}", given[0].display()),
        };
        Ok(Self { name, version, folders, is_old })
    }

    /// The processors that the headers know: before Windows 8, of those that are supported, only x64.
    pub(crate) fn processors(&self) -> &'static [Processor] {
        if self.is_old { &Processor::ALL[..1] } else { &Processor::ALL }
    }

    /// The text of a header. What is not Unicode in it is in comments.
    pub(crate) fn read(&self, header: &str) -> Result<String> {
        for folder in &self.folders {
            if let Some(path) = child(folder, header)? {
                let text =
                    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
        bail!("{} has no {header}", self.name)
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
    for nested in ["Include", "c/Include", "inc"] {
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
    for ((names, marker), slot) in PARTS.iter().zip(found) {
        let part = names[0];
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
