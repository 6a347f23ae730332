//! The NuGet packages of the WDK and of the SDK, in a folder of packages.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::folder::entries;
use super::version::KitVersion;

/// The names of the packages with headers: of the WDK, followed by a processor, and of the SDK.
const IDS: [&str; 2] = ["microsoft.windows.wdk.", "microsoft.windows.sdk.cpp"];

pub(super) struct Package {
    /// In lower case.
    pub(super) id: String,
    pub(super) folder: PathBuf,
}

/// The packages in a folder, the newest of each first: `id/version`, as in NuGet's own cache, and `id.version`,
/// as its command line unpacks them.
pub(super) fn below(folder: &Path) -> Result<Vec<Package>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        let name = name.to_ascii_lowercase();
        if !IDS.iter().any(|id| name.starts_with(id)) || !entry.is_dir() {
            continue;
        }
        if let Some((id, version)) = split(&name) {
            found.push((id.to_owned(), version, entry));
            continue;
        }
        for folder in entries(&entry)?.into_iter().filter(|path| path.is_dir()) {
            if let Some(version) = KitVersion::of_folder(&folder) {
                found.push((name.clone(), version, folder));
            }
        }
    }
    found.sort_by_key(|(id, version, _)| (Reverse(version.clone()), id.clone()));
    Ok(found.into_iter().map(|(id, _, folder)| Package { id, folder }).collect())
}

/// `microsoft.windows.wdk.x64.10.0.26100.1` as its two parts.
fn split(name: &str) -> Option<(&str, KitVersion)> {
    let digit = |(at, _): &(usize, &str)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let (at, _) = name.match_indices('.').find(digit)?;
    Some((&name[..at], KitVersion::parse(&name[at + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_unpacked_package_says_its_version() {
        let (id, version) = split("microsoft.windows.wdk.x64.10.0.26100.1-preview").unwrap();
        assert_eq!(id, "microsoft.windows.wdk.x64");
        assert_eq!(version.to_string(), "10.0.26100.1-preview");
        assert!(split("microsoft.windows.sdk.cpp").is_none());
        assert!(split("microsoft.windows.sdk.cpp.x64").is_none());
    }
}
