//! Checks that no part of an image can be paged out, or is discarded after the driver's start.
//!
//! A driver's sections are resident unless their name says otherwise, which the system reads, or the driver asks
//! for it.

use object::pe;

use crate::image::{Import, Section};

/// The prefixes of the names of pageable sections.
const PAGEABLE: [&str; 2] = ["PAGE", ".eda"];

/// The sections that are needed only while the image is loaded.
const DISCARDABLE: [&str; 1] = [".reloc"];

/// The functions that page a driver, or rely on its being paged.
const PAGING: [&str; 5] = [
    "MmLockPagableDataSection",
    "MmLockPagableSectionByHandle",
    "MmPageEntireDriver",
    "MmResetDriverPaging",
    "MmUnlockPagableImageSection",
];

/// Allocates only nonpaged pool here: `wsk_sys::ExAllocatePool2` calls it. Other functions raise an exception or allocate
/// from another pool.
const ALLOCATES: &str = "ExAllocatePoolWithTag";

/// The parts of an image that are pageable or discarded, and the functions that make them so.
#[must_use]
pub fn problems(sections: &[Section], imports: &[Import]) -> Vec<String> {
    let mut problems = Vec::new();
    for section in sections {
        let name = &section.name;
        if PAGEABLE.iter().any(|prefix| name.starts_with(prefix)) {
            problems.push(format!("the section `{name}` is pageable"));
        }
        let is_discarded = section.characteristics.contains(pe::IMAGE_SCN_MEM_DISCARDABLE);
        if is_discarded && !DISCARDABLE.contains(&name.as_str()) {
            problems.push(format!("the section `{name}` is discarded"));
        }
    }
    for Import { name, .. } in imports {
        if PAGING.contains(&name.as_str()) {
            problems.push(format!("`{name}` makes the driver pageable"));
        }
        if name.starts_with("ExAllocatePool") && name != ALLOCATES {
            problems.push(format!("`{name}` is not {ALLOCATES}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_resident_passes_and_what_is_not_does_not() {
        let section = |name: &str, flags| Section {
            name: name.to_owned(),
            characteristics: pe::IMAGE_SCN_MEM_READ | flags,
        };
        let none = pe::SectionFlags(0);
        let discarded = pe::IMAGE_SCN_MEM_DISCARDABLE;
        let resident = [section(".text", none), section(".reloc", discarded)];
        assert!(problems(&resident, &[]).is_empty());
        for (name, flags) in [("PAGEwsk", none), (".edata", none), ("INIT", discarded)] {
            assert_eq!(problems(&[section(name, flags)], &[]).len(), 1, "{name}");
        }
    }
}
