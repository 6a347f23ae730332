//! A comparison for the changelog.

use std::fmt::Write as _;

use super::difference::Semver;
use super::report::{ItemChange, Report};

pub(super) fn write(report: &Report) -> String {
    let mut text = format!("`wsk.h`, from {} to {}:\n", report.old, report.new);
    if report.is_empty() {
        text.push_str("\nNothing has changed.\n");
    }
    for (title, entries) in
        [("Added", &report.added), ("Changed", &report.changed), ("Removed", &report.removed)]
    {
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {title}\n");
        // A pointer is listed with its target type.
        let is_pointer = |entry: &&ItemChange| {
            let target = entry.name.strip_prefix('P');
            entries.iter().any(|other| Some(other.name.as_str()) == target)
        };
        for entry in entries.iter().filter(|entry| !is_pointer(entry)) {
            let _ = writeln!(text, "- {}", line(entry, report));
        }
    }
    text
}

/// An entry on a line.
fn line(entry: &ItemChange, report: &Report) -> String {
    let breaking = if entry.effect.semver == Semver::Major { "**Breaking:** " } else { "" };
    let mut line = format!("{breaking}`{}`: ", entry.name);
    if entry.differences.is_empty() {
        line += entry.kind;
        let exists = report.added.iter().any(|added| added.name == entry.name);
        if let Some(since) = entry.since.as_ref().filter(|_| exists) {
            let _ = write!(line, ", since {since}");
        }
    } else {
        let differences: Vec<String> = entry
            .differences
            .iter()
            .map(|difference| format!("`{}` ({})", difference.text, difference.effect.because))
            .collect();
        line += &differences.join("; ");
    }
    line + "."
}
