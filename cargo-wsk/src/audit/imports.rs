//! Functions of the kernel that older versions of Windows lack. An image that imports one is not loaded there.

use super::finding::{Finding, Kind};
use crate::image::Import;

/// A version of Windows, as an image's header has it, and its name.
type Since = ((u16, u16), &'static str);

const WINDOWS_8_1: Since = ((6, 3), "Windows 8.1");
const WINDOWS_10_1703: Since = ((10, 0), "Windows 10, version 1703");
const WINDOWS_10_1803: Since = ((10, 0), "Windows 10, version 1803");
const WINDOWS_10_2004: Since = ((10, 0), "Windows 10, version 2004");

/// Functions that are newer than Windows 8, with the first version that has them. The list is not complete.
const NEWER: [(&str, Since); 10] = [
    ("ExAllocatePool2", WINDOWS_10_2004),
    ("ExAllocatePool3", WINDOWS_10_2004),
    ("ExAllocateTimer", WINDOWS_8_1),
    ("ExCancelTimer", WINDOWS_8_1),
    ("ExDeleteTimer", WINDOWS_8_1),
    ("ExFreePool2", WINDOWS_10_2004),
    ("ExSetTimer", WINDOWS_8_1),
    ("IoOpenDriverRegistryKey", WINDOWS_10_1803),
    ("KeQueryInterruptTimePrecise", WINDOWS_8_1),
    ("PsSetCreateProcessNotifyRoutineEx2", WINDOWS_10_1703),
];

/// The imports that are newer than the least Windows of an image, or come in a later update of it.
pub(super) fn findings(imports: &[Import], least: (u16, u16)) -> Vec<Finding> {
    let newer = imports.iter().filter_map(|import| {
        let (name, (version, windows)) = NEWER.iter().find(|(name, _)| *name == import.name)?;
        let is_lacking = *version > least || (*version == (10, 0) && least == (10, 0));
        is_lacking.then(|| {
            let message = format!(
                "`{name}` exists since {windows}, and the image is for Windows {}.{} and later",
                least.0, least.1
            );
            let remedy = "Look the function up at run time with MmGetSystemRoutineAddress, or use one that all \
                          versions have.";
            Finding::new(Kind::Import, message, remedy)
        })
    });
    newer.collect()
}
