//! Whether the kernel loads an image, and what the image imports.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use object::pe::IMAGE_SUBSYSTEM_NATIVE;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

use crate::image;

/// What an image is and imports.
#[derive(Debug)]
pub struct Summary {
    driver: PathBuf,
    bytes: usize,
    /// The names of other images, and of the functions that come from them.
    pub imports: Vec<(String, Vec<String>)>,
}

impl Summary {
    /// Reads an image.
    ///
    /// # Errors
    ///
    /// If the kernel would not load it, or would page a part of it out.
    pub fn of(driver: &Path) -> Result<Self> {
        let data = super::read(driver)?;
        let file = PeFile64::parse(&*data)
            .with_context(|| format!("{} is no 64-bit image", driver.display()))?;
        let header = file.nt_headers().optional_header();
        ensure!(
            header.subsystem() == IMAGE_SUBSYSTEM_NATIVE,
            "{} is not an image for the kernel: its subsystem is {:?}",
            driver.display(),
            header.subsystem()
        );
        ensure!(header.address_of_entry_point() != 0, "{} has no entry point", driver.display());
        let (sections, imports) = (image::sections(&file)?, image::imports(&file)?);
        let pageable = super::pageable(&sections, &imports);
        ensure!(
            pageable.is_empty(),
            "a part of {} can be paged out: {}",
            driver.display(),
            pageable.join("; ")
        );
        let mut by_image = Vec::new();
        for of_image in imports.chunk_by(|one, next| one.image == next.image) {
            let image = &of_image[0].image;
            if !is_of_the_kernel(image) {
                bail!("{} imports from {image}, which is no image of the kernel", driver.display());
            }
            by_image.push((image.clone(), of_image.iter().map(|one| one.name.clone()).collect()));
        }
        Ok(Self { driver: driver.to_owned(), bytes: data.len(), imports: by_image })
    }
}

/// The kernel exports to drivers, and drivers to each other.
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
