//! The kits below folders: their versions, and the missing parts of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::folder::{child, descendant, entries};
use super::packages;
use super::version::KitVersion;

/// The two folders of every kit: their names since Windows 8 and before, and a file that identifies each.
pub(super) const PARTS: [KitPart; 2] = [
    KitPart { name: "km", old: "ddk", marker: "wsk.h", package: "Microsoft.Windows.WDK.x64" },
    KitPart {
        name: "shared",
        old: "api",
        marker: "ws2def.h",
        package: "Microsoft.Windows.SDK.CPP",
    },
];

pub(super) struct KitPart {
    pub(super) name: &'static str,
    pub(super) old: &'static str,
    pub(super) marker: &'static str,
    /// The NuGet package that contains it.
    pub(super) package: &'static str,
}

/// Where `km` and `shared`, or folders of versions with them, are below the root of a kit: of an installed
/// one, of a NuGet package, of one before Windows 8, and of an Enterprise WDK.
const INCLUDES: [&str; 4] =
    ["Include", "c/Include", "inc", "Program Files/Windows Kits/10/Include"];

/// The headers of one version, complete or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kit {
    /// The version, from the name of a folder.
    pub(super) version: Option<KitVersion>,
    /// The folders of each part, in the order of their search. A package of the SDK and one of the WDK may
    /// both have a `shared`.
    folders: [Vec<KitFolder>; 2],
}

#[derive(Clone, Debug)]
struct KitFolder {
    path: PathBuf,
    is_old: bool,
    /// Whether it contains the marker of its part.
    is_marked: bool,
    /// The NuGet package that contains it.
    package: Option<String>,
    /// Whether its path names its version.
    is_versioned: bool,
    /// The index of the given folder that contains it.
    root: usize,
}

impl Kit {
    pub(super) fn is_whole(&self) -> bool {
        self.lacks().next().is_none()
    }

    /// The missing parts.
    pub(super) fn lacks(&self) -> impl Iterator<Item = &'static KitPart> {
        PARTS.iter().zip(&self.folders).filter(|(_, found)| !exists(found)).map(|(part, _)| part)
    }

    /// The folder of each existing part.
    pub(super) fn has(&self) -> impl Iterator<Item = (&'static KitPart, &Path)> {
        PARTS.iter().zip(&self.folders).filter_map(|(part, found)| {
            let found = found.iter().find(|found| found.is_marked)?;
            Some((part, found.path.as_path()))
        })
    }

    /// Whether it has the layout of a kit before Windows 8.
    pub(super) fn is_old(&self) -> bool {
        self.folders[0].iter().any(|found| found.is_marked && found.is_old)
    }

    /// The folders that a compiler searches, in this order: `crt` (where there is one), `km` and `shared`.
    pub(super) fn search(&self) -> Result<Vec<PathBuf>> {
        let [km, shared] = &self.folders;
        let mut search = Vec::new();
        for found in km {
            let beside = if found.is_old { found.path.parent() } else { None };
            search
                .extend(child(beside.unwrap_or(&found.path), "crt")?.filter(|path| path.is_dir()));
        }
        search.extend(km.iter().chain(shared).map(|found| found.path.clone()));
        Ok(search)
    }

    /// The indices of the given folders that contain its parts.
    pub(super) fn roots(&self) -> BTreeSet<usize> {
        self.folders.iter().flatten().map(|found| found.root).collect()
    }

    /// The first of its folders whose path does not name its version.
    pub(super) fn unversioned(&self) -> Option<&Path> {
        let found = self.folders.iter().flatten().find(|found| !found.is_versioned);
        found.map(|found| found.path.as_path())
    }

    fn add(&mut self, part: usize, found: KitFolder) {
        let folders = &mut self.folders[part];
        // The newest version of a package comes first.
        let is_known = |other: &KitFolder| {
            other.path == found.path || found.package.is_some() && other.package == found.package
        };
        if !folders.iter().any(is_known) {
            folders.push(found);
        }
    }
}

fn exists(found: &[KitFolder]) -> bool {
    found.iter().any(|found| found.is_marked)
}

/// The kits below folders: the kit without a version first, then from the newest to the oldest. The parts of a kit may
/// be in different folders, but have one version.
pub(super) fn find(given: &[PathBuf]) -> Result<Vec<Kit>> {
    let mut direct = Kit::default();
    let mut versions: BTreeMap<KitVersion, Kit> = BTreeMap::new();
    for (root, folder) in given.iter().enumerate() {
        for candidate in candidates(folder)? {
            let version = candidate.version;
            let is_versioned = version.is_some();
            let kit = match &version {
                None => &mut direct,
                Some(version) => versions.entry(version.clone()).or_default(),
            };
            kit.version = version;
            for (index, part) in PARTS.iter().enumerate() {
                for (name, is_old) in [(part.name, false), (part.old, true)] {
                    let Some(path) = child(&candidate.path, name)?.filter(|path| path.is_dir())
                    else {
                        continue;
                    };
                    let is_marked = child(&path, part.marker)?.is_some();
                    let package = candidate.package.clone();
                    let found = KitFolder { path, is_old, is_marked, package, is_versioned, root };
                    kit.add(index, found);
                }
            }
        }
    }
    // A part without a version matches every version.
    for kit in versions.values_mut() {
        for (folders, more) in kit.folders.iter_mut().zip(&direct.folders) {
            if !exists(folders) && exists(more) {
                folders.extend(more.iter().cloned());
            }
        }
    }
    let kits = std::iter::once(direct).chain(versions.into_values().rev());
    Ok(kits.filter(|kit| kit.has().next().is_some()).collect())
}

/// A folder that may hold the parts of a kit.
struct Candidate {
    path: PathBuf,
    version: Option<KitVersion>,
    package: Option<String>,
}

fn candidates(given: &Path) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    let mut add = |root: &Path, package: Option<String>| -> Result<()> {
        let own = KitVersion::of_any_folder(root).filter(|_| package.is_none());
        let mut folders = vec![(root.to_path_buf(), own.clone())];
        for include in INCLUDES {
            let Some(include) = descendant(root, include)? else { continue };
            for entry in entries(&include)? {
                if let Some(version) = KitVersion::of_folder(&entry).filter(|_| entry.is_dir()) {
                    folders.push((entry, Some(version)));
                }
            }
            folders.push((include, own.clone()));
        }
        found.extend(folders.into_iter().map(|(path, version)| Candidate {
            path,
            version,
            package: package.clone(),
        }));
        Ok(())
    };
    add(given, None)?;
    for package in packages::below(given)? {
        add(&package.folder, Some(package.id))?;
    }
    Ok(found)
}
