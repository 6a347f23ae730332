//! Functions of the kernel that older versions of Windows lack. Those versions do not load an image that imports one.

use super::finding::{DefectKind, Finding};
use crate::image::Import;

/// Major, minor and build of a Windows version.
pub type WindowsBuild = (u16, u16, u32);

/// The releases of Windows after Windows 8, oldest first, as in `headers/windows.toml`: the name in the list of
/// functions, the first build, and the name in messages.
pub const RELEASES: [(&str, WindowsBuild, &str); 14] = [
    ("8.1", (6, 3, 9600), "Windows 8.1"),
    ("10", (10, 0, 10240), "Windows 10"),
    ("10.1511", (10, 0, 10586), "Windows 10, version 1511"),
    ("10.1607", (10, 0, 14393), "Windows 10, version 1607"),
    ("10.1703", (10, 0, 15063), "Windows 10, version 1703"),
    ("10.1709", (10, 0, 16299), "Windows 10, version 1709"),
    ("10.1803", (10, 0, 17134), "Windows 10, version 1803"),
    ("10.1809", (10, 0, 17763), "Windows 10, version 1809"),
    ("10.1903", (10, 0, 18362), "Windows 10, version 1903"),
    ("10.2004", (10, 0, 19041), "Windows 10, version 2004"),
    ("Server 2022", (10, 0, 20348), "Windows Server 2022"),
    ("11", (10, 0, 22000), "Windows 11"),
    ("11.22H2", (10, 0, 22621), "Windows 11, version 22H2"),
    ("11.24H2", (10, 0, 26100), "Windows 11, version 24H2"),
];

/// Lines of a function's name and its release, and comments.
const LIST: &str = include_str!("newer.txt");

/// The functions that are newer than Windows 8, each with the name of its first release in [`RELEASES`].
pub fn newer_functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

/// The imports that are newer than the oldest Windows of an image, or that a later update of it adds. An image names
/// major and minor version only.
pub(super) fn findings(imports: &[Import], least: (u16, u16)) -> Vec<Finding> {
    let first_build = RELEASES.iter().find(|(_, (major, minor, _), _)| (*major, *minor) >= least);
    let newer = imports.iter().filter_map(|import| {
        let (name, since) = newer_functions().find(|(name, _)| *name == import.name)?;
        let (_, build, windows) = RELEASES.iter().find(|(release, ..)| *release == since)?;
        let (major, minor, _) = *build;
        let is_lacking = (major, minor) > least
            || first_build.is_some_and(|(_, first, _)| (major, minor) == least && build > first);
        is_lacking.then(|| {
            let message = format!(
                "`{name}` exists since {windows}, and the image is for Windows {}.{} and later",
                least.0, least.1
            );
            let remedy = "Look the function up at run time with MmGetSystemRoutineAddress, or use one that all \
                          versions have.";
            Finding::new(DefectKind::Import, message, remedy)
        })
    });
    newer.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_for(name: &str, least: (u16, u16)) -> usize {
        findings(&[Import::for_test(name)], least).len()
    }

    #[test]
    fn every_function_of_the_list_has_a_release() {
        let functions: Vec<_> = newer_functions().collect();
        assert!(functions.len() > 90 && functions.is_sorted(), "{}", functions.len());
        for (name, since) in functions {
            assert!(RELEASES.iter().any(|(release, ..)| *release == since), "{name}: {since}");
        }
    }

    #[test]
    fn a_function_of_the_least_windows_is_no_finding() {
        for (name, windows_8, windows_8_1, windows_10) in [
            ("KeSetEvent", 0, 0, 0),
            ("ExAllocateTimer", 1, 0, 0),
            // A function of the first release of Windows 10.
            ("MmMapIoSpaceEx", 1, 1, 0),
            // A function of a later release, which the image cannot require.
            ("ExAllocatePool2", 1, 1, 1),
        ] {
            let found = [(6, 2), (6, 3), (10, 0)].map(|least| findings_for(name, least));
            assert_eq!(found, [windows_8, windows_8_1, windows_10], "{name}");
        }
    }
}
