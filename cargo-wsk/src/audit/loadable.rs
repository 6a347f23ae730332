//! Checks that the kernel loads an image, and lists its imports.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::pe::{self, IMAGE_SUBSYSTEM_NATIVE};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

use super::checksum::checksum;
use super::finding::{DefectKind, Finding};
use crate::image;

/// The properties and the imports of an image.
#[derive(Debug)]
pub struct Summary {
    driver: PathBuf,
    bytes: usize,
    /// The names of other images, and of the functions imported from them.
    pub imports: Vec<(String, Vec<String>)>,
}

impl Summary {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.driver
    }

    /// The size of the file.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads an image, which must not have a defect.
    ///
    /// # Errors
    ///
    /// If the kernel would not load the image, or would page out a part of it.
    pub fn of(driver: &Path) -> Result<Self> {
        let (summary, findings) = Self::read(driver)?;
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        ensure!(findings.is_empty(), "{}: {}", driver.display(), findings.join("; "));
        Ok(summary)
    }

    /// Reads an image, and lists its defects.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a 64-bit kernel image.
    pub(super) fn read(driver: &Path) -> Result<(Self, Vec<Finding>)> {
        let data = super::read(driver)?;
        let file = PeFile64::parse(&*data)
            .with_context(|| format!("{} is not a 64-bit Windows image", driver.display()))?;
        let header = file.nt_headers().optional_header();
        ensure!(
            header.subsystem() == IMAGE_SUBSYSTEM_NATIVE,
            "{} is not an image for the kernel: its subsystem is {:?}",
            driver.display(),
            header.subsystem()
        );
        ensure!(header.address_of_entry_point() != 0, "{} has no entry point", driver.display());
        let damaged = || format!("{} is cut off or damaged", driver.display());
        let sections = image::sections(&file).with_context(damaged)?;
        let imports = image::imports(&file).with_context(damaged)?;
        let directories = file.data_directories();
        let facts = HeaderFacts {
            checksum: header.check_sum(),
            expected_checksum: checksum(&data).context("the headers are cut off")?,
            subsystem: (header.major_subsystem_version(), header.minor_subsystem_version()),
            characteristics: header.dll_characteristics(),
            alignment: header.section_alignment(),
            has_unwind_data: directories.get(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION).is_some(),
            writable_code: sections
                .iter()
                .filter(|section| is_writable_code(section))
                .map(|section| section.name.clone())
                .collect(),
        };
        let mut findings = facts.findings();
        findings.extend(super::pageable(&sections, &imports));
        findings.extend(super::imports::findings(&imports, facts.subsystem));
        let mut by_image = Vec::new();
        for of_image in imports.chunk_by(|one, next| one.image == next.image) {
            let image = &of_image[0].image;
            let names: Vec<String> = of_image.iter().map(|one| one.name.clone()).collect();
            if !is_of_the_kernel(image) {
                findings.push(Finding::new(
                    DefectKind::Import,
                    format!("the image imports from {image}, which is no image of the kernel: {}", names.join(", ")),
                    "Remove the dependency that calls these functions; a driver has the kernel's only.",
                ));
            }
            by_image.push((image.clone(), names));
        }
        Ok((Self { driver: driver.to_owned(), bytes: data.len(), imports: by_image }, findings))
    }
}

/// The fields of the headers that decide whether, and how safely, Windows loads the image.
struct HeaderFacts {
    checksum: u32,
    expected_checksum: u32,
    /// The oldest version of Windows that loads it.
    subsystem: (u16, u16),
    characteristics: u16,
    /// The alignment of sections, in bytes.
    alignment: u32,
    has_unwind_data: bool,
    /// The names of sections that are both writable and executable.
    writable_code: Vec<String>,
}

/// The size of a page, the unit in which the kernel protects the sections of a driver.
const PAGE: u32 = 0x1000;

/// Windows 8, the oldest version that wsk runs on.
const WINDOWS_8: (u16, u16) = (6, 2);

impl HeaderFacts {
    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add =
            |message, remedy| findings.push(Finding::new(DefectKind::Image, message, remedy));
        if self.checksum != self.expected_checksum {
            add(
                format!(
                    "the checksum is {:#x}, and that of the file {:#x}: Windows refuses boot drivers for that",
                    self.checksum, self.expected_checksum
                ),
                "Link with /RELEASE.",
            );
        }
        let (major, minor) = self.subsystem;
        if self.subsystem < WINDOWS_8 {
            add(
                format!("the subsystem's version is {major}.{minor}, before Windows 8"),
                "Link with /SUBSYSTEM:NATIVE,6.02.",
            );
        }
        for (flag, name, remedy) in [
            (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "NX_COMPAT", "Link with /NXCOMPAT."),
            (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "DYNAMIC_BASE", "Link with /DYNAMICBASE."),
        ] {
            if self.characteristics & flag == 0 {
                add(format!("the image lacks {name}"), remedy);
            }
        }
        if self.alignment < PAGE {
            add(
                format!("sections are aligned to {} bytes, less than a page", self.alignment),
                "Link without /ALIGN.",
            );
        }
        if !self.has_unwind_data {
            add("the image has no unwind data".to_owned(), "Compile with -Cforce-unwind-tables.");
        }
        for section in &self.writable_code {
            add(
                format!("the section `{section}` is both writable and executable"),
                "Link without /MERGE and /SECTION of this section.",
            );
        }
        findings
    }
}

fn is_writable_code(section: &image::Section) -> bool {
    let both = pe::IMAGE_SCN_MEM_WRITE | pe::IMAGE_SCN_MEM_EXECUTE;
    section.characteristics & both == both
}

/// Whether a driver may import from this image: the kernel exports to drivers, and drivers export to each other.
fn is_of_the_kernel(image: &str) -> bool {
    let is_driver = Path::new(image).extension().is_some_and(|end| end.eq_ignore_ascii_case("sys"));
    is_driver || ["hal.dll", "ntoskrnl.exe"].iter().any(|kernel| image.eq_ignore_ascii_case(kernel))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({} bytes)", self.driver.display(), self.bytes)?;
        for (image, names) in &self.imports {
            writeln!(f, "  {image}: {}", names.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> HeaderFacts {
        HeaderFacts {
            checksum: 7,
            expected_checksum: 7,
            subsystem: (6, 2),
            characteristics: pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT
                | pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE,
            alignment: PAGE,
            has_unwind_data: true,
            writable_code: Vec::new(),
        }
    }

    #[test]
    fn each_fault_is_found_and_named() {
        assert_eq!(good().findings(), []);
        assert_eq!(HeaderFacts { subsystem: (10, 0), ..good() }.findings(), []);
        let faults = [
            (HeaderFacts { checksum: 0, ..good() }, "/RELEASE"),
            (HeaderFacts { subsystem: (6, 0), ..good() }, "/SUBSYSTEM:NATIVE,6.02"),
            (
                HeaderFacts {
                    characteristics: pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE,
                    ..good()
                },
                "NX_COMPAT",
            ),
            (
                HeaderFacts { characteristics: pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, ..good() },
                "DYNAMIC_BASE",
            ),
            (HeaderFacts { alignment: 32, ..good() }, "32 bytes"),
            (HeaderFacts { has_unwind_data: false, ..good() }, "no unwind data"),
            (HeaderFacts { writable_code: vec![".both".to_owned()], ..good() }, "`.both`"),
        ];
        for (facts, text) in faults {
            let findings = facts.findings();
            assert!(
                findings.len() == 1 && findings[0].to_string().contains(text),
                "{text}: {findings:?}"
            );
        }
    }

    #[test]
    fn only_images_of_the_kernel_export_to_drivers() {
        for image in ["ntoskrnl.exe", "HAL.dll", "netio.sys", "FLTMGR.SYS"] {
            assert!(is_of_the_kernel(image), "{image}");
        }
        for image in ["kernel32.dll", "ntdll.dll", "other.exe"] {
            assert!(!is_of_the_kernel(image), "{image}");
        }
    }
}
