//! Audits a driver's image: it can be loaded, and contains no panics, no pageable parts, no recursion, and no
//! instruction that changes registers which the kernel does not save.

mod checksum;
mod finding;
pub mod imports;
mod loadable;
mod pageable;
pub mod panics;
mod registers;
mod report;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::finding::{DefectKind, Finding};
pub use self::loadable::Summary;
pub use self::pageable::findings as pageable;
pub use self::registers::findings as registers;
pub use self::report::{DeepestPath, Report};
use crate::image::Depths;

/// Recursive functions, whose stack depth is unbounded.
#[must_use]
pub fn circles(depths: &Depths<'_>) -> Vec<Finding> {
    let finding = |circle: &str| {
        let message = format!("functions call each other in a circle: {circle}");
        let function = circle.split(" → ").next().unwrap_or(circle);
        Finding::new(DefectKind::Recursion, message, "Use a loop, or bound the depth by a type.")
            .of(function)
    };
    depths.circles().map(finding).collect()
}

fn read(driver: &Path) -> Result<Vec<u8>> {
    fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))
}
