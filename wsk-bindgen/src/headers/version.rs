//! The versions of kits, as folders are named after them.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

/// The version of a kit, such as `10.0.26100.0`; before Windows 8, such as `7600.16385.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KitVersion {
    text: String,
    numbers: Vec<u32>,
}

/// A number up to this is a version of Windows; a greater one is a build of Windows Vista or 7.
const GREATEST_WINDOWS: u32 = 1000;

impl KitVersion {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // `10.0.26100.1-preview.3`, of a package.
        let (release, _) = text.split_once('-').unwrap_or((text, ""));
        let numbers = release.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        Some(Self { text: text.to_owned(), numbers })
    }

    /// The version in the name of a folder below `Include`.
    pub(super) fn of_folder(folder: &Path) -> Option<Self> {
        Self::parse(folder.file_name()?.to_str()?)
    }

    /// The version in the name of any other folder, where `8.1` may mean something else.
    pub(super) fn of_any_folder(folder: &Path) -> Option<Self> {
        Self::of_folder(folder).filter(|version| version.numbers.len() > 2)
    }

    /// Whether a release name means this one: `10.0.26100`, `26100` or `10.0.26100.0`, and
    /// `7600`.
    pub(super) fn is(&self, release: &str) -> bool {
        let Some(wanted) = Self::parse(release) else { return false };
        match wanted.numbers[..] {
            [build] => self.key().get(2) == Some(&build),
            _ => self.key().starts_with(&wanted.key()),
        }
    }

    /// Always shows the version of Windows before the build.
    fn key(&self) -> Vec<u32> {
        match self.numbers.first() {
            Some(build) if *build > GREATEST_WINDOWS => [&[6, 0], &self.numbers[..]].concat(),
            _ => self.numbers.clone(),
        }
    }
}

impl Ord for KitVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for KitVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for KitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> KitVersion {
        KitVersion::parse(text).unwrap()
    }

    #[test]
    fn old_kits_are_older() {
        let mut versions =
            ["10.0.9999.0", "7600.16385.1", "10.0.26100.0", "6001.18000"].map(version);
        versions.sort();
        let sorted = versions.map(|version| version.to_string());
        assert_eq!(sorted, ["6001.18000", "7600.16385.1", "10.0.9999.0", "10.0.26100.0"]);
    }

    #[test]
    fn a_release_is_named_in_short_and_in_full() {
        for name in ["10.0.26100.0", "10.0.26100", "26100"] {
            assert!(version("10.0.26100.0").is(name), "{name}");
        }
        for name in ["7600", "7600.16385", "7600.16385.1"] {
            assert!(version("7600.16385.1").is(name), "{name}");
        }
        for name in ["10.0.2610", "2610", "22621", "10.0.26100.1", "", "newest"] {
            assert!(!version("10.0.26100.0").is(name), "{name}");
        }
        assert!(version("10.0.26100.1-preview.3").is("26100"));
    }

    #[test]
    fn not_every_folder_has_a_version() {
        assert!(KitVersion::of_any_folder(Path::new("/kits/10.0.26100.0")).is_some());
        for folder in ["/kits/8.1", "/kits/26100", "/kits/wnet", "/"] {
            assert_eq!(KitVersion::of_any_folder(Path::new(folder)), None, "{folder}");
        }
    }
}
