//! The whole audit of a driver, as text and as JSON.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::finding::{DefectKind, Finding};
use super::{Summary, circles, panics, registers};
use crate::image::{Depths, Image};

/// The result of an audit.
pub struct Report {
    /// The properties and the imports of the image.
    pub summary: Summary,
    /// The deepest stack of a function that can be called from outside, without functions of the kernel and calls
    /// through pointers.
    pub deepest: Option<DeepestPath>,
    /// The defects, each with a remedy.
    pub findings: Vec<Finding>,
}

/// A chain of calls, and the stack that it uses.
pub struct DeepestPath {
    /// Its bytes.
    pub bytes: u32,
    /// Its functions, with the bytes of each.
    pub path: String,
}

impl Report {
    /// Audits the image of a driver. The names of functions come from its symbol table (`/DEBUG:SYMTAB`), or from the
    /// map of the linker (`/MAP`) beside it, as `cargo wsk build` leaves one. With a budget, every function that can be
    /// called from outside and uses more bytes of the stack is a finding.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a 64-bit kernel image, or has no symbols.
    pub fn of(driver: &Path, budget: Option<u32>) -> Result<Self> {
        let (summary, mut findings) = Summary::read(driver)?;
        let image = Image::read(driver)?;
        let panics = panics::findings(&image);
        findings.extend(panics.with_context(|| format!("cannot audit {}", driver.display()))?);
        findings.extend(registers(&image));
        let depths = Depths::new(&image, panics::is_panic);
        findings.extend(circles(&depths));
        if let Some(budget) = budget {
            let deep = image.roots().filter(|root| depths.bytes(*root) > budget);
            findings.extend(deep.map(|root| {
                let message = format!(
                    "a call uses {} bytes of the stack, more than {budget}: {}",
                    depths.bytes(root),
                    depths.path(root)
                );
                let remedy = "Move large values into a `wsk::Buffer`, and keep them out of functions that wait or call \
                              back.";
                Finding::new(DefectKind::Stack, message, remedy).of(&image.functions[root].name)
            }));
        }
        let deepest = image.roots().max_by_key(|root| depths.bytes(*root));
        let deepest =
            deepest.map(|root| DeepestPath { bytes: depths.bytes(root), path: depths.path(root) });
        Ok(Self { summary, deepest, findings })
    }

    /// The report for programs: `image`, `bytes`, `imports` (by image), `deepest` (`bytes`, `path`), and `findings`,
    /// each with `kind`, `function` (or null), `message` and `remedy`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            json!({
                "kind": finding.kind.name(),
                "function": finding.function,
                "message": finding.message,
                "remedy": finding.remedy,
            })
        });
        let deepest = self.deepest.as_ref();
        let imports = self.summary.imports.iter();
        json!({
            "image": self.summary.path().display().to_string(),
            "bytes": self.summary.bytes(),
            "imports": imports.cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "deepest": deepest.map(|deepest| json!({ "bytes": deepest.bytes, "path": deepest.path })),
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        if let Some(DeepestPath { bytes, path }) = &self.deepest {
            writeln!(f, "deepest stack without calls through pointers: {bytes} bytes: {path}")?;
        }
        if self.findings.is_empty() {
            return writeln!(
                f,
                "no findings: no panic, nothing pageable, no recursion, no unsaved registers"
            );
        }
        for finding in &self.findings {
            writeln!(f, "{}: {}\n  {}", finding.kind.name(), finding.message, finding.remedy)?;
        }
        Ok(())
    }
}
