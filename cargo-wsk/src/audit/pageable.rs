//! Checks that no part of an image can be paged out, or is discarded after the driver's start.
//!
//! A driver's sections are resident, unless their names mark them as pageable or the driver makes them pageable.

use object::pe;

use super::finding::{DefectKind, Finding};
use crate::image::{Import, Section};

/// The prefixes of the names of pageable sections.
const PAGEABLE: [&str; 2] = ["PAGE", ".eda"];

/// The sections that are needed only while the image is loaded.
const DISCARDABLE: [&str; 1] = [".reloc"];

/// The functions that make a driver pageable, or require that it is.
const PAGING: [&str; 5] = [
    "MmLockPagableDataSection",
    "MmLockPagableSectionByHandle",
    "MmPageEntireDriver",
    "MmResetDriverPaging",
    "MmUnlockPagableImageSection",
];

/// Allocates only nonpaged pool here: `wsk_sys::ExAllocatePool2` calls it. Other functions raise an exception or
/// allocate from another pool.
const ALLOCATES: &str = "ExAllocatePoolWithTag";

/// The parts of an image that are pageable or discarded, and the functions that make them so.
#[must_use]
pub fn findings(sections: &[Section], imports: &[Import]) -> Vec<Finding> {
    const RESIDENT: &str = "WSK calls back at DISPATCH_LEVEL, where a page fault brings the system down: leave the code and \
                            data of the driver in resident sections.";
    const NONPAGED: &str = "Allocate nonpaged pool, by `wsk::pool` or `wsk_sys::ExAllocatePool2`, which exists on every \
                            Windows and returns null if there is no memory.";
    let mut findings = Vec::new();
    let mut add =
        |message, remedy| findings.push(Finding::new(DefectKind::Pageable, message, remedy));
    for section in sections {
        let name = &section.name;
        if PAGEABLE.iter().any(|prefix| name.starts_with(prefix)) {
            add(format!("the section `{name}` is pageable"), RESIDENT);
        }
        let is_discarded = section.characteristics & pe::IMAGE_SCN_MEM_DISCARDABLE != 0;
        if is_discarded && !DISCARDABLE.contains(&name.as_str()) {
            add(format!("the section `{name}` is discarded"), RESIDENT);
        }
    }
    for Import { name, .. } in imports {
        if PAGING.contains(&name.as_str()) {
            add(format!("`{name}` makes the driver pageable"), RESIDENT);
        }
        // Newer functions are separate findings.
        if name.starts_with("ExAllocatePool") && name != ALLOCATES && !name.ends_with(['2', '3']) {
            add(format!("`{name}` may return paged pool, or raise an exception"), NONPAGED);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resident_sections_pass() {
        let section = |name: &str, flags| Section {
            name: name.to_owned(),
            characteristics: pe::IMAGE_SCN_MEM_READ | flags,
        };
        let none = 0;
        let discarded = pe::IMAGE_SCN_MEM_DISCARDABLE;
        let resident = [section(".text", none), section(".reloc", discarded)];
        assert!(findings(&resident, &[]).is_empty());
        for (name, flags) in [("PAGEwsk", none), (".edata", none), ("INIT", discarded)] {
            assert_eq!(findings(&[section(name, flags)], &[]).len(), 1, "{name}");
        }
    }
}
