//! Audits a driver's image: it can be loaded, and contains no panics, no pageable parts and no recursion.

mod checksum;
mod loadable;
mod pageable;
pub mod panics;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::loadable::Summary;
pub use self::pageable::problems as pageable;
use crate::image::{Depths, Image};

/// The result of an audit.
pub struct Report {
    /// The properties and the imports of the image.
    pub summary: Summary,
    /// The deepest stack of a function that can be called from outside, in bytes, and the calls that lead there.
    pub deepest: Option<(u32, String)>,
    /// The defects, each with a remedy.
    pub problems: Vec<String>,
}

impl Report {
    /// Audits the image of a driver that is linked with `/DEBUG:SYMTAB`, which leaves the functions' names in it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, the kernel would not load it, or it has no symbols.
    pub fn of(driver: &Path) -> Result<Self> {
        let summary = Summary::of(driver)?;
        let image = Image::read(driver)?;
        let mut problems = panics::problems(&image)?;
        problems.extend(pageable(&image.sections, &image.imports));
        let depths = Depths::new(&image, panics::is_panic);
        problems.extend(circles(&depths));
        let deepest = image.roots().max_by_key(|root| depths.bytes(*root));
        let deepest = deepest.map(|root| (depths.bytes(root), depths.path(root)));
        Ok(Self { summary, deepest, problems })
    }
}

/// Recursive functions, whose stack depth is unbounded.
#[must_use]
pub fn circles(depths: &Depths<'_>) -> Vec<String> {
    depths
        .circles()
        .map(|circle| format!("functions call each other in a circle: {circle}"))
        .collect()
}

fn read(driver: &Path) -> Result<Vec<u8>> {
    fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))
}
